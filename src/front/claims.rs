//! Claims: places that are taken in the bus before the requester is answered, where the capacity of nodes is strict; after
//! the place, the countable facts that the request needs, strict or not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::model::{Change, Failure, FailureName, LostReason, Node, Reservation};
use crate::registry::claims::{Claim, Claimed, LINGER_MS};
use crate::registry::documents::StoreError;
use crate::registry::ledger::LedgerEntry;
use crate::registry::peers::{ReservationEnd, owner};
use crate::worker::Ticket;

use super::effects::Effect;
use super::pending_request::{Claiming, PendingRequest, PendingStage};
use super::placement_reply::PlacementReply;
use super::placing::no_more_tries;
use super::task::Front;

/// The most times that a question is decided again because another replica took the place first. Each time, another
/// request was placed, so the limit is reached only where the cluster has so many places.
const MOST_TRIES: u32 = 10_000;
/// How long and for how many claims it is remembered that the claim is over; the time is in milliseconds. A claim that
/// is forgotten and still written in the bus counts as if the claim were new.
const REMEMBERED_MS: u64 = 600_000;
const REMEMBERED: usize = 100_000;
/// The most nodes on which claims are written off at once.
const NODES_AT_ONCE: usize = 64;

/// The state of this replica's claims.
#[derive(Debug)]
pub(super) struct PendingClaims {
    /// The requests whose places are being claimed, by reservation.
    pub(super) open: BTreeMap<Arc<str>, Ticket>,
    /// The reservations that are over, by node, with the time from which on no replica counts them.
    over: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>,
    /// The entries of `over` in the order in which they are forgotten: time, node, reservation.
    forgotten: VecDeque<(u64, Arc<str>, Arc<str>)>,
    /// The claims that this replica will write off: time, node, reservation.
    lingering: BTreeSet<(u64, Arc<str>, Arc<str>)>,
}

impl PendingClaims {
    pub(super) fn new() -> Self {
        Self { open: BTreeMap::new(), over: BTreeMap::new(), forgotten: VecDeque::new(), lingering: BTreeSet::new() }
    }

    /// Notes that the reservation `id` on `node` counts no more here at `now_ms`, and from `due_ms` on nowhere.
    fn note(&mut self, node: &Arc<str>, id: &Arc<str>, now_ms: u64, due_ms: u64) {
        self.over.entry(Arc::clone(node)).or_default().insert(Arc::clone(id), due_ms);
        self.forgotten.push_back((now_ms.saturating_add(REMEMBERED_MS), Arc::clone(node), Arc::clone(id)));
        while self.forgotten.front().is_some_and(|(at_ms, _, _)| *at_ms <= now_ms) || self.forgotten.len() > REMEMBERED
        {
            let Some((_, node, id)) = self.forgotten.pop_front() else { break };
            if let Some(ids) = self.over.get_mut(&node) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.over.remove(&node);
                }
            }
        }
    }
}

impl Front {
    /// Whether a place on `node` has to be claimed.
    pub(super) fn is_claimed(&self, node: &str) -> bool {
        let limited = |node: &Node| node.report().figures().max_sessions.is_some();
        self.workers.setup().is_strict && self.cluster.get(node).is_some_and(limited)
    }

    /// Claims the place that `pending` was decided to get, and what the request needs. Both count here from now on, so that
    /// nothing else is decided to get the same; the result of the claim comes later.
    pub(super) fn claim(
        &mut self,
        slot: usize,
        pending: Box<PendingRequest>,
        reservation: Reservation,
        reply: PlacementReply,
    ) {
        if self.catch_up.is_under_way() {
            // The decision may rest on an outdated view.
            return self.hold_back(slot, pending, reply.decided_by);
        }
        if let Some(failure) = self.shortage(&pending) {
            self.workers.undo(slot, Change::Release(Arc::clone(&reservation.id)));
            return self.needs_unmet(pending, failure);
        }
        let node = Arc::clone(&reservation.node);
        let place = match self.is_claimed(&node) {
            true => match self.what_is_known(&node, &reservation.id) {
                Some(claim) => Some(claim),
                None => return,
            },
            false => None,
        };
        self.commit(Change::Reserve(reservation.clone()), slot);
        self.facts.open(&reservation.id, &pending.needs);
        let ticket = pending.question.ticket;
        let Some(claim) = place else { return self.take_facts(pending, reservation, reply) };
        self.claims.open.insert(Arc::clone(&reservation.id), ticket);
        self.requests.put(pending, PendingStage::Claiming(Box::new(Claiming { reservation, reply })));
        match self.bus {
            true => self.order(Effect::Claim(ticket, claim)),
            // Without NATS, this replica may not see all sessions, and must not place on top of them.
            false => self.claimed(ticket, Err(StoreError("NATS is not connected".to_owned()))),
        }
    }

    fn what_is_known(&self, node: &Arc<str>, id: &Arc<str>) -> Option<Claim> {
        let found = self.cluster.get(node)?;
        let most = found.report().figures().max_sessions?;
        // Where the number of sessions is unknown, there is no room.
        let seen = found.session_count().map(|count| count.saturating_sub(found.pending().len() as u64));
        let room = seen.map_or(0, |seen| most.saturating_sub(seen));
        let held = self.ledger.on_node(node).cloned().collect();
        let now_ms = self.now_ms();
        let over = self.claims.over.get(node).into_iter().flatten();
        let over = over.map(|(id, due_ms)| (Arc::clone(id), *due_ms <= now_ms)).collect();
        Some(Claim { node: Arc::clone(node), id: Arc::clone(id), room, held, over })
    }

    /// Handles the result of the claim of `ticket`.
    pub(super) fn claimed(&mut self, ticket: Ticket, claimed: Result<Claimed, StoreError>) {
        let Some((mut pending, Claiming { reservation, reply })) = self.requests.take_claiming(ticket) else { return };
        self.claims.open.remove(&reservation.id);
        match claimed {
            Ok(Claimed::Won) if pending.needs.is_empty() || pending.is_late(self.now.unix_ms) => {
                self.won(pending, reservation, reply);
            }
            Ok(Claimed::Won) => {
                // The place counts as claimed until the facts are taken, too.
                self.claims.open.insert(Arc::clone(&reservation.id), ticket);
                self.take_facts(pending, reservation, reply);
            }
            Ok(Claimed::Full(taken)) => {
                self.metrics.lost_claims.inc();
                self.was_not_had(&reservation.id);
                let news = taken.into_iter().filter(|id| self.adopt(&reservation.node, id)).count();
                // Where no claim is new and the node looks as free as before, the node would be chosen for ever.
                let looks_free = self.cluster.get(&reservation.node).is_some_and(|node| !node.is_full());
                let most = if news == 0 && looks_free { self.workers.setup().retries } else { MOST_TRIES };
                pending.claims += 1;
                if pending.is_late(self.now.unix_ms) || pending.claims > most {
                    let failure = no_more_tries(&reservation.node, pending.claims, LostReason::Full);
                    return self.come_to_nothing(pending, failure);
                }
                self.decide_again(pending, reply.decided_by.as_ref());
            }
            Err(error) => {
                let Reservation { id, node, .. } = &reservation;
                let message = format!("the place on `{node}` could not be claimed: {error}; ask again in a moment");
                tracing::warn!(%node, reservation = %id, "{message}");
                self.was_not_had(&reservation.id);
                // The claim may have been written all the same.
                self.write_off(&reservation.node, [Arc::clone(&reservation.id)].into());
                self.come_to_nothing(pending, Failure::new(FailureName::Overloaded, message));
            }
        }
    }

    /// Concludes the claim of `pending`, which has its place and what it needs.
    pub(super) fn won(&mut self, mut pending: Box<PendingRequest>, reservation: Reservation, reply: PlacementReply) {
        if pending.is_late(self.now.unix_ms) {
            self.give_back(reservation);
            self.metrics.past_deadline.inc();
            let message = "the deadline passed while the place was claimed";
            return self.give_up(pending, &Failure::new(FailureName::Overloaded, message));
        }
        if let Some(reason) = self.outdated(&pending, &reply) {
            self.give_back(reservation);
            return self.decide_anew(pending, &reply.node, reason);
        }
        // Another replica may have reported meanwhile a placement under the same id.
        pending = match self.unless_placed_elsewhere(pending) {
            Some(pending) => pending,
            None => return self.give_back(reservation),
        };
        self.placed(pending, Some(reservation), reply);
    }

    /// Returns the change of a placement's node during the claim by which the node is not to be used, or `None`.
    fn outdated(&self, pending: &PendingRequest, reply: &PlacementReply) -> Option<LostReason> {
        let birth = &self.workers.setup().birth;
        let chain = birth.set.get(&pending.question.head.action)?;
        // The place itself makes the node full, or takes the last start that is allowed now.
        let own = |reason: &LostReason| matches!(reason, LostReason::Full | LostReason::Starting);
        self.refusal(&reply.node, chain, &pending.question.cooling).filter(|reason| !own(reason))
    }

    /// Gives back the place of `reservation`, which no requester was told of, and what the reservation holds.
    fn give_back(&mut self, Reservation { id, node, .. }: Reservation) {
        self.end_hold(&id, ReservationEnd::Released, false);
        self.change(Change::Release(Arc::clone(&id)));
        self.write_off_claim(&node, id);
    }

    /// Gives back the place of `reservation`, which did not get what its request needs. Waiting requests are not asked
    /// again for that, as in [`Front::was_not_had`].
    pub(super) fn give_place_back(&mut self, Reservation { id, node, .. }: Reservation) {
        self.claims.open.remove(&id);
        self.was_not_had(&id);
        self.write_off_claim(&node, id);
    }

    fn write_off_claim(&mut self, node: &Arc<str>, id: Arc<str>) {
        if self.workers.setup().is_strict {
            self.write_off(node, [id].into());
        }
    }

    /// Ends the reservation `id`, whose place was not won. Waiting requests are not asked again for that: they would
    /// claim the same place and lose the claim too, again and again.
    fn was_not_had(&mut self, id: &Arc<str>) {
        self.facts.close(id);
        let frees = self.frees;
        self.change(Change::Release(Arc::clone(id)));
        self.frees = frees;
    }

    /// Lets `pending` be decided again, as `node` is of no use for `reason`: under another id, for the place was given
    /// back.
    fn decide_anew(&mut self, mut pending: Box<PendingRequest>, node: &str, reason: LostReason) {
        self.metrics.refused_commits.inc();
        pending.retries += 1;
        if pending.retries > self.workers.setup().retries {
            let failure = no_more_tries(node, pending.retries, reason);
            return self.come_to_nothing(pending, failure);
        }
        self.renew(&mut pending);
        self.submit(pending);
    }

    /// Copies an unknown claim on `node` into the ledger: the claim counts, unless the session is listed already or the
    /// reservation is known to be over. Returns whether the claim was new.
    fn adopt(&mut self, node: &Arc<str>, id: &Arc<str>) -> bool {
        if self.ledger.get(id).is_some() || self.claims.open.contains_key(id) {
            return false;
        }
        if self.ledger.over_since(id).is_some() || self.is_listed(node, id) {
            self.note_listed(node, id);
            return true;
        }
        if owner(id) == self.replica() {
            // A claim of this replica that was given up when the answer did not come.
            self.write_off(node, [Arc::clone(id)].into());
            return true;
        }
        let nobody = Arc::<str>::from("");
        let reservation =
            Reservation { id: Arc::clone(id), node: Arc::clone(node), user: Arc::clone(&nobody), name: nobody };
        let report = self.cluster.get(node).map(|node| Arc::clone(node.report()));
        let answer = PlacementReply::adopted(node, report, id);
        let expires_ms = self.now_ms().saturating_add(self.ledger.lifetime_ms());
        let change = Change::Reserve(reservation.clone());
        if self.ledger.copy(LedgerEntry {
            reservation,
            expires_ms,
            confirmed: false,
            own: false,
            answer,
            request: None,
        }) {
            self.change(change);
        }
        true
    }

    /// Whether the session of the reservation `id` is in the list of `node`.
    pub(super) fn is_listed(&self, node: &str, id: &Arc<str>) -> bool {
        let mut sessions = self.cluster.get(node).into_iter().flat_map(Node::sessions);
        sessions.any(|session| session.reservation() == Some(id))
    }

    /// Notes that `node` reported the session of the reservation `id`, which was unknown here.
    pub(super) fn note_listed(&mut self, node: &Arc<str>, id: &Arc<str>) {
        let now_ms = self.now_ms();
        self.ledger.release(id, now_ms);
        if self.workers.setup().is_strict {
            self.claims.note(node, id, now_ms, now_ms.saturating_add(LINGER_MS));
        }
    }

    /// Ends what `entry`, which is over, holds of facts, and its claim: at once, or, where a report has shown the session, when every replica
    /// has seen that report. Where another replica is `told`, that replica writes the claim off.
    pub(super) fn end_claim(&mut self, entry: &LedgerEntry<PlacementReply>, end: ReservationEnd, told: bool) {
        self.end_hold(&entry.reservation.id, end, told || (!entry.own && end == ReservationEnd::Expired));
        if !self.workers.setup().is_strict {
            return;
        }
        let Reservation { id, node, .. } = &entry.reservation;
        let now_ms = self.now_ms();
        let due_ms = if end == ReservationEnd::Reported { now_ms.saturating_add(LINGER_MS) } else { now_ms };
        self.claims.note(node, id, now_ms, due_ms);
        let is_given_back = matches!(end, ReservationEnd::Released | ReservationEnd::Failed | ReservationEnd::Deferred);
        if entry.own || (is_given_back && !told) {
            self.claims.lingering.insert((due_ms, Arc::clone(node), Arc::clone(id)));
            if self.claims.lingering.len() > REMEMBERED {
                // The next replica that claims a place there writes the claim off.
                self.claims.lingering.pop_first();
            }
        }
    }

    /// Writes off the claims whose time has come.
    pub(super) fn write_off_lingering(&mut self) {
        let now_ms = self.now_ms();
        let mut due = BTreeMap::<Arc<str>, BTreeSet<Arc<str>>>::new();
        let lingering = &mut self.claims.lingering;
        while due.len() < NODES_AT_ONCE && lingering.first().is_some_and(|(due_ms, _, _)| *due_ms <= now_ms) {
            let Some((_, node, id)) = lingering.pop_first() else { break };
            due.entry(node).or_default().insert(id);
        }
        due.into_iter().for_each(|(node, ids)| self.write_off(&node, ids));
    }

    fn write_off(&mut self, node: &Arc<str>, ids: BTreeSet<Arc<str>>) {
        self.order(Effect::WriteOff(Arc::clone(node), ids));
    }
}

#[cfg(test)]
mod tests;
