//! The table of pending requests: each unanswered request by ticket, with the request's stage.
//!
//! Queues hold tickets. The code that moves a request on removes the request from the table, and puts the request back
//! with the next stage or answers it; so a request is in one place at any time, and is answered once.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::registry::ledger::RequestKey;
use crate::worker::Ticket;

use super::pending_request::{Claiming, PendingRequest, PendingStage};

/// The unanswered requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// The requests are boxed, because they move from stage to stage.
    by_ticket: BTreeMap<Ticket, Box<PendingRequest>>,
    /// The tickets of requests that have an id of the requester's, which may be repeated.
    by_key: BTreeMap<RequestKey, Ticket>,
    /// The time of the last event: stages begin then.
    now: Option<Instant>,
}

impl Requests {
    /// The number of requests in the table.
    pub(super) fn len(&self) -> usize {
        self.by_ticket.len()
    }

    /// Sets the time from which on the next stages count.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = Some(now);
    }

    /// Returns the time of the last event.
    pub(super) fn now(&self) -> Option<Instant> {
        self.now
    }

    /// Puts `pending` into the table, in `stage` from now on.
    pub(super) fn put(&mut self, mut pending: Box<PendingRequest>, stage: PendingStage) {
        pending.enter(stage, self.now);
        self.by_ticket.insert(pending.question.ticket, pending);
    }

    /// Removes the request `ticket`, to move the request on. The key stays known until [`Requests::forget`].
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Box<PendingRequest>> {
        self.by_ticket.remove(&ticket)
    }

    /// Removes the request `ticket` where the request's place is being claimed, and returns the claim too.
    pub(super) fn take_claiming(&mut self, ticket: Ticket) -> Option<(Box<PendingRequest>, Claiming)> {
        if !matches!(self.get(ticket)?.stage, PendingStage::Claiming(_)) {
            return None;
        }
        let mut pending = self.take(ticket)?;
        match std::mem::replace(&mut pending.stage, PendingStage::Queued) {
            PendingStage::Claiming(claiming) => Some((pending, *claiming)),
            _ => None,
        }
    }

    /// Returns the request `ticket`.
    pub(super) fn get(&self, ticket: Ticket) -> Option<&PendingRequest> {
        self.by_ticket.get(&ticket).map(|pending| &**pending)
    }

    /// Returns the request `ticket`.
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut PendingRequest> {
        self.by_ticket.get_mut(&ticket).map(|pending| &mut **pending)
    }

    /// Sets the stage of the request `ticket`.
    pub(super) fn set_stage(&mut self, ticket: Ticket, stage: PendingStage) {
        let now = self.now;
        if let Some(pending) = self.get_mut(ticket) {
            pending.enter(stage, now);
        }
    }

    /// Returns the ticket of the unanswered request of `key`.
    pub(super) fn ticket_of(&self, key: &RequestKey) -> Option<Ticket> {
        self.by_key.get(key).copied()
    }

    /// Maps the key of `pending`, if any, to the request's present ticket.
    pub(super) fn name(&mut self, pending: &PendingRequest) {
        if let Some(key) = &pending.key {
            self.by_key.insert(key.clone(), pending.question.ticket);
        }
    }

    /// Removes the key of `pending`, which is answered.
    pub(super) fn forget(&mut self, pending: &PendingRequest) {
        if let Some(key) = &pending.key {
            self.by_key.remove(key);
        }
    }

    /// Returns all requests, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &PendingRequest> {
        self.by_ticket.values().map(|pending| &**pending)
    }

    /// Returns the number of requests in each stage, in the order of [`PendingStage::NAMES`].
    pub(super) fn by_stage(&self) -> [usize; PendingStage::NAMES.len()] {
        let mut counts = [0; PendingStage::NAMES.len()];
        for pending in self.iter() {
            let name = pending.stage.as_str();
            let counted = counts.iter_mut().zip(PendingStage::NAMES).find(|(_, stage)| *stage == name);
            counted.into_iter().for_each(|(count, _)| *count += 1);
        }
        counts
    }

    /// Removes all requests, the oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Box<PendingRequest>> + use<> {
        std::mem::take(&mut self.by_ticket).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reservation;
    use crate::worker::PlacementQuestion;

    use super::super::placement_reply::PlacementReply;

    fn pending(ticket: Ticket, id: Option<&str>) -> Box<PendingRequest> {
        let key = id.map(|id| RequestKey { id: id.into(), action: "a".into(), login: "ann".into() });
        Box::new(PendingRequest {
            key,
            ..PendingRequest::new(PlacementQuestion::empty(ticket), Vec::new(), "ann".into())
        })
    }

    fn claiming() -> PendingStage {
        let (id, node) = ("r1".into(), "n1".into());
        let reply = PlacementReply::adopted(&node, None, &id);
        let reservation = Reservation { id, node, user: "ann".into(), name: "".into() };
        PendingStage::Claiming(Box::new(Claiming { reservation, reply }))
    }

    #[test]
    fn a_request_is_in_one_stage_at_a_time() {
        let mut requests = Requests::default();
        requests.put(pending(2, None), PendingStage::Queued);
        requests.put(pending(1, None), PendingStage::Queued);
        requests.set_stage(2, PendingStage::Asked);
        assert_eq!(requests.by_stage(), [1, 1, 0, 0, 0, 0]);
        let taken = requests.take(2).unwrap();
        assert!(requests.take(2).is_none() && requests.get(2).is_none());
        requests.put(taken, PendingStage::Waiting);
        assert_eq!(requests.by_stage(), [1, 0, 0, 0, 1, 0]);
        assert_eq!(requests.drain().map(|pending| pending.question.ticket).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(requests.len(), 0);
    }

    #[test]
    fn a_claim_is_taken_once_and_only_while_it_is_made() {
        let mut requests = Requests::default();
        requests.put(pending(1, None), PendingStage::Asked);
        assert!(requests.take_claiming(1).is_none(), "nothing is claimed");
        assert_eq!(requests.len(), 1, "the request stays where it is");
        requests.set_stage(1, claiming());
        let (_, claimed) = requests.take_claiming(1).unwrap();
        assert_eq!((&*claimed.reservation.id, &*claimed.reply.node), ("r1", "n1"));
        assert!(requests.take_claiming(1).is_none());
    }

    #[test]
    fn a_key_names_its_request_until_that_is_answered_under_whatever_ticket() {
        let mut requests = Requests::default();
        let first = pending(1, Some("x"));
        requests.name(&first);
        requests.put(first, PendingStage::Queued);
        let mut taken = requests.take(1).unwrap();
        let key = taken.key.clone().unwrap();
        assert_eq!(requests.ticket_of(&key), Some(1), "known while it moves on");
        std::sync::Arc::make_mut(&mut taken.question).ticket = 7;
        requests.name(&taken);
        requests.put(taken, PendingStage::Queued);
        assert_eq!(requests.ticket_of(&key), Some(7));
        let answered = requests.take(7).unwrap();
        requests.forget(&answered);
        assert_eq!(requests.ticket_of(&key), None);
    }

    #[test]
    fn every_stage_has_its_name() {
        let stages = [
            PendingStage::Queued,
            PendingStage::Asked,
            PendingStage::Suspended,
            claiming(),
            PendingStage::Waiting,
            PendingStage::HeldBack(None),
        ];
        assert_eq!(stages.map(|stage| stage.as_str()), PendingStage::NAMES);
    }
}
