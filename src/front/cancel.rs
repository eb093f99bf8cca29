//! The cancellation of requests by their requesters, and the list of requests that wait for a node.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{Failure, FailureName, Request};
use crate::nats::message::{Incoming, Outgoing};
use crate::registry::ledger::RequestKey;

use super::effects::Effect;
use super::task::Front;
use super::wait_queue::WaitQueue;

/// The delay before a replica that does not know the request says so: the first answer counts, and the replica that
/// knows the request answers faster.
const NOT_MINE: Duration = Duration::from_millis(300);
/// The number of waiting requests in an answer where the requester names no limit, and the most.
const LISTED: (usize, usize) = (100, 1000);

/// A request for the list of waiting requests.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingPage {
    #[serde(default)]
    limit: Option<usize>,
}

impl Front {
    /// Cancels a request, which is answered `cancelled` and takes no place. Every replica receives the message; the
    /// replica that has the request answers at once.
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
                self.reply_later(incoming, json!({"id": key.id, "state": "gone"}))
            }
            None => {
                let message = "too many unknown requests were called off lately; ask again in a moment";
                self.fail(&incoming, &Failure::new(FailureName::Overloaded, message));
            }
        }
    }

    /// Returns the key of the request that `incoming` names, by the same fields as when the request was made.
    fn cancelled_key(&self, incoming: &Incoming) -> Result<RequestKey, Failure> {
        let most = self.workers.setup().birth.limits.request_bytes;
        let bad = |message: String| Failure::new(FailureName::BadRequest, message);
        let head = Request::summarize(incoming.body(), most).map_err(|error| bad(error.to_string()))?.head;
        let Some(id) = head.id else {
            return Err(bad("the request has no `id`, which says what is called off".into()));
        };
        Ok(RequestKey { id, action: head.action, login: head.login })
    }

    /// Whether the request of `key` was under way here. The request is answered now where it waits, else as soon as the
    /// decision comes.
    fn call_off(&mut self, key: &RequestKey) -> bool {
        let Some(ticket) = self.requests.ticket_of(key) else { return self.call_off_unverified(key, &called_off()) };
        if let Some(pending) = self.leave_wait_queue(&key.action, ticket) {
            self.give_up(pending, &called_off());
            return true;
        }
        self.requests.get_mut(ticket).map(|pending| pending.is_cancelled = true).is_some()
    }

    fn reply_later(&mut self, incoming: Incoming, told: Value) {
        let outgoing = Outgoing::new(&incoming, told.to_string().into(), None);
        self.order(Effect::ReplyLater(NOT_MINE, outgoing));
    }

    /// Returns the requests that wait for a node at this replica, the oldest first.
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

/// The failure of a request that was cancelled.
pub(super) fn called_off() -> Failure {
    Failure::new(FailureName::Cancelled, "the request was called off")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::message::Verb;
    use crate::registry::claims::Claimed;

    use super::super::events::FrontEvent;
    use super::super::testing::{ACTION, Asked, Harness, LOGIN, report, request, setup, strict_setup, with};

    /// The request `x` of `user`, which may wait for a minute.
    fn named(user: &str) -> Value {
        with(request(user), json!({"id": "x", "wait_ms": 60_000}))
    }

    /// Cancels the request `x` of `user`; returns the number of the message.
    fn call_off(harness: &mut Harness, user: &str) -> usize {
        harness.send(Verb::Cancel, &named(user))
    }

    fn cancelled() -> Value {
        json!({"id": "x", "state": "cancelled"})
    }

    /// A request that is asked of a worker and was cancelled.
    fn asked_and_called_off(harness: &mut Harness) -> (usize, Asked) {
        let (number, asked) = harness.place_asked(&named("ann"));
        let cancel = call_off(harness, "ann");
        assert_eq!(harness.reply(cancel), cancelled());
        (number, asked)
    }

    #[test]
    fn a_request_that_is_being_decided_takes_no_place() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (number, asked) = asked_and_called_off(&mut harness);
        harness.no_reply(number);
        harness.choose(&asked, "a");
        assert_eq!(harness.failure(number), ("cancelled".into(), "the request was called off".into()));
        assert!(harness.reserved("a").is_empty());
        assert_eq!(harness.figure("whither_untaken_total"), "1");
        harness.place_asked(&named("ann"));
    }

    #[test]
    fn a_request_that_finds_nothing_does_not_begin_to_wait() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (number, asked) = asked_and_called_off(&mut harness);
        harness.find_none(&asked);
        assert_eq!(harness.failure(number).0, "cancelled");
        assert_eq!(harness.front.owed(), 0);
    }

    #[test]
    fn a_request_that_waits_is_answered_at_once() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (number, asked) = harness.place_asked(&named("ann"));
        harness.find_none(&asked);
        let cancel = call_off(&mut harness, "ann");
        assert_eq!((harness.reply(cancel), harness.failure(number).0), (cancelled(), "cancelled".into()));
        assert_eq!(harness.front.waiting_requests(), 0);
        harness.change(report("a", None, &[]));
        assert!(harness.asked().is_empty());
    }

    #[test]
    fn a_request_whose_place_is_being_claimed_gives_it_back() {
        let mut harness = Harness::with_nodes(strict_setup(), [report("a", Some(1), &[])]);
        let (number, asked) = harness.place_asked(&named("ann"));
        harness.choose(&asked, "a");
        let cancel = call_off(&mut harness, "ann");
        assert_eq!(harness.reply(cancel), cancelled());
        harness.no_reply(number);
        harness.tell(FrontEvent::Claimed(asked.question.ticket, Ok(Claimed::Won)));
        assert_eq!(harness.failure(number).0, "cancelled");
        assert!(harness.reserved("a").is_empty());
        harness.tick();
        let written_off =
            harness.take(|effect| if let Effect::WriteOff(_, ids) = effect { Some(ids.clone()) } else { None });
        assert_eq!(written_off, [[asked.question.decision.clone()].into()], "the claim goes, too");
    }

    #[test]
    fn every_twin_is_told() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (first, asked) = harness.place_asked(&named("ann"));
        let second = harness.place(&named("ann"));
        call_off(&mut harness, "ann");
        harness.choose(&asked, "a");
        assert_eq!([harness.failure(first).0, harness.failure(second).0], ["cancelled", "cancelled"]);
    }

    #[test]
    fn what_is_placed_already_is_not_undone() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (_, asked) = harness.place_asked(&named("ann"));
        harness.choose(&asked, "a");
        let cancel = call_off(&mut harness, "ann");
        let id = &*asked.question.decision;
        assert_eq!(harness.reply(cancel), json!({"id": "x", "state": "placed", "node": "a", "reservation": id}));
        assert_eq!(harness.reserved("a"), [id]);
    }

    #[test]
    fn whoever_does_not_know_the_request_lets_the_one_who_does_answer_first() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.place_asked(&named("ann"));
        let cancel = call_off(&mut harness, "bob");
        harness.no_reply(cancel);
        let later = harness.take(|effect| match effect {
            Effect::ReplyLater(after, outgoing) => Some((*after, outgoing.body.clone())),
            _ => None,
        });
        assert_eq!((later.len(), later[0].0), (1, NOT_MINE));
        assert_eq!(serde_json::from_slice::<Value>(&later[0].1).unwrap(), json!({"id": "x", "state": "gone"}));
        for other in [json!({"id": "y"}), json!({"action": LOGIN})] {
            let cancel = harness.send(Verb::Cancel, &with(named("ann"), other));
            harness.no_reply(cancel);
        }
    }

    #[test]
    fn whoever_guesses_ids_is_slowed_down() {
        let mut harness = Harness::new(setup(), &["a"]);
        let last = (0..10_001).map(|_| call_off(&mut harness, "ann")).last().unwrap();
        let (name, message) = harness.failure(last);
        assert_eq!(name, "overloaded");
        assert!(message.starts_with("too many unknown requests"), "{message}");
    }

    #[test]
    fn a_request_without_an_id_cannot_be_called_off() {
        let mut harness = Harness::new(setup(), &["a"]);
        let number = harness.send(Verb::Cancel, &request("ann"));
        let (name, message) = harness.failure(number);
        assert_eq!(name, "bad-request");
        assert!(message.starts_with("the request has no `id`"), "{message}");
        let number = harness.send(Verb::Cancel, &json!({"id": 7}));
        assert_eq!(harness.failure(number).0, "bad-request");
    }

    #[test]
    fn who_waits_is_listed_by_age() {
        let mut harness = Harness::new(setup(), &["a"]);
        let wait = |harness: &mut Harness, user: &str| {
            let (_, asked) = harness.place_asked(&named(user));
            harness.find_none(&asked);
            asked
        };
        let first = wait(&mut harness, "ann");
        harness.sleep(Duration::from_secs(2));
        wait(&mut harness, "bob");
        harness.sleep(Duration::from_secs(1));
        let number = harness.send(Verb::Waiting, &json!({}));
        let listed = harness.reply(number);
        assert_eq!((&listed["total"], &listed["replicas"]), (&2.into(), &1.into()));
        assert_eq!(listed["replica"], harness.front.replica());
        let expected = json!({
            "id": "x", "action": ACTION, "user": "ann", "decision": &*first.question.decision, "waits_ms": 3000,
            "left_ms": 57_000, "reason": "all nodes are full",
        });
        assert_eq!((&listed["waiting"][0], &listed["waiting"][1]["user"]), (&expected, &"bob".into()));
        let number = harness.send(Verb::Waiting, &json!({"limit": 1}));
        let listed = harness.reply(number);
        assert_eq!((listed["waiting"].as_array().unwrap().len(), &listed["total"]), (1, &2.into()));
        let number = harness.send(Verb::Waiting, &json!({"most": 1}));
        assert_eq!(harness.failure(number).0, "bad-request");
    }
}
