//! The request as a script's map: new for each request, and the script's own.

use std::collections::BTreeSet;

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use crate::model::Cluster;
use crate::script::Asked;

use super::convert::own;

/// What of the request a script is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Its fields.
    pub(super) fields: Wanted,
    /// Whether the script can read the sessions of the user.
    pub(super) user_sessions: bool,
    /// Whether it sees nothing of the request but the login of its user, which is known without reading the request whole.
    pub(super) login_alone: bool,
}

/// Which fields of the request a script can read, as far as its source shows. Most read a field or two, and building the
/// others would be half the cost of a call over few nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any: it does more with the request than to read fields of it by their names.
    All,
    /// These.
    Names(BTreeSet<String>),
}

impl Wanted {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(name),
        }
    }
}

/// The request with its time and the user's sessions; `nodes` are added where the function is one of the list.
pub(super) fn input(asked: &Asked<'_>, cluster: &Cluster, nodes: Option<Array>, wishes: &Wishes) -> Map {
    let Wishes { fields: wanted, user_sessions, login_alone } = wishes;
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

fn params(fields: &serde_json::Map<String, Value>, asked: &Asked<'_>, cluster: Option<&Cluster>) -> Dynamic {
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

/// A user with the sessions that the user has on all nodes, whatever the request says; without those of no `cluster`.
fn user(value: &Value, asked: &Asked<'_>, cluster: Option<&Cluster>) -> Dynamic {
    let mut user = own(value);
    let login = &**asked.request.login();
    let sessions = cluster.into_iter().flat_map(|cluster| cluster.sessions_of(login)).filter(|_| !login.is_empty());
    let sessions: Array = sessions.map(|session| own(&Value::Object(session.fields()))).collect();
    if let Ok(mut fields) = user.as_map_mut() {
        fields.insert("sessions".into(), sessions.into());
    }
    user
}
