//! Placement and explain requests, from the requester's message to the reply: received, asked, committed in order.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::eligibility::CoolingPolicy;
use crate::chain::{ChainSpec, OnUnplaceable, Purpose};
use crate::config::problem::{nearest, quoted};
use crate::model::diagnosis::{DecisionPath, Search};
use crate::model::head::{KNOWN_FIELDS, RequestSummary};
use crate::model::{Change, Decision, Failure, FailureName, Head, LostReason, Outcome, Request, Reservation};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::wire;
use crate::registry::ledger::RequestKey;
use crate::registry::peers::DecisionSeed;
use crate::worker::{PlacementQuestion, Ticket, WorkerCommand};

use super::cancel::called_off;
use super::minutes::RequestEnd;
use super::pending_request::{PendingRequest, PendingStage};
use super::placement_log::{log_failure, note_decision};
use super::placement_reply::PlacementReply;
use super::task::Front;
use super::view::NO_LIST;

/// The most requests with the same id that may wait for a single answer.
const MAX_TWINS: usize = 64;
/// How long an explanation may search for what would have to differ: for that time, other requests of the chain wait.
const MAX_SEARCH_US: u64 = 150_000;

impl Front {
    /// Handles a placement or explain request.
    pub(super) fn ask(&mut self, incoming: Incoming) {
        let Some(mut incoming) = self.unless_held_back(incoming) else { return };
        if let Err(failure) = self.look_at_deadline(&mut incoming).and_then(|()| self.take_in(&incoming)) {
            self.refuse(&incoming, &failure);
        }
    }

    /// Answers and counts a request that is refused before a chain is asked.
    pub(super) fn refuse(&mut self, incoming: &Incoming, failure: &Failure) {
        let no_chain = Arc::from("");
        self.count(incoming, &no_chain, failure.name.as_str(), Duration::ZERO);
        self.fail(incoming, failure);
    }

    fn take_in(&mut self, incoming: &Incoming) -> Result<(), Failure> {
        let bad = |message: String| Failure::new(FailureName::BadRequest, message);
        let setup = self.workers.setup();
        let payload = incoming.body();
        let text = std::str::from_utf8(payload).map_err(|error| bad(format!("the request is not UTF-8: {error}")))?;
        let summary = Request::summarize(payload, setup.birth.limits.request_bytes);
        let RequestSummary { mut head, node: about, strange } = summary.map_err(|error| bad(error.to_string()))?;
        let Some(chain) = setup.birth.set.get(&head.action) else {
            let known: Vec<_> = setup.birth.set.chains.iter().map(|chain| &*chain.action).collect();
            let message =
                format!("no chain is configured for the action `{}`, there are: {}", head.action, known.join(", "));
            return Err(Failure::new(FailureName::UnknownAction, message));
        };
        let (queue, names) = (setup.queue, setup.birth.set.names);
        self.lifetime_ms(head.reservation_s)?;
        let warnings = self.warnings(&strange)?;
        let reserves = chain.reserve && incoming.verb == Verb::Place;
        // All requests of the chain share the string.
        head.action = Arc::clone(&chain.action);
        let key = head.id.as_ref().filter(|_| reserves).map(|id| RequestKey {
            id: Arc::clone(id),
            action: Arc::clone(&head.action),
            login: Arc::clone(&head.login),
        });
        if !self.nodes_known {
            let note = self.notes.get(NO_LIST).map_or("the node list is not known yet", String::as_str);
            return Err(Failure::new(FailureName::Internal, note));
        }
        if let Some(key) = &key
            && self.answer_again(key, incoming)?
        {
            return Ok(());
        }
        let user: Arc<str> = names.key(&head.login).into();
        self.queues.entry(Arc::clone(&head.action)).or_default().enter(&user, &head.action, queue)?;
        let about = about.filter(|_| incoming.verb == Verb::Explain || head.explain);
        self.enqueue(incoming.clone(), text.into(), head, about, Requester { key, user, warnings });
        Ok(())
    }

    /// Returns the warnings about the `strange` fields of a request, which only a script can look at.
    ///
    /// # Errors
    /// `bad-request`, where the service accepts no such fields.
    fn warnings(&self, strange: &[String]) -> Result<Vec<String>, Failure> {
        if strange.is_empty() {
            return Ok(Vec::new());
        }
        self.metrics.strange_requests.inc();
        let warnings: Vec<_> = strange.iter().map(|field| strange_field(field)).collect();
        match self.workers.setup().strict_requests {
            true => Err(Failure::new(FailureName::BadRequest, warnings.join("; "))),
            false => Ok(warnings),
        }
    }

    fn enqueue(
        &mut self,
        incoming: Incoming,
        request: Arc<str>,
        head: Head,
        about: Option<Arc<str>>,
        requester: Requester,
    ) {
        let Requester { key, user, warnings } = requester;
        let (ticket, decision) = self.number();
        let purpose = if incoming.verb == Verb::Explain { Purpose::Explain } else { Purpose::Place };
        let sequence = self.sequences.entry(Arc::clone(&head.action)).or_default();
        let number = *sequence;
        *sequence += u64::from(purpose == Purpose::Place);
        let search_us = if purpose == Purpose::Explain && about.is_some() { MAX_SEARCH_US } else { 0 };
        let limited = self.quarantine.refused_to(&head.login);
        let cooling = CoolingPolicy::Out(self.failures.of(&user));
        let question = PlacementQuestion {
            ticket,
            decision,
            head,
            request,
            server_id: "".into(),
            purpose,
            about,
            search_us,
            now_ms: self.now.unix_ms,
            seed: self.draw(),
            sequence: number,
            deadline_ms: incoming.deadline_ms,
            limited,
            assigned: None,
            cooling,
            from: None,
            narrated: false,
            traced: incoming.is_recorded(),
        };
        let waiting = vec![incoming.without_payload()];
        let pending = Box::new(PendingRequest { key, warnings, ..PendingRequest::new(question, waiting, user) });
        self.requests.name(&pending);
        self.submit(pending);
    }

    /// Queues `pending` for the request's chain, or answers the request where a reload removed the chain.
    pub(super) fn submit(&mut self, mut pending: Box<PendingRequest>) {
        pending.explanation = None;
        // An assignment that came while the request waited counts too.
        let assigned = self.node_assigned_to(&pending.user);
        if pending.question.assigned != assigned {
            Arc::make_mut(&mut pending.question).assigned = assigned;
        }
        if pending.question.from.is_none() {
            // A decision that is continued after a program sees no node that was freed since.
            pending.frees_seen = self.frees;
        }
        if pending.edition != self.workers.edition() && pending.question.from.is_some() {
            // No worker can continue the decision, and a new start would run the programs twice.
            let message = "the configuration changed while its program ran, and then its worker died: ask again";
            return self.give_up(pending, &Failure::new(FailureName::Internal, message));
        }
        match self.workers.submit(&pending.question.head.action, pending.question.ticket) {
            true => self.requests.put(pending, PendingStage::Queued),
            false => {
                let message = "the chain was removed before the request's turn came";
                self.give_up(pending, &Failure::new(FailureName::UnknownAction, message));
            }
        }
    }

    /// Queues the requests of `tickets` again, which are in no queue any more.
    pub(super) fn submit_again(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            if let Some(pending) = self.requests.take(ticket) {
                self.submit(pending);
            }
        }
    }

    /// Answers a repeated request: from the ledger now, or together with the pending first request. Returns whether the
    /// request was a repetition.
    ///
    /// # Errors
    /// `overloaded`, where too many requests wait for that answer.
    fn answer_again(&mut self, key: &RequestKey, incoming: &Incoming) -> Result<bool, Failure> {
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
        pending.waiting.push(incoming.without_payload());
        Ok(true)
    }

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
        if chain.reserve && self.is_outdated(&pending, &node) {
            self.metrics.refused_commits.inc();
            self.workers.undo(slot, Change::Release(id));
            pending.retries += 1;
            Arc::make_mut(&mut pending.question).from.iter_mut().for_each(|from| from.heard = None);
            return self.submit(pending);
        }
        self.warn_of_assignment(&mut pending, &node, decision);
        self.remember_choice(&decision.chain, &node, slot);
        let Some(report) = self.cluster.get(&node).map(|found| Arc::clone(found.report())) else { return };
        let reply = PlacementReply {
            node: Arc::clone(&node),
            report: Some(report),
            decision: Arc::clone(&id),
            generation: decision.generation,
            drawn: Some(DecisionSeed { seed: pending.question.seed, now_ms: pending.question.now_ms }),
            decided_by: decision.decided_by.clone(),
            chain: Arc::clone(&decision.chain),
            reserved: chain.reserve,
        };
        let Search { plan, looked_at, .. } = decision.diagnosis.search;
        self.metrics.looked_at.inc_by(looked_at);
        self.metrics.index_scans.inc_by(u64::from(plan == DecisionPath::IndexScan));
        let (step, cost_us) = (decision.decided_by.as_deref().unwrap_or_default(), decision.diagnosis.cost_us());
        tracing::info!(
            target: "placement", user = %pending.question.head.login, %node, chain = %decision.chain, step, decision = %id,
            seed = pending.question.seed, cost_us, plan = plan.as_str(), looked_at, "placed"
        );
        let reservation = chain.reserve.then(|| pending.question.reservation(&node));
        match reservation {
            Some(reservation) if self.is_claimed(&node) => self.claim(slot, pending, reservation, reply),
            Some(reservation) => {
                self.commit(Change::Reserve(reservation.clone()), slot);
                self.placed(pending, Some(reservation), reply);
            }
            None => self.placed(pending, None, reply),
        }
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

    fn conclude(&mut self, pending: &PendingRequest, outcome: &'static str, reply: impl Fn(&Incoming) -> Outgoing) {
        self.requests.forget(pending);
        if pending.question.head.wait_ms > 0 {
            self.wait_is_over(&pending.question.head.action, pending.question.ticket, outcome == "placed");
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

    fn count(&mut self, incoming: &Incoming, chain: &Arc<str>, outcome: &'static str, waited: Duration) {
        let (metrics, taken) = (&self.metrics, self.since(incoming.received).saturating_sub(waited));
        // Cached, because a lookup in a family allocates labels and takes a lock.
        let figures =
            self.counters.entry((Arc::clone(chain), outcome)).or_insert_with(|| metrics.decisions(chain, outcome));
        figures.count.inc();
        figures.latency.observe(taken.as_secs_f64());
        self.minutes.count(self.now_ms(), RequestEnd::of(outcome), taken);
    }
}

/// The warning about the unknown field `name` of a request.
fn strange_field(name: &str) -> String {
    let shown = quoted(name);
    match nearest(name, KNOWN_FIELDS) {
        Some(meant) => format!("{shown} is no field of a request; did you mean `{meant}`?"),
        None => format!("{shown} is no field of a request: nothing but a script can look at it"),
    }
}

/// The identity of a requester, with the warnings about the request.
struct Requester {
    key: Option<RequestKey>,
    user: Arc<str>,
    warnings: Vec<String>,
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
