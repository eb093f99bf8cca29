//! What lies in the request on the ways that compiled code reads it, as `input` shows it to Boa.

use serde_json::Value;

use crate::model::Cluster;
use crate::script::ScriptRequest;

use super::cells::within;

/// Where a field of the request comes from: found out once, because it is asked for at each call.
#[derive(Clone, Debug)]
pub(super) enum RequestSource {
    /// The list of nodes.
    Nodes,
    Number(fn(&ScriptRequest<'_>) -> f64),
    /// `time`, whose fields are numbers.
    Time,
    /// The sessions of the user, where the object at this way is there.
    Sessions(Vec<String>),
    /// Within the token.
    Token(Vec<String>),
    /// Within the fields of the request.
    Field(Vec<String>),
    /// Nothing is ever there.
    Nothing,
}

/// What a field of the request holds.
pub(super) enum RequestCell<'a> {
    Nodes,
    Value(Option<&'a Value>),
    Number(f64),
    /// An object that is made of others.
    Object,
    List(Vec<Value>),
}

impl RequestSource {
    /// Where the field at `names` comes from; `has_nodes` where the function is one of the list.
    pub(super) fn of(names: &[String], has_nodes: bool) -> Self {
        let own: Vec<&str> = names.iter().map(String::as_str).collect();
        let rest = |count: usize| names.iter().skip(count).cloned().collect();
        match own.as_slice() {
            ["nodes" | "servers"] if has_nodes => Self::Nodes,
            ["now"] | ["time", "ms"] => Self::Number(|asked| asked.moment.ms as f64),
            ["sequence"] => Self::Number(|asked| asked.sequence as f64),
            ["time"] => Self::Time,
            ["time", "hour"] => Self::Number(|asked| f64::from(asked.moment.hour)),
            ["time", "minute"] => Self::Number(|asked| f64::from(asked.moment.minute)),
            ["time", "weekday"] => Self::Number(|asked| f64::from(asked.moment.weekday)),
            ["time", "offset_min"] => Self::Number(|asked| f64::from(asked.moment.offset_min)),
            ["now" | "sequence" | "time", ..] => Self::Nothing,
            ["nodes" | "servers", ..] if has_nodes => Self::Nothing,
            ["user", "sessions"] => Self::Sessions(vec!["user".to_owned()]),
            ["params", "me", "sessions"] => Self::Sessions(vec!["params".to_owned(), "me".to_owned()]),
            ["params", "jwt", ..] => Self::Token(rest(2)),
            _ => Self::Field(rest(0)),
        }
    }

    /// What lies there in `asked`.
    pub(super) fn cell<'a>(&self, asked: &ScriptRequest<'a>, cluster: &Cluster) -> RequestCell<'a> {
        let request = asked.request;
        let is_object = |names: &[String]| field(request, names).is_some_and(Value::is_object);
        match self {
            Self::Nodes => RequestCell::Nodes,
            Self::Number(read) => RequestCell::Number(read(asked)),
            Self::Time => RequestCell::Object,
            Self::Sessions(of) if is_object(of) => RequestCell::List(sessions(asked, cluster)),
            Self::Token(names) if is_object(&["params".to_owned()]) => {
                let token = if asked.passes_jwt { Some(request.jwt()) } else { None };
                match (token, names.is_empty()) {
                    (None, true) => RequestCell::Value(Some(&Value::Null)),
                    (token, _) => RequestCell::Value(token.and_then(|token| within(Some(token), names))),
                }
            }
            Self::Field(names) => RequestCell::Value(field(request, names)),
            Self::Sessions(_) | Self::Token(_) | Self::Nothing => RequestCell::Value(None),
        }
    }
}

/// What lies at `names` in the fields of `request`.
fn field<'a>(request: &'a crate::model::Request, names: &[String]) -> Option<&'a Value> {
    let (first, rest) = names.split_first()?;
    within(request.fields().get(first), rest)
}

fn sessions(asked: &ScriptRequest<'_>, cluster: &Cluster) -> Vec<Value> {
    let login = &**asked.request.login();
    if login.is_empty() {
        return Vec::new();
    }
    cluster.sessions_of(login).map(|session| Value::Object(session.fields())).collect()
}
