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
use crate::worker::desk::Ticket;
use crate::worker::{Order, Question};

use super::flight::{Flight, Told};
use super::requests::called_off;
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
        let setup = self.crew.setup();
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
        match self.crew.setup().strict_requests {
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
        if let Some(key) = &key {
            self.by_request.insert(key.clone(), ticket);
        }
        let waiting = vec![incoming.without_payload()];
        self.submit(Flight { key, warnings, ..Flight::new(question, waiting, user) });
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
        let flight = self.by_request.get(key).copied().and_then(|ticket| self.flight_mut(ticket));
        let Some(flight) = flight else { return Ok(false) };
        if flight.waiting.len() >= MAX_TWINS {
            let message = format!("{MAX_TWINS} requests with the id `{}` wait already", key.id);
            return Err(Failure::new(FailureName::Overloaded, message));
        }
        flight.waiting.push(incoming.without_payload());
        Ok(true)
    }

    /// The worker in `lane` decided: commit that against the cluster as it is here, in the order of answers.
    pub(super) fn decided(&mut self, lane: usize, ticket: Ticket, decision: Decision) {
        let answered = self.crew.lane_mut(lane).and_then(|lane| lane.answered(ticket));
        let Some(mut flight) = answered else { return };
        log_lines(&decision);
        if self.has_last_resort(&flight, &decision) {
            let question = Arc::make_mut(&mut flight.question);
            (question.cooling, question.from) = (Cooling::LastResort, None);
            return self.submit(flight);
        }
        if flight.question.purpose == Purpose::Explain {
            let body = wire::text(wire::explained(&flight.question.decision, &decision));
            return self.conclude(&flight, "explained", |incoming| Outgoing::new(incoming, body.clone().into(), None));
        }
        match &decision.outcome {
            Outcome::Placed(node) => {
                let is_wanted = flight.question.head.explain;
                flight.explanation = is_wanted.then(|| wire::explained(&flight.question.decision, &decision));
                self.place(lane, flight, Arc::clone(node), &decision);
            }
            // Somebody with more time asked the same after the question was on its way.
            Outcome::Failed(failure)
                if failure.name == FailureName::Overloaded && !flight.is_late(self.now.unix_ms) =>
            {
                Arc::make_mut(&mut flight.question).deadline_ms = flight.deadline_ms();
                self.submit(flight);
            }
            Outcome::Failed(failure) if failure.name == FailureName::NoNode && flight.question.head.wait_ms > 0 => {
                self.come_to_nothing(flight, failure.clone());
            }
            Outcome::Failed(failure) => {
                log_failure(&flight, failure, decision.diagnosis.cost_us());
                let body = wire::text(wire::failed(failure, Some(&decision.diagnosis)));
                let error = Some((failure.name, failure.message.clone()));
                self.conclude(&flight, failure.name.as_str(), |incoming| {
                    Outgoing::new(incoming, body.clone().into(), error.clone())
                });
            }
        }
    }

    fn place(&mut self, lane: usize, flight: Flight, node: Arc<str>, decision: &Decision) {
        let birth = Arc::clone(&self.crew.setup().birth);
        let Some(chain) = birth.set.get(&decision.chain) else {
            // A reload took the chain away while it was deciding.
            let failure = Failure::new(FailureName::UnknownAction, "the chain was removed while it decided");
            return self.give_up(flight, &failure);
        };
        let id = Arc::clone(&flight.question.decision);
        // Another replica may have told meanwhile what it placed under the same id.
        let Some(mut flight) = self.unless_placed_elsewhere(flight) else {
            if chain.reserve {
                self.crew.undo(lane, Change::Release(id));
            }
            return;
        };
        if let Some(refusal) = self.refusal(&node, chain, &flight.question.cooling) {
            self.metrics.refused_commits.inc();
            if chain.reserve {
                self.crew.undo(lane, Change::Release(id));
            }
            if flight.retries < self.crew.setup().retries {
                flight.retries += 1;
                return self.decide_again(flight, decision.decided_by.as_ref());
            }
            let failure = no_more_tries(&node, flight.retries + 1, refusal);
            return self.come_to_nothing(flight, failure);
        }
        if chain.reserve && self.is_outdated(&flight, &node) {
            self.metrics.refused_commits.inc();
            self.crew.undo(lane, Change::Release(id));
            flight.retries += 1;
            Arc::make_mut(&mut flight.question).from.iter_mut().for_each(|from| from.heard = None);
            return self.submit(flight);
        }
        self.remember_choice(&decision.chain, &node, lane);
        let Some(report) = self.cluster.get(&node).map(|found| Arc::clone(found.report())) else { return };
        let told = Told {
            node: Arc::clone(&node),
            report: Some(report),
            decision: Arc::clone(&id),
            generation: decision.generation,
            drawn: Some(Drawn { seed: flight.question.seed, now_ms: flight.question.now_ms }),
            decided_by: decision.decided_by.clone(),
            chain: Arc::clone(&decision.chain),
            reserved: chain.reserve,
        };
        let Search { plan, looked_at, .. } = decision.diagnosis.search;
        self.metrics.looked_at.inc_by(looked_at);
        self.metrics.index_scans.inc_by(u64::from(plan == Plan::IndexScan));
        let (step, cost_us) = (decision.decided_by.as_deref().unwrap_or_default(), decision.diagnosis.cost_us());
        tracing::info!(
            target: "placement", user = %flight.question.head.login, %node, chain = %decision.chain, step, decision = %id,
            seed = flight.question.seed, cost_us, plan = plan.as_str(), looked_at, "placed"
        );
        let reservation = chain.reserve.then(|| flight.question.reservation(&node));
        match reservation {
            Some(reservation) if self.is_claimed(&node) => self.claim(lane, flight, reservation, told),
            Some(reservation) => {
                self.commit(Change::Reserve(reservation.clone()), lane);
                self.placed(flight, Some(reservation), told);
            }
            None => self.placed(flight, None, told),
        }
    }

    /// The node is taken, by a reservation where the chain makes any: the requester is told.
    pub(super) fn placed(&mut self, flight: Flight, reservation: Option<Reservation>, told: Told) {
        // A reload may grant less than what was asked for when the request came.
        let life_ms = self.life_ms(flight.question.head.reservation_s).unwrap_or(self.ledger.lifetime_ms());
        let body = told.body(life_ms);
        let place = flight.offer(reservation.as_ref().map(|reservation| &reservation.id));
        match reservation {
            Some(reservation) => {
                let id = Arc::clone(&reservation.id);
                self.ledger.reserve(reservation, flight.key.clone(), told, self.now_ms().saturating_add(life_ms));
                self.tell_held(&id);
            }
            None if flight.edition > 0 => self.forget_choice(&flight.question.decision),
            None => {}
        }
        if flight.is_cancelled {
            let id = Arc::clone(&flight.question.decision);
            self.give_up(flight, &called_off());
            return self.untaken(&id);
        }
        self.conclude(&flight, "placed", |incoming| {
            let place = place.clone();
            Outgoing { place, ..Outgoing::new(incoming, body.clone(), None) }
        });
    }

    /// Lets `flight`, whose node was taken meanwhile, be decided again, by its program too where that chose the node:
    /// any other choice is taken again without its programs.
    pub(super) fn decide_again(&mut self, mut flight: Flight, decided_by: Option<&Arc<str>>) {
        if self.chose_itself(&flight, decided_by) {
            let from = &mut Arc::make_mut(&mut flight.question).from;
            from.iter_mut().for_each(|from| from.heard = None);
        }
        self.submit(flight);
    }

    /// Whether nodes were left out of `decision`, which found none, that are taken where no other is left.
    fn has_last_resort(&self, flight: &Flight, decision: &Decision) -> bool {
        let found_none = matches!(&decision.outcome, Outcome::Failed(failure) if failure.name == FailureName::NoNode);
        let left_out = || decision.diagnosis.excluded.count(LostReason::CoolingDown) > 0;
        let is_open = self.crew.setup().is_last_resort && flight.question.cooling != Cooling::LastResort;
        found_none && is_open && left_out()
    }

    /// Answers `flight` with what another replica told whoever asked it the same meanwhile; gives it back where none did.
    pub(super) fn unless_placed_elsewhere(&mut self, mut flight: Flight) -> Option<Flight> {
        let Some(entry) = flight.key.as_ref().and_then(|key| self.ledger.repeated(key)) else { return Some(flight) };
        // That decision was another one.
        flight.explanation = None;
        let body = entry.answer.body(entry.expires_ms.saturating_sub(self.now_ms()));
        self.conclude(&flight, "placed", |incoming| Outgoing::new(incoming, body.clone(), None));
        None
    }

    /// The question `ticket`, wherever it is.
    pub(super) fn flight_mut(&mut self, ticket: Ticket) -> Option<&mut Flight> {
        if self.claims.flight_mut(ticket).is_some() {
            return self.claims.flight_mut(ticket);
        }
        if self.waiting_flight(ticket).is_some() {
            return self.waiting_flight(ticket);
        }
        self.crew.flight_mut(ticket)
    }

    /// Why the node cannot take the session by now; the worker may not have seen the last changes.
    pub(super) fn refusal(&self, node: &str, chain: &ChainSpec, cooling: &Cooling) -> Option<LostReason> {
        let Some(node) = self.cluster.get(node) else { return Some(LostReason::Left) };
        // Where capacity is strict, no script gets past it.
        cooling.reason_against(node, chain).filter(|reason| {
            chain.on_unplaceable != OnUnplaceable::Allow || (chain.strict && *reason == LostReason::Full)
        })
    }

    fn remember_choice(&mut self, action: &Arc<str>, node: &Arc<str>, lane: usize) {
        self.choices += 1;
        self.chosen.entry(Arc::clone(action)).or_default().insert(Arc::clone(node), self.choices);
        self.crew.tell_home(action, &Order::Recall(Arc::clone(action), Arc::clone(node)), lane);
    }

    /// Tells everybody who waits for `flight` that it came to nothing.
    pub(super) fn give_up(&mut self, flight: Flight, failure: &Failure) {
        self.conclude(&flight, failure.name.as_str(), |incoming| Outgoing::failed(incoming, failure));
    }

    fn conclude(&mut self, flight: &Flight, outcome: &'static str, reply: impl Fn(&Incoming) -> Outgoing) {
        if let Some(key) = &flight.key {
            self.by_request.remove(key);
        }
        if flight.question.head.wait_ms > 0 {
            self.wait_is_over(&flight.question.head.action, flight.question.ticket, outcome == "placed");
        }
        if flight.edition > 0 {
            self.end_turn(&flight.question.head.action, flight.question.ticket);
        }
        if let Some(queue) = self.queues.get_mut(&flight.question.head.action) {
            queue.leave(&flight.user);
        }
        if flight.edition > 0 && outcome != "placed" {
            self.forget_choice(&flight.question.decision);
        }
        for incoming in &flight.waiting {
            self.count(incoming, &flight.question.head.action, outcome, flight.waited(self.now.instant));
            self.reply(flight.annotated(reply(incoming)));
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
pub(super) fn log_failure(flight: &Flight, failure: &Failure, cost_us: u64) {
    let Question { head, decision, seed, .. } = &*flight.question;
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
