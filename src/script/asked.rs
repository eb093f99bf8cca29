//! The request as an engine receives the request: with time, random bits and sequence number.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::model::{Cluster, Request, Session};

/// A request together with the time, the random bits and the sequence number that the decision uses.
#[derive(Clone, Copy)]
pub struct ScriptRequest<'a> {
    /// The request of the launcher.
    pub request: &'a Request,
    /// Whether the script may see the request's token (the chain's `pass_jwt`).
    pub passes_jwt: bool,
    /// The time of the request.
    pub moment: &'a Moment,
    /// The random bits of the request.
    pub seed: u64,
    /// The number of requests of the same action that came before this request in this replica.
    pub sequence: u64,
}

impl ScriptRequest<'_> {
    /// Returns the token that the script may see: `null` unless the chain passes tokens on.
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

    /// Returns the `input` of scripts for this request, without the nodes.
    #[must_use]
    pub fn to_json(&self, cluster: &Cluster) -> Map<String, Value> {
        let login = &**self.request.login();
        let sessions: Vec<&Arc<Session>> =
            if login.is_empty() { Vec::new() } else { cluster.sessions_of(login).collect() };
        let sessions: Value = sessions.iter().map(|session| Value::Object(session.fields())).collect();
        let mut input = self.request.fields().clone();
        // The lists of nodes come from the cluster, never from the request.
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
