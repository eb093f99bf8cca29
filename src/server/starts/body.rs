//! The replies to a start: the placement's fields and the outcome, or an error with the nodes that were tried.

use serde_json::{Map, Value, json};

use crate::model::{Failure, FailureName};
use crate::nats::message::{Incoming, Outgoing};
use crate::nats::wire;

use super::bus::RefusedPlacement;

/// The field of a placement that says nothing once the start has ended.
const EXPIRY: &str = "expires_in_ms";

/// The end of a start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StartEnd {
    /// The outcome as metrics count it: `started`, `text`, `deferred`, or the name of the failure.
    pub(super) outcome: &'static str,
    pub(super) body: Value,
    pub(super) error: Option<(FailureName, String)>,
}

/// A node on which the session did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedTry {
    pub(super) node: String,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl StartEnd {
    /// Returns the reply to `incoming`.
    pub(super) fn outgoing(self, incoming: &Incoming) -> Outgoing {
        Outgoing::new(incoming, wire::text(self.body).into(), self.error)
    }

    /// Logs the end of a start of `user`.
    pub(super) fn log(&self, user: &str) {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (outcome, node, reservation) = (self.outcome, text("node"), text("reservation"));
        match &self.error {
            None => tracing::info!(user, outcome, node, reservation, "a start ended"),
            Some((_, message)) => tracing::warn!(user, outcome, "a start failed: {message}"),
        }
    }

    /// The end of a start with `outcome`: the `placed` fields, and `told` by the node; `tries` failed before.
    pub(super) fn of(
        outcome: &'static str,
        placed: Map<String, Value>,
        told: Map<String, Value>,
        tries: &[FailedTry],
    ) -> Self {
        let mut body = placed;
        body.shift_remove(EXPIRY);
        body.insert("state".to_owned(), json!(outcome));
        body.extend(told);
        if !tries.is_empty() {
            body.insert("tries".to_owned(), listed(tries));
        }
        Self { outcome, body: Value::Object(body), error: None }
    }

    /// The end of a start whose placement was refused.
    pub(super) fn refused(refused: RefusedPlacement, tries: &[FailedTry]) -> Self {
        let RefusedPlacement { name, message, body } = refused;
        if tries.is_empty() {
            return Self { outcome: name.as_str(), body, error: Some((name, message)) };
        }
        let words = format!("{}; and no other node was found: {message}", words(tries));
        Self::failed(&Failure::new(FailureName::StartFailed, words), tries, Map::new())
    }

    /// The end of a start that failed with `failure`; `more` are further fields of the error.
    pub(super) fn failed(failure: &Failure, tries: &[FailedTry], more: Map<String, Value>) -> Self {
        let mut body = wire::failed(failure, None);
        if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
            error.insert("tries".to_owned(), listed(tries));
            error.extend(more);
        }
        Self { outcome: failure.name.as_str(), body, error: Some((failure.name, failure.message.clone())) }
    }

    /// The end of a start that failed on each node that was tried; `end` says why no other is tried.
    pub(super) fn out_of_tries(tries: &[FailedTry], end: &str) -> Self {
        let words = format!("{}{end}", words(tries));
        Self::failed(&Failure::new(FailureName::StartFailed, words), tries, Map::new())
    }
}

fn listed(tries: &[FailedTry]) -> Value {
    tries
        .iter()
        .map(|FailedTry { node, reason, message }| json!({"node": node, "reason": reason, "message": message}))
        .collect()
}

fn words(tries: &[FailedTry]) -> String {
    let each: Vec<_> = tries.iter().map(|FailedTry { node, message, .. }| format!("on {node}: {message}")).collect();
    format!("the session did not start {}", each.join("; "))
}
