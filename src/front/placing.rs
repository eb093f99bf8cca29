//! Decisions of the workers: committed in the order of the answers, and answered to the requesters.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::eligibility::CoolingPolicy;
use crate::chain::{ChainSpec, OnUnplaceable, Purpose};
use crate::model::diagnosis::{DecisionPath, Search};
use crate::model::{Change, Decision, Failure, FailureName, LostReason, Outcome, Reservation};
use crate::nats::message::{Incoming, Outgoing};
use crate::nats::wire;
use crate::registry::peers::DecisionSeed;
use crate::worker::{Ticket, WorkerCommand};

use super::cancel::called_off;
use super::minutes::RequestEnd;
use super::pending_request::PendingRequest;
use super::placement_log::{log_failure, note_decision};
use super::placement_reply::PlacementReply;
use super::task::Front;

impl Front {
    /// Handles a decision of the worker in `slot`: commits the decision against the front's cluster, in the order of
    /// answers.
    pub(super) fn decided(&mut self, slot: usize, ticket: Ticket, decision: Decision) {
        if !self.workers.slot_mut(slot).is_some_and(|slot| slot.answered(ticket)) {
            return;
        }
        let Some(mut pending) = self.requests.take(ticket) else { return };
        note_decision(&mut pending, &decision, self.now.instant);
        self.record(&pending.question, &decision);
        if self.has_last_resort(&pending, &decision) {
            let question = Arc::make_mut(&mut pending.question);
            (question.cooling, question.from) = (CoolingPolicy::LastResort, None);
            return self.submit(pending);
        }
        if pending.question.purpose == Purpose::Explain {
            let body = wire::text(wire::explained(&pending.question.decision, &decision));
            return self.conclude(&pending, "explained", |incoming| Outgoing::new(incoming, body.clone().into(), None));
        }
        match &decision.outcome {
            Outcome::Placed(node) => {
                let is_wanted = pending.question.head.explain;
                pending.explanation = is_wanted.then(|| wire::explained(&pending.question.decision, &decision));
                self.place(slot, pending, Arc::clone(node), &decision);
            }
            // A repetition with a later deadline arrived after the question was sent.
            Outcome::Failed(failure)
                if failure.name == FailureName::Overloaded && !pending.is_late(self.now.unix_ms) =>
            {
                Arc::make_mut(&mut pending.question).deadline_ms = pending.deadline_ms();
                self.submit(pending);
            }
            Outcome::Failed(failure) if failure.name == FailureName::NoNode && pending.question.head.wait_ms > 0 => {
                self.come_to_nothing(pending, failure.clone());
            }
            Outcome::Failed(failure) => {
                log_failure(&pending, failure, decision.diagnosis.cost_us());
                let body = wire::text(wire::failed(failure, Some(&decision.diagnosis)));
                let error = Some((failure.name, failure.message.clone()));
                self.conclude(&pending, failure.name.as_str(), |incoming| {
                    Outgoing::new(incoming, body.clone().into(), error.clone())
                });
            }
        }
    }

    fn place(&mut self, slot: usize, pending: Box<PendingRequest>, node: Arc<str>, decision: &Decision) {
        let birth = Arc::clone(&self.workers.setup().birth);
        let Some(chain) = birth.set.get(&decision.chain) else {
            // A reload removed the chain while the chain was deciding.
            let failure = Failure::new(FailureName::UnknownAction, "the chain was removed while it decided");
            return self.give_up(pending, &failure);
        };
        let id = Arc::clone(&pending.question.decision);
        // Another replica may have reported meanwhile a placement under the same id.
        let Some(mut pending) = self.unless_placed_elsewhere(pending) else {
            if chain.reserve {
                self.workers.undo(slot, Change::Release(id));
            }
            return;
        };
        if let Some(refusal) = self.refusal(&node, chain, &pending.question.cooling) {
            self.metrics.refused_commits.inc();
            if chain.reserve {
                self.workers.undo(slot, Change::Release(id));
            }
            if pending.retries < self.workers.setup().retries {
                pending.retries += 1;
                return self.decide_again(pending, decision.decided_by.as_ref());
            }
            let failure = no_more_tries(&node, pending.retries + 1, refusal);
            return self.come_to_nothing(pending, failure);
        }
        // Other requests of the user may have been placed since this one came.
        if chain.reserve
            && let Some(failure) = self.too_many_reservations(&pending.user)
        {
            self.workers.undo(slot, Change::Release(id));
            return self.give_up(pending, &failure);
        }
        if chain.reserve && self.is_outdated(&pending, &node) {
            self.metrics.refused_commits.inc();
            self.workers.undo(slot, Change::Release(id));
            pending.retries += 1;
            Arc::make_mut(&mut pending.question).from.iter_mut().for_each(|from| from.heard = None);
            return self.submit(pending);
        }
        self.warn_of_assignment(&mut pending, &node, decision);
        self.remember_choice(&decision.chain, &node, slot);
        let reply = PlacementReply {
            node: Arc::clone(&node),
            report: self.cluster.get(&node).map(|found| Arc::clone(found.report())),
            decision: Arc::clone(&id),
            generation: decision.generation,
            drawn: Some(DecisionSeed { seed: pending.question.seed, now_ms: pending.question.now_ms }),
            decided_by: decision.decided_by.clone(),
            chain: Arc::clone(&decision.chain),
            reserved: chain.reserve,
        };
        self.note_placement(&pending, &node, decision);
        let reservation = chain.reserve.then(|| pending.question.reservation(&node));
        match reservation {
            Some(reservation) if self.is_claimed(&node) || !pending.needs.is_empty() => {
                self.claim(slot, pending, reservation, reply)
            }
            Some(reservation) => {
                self.commit(Change::Reserve(reservation.clone()), slot);
                self.placed(pending, Some(reservation), reply);
            }
            None => self.placed(pending, None, reply),
        }
    }

    /// Counts and logs the placement of `pending` on `node` by `decision`.
    fn note_placement(&self, pending: &PendingRequest, node: &str, decision: &Decision) {
        let Search { plan, looked_at, .. } = decision.diagnosis.search;
        self.metrics.looked_at.inc_by(looked_at);
        self.metrics.index_scans.inc_by(u64::from(plan == DecisionPath::IndexScan));
        let question = &pending.question;
        let (step, cost_us) = (decision.decided_by.as_deref().unwrap_or_default(), decision.diagnosis.cost_us());
        tracing::info!(
            target: "placement", user = %question.head.login, %node, chain = %decision.chain, step,
            decision = %question.decision, seed = question.seed, cost_us, plan = plan.as_str(), looked_at, "placed"
        );
    }

    /// Concludes a placement on a node, with a reservation where the chain makes reservations: the requester is
    /// answered.
    pub(super) fn placed(
        &mut self,
        pending: Box<PendingRequest>,
        reservation: Option<Reservation>,
        reply: PlacementReply,
    ) {
        // A reload may grant less than the request asked for when the request came.
        let life_ms = self.lifetime_ms(pending.question.head.reservation_s).unwrap_or(self.ledger.lifetime_ms());
        let body = reply.body(life_ms);
        let place = pending.offer(reservation.as_ref().map(|reservation| &reservation.id));
        match reservation {
            Some(reservation) => {
                let id = Arc::clone(&reservation.id);
                self.ledger.reserve(reservation, pending.key.clone(), reply, self.now_ms().saturating_add(life_ms));
                self.queue_held(&id);
            }
            None if pending.edition > 0 => self.forget_choice(&pending.question.decision),
            None => {}
        }
        if pending.is_cancelled {
            let id = Arc::clone(&pending.question.decision);
            self.give_up(pending, &called_off());
            return self.untaken(&id);
        }
        self.conclude(&pending, "placed", |incoming| {
            let place = place.clone();
            Outgoing { place, ..Outgoing::new(incoming, body.clone(), None) }
        });
    }

    /// Lets `pending`, whose node was taken meanwhile, be decided again. The program runs again only where the program
    /// chose the node; any other choice is made again without the programs.
    pub(super) fn decide_again(&mut self, mut pending: Box<PendingRequest>, decided_by: Option<&Arc<str>>) {
        if self.chose_itself(&pending, decided_by) {
            let from = &mut Arc::make_mut(&mut pending.question).from;
            from.iter_mut().for_each(|from| from.heard = None);
        }
        self.submit(pending);
    }

    /// Whether `decision`, which found no node, left out nodes that are taken where no other is left.
    fn has_last_resort(&self, pending: &PendingRequest, decision: &Decision) -> bool {
        let found_none = matches!(&decision.outcome, Outcome::Failed(failure) if failure.name == FailureName::NoNode);
        let left_out = || decision.diagnosis.excluded.count(LostReason::CoolingDown) > 0;
        let is_open = self.workers.setup().is_last_resort && pending.question.cooling != CoolingPolicy::LastResort;
        found_none && is_open && left_out()
    }

    /// Returns the reason why the node cannot take the session by now, if any; the worker may not have seen the last
    /// changes.
    pub(super) fn refusal(&self, node: &str, chain: &ChainSpec, cooling: &CoolingPolicy) -> Option<LostReason> {
        let Some(node) = self.cluster.get(node) else { return Some(LostReason::Left) };
        // Where capacity is strict, no script may overfill a node.
        cooling.reason_against(node, chain).filter(|reason| {
            chain.on_unplaceable != OnUnplaceable::Allow || (chain.strict && *reason == LostReason::Full)
        })
    }

    fn remember_choice(&mut self, action: &Arc<str>, node: &Arc<str>, slot: usize) {
        self.choices += 1;
        self.chosen.entry(Arc::clone(action)).or_default().insert(Arc::clone(node), self.choices);
        self.workers.send_to_slots_of(action, &WorkerCommand::Recall(Arc::clone(action), Arc::clone(node)), slot);
    }

    /// Answers all messages that wait for `pending` with `failure`.
    pub(super) fn give_up(&mut self, pending: Box<PendingRequest>, failure: &Failure) {
        self.conclude(&pending, failure.name.as_str(), |incoming| Outgoing::failed(incoming, failure));
    }

    pub(super) fn conclude(
        &mut self,
        pending: &PendingRequest,
        outcome: &'static str,
        reply: impl Fn(&Incoming) -> Outgoing,
    ) {
        self.requests.forget(pending);
        if pending.question.head.wait_ms > 0 {
            self.wait_is_over(&pending.question.head.action, pending.question.ticket, outcome == "placed");
            self.wait_budget.remove(&pending.user, pending.waiting_bytes);
        }
        if pending.edition > 0 {
            self.end_turn(&pending.question.head.action, pending.question.ticket);
        }
        if let Some(queue) = self.queues.get_mut(&pending.question.head.action) {
            queue.leave(&pending.user);
        }
        if pending.edition > 0 && outcome != "placed" {
            self.forget_choice(&pending.question.decision);
        }
        for incoming in &pending.waiting {
            self.count(incoming, &pending.question.head.action, outcome, pending.waited(self.now.instant));
            self.reply(pending.traced(pending.annotated(reply(incoming)), self.now.instant));
        }
    }

    /// Counts an answered request: its `outcome`, and how long the request took without the time that it waited.
    pub(super) fn count(&mut self, incoming: &Incoming, chain: &Arc<str>, outcome: &'static str, waited: Duration) {
        let (metrics, taken) = (&self.metrics, self.since(incoming.received).saturating_sub(waited));
        // Cached, because a lookup in a family allocates labels and takes a lock.
        let figures =
            self.counters.entry((Arc::clone(chain), outcome)).or_insert_with(|| metrics.decisions(chain, outcome));
        figures.count.inc();
        figures.latency.observe(taken.as_secs_f64());
        self.minutes.count(self.now_ms(), RequestEnd::of(outcome), taken);
    }
}

/// The failure of a request whose chosen node was taken meanwhile each time.
pub(super) fn no_more_tries(node: &str, tries: u32, reason: LostReason) -> Failure {
    Failure::new(
        FailureName::NoNode,
        format!("`{node}` was chosen last, after {tries} tries, and is {}", reason.phrase()),
    )
}

#[cfg(test)]
mod tests;
