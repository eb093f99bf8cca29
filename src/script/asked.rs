//! A request as an engine is given it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::model::{Cluster, Request, Session};

/// A request with all that comes from it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The request itself.
    pub request: &'a Request,
    /// Whether the script may see its token.
    pub passes_jwt: bool,
    /// Request time.
    pub moment: &'a Moment,
    /// The request's random bits.
    pub seed: u64,
    /// How many requests of the action came before it in this replica.
    pub sequence: u64,
}

impl Asked<'_> {
    /// The token that the script may see: `null` unless the chain lets it through.
    #[must_use]
    pub fn jwt(&self) -> &Value {
        if self.passes_jwt { self.request.jwt() } else { &Value::Null }
    }

    /// The members of `time`, in the order in which scripts see them.
    #[must_use]
    pub fn time(&self) -> [(&'static str, i64); 5] {
        let moment = self.moment;
        [
            ("ms", moment.ms),
            ("hour", moment.hour.into()),
            ("minute", moment.minute.into()),
            ("weekday", moment.weekday.into()),
            ("offset_min", moment.offset_min.into()),
        ]
    }

    /// What scripts see of it as `input`, without the nodes.
    #[must_use]
    pub fn to_json(&self, cluster: &Cluster) -> Map<String, Value> {
        let login = &**self.request.login();
        let sessions: Vec<&Arc<Session>> =
            if login.is_empty() { Vec::new() } else { cluster.sessions_of(login).collect() };
        let sessions: Value = sessions.iter().map(|session| Value::Object(session.fields())).collect();
        let mut input = self.request.fields().clone();
        // The lists of nodes are ours to give.
        input.retain(|name, _| !matches!(name.as_str(), "nodes" | "servers"));
        put(&mut input, "user", "sessions", &sessions);
        if let Some(params) = input.get_mut("params").and_then(Value::as_object_mut) {
            put(params, "me", "sessions", &sessions);
            params.insert("jwt".to_owned(), self.jwt().clone());
        }
        input.insert("now".to_owned(), json!(self.moment.ms));
        let time: Map<_, _> = self.time().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        input.insert("time".to_owned(), time.into());
        input.insert("sequence".to_owned(), json!(self.sequence));
        input
    }
}

fn put(own: &mut Map<String, Value>, object: &str, name: &str, value: &Value) {
    if let Some(object) = own.get_mut(object).and_then(Value::as_object_mut) {
        object.insert(name.to_owned(), value.clone());
    }
}
