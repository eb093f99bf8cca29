//! The intake of placement and explain requests: from the requester's message to a question in its chain's queue.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::Purpose;
use crate::chain::eligibility::CoolingPolicy;
use crate::config::problem::{nearest, quoted};
use crate::model::head::{KNOWN_FIELDS, RequestSummary};
use crate::model::{Failure, FailureName, Head, Needs, Request};
use crate::nats::message::{Incoming, Verb};
use crate::registry::ledger::RequestKey;
use crate::worker::{PlacementQuestion, Ticket};

use super::pending_request::{PendingRequest, PendingStage};
use super::task::Front;
use super::view::NO_LIST;

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
        let summary = summary.map_err(|error| bad(error.to_string()))?;
        let RequestSummary { mut head, node: about, needs, has_facts, strange } = summary;
        let Some(chain) = setup.birth.set.get(&head.action) else {
            let known: Vec<_> = setup.birth.set.chains.iter().map(|chain| &*chain.action).collect();
            let message =
                format!("no chain is configured for the action `{}`, there are: {}", head.action, known.join(", "));
            return Err(Failure::new(FailureName::UnknownAction, message));
        };
        let (queue, names) = (setup.queue, setup.birth.set.names);
        self.lifetime_ms(head.reservation_s)?;
        let warnings = self.warnings(&strange)?;
        self.look_at_needs(&needs, &chain.action, chain.reserve)?;
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
        if reserves && let Some(failure) = self.too_many_reservations(&names.key(&head.login)) {
            return Err(failure);
        }
        let request = match has_facts {
            true => self.without_facts(text)?,
            false => text.into(),
        };
        let user: Arc<str> = names.key(&head.login).into();
        self.queues.entry(Arc::clone(&head.action)).or_default().enter(&user, &head.action, queue)?;
        let about = about.filter(|_| incoming.verb == Verb::Explain || head.explain);
        self.enqueue(incoming.clone(), request, head, about, Requester { key, user, warnings, needs });
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
        let Requester { key, user, warnings, needs } = requester;
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
        let pending = Box::new(PendingRequest { key, warnings, needs, ..PendingRequest::new(question, waiting, user) });
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
            if let Some(failure) = self.shortage(&pending) {
                return self.needs_unmet(pending, failure);
            }
            self.show_facts(&mut pending);
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
}

/// The warning about the unknown field `name` of a request.
fn strange_field(name: &str) -> String {
    let shown = quoted(name);
    match nearest(name, KNOWN_FIELDS) {
        Some(meant) => format!("{shown} is no field of a request; did you mean `{meant}`?"),
        None => format!("{shown} is no field of a request: nothing but a script can look at it"),
    }
}

/// The identity of a requester, with the warnings about the request and what the request needs.
struct Requester {
    key: Option<RequestKey>,
    user: Arc<str>,
    warnings: Vec<String>,
    needs: Needs,
}
