//! Blame: decides which script is at fault when a limit is passed or a worker dies, and how the question goes on.

use std::sync::Arc;

use crate::chain::{LimitRecord, Subject};
use crate::ipc::{Encoded, ProcessEnd};
use crate::worker::blame::{BlameOutcome, judge};
use crate::worker::{NOBODY, Overrun, Ticket, WorkerCommand};

use super::pending_request::{PendingRequest, PendingStage};
use super::quarantine::{Confined, Conviction, Culprit};
use super::task::Front;
use super::worker_slot::OverrunOutcome;

/// The most scripts and nodes that are remembered as suspected of a limit that was passed without a question.
const MAX_SUSPECTS: usize = 1_000;

impl Front {
    /// Handles the report of the worker in `slot` that a limit was passed; the worker is about to exit.
    pub(super) fn overrun(&mut self, slot: usize, overrun: Overrun) {
        let requests = &self.requests;
        match self.workers.slot_mut(slot).map(|slot| slot.accused(&overrun, requests)) {
            Some(OverrunOutcome::Convicted) => self.hold_to_account(slot, overrun.running.ticket, overrun),
            Some(OverrunOutcome::Suspected) => {
                self.requests.set_stage(overrun.running.ticket, PendingStage::Queued);
                self.suspect(&overrun);
            }
            Some(OverrunOutcome::Unknown) if slot < self.workers.slot_count() => self.unasked_overrun(overrun),
            Some(OverrunOutcome::Unknown) | None => {}
        }
    }

    /// Handles an overrun of a worker while the worker refreshed caches, for no question. Where another worker reported
    /// the same within the window of the quarantine, the script is convicted.
    pub(super) fn unasked_overrun(&mut self, overrun: Overrun) {
        let Some(script) = overrun.running.step.clone().filter(|_| overrun.running.ticket == NOBODY) else { return };
        let node = overrun.running.node.clone();
        let culprit = node.clone().map_or(Culprit::Script, Culprit::Node);
        if self.quarantine.is_confined(&script, culprit) {
            return; // This worker had not yet read that the script is not to be asked about the node.
        }
        let subject = Subject { script, node };
        let (now_ms, window_ms) = (self.now_ms(), self.workers.setup().quarantine.window_ms);
        let before_ms = self.suspects.remove(&subject);
        if before_ms.is_none_or(|before_ms| now_ms.saturating_sub(before_ms) > window_ms) {
            self.suspect(&overrun);
            if self.suspects.len() >= MAX_SUSPECTS {
                self.suspects.pop_first();
            }
            self.suspects.insert(subject, now_ms);
            return;
        }
        tracing::warn!(
            step = %subject.script, node = subject.node.as_deref(), limit = overrun.kind.as_str(), "{}", overrun.message
        );
        self.metrics.limit(&subject.script, overrun.kind.as_str());
        self.convict(&overrun, Some("".into()));
    }

    /// Notes that a limit was passed by a script that may be innocent.
    fn suspect(&self, overrun: &Overrun) {
        let running = &overrun.running;
        tracing::debug!(
            step = running.step.as_deref(),
            node = running.node.as_deref(),
            limit = overrun.kind.as_str(),
            "a suspicion, to be tried again in a fresh worker: {}",
            overrun.message
        );
        self.metrics.suspicion(running.step.as_deref().unwrap_or_default(), overrun.kind.as_str());
    }

    /// Handles the exit of the worker in the slot at `place`.
    pub(super) fn worker_lost(&mut self, place: usize, ended: &ProcessEnd) {
        self.metrics.worker_deaths.inc();
        let Some(slot) = self.workers.slot_mut(place) else { return };
        let unanswered = slot.queue.len();
        // Most likely the whole service is stopped, which is no trouble.
        match ended.stopped {
            true => tracing::info!(
                unanswered,
                "a worker was told to stop: another one goes on for as long as the service does"
            ),
            false => {
                tracing::warn!(unanswered, "a worker {ended}: another one goes on, and what it had is asked again")
            }
        }
        let held: Vec<_> = slot.queue.held().collect();
        let guilty = slot.lost(ended);
        held.into_iter().for_each(|ticket| self.requests.set_stage(ticket, PendingStage::Queued));
        if let Some((ticket, overrun)) = guilty {
            self.hold_to_account(place, ticket, overrun);
        }
    }

    /// Judges the request `ticket` by the configuration of the request's worker; where another configuration is in
    /// force by now, the request is queued anew and that configuration decides.
    fn hold_to_account(&mut self, slot: usize, ticket: Ticket, overrun: Overrun) {
        let Some(pending) = self.requests.take(ticket) else { return };
        match slot < self.workers.slot_count() {
            true => self.sentence(pending, overrun),
            false => self.submit(pending),
        }
    }

    /// Treats `pending` by the policy of the guilty step, and counts the conviction of the script.
    fn sentence(&mut self, mut pending: Box<PendingRequest>, overrun: Overrun) {
        let running = &overrun.running;
        tracing::warn!(
            chain = %pending.question.head.action, decision = %pending.question.decision, step = running.step.as_deref(),
            node = running.node.as_deref(), limit = overrun.kind.as_str(), "{}", overrun.message
        );
        self.metrics.limit(running.step.as_deref().unwrap_or_default(), overrun.kind.as_str());
        self.convict(&overrun, Some(Arc::clone(&pending.question.head.login)));
        let birth = Arc::clone(&self.workers.setup().birth);
        let chain = birth.set.get(&pending.question.head.action);
        let question = Arc::make_mut(&mut pending.question);
        match judge(question, pending.shunned, chain, overrun) {
            BlameOutcome::Shun(..) => {
                pending.shunned += 1;
                self.submit(pending);
            }
            BlameOutcome::Again => self.submit(pending),
            BlameOutcome::Fail(failure) => self.give_up(pending, &failure),
        }
    }

    /// Counts the conviction against script, node or login, and confines those that have enough convictions. A function
    /// that sees no request is no login's fault.
    fn convict(&mut self, overrun: &Overrun, login: Option<Arc<str>>) {
        let running = &overrun.running;
        let Some(script) = running.step.clone() else { return };
        let limited = LimitRecord { kind: overrun.kind, message: overrun.message.as_str().into() };
        let login = login.filter(|_| !running.pure);
        let at_ms = self.now_ms();
        let conviction = Conviction { script, node: running.node.clone(), login, limited, at_ms };
        let (birth, nodes) = (Arc::clone(&self.workers.setup().birth), self.cluster.len());
        let (confined, forgotten) = self.quarantine.convict(conviction, &birth.set, nodes);
        self.set_free(forgotten);
        confined.into_iter().for_each(|(confined, limited)| self.confine(&confined, limited));
    }

    fn confine(&mut self, confined: &Confined, limited: LimitRecord) {
        match &confined.culprit {
            Culprit::Script => {
                tracing::error!(step = %confined.script, "{}", limited.message);
                self.metrics.quarantined(&confined.script, true);
            }
            Culprit::Login(_) => tracing::warn!(step = %confined.script, "{}", limited.message),
            Culprit::Node(_) => {}
        }
        if let Some(subject) = confined.subject() {
            self.workers.broadcast(&Encoded::new(&WorkerCommand::Quarantine(subject, Some(limited))), None);
        }
        self.show();
    }

    /// Lets those in `released` run again.
    pub(super) fn set_free(&mut self, released: Vec<Confined>) {
        for confined in released {
            match &confined.culprit {
                Culprit::Script => {
                    tracing::warn!(step = %confined.script, "out of quarantine: tried again");
                    self.metrics.quarantined(&confined.script, false);
                }
                Culprit::Login(login) => tracing::info!(step = %confined.script, %login, "run for the user again"),
                Culprit::Node(_) => {}
            }
            if let Some(subject) = confined.subject() {
                self.workers.broadcast(&Encoded::new(&WorkerCommand::Quarantine(subject, None)), None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
