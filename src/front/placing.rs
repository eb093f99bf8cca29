//! Questions for a chain, from the requester's message to the reply: taken in, asked, committed in order.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::eligibility::Cooling;
use crate::chain::{ChainSpec, OnUnplaceable, Purpose};
use crate::config::problem::{nearest, quoted};
use crate::model::diagnosis::{LogLevel, Plan, Search};
use crate::model::head::{KNOWN_FIELDS, Summary};
use crate::model::{Change, Decision, Failure, FailureName, Head, LostReason, Outcome, Request, Reservation};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::wire;
use crate::registry::ledger::RequestKey;
use crate::registry::peers::Drawn;
use crate::worker::{Order, Question, Ticket};

use super::cancel::called_off;
use super::pending_request::{PendingRequest, Stage};
use super::placement_reply::PlacementReply;
use super::task::Front;
use super::view::NO_LIST;

/// Requests with the same id that may wait for one answer.
const MAX_TWINS: usize = 64;

impl Front {
    /// Takes in a question for a chain.
    pub(super) fn ask(&mut self, incoming: Incoming) {
        let Some(mut incoming) = self.unless_held_back(incoming) else { return };
        if let Err(failure) = self.look_at_deadline(&mut incoming).and_then(|()| self.take_in(&incoming)) {
            self.refuse(&incoming, &failure);
        }
    }

    /// Answers and counts a question that no chain is asked.
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
        let Summary { mut head, node: about, strange } = summary.map_err(|error| bad(error.to_string()))?;
        let Some(chain) = setup.birth.set.get(&head.action) else {
            let known: Vec<_> = setup.birth.set.chains.iter().map(|chain| &*chain.action).collect();
            let message =
                format!("no chain is configured for the action `{}`, there are: {}", head.action, known.join(", "));
            return Err(Failure::new(FailureName::UnknownAction, message));
        };
        let (queue, names) = (setup.queue, setup.birth.set.names);
        self.life_ms(head.reservation_s)?;
        let warnings = self.warnings(&strange)?;
        let reserves = chain.reserve && incoming.verb == Verb::Place;
        // One string for all requests of the chain.
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
        self.enqueue(incoming.clone(), text.into(), head, about, Asker { key, user, warnings });
        Ok(())
    }

    /// What is to be said of the `strange` fields of a request, at which nothing but a script can look.
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

    fn enqueue(&mut self, incoming: Incoming, request: Arc<str>, head: Head, about: Option<Arc<str>>, asker: Asker) {
        let Asker { key, user, warnings } = asker;
        let (ticket, decision) = self.number();
        let purpose = if incoming.verb == Verb::Explain { Purpose::Explain } else { Purpose::Place };
        let sequence = self.sequences.entry(Arc::clone(&head.action)).or_default();
        let number = *sequence;
        *sequence += u64::from(purpose == Purpose::Place);
        let limited = self.quarantine.refused_to(&head.login);
        let cooling = Cooling::Out(self.failures.of(&user));
        let question = Question {
            ticket,
            decision,
            head,
            request,
            server_id: "".into(),
            purpose,
            about,
            now_ms: self.now.unix_ms,
            seed: self.draw(),
            sequence: number,
            deadline_ms: incoming.deadline_ms,
            limited,
            cooling,
            from: None,
            narrated: false,
        };
        let waiting = vec![incoming.without_payload()];
        let pending = Box::new(PendingRequest { key, warnings, ..PendingRequest::new(question, waiting, user) });
        self.requests.name(&pending);
        self.submit(pending);
    }

    /// Queues `pending` for its chain, or answers it where a reload took the chain away.
    pub(super) fn submit(&mut self, mut pending: Box<PendingRequest>) {
        pending.explanation = None;
        if pending.question.from.is_none() {
            // What goes on behind a program sees no node that was freed since.
            pending.frees_seen = self.frees;
        }
        if pending.edition != self.workers.edition() && pending.question.from.is_some() {
            // Nobody can go on with it, and to begin anew would run its programs twice.
            let message = "the configuration changed while its program ran, and then its worker died: ask again";
            return self.give_up(pending, &Failure::new(FailureName::Internal, message));
        }
        match self.workers.submit(&pending.question.head.action, pending.question.ticket) {
            true => self.requests.put(pending, Stage::Queued),
            false => {
                let message = "the chain was removed before the request's turn came";
                self.give_up(pending, &Failure::new(FailureName::UnknownAction, message));
            }
        }
    }

    /// Queues the requests of `tickets` anew, which are in no queue any more.
    pub(super) fn submit_again(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            if let Some(pending) = self.requests.take(ticket) {
                self.submit(pending);
            }
        }
    }

    /// Answers a question that was asked before, now or together with the first; whether it was asked before.
    ///
    /// # Errors
    /// `overloaded`, where too many wait for that answer.
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

    /// The worker in `slot` decided: commit that against the cluster as it is here, in the order of answers.
    pub(super) fn decided(&mut self, slot: usize, ticket: Ticket, decision: Decision) {
        if !self.workers.slot_mut(slot).is_some_and(|slot| slot.answered(ticket)) {
            return;
        }
        let Some(mut pending) = self.requests.take(ticket) else { return };
        log_lines(&decision);
        self.record(&pending.question, &decision);
        if self.has_last_resort(&pending, &decision) {
            let question = Arc::make_mut(&mut pending.question);
            (question.cooling, question.from) = (Cooling::LastResort, None);
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
            // Somebody with more time asked the same after the question was on its way.
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
            // A reload took the chain away while it was deciding.
            let failure = Failure::new(FailureName::UnknownAction, "the chain was removed while it decided");
            return self.give_up(pending, &failure);
        };
        let id = Arc::clone(&pending.question.decision);
        // Another replica may have told meanwhile what it placed under the same id.
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
        self.remember_choice(&decision.chain, &node, slot);
        let Some(report) = self.cluster.get(&node).map(|found| Arc::clone(found.report())) else { return };
        let reply = PlacementReply {
            node: Arc::clone(&node),
            report: Some(report),
            decision: Arc::clone(&id),
            generation: decision.generation,
            drawn: Some(Drawn { seed: pending.question.seed, now_ms: pending.question.now_ms }),
            decided_by: decision.decided_by.clone(),
            chain: Arc::clone(&decision.chain),
            reserved: chain.reserve,
        };
        let Search { plan, looked_at, .. } = decision.diagnosis.search;
        self.metrics.looked_at.inc_by(looked_at);
        self.metrics.index_scans.inc_by(u64::from(plan == Plan::IndexScan));
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

    /// The node is taken, by a reservation where the chain makes any: the requester is told.
    pub(super) fn placed(
        &mut self,
        pending: Box<PendingRequest>,
        reservation: Option<Reservation>,
        reply: PlacementReply,
    ) {
        // A reload may grant less than what was asked for when the request came.
        let life_ms = self.life_ms(pending.question.head.reservation_s).unwrap_or(self.ledger.lifetime_ms());
        let body = reply.body(life_ms);
        let place = pending.offer(reservation.as_ref().map(|reservation| &reservation.id));
        match reservation {
            Some(reservation) => {
                let id = Arc::clone(&reservation.id);
                self.ledger.reserve(reservation, pending.key.clone(), reply, self.now_ms().saturating_add(life_ms));
                self.tell_held(&id);
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

    /// Lets `pending`, whose node was taken meanwhile, be decided again, by its program too where that chose the node:
    /// any other choice is taken again without its programs.
    pub(super) fn decide_again(&mut self, mut pending: Box<PendingRequest>, decided_by: Option<&Arc<str>>) {
        if self.chose_itself(&pending, decided_by) {
            let from = &mut Arc::make_mut(&mut pending.question).from;
            from.iter_mut().for_each(|from| from.heard = None);
        }
        self.submit(pending);
    }

    /// Whether nodes were left out of `decision`, which found none, that are taken where no other is left.
    fn has_last_resort(&self, pending: &PendingRequest, decision: &Decision) -> bool {
        let found_none = matches!(&decision.outcome, Outcome::Failed(failure) if failure.name == FailureName::NoNode);
        let left_out = || decision.diagnosis.excluded.count(LostReason::CoolingDown) > 0;
        let is_open = self.workers.setup().is_last_resort && pending.question.cooling != Cooling::LastResort;
        found_none && is_open && left_out()
    }

    /// Answers `pending` with what another replica told whoever asked it the same meanwhile; gives it back where none did.
    pub(super) fn unless_placed_elsewhere(&mut self, mut pending: Box<PendingRequest>) -> Option<Box<PendingRequest>> {
        let Some(entry) = pending.key.as_ref().and_then(|key| self.ledger.repeated(key)) else { return Some(pending) };
        // That decision was another one.
        pending.explanation = None;
        let body = entry.answer.body(entry.expires_ms.saturating_sub(self.now_ms()));
        self.conclude(&pending, "placed", |incoming| Outgoing::new(incoming, body.clone(), None));
        None
    }

    /// Why the node cannot take the session by now; the worker may not have seen the last changes.
    pub(super) fn refusal(&self, node: &str, chain: &ChainSpec, cooling: &Cooling) -> Option<LostReason> {
        let Some(node) = self.cluster.get(node) else { return Some(LostReason::Left) };
        // Where capacity is strict, no script gets past it.
        cooling.reason_against(node, chain).filter(|reason| {
            chain.on_unplaceable != OnUnplaceable::Allow || (chain.strict && *reason == LostReason::Full)
        })
    }

    fn remember_choice(&mut self, action: &Arc<str>, node: &Arc<str>, slot: usize) {
        self.choices += 1;
        self.chosen.entry(Arc::clone(action)).or_default().insert(Arc::clone(node), self.choices);
        self.workers.tell_slots_of(action, &Order::Recall(Arc::clone(action), Arc::clone(node)), slot);
    }

    /// Tells everybody who waits for `pending` that it came to nothing.
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
            self.reply(pending.annotated(reply(incoming)));
        }
    }

    fn count(&mut self, incoming: &Incoming, chain: &Arc<str>, outcome: &'static str, waited: Duration) {
        let (metrics, taken) = (&self.metrics, self.since(incoming.received));
        // Looked up once: a family's lookup allocates its labels and takes a lock.
        let figures =
            self.counters.entry((Arc::clone(chain), outcome)).or_insert_with(|| metrics.decisions(chain, outcome));
        figures.count.inc();
        figures.latency.observe(taken.saturating_sub(waited).as_secs_f64());
    }
}

/// What is to be said of the field `name` of a request.
fn strange_field(name: &str) -> String {
    let shown = quoted(name);
    match nearest(name, KNOWN_FIELDS) {
        Some(meant) => format!("{shown} is no field of a request; did you mean `{meant}`?"),
        None => format!("{shown} is no field of a request: nothing but a script can look at it"),
    }
}

/// Who asks, and how.
struct Asker {
    key: Option<RequestKey>,
    user: Arc<str>,
    warnings: Vec<String>,
}

/// That a node was chosen so often and was always taken meanwhile.
pub(super) fn no_more_tries(node: &str, tries: u32, reason: LostReason) -> Failure {
    Failure::new(
        FailureName::NoNode,
        format!("`{node}` was chosen last, after {tries} tries, and is {}", reason.phrase()),
    )
}

/// One line of a request that got no node.
pub(super) fn log_failure(pending: &PendingRequest, failure: &Failure, cost_us: u64) {
    let Question { head, decision, seed, .. } = &*pending.question;
    let (user, chain) = (&head.login, &head.action);
    tracing::info!(target: "placement", %user, %chain, %decision, seed, cost_us, %failure, "not placed");
}

/// What the scripts logged, under their names.
fn log_lines(decision: &Decision) {
    for step in &decision.diagnosis.steps {
        for line in &step.log {
            match line.level {
                LogLevel::Info => tracing::info!(target: "script", script = %step.step, "{}", line.text),
                LogLevel::Warn => tracing::warn!(target: "script", script = %step.step, "{}", line.text),
                LogLevel::Error => tracing::error!(target: "script", script = %step.step, "{}", line.text),
            }
        }
    }
}

#[cfg(test)]
mod tests;
