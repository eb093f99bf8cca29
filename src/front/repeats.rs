//! Repeated requests: those with an id that is answered already, here or by another replica, get the same answer.

use crate::model::{Failure, FailureName};
use crate::nats::message::{Incoming, Outgoing};
use crate::registry::ledger::RequestKey;

use super::pending_request::PendingRequest;
use super::task::Front;

/// The most requests with the same id that may wait for a single answer.
pub(super) const MAX_TWINS: usize = 64;

impl Front {
    /// Answers a repeated request: from the ledger now, or together with the pending first request. Returns whether the
    /// request was a repetition.
    ///
    /// # Errors
    /// `overloaded`, where too many requests wait for that answer.
    pub(super) fn answer_again(&mut self, key: &RequestKey, incoming: &Incoming) -> Result<bool, Failure> {
        let now_ms = self.now_ms();
        if let Some(entry) = self.ledger.repeated(key) {
            let body = entry.answer.body(entry.expires_ms.saturating_sub(now_ms));
            self.reply(Outgoing::new(incoming, body, None));
            return Ok(true);
        }
        let pending = self.requests.ticket_of(key).and_then(|ticket| self.requests.get_mut(ticket));
        let Some(pending) = pending else { return Ok(false) };
        if pending.waiting.len() >= MAX_TWINS {
            let message = format!("{MAX_TWINS} requests with the id `{}` wait already", key.id);
            return Err(Failure::new(FailureName::Overloaded, message));
        }
        // Nothing of this message stays but where the answer goes.
        pending.waiting.push(Incoming { pass: None, ..incoming.without_payload() });
        Ok(true)
    }

    /// Answers `pending` with the placement that another replica made meanwhile for the same request; returns `pending`
    /// where there is none.
    pub(super) fn unless_placed_elsewhere(&mut self, mut pending: Box<PendingRequest>) -> Option<Box<PendingRequest>> {
        let Some(entry) = pending.key.as_ref().and_then(|key| self.ledger.repeated(key)) else { return Some(pending) };
        // The explanation is of this replica's decision, and the reply of another.
        pending.explanation = None;
        let body = entry.answer.body(entry.expires_ms.saturating_sub(self.now_ms()));
        self.conclude(&pending, "placed", |incoming| Outgoing::new(incoming, body.clone(), None));
        None
    }
}
