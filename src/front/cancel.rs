//! Requests that their requesters call off, and the list of those that wait for a node.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{Failure, FailureName, Request};
use crate::nats::message::{Incoming, Outgoing};
use crate::registry::ledger::RequestKey;

use super::effects::Effect;
use super::task::Front;
use super::wait_queue::WaitQueue;

/// A replica that does not know the request says so only after this time: the first answer counts, and the one that
/// knows the request is faster.
const NOT_MINE: Duration = Duration::from_millis(300);
/// Waiting requests in one answer, where the requester names no limit, and at most.
const LISTED: (usize, usize) = (100, 1000);

/// Which of the waiting requests are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingPage {
    #[serde(default)]
    limit: Option<usize>,
}

impl Front {
    /// Calls a request off: it is answered `cancelled`, and takes no place. Every replica hears of it; the one that has the
    /// request answers at once.
    pub(super) fn cancel(&mut self, incoming: Incoming) {
        let key = match self.cancelled_key(&incoming) {
            Ok(key) => key,
            Err(failure) => return self.fail(&incoming, &failure),
        };
        let told = match self.ledger.repeated(&key) {
            Some(entry) => {
                let (node, reservation) = (&entry.reservation.node, &entry.reservation.id);
                Some(json!({"id": key.id, "state": "placed", "node": node, "reservation": reservation}))
            }
            None => self.call_off(&key).then(|| json!({"id": key.id, "state": "cancelled"})),
        };
        match told {
            Some(told) => self.reply(Outgoing::new(&incoming, told.to_string().into(), None)),
            None if self.unknown.take(self.now_ms()) => {
                self.say_later(incoming, json!({"id": key.id, "state": "gone"}))
            }
            None => {
                let message = "too many unknown requests were called off lately; ask again in a moment";
                self.fail(&incoming, &Failure::new(FailureName::Overloaded, message));
            }
        }
    }

    /// The request that `incoming` names, by the same fields as when it was asked.
    fn cancelled_key(&self, incoming: &Incoming) -> Result<RequestKey, Failure> {
        let most = self.workers.setup().birth.limits.request_bytes;
        let bad = |message: String| Failure::new(FailureName::BadRequest, message);
        let head = Request::summarize(incoming.body(), most).map_err(|error| bad(error.to_string()))?.head;
        let Some(id) = head.id else {
            return Err(bad("the request has no `id`, which says what is called off".into()));
        };
        Ok(RequestKey { id, action: head.action, login: head.login })
    }

    /// Whether the request of `key` was under way here; it is answered now where it waits, else as soon as it is decided.
    fn call_off(&mut self, key: &RequestKey) -> bool {
        let Some(ticket) = self.requests.ticket_of(key) else { return false };
        if let Some(pending) = self.leave_wait_queue(&key.action, ticket) {
            self.give_up(pending, &called_off());
            return true;
        }
        self.requests.get_mut(ticket).map(|pending| pending.is_cancelled = true).is_some()
    }

    fn say_later(&mut self, incoming: Incoming, told: Value) {
        let outgoing = Outgoing::new(&incoming, told.to_string().into(), None);
        self.order(Effect::ReplyLater(NOT_MINE, outgoing));
    }

    /// The requests that wait for a node at this replica, the oldest first.
    pub(super) fn who_waits(&self, page: &WaitingPage) -> Value {
        let (now, limit) = (self.now.instant, page.limit.unwrap_or(LISTED.0).clamp(1, LISTED.1));
        let mut waiters: Vec<_> = self.wait_queues.values().flat_map(WaitQueue::waiters).collect();
        waiters.sort_by_key(|waiting| waiting.ticket);
        let asked = waiters.iter().filter_map(|waiting| Some((self.requests.get(waiting.ticket)?, waiting)));
        let listed = asked.take(limit).map(|(pending, waiting)| {
            let head = &pending.question.head;
            let since = pending.waiting.first().map_or(Duration::ZERO, |incoming| self.since(incoming.received));
            json!({
                "id": head.id, "action": head.action, "user": head.login, "decision": pending.question.decision,
                "waits_ms": millis(since), "left_ms": millis(waiting.until.saturating_duration_since(now)),
                "reason": waiting.failure.message,
            })
        });
        let replicas = 1 + self.replicas.others();
        let waiting: Vec<_> = listed.collect();
        json!({"replica": self.replica(), "replicas": replicas, "waiting": waiting, "total": waiters.len()})
    }
}

/// What the requester of a request is told that was called off.
pub(super) fn called_off() -> Failure {
    Failure::new(FailureName::Cancelled, "the request was called off")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
