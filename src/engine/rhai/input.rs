//! The request as a map for a script: new for each request, and owned by the script.

use std::collections::BTreeSet;

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use crate::model::Cluster;
use crate::script::ScriptRequest;

use super::convert::own;

/// The parts of the request that a script receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RhaiRequestWishes {
    /// The fields of the request.
    pub(super) fields: RhaiRequestFields,
    /// Whether the script can read the sessions of the user.
    pub(super) user_sessions: bool,
    /// Whether the script sees nothing of the request but the login of the user, which is known without reading the
    /// whole request.
    pub(super) login_alone: bool,
}

/// The fields of the request that a script can read, as far as the source shows. Most scripts read a field or two, and
/// building the others would be half the cost of a call over few nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RhaiRequestFields {
    /// Any field: the script does more with the request than to read fields by their names.
    All,
    /// These fields.
    Names(BTreeSet<String>),
}

impl RhaiRequestFields {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(name),
        }
    }
}

/// Returns the request with time and the user's sessions; `nodes` are added for a whole-list function.
pub(super) fn input(
    asked: &ScriptRequest<'_>,
    cluster: &Cluster,
    nodes: Option<Array>,
    wishes: &RhaiRequestWishes,
) -> Map {
    let RhaiRequestWishes { fields: wanted, user_sessions, login_alone } = wishes;
    if *login_alone {
        let login: Dynamic = asked.request.login().to_string().into();
        let user = Map::from_iter([("login".into(), login)]);
        return Map::from_iter([("user".into(), user.into())]);
    }
    let cluster = Some(cluster).filter(|_| *user_sessions);
    let mut input = Map::new();
    for (name, value) in asked.request.fields().iter().filter(|(name, _)| wanted.includes(name)) {
        let value = match (name.as_str(), value) {
            ("user", Value::Object(_)) => user(value, asked, cluster),
            ("params", Value::Object(fields)) => params(fields, asked, cluster),
            _ => own(value),
        };
        input.insert(name.as_str().into(), value);
    }
    match (nodes, wanted.includes("servers"), wanted.includes("nodes")) {
        (Some(nodes), true, true) => {
            input.insert("servers".into(), nodes.clone().into());
            input.insert("nodes".into(), nodes.into());
        }
        (Some(nodes), true, false) => drop(input.insert("servers".into(), nodes.into())),
        (Some(nodes), false, true) => drop(input.insert("nodes".into(), nodes.into())),
        (Some(_), false, false) | (None, ..) => {}
    }
    if wanted.includes("now") {
        input.insert("now".into(), asked.moment.ms.into());
    }
    if wanted.includes("time") {
        let time: Map = asked.time().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        input.insert("time".into(), time.into());
    }
    if wanted.includes("sequence") {
        input.insert("sequence".into(), i64::try_from(asked.sequence).unwrap_or(i64::MAX).into());
    }
    input
}

fn params(fields: &serde_json::Map<String, Value>, asked: &ScriptRequest<'_>, cluster: Option<&Cluster>) -> Dynamic {
    let params = fields.iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("me", Value::Object(_)) => user(value, asked, cluster),
            _ => own(value),
        };
        (name.as_str().into(), value)
    });
    let mut params: Map = params.collect();
    params.insert("jwt".into(), own(asked.jwt()));
    params.into()
}

/// Returns a user with the user's sessions on all nodes, in place of any sessions in the request; without sessions
/// where `cluster` is `None`.
fn user(value: &Value, asked: &ScriptRequest<'_>, cluster: Option<&Cluster>) -> Dynamic {
    let mut user = own(value);
    let login = &**asked.request.login();
    let sessions = cluster.into_iter().flat_map(|cluster| cluster.sessions_of(login)).filter(|_| !login.is_empty());
    let sessions: Array = sessions.map(|session| own(&Value::Object(session.fields()))).collect();
    if let Ok(mut fields) = user.as_map_mut() {
        fields.insert("sessions".into(), sessions.into());
    }
    user
}
