//! The user that rules are about: where in a request each field of a rule is found.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::model::{Request, json};
use crate::script::RequestPath;

/// The most values of a field that are looked at. A user of Active Directory is in 1,015 groups at most.
pub(super) const MAX_VALUES: usize = 1024;
/// The longest value that a pattern can match, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 1024;

/// A user whose home is looked for.
#[derive(Clone, Copy, Debug)]
pub enum RuleUser<'a> {
    /// The user of a request.
    Requester(&'a Request),
    /// The sender in `data.sender`: a login or an address, or an object of a user's fields.
    Sender(&'a Value),
}

/// Returns the paths of a request on which `field` is looked for, the first that is there counts.
pub(super) fn paths(field: &str) -> Vec<RequestPath> {
    let path = |names: &[&str]| RequestPath(names.iter().map(|name| (*name).to_owned()).collect());
    match field {
        "user" => vec![path(&["user", "login"])],
        "groups" => vec![path(&["claims", "groups"]), path(&["userGroups"]), path(&["user", "groups"])],
        name => vec![path(&["claims", name]), path(&["user", name])],
    }
}

/// Returns the path of the sender.
pub(super) fn sender_path() -> RequestPath {
    RequestPath(vec!["data".to_owned(), "sender".to_owned()])
}

/// The name of the field that tells external users.
pub(super) const EXTERNAL: &str = "external";

impl<'a> RuleUser<'a> {
    /// Returns the login of the user, empty where the user has none.
    #[must_use]
    pub fn login(&self) -> String {
        self.values("user").into_iter().next().unwrap_or_default()
    }

    /// Whether the user is external: the field `external` is true.
    #[must_use]
    pub fn is_external(&self) -> bool {
        match self {
            Self::Requester(request) => {
                paths(EXTERNAL).iter().find_map(|path| found(request, path)).is_some_and(|flag| is_true(&flag))
            }
            Self::Sender(sender) => sender.get(EXTERNAL).is_some_and(is_true),
        }
    }

    /// Returns the values of `field`, as texts: of a list each element. A value that is an object, or longer than
    /// patterns are matched with, is left out.
    #[must_use]
    pub fn values(&self, field: &str) -> Vec<String> {
        match self {
            Self::Requester(request) => {
                let value = paths(field).iter().filter_map(|path| found(request, path)).find(|value| !is_empty(value));
                value.map(|value| texts(&value)).unwrap_or_default()
            }
            Self::Sender(Value::String(name)) => match field {
                "user" => vec![name.clone()],
                "email" if name.contains('@') => vec![name.clone()],
                _ => Vec::new(),
            },
            Self::Sender(Value::Object(fields)) => of_object(fields, field),
            Self::Sender(_) => Vec::new(),
        }
    }

    /// Returns the sender of the request, where the request names one.
    #[must_use]
    pub fn sender(&self) -> Option<Cow<'a, Value>> {
        match self {
            Self::Requester(request) => found(request, &sender_path())
                .filter(|sender| matches!(&**sender, Value::String(_) | Value::Object(_)) && !is_empty(sender)),
            Self::Sender(_) => None,
        }
    }
}

fn of_object(fields: &Map<String, Value>, field: &str) -> Vec<String> {
    let names: &[&str] = match field {
        "user" => &["login", "username", "sub"],
        "groups" => &["groups", "userGroups"],
        name => &[name],
    };
    let value = names.iter().filter_map(|name| fields.get(*name)).find(|value| !is_empty(value));
    value.map(texts).unwrap_or_default()
}

fn found<'a>(request: &'a Request, path: &RequestPath) -> Option<Cow<'a, Value>> {
    let (names, value) = request.find(&path.0);
    value.filter(|value| names == path.0.len() && !value.is_null())
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Whether the field counts as absent.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) if text.len() <= MAX_VALUE_BYTES => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        // Directories name groups as objects: `{"name": "cad"}`.
        Value::Object(object) => {
            json::text(object, "name").filter(|name| name.len() <= MAX_VALUE_BYTES).map(str::to_owned)
        }
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().take(MAX_VALUES).filter_map(text).collect(),
        Value::Object(_) => Vec::new(),
        value => text(value).into_iter().collect(),
    }
}
