//! A flight: a question under way, from the message that brought it to the answer.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::nats::message::Incoming;
use crate::registry::ledger::RequestKey;
use crate::worker::Question;

/// A question under way, with those who wait for its answer.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) question: Question,
    pub(super) waiting: Vec<Incoming>,
    pub(super) key: Option<RequestKey>,
    pub(super) user: Arc<str>,
    pub(super) session_name: Arc<str>,
    pub(super) retries: u32,
}

impl Flight {
    /// Whether nobody waits any more, by the deadlines.
    pub(super) fn is_late(&self, now_ms: i64) -> bool {
        self.waiting.iter().all(|incoming| incoming.deadline_ms.is_some_and(|deadline| deadline < now_ms))
    }
}

/// What a requester was told, to be told again.
pub(super) type Told = Map<String, Value>;
