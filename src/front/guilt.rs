//! What happens when a script passes a limit or a worker dies: who is to blame, and what becomes of their question.

use std::sync::Arc;

use crate::chain::{Limited, Subject};
use crate::model::{Failure, FailureName};
use crate::worker::guilt::{Sentence, judge};
use crate::worker::{Encoded, Ended, NOBODY, Order, Overrun};

use super::flight::Flight;
use super::lane::Accused;
use super::task::Front;

/// Scripts and nodes at most of which it is remembered that they are suspected of a limit that no question passed.
const MAX_SUSPECTS: usize = 1_000;

impl Front {
    /// The worker in `lane` named a culprit, and is about to exit.
    pub(super) fn overrun(&mut self, lane: usize, overrun: Overrun) {
        match self.crew.lane_mut(lane).map(|lane| lane.accused(&overrun)) {
            Some(Accused::Convicted(flight)) => self.hold_to_account(lane, *flight, overrun),
            Some(Accused::Suspected) => self.suspect(&overrun),
            Some(Accused::Unknown) if lane < self.crew.homes() => self.unasked_overrun(overrun),
            Some(Accused::Unknown) | None => {}
        }
    }

    /// A worker named a culprit while it brought kept results up to date, for no question. Where another worker came to the
    /// same end within the window of the quarantine, the script is convicted.
    pub(super) fn unasked_overrun(&mut self, overrun: Overrun) {
        let Some(script) = overrun.running.step.clone().filter(|_| overrun.running.ticket == NOBODY) else { return };
        let subject = Subject { script, node: overrun.running.node.clone() };
        if self.warden.is_confined(&subject) {
            return; // This worker had not yet read that the script is not to be asked about the node.
        }
        let (now_ms, window_ms) = (self.now_ms(), self.crew.setup().quarantine.window_ms);
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
        self.blame(&overrun);
        if subject.node.is_some() {
            self.shun(subject, Limited { kind: overrun.kind, message: overrun.message.into() });
        }
    }

    /// Notes that a limit was passed by somebody who may be innocent of it.
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

    /// The worker in the lane at `place` is gone.
    pub(super) fn worker_lost(&mut self, place: usize, ended: &Ended) {
        self.metrics.worker_deaths.inc();
        let Some(lane) = self.crew.lane_mut(place) else { return };
        tracing::warn!(
            unanswered = lane.desk.len(),
            "a worker {ended}: another one goes on, and what it had is asked again"
        );
        if let Some((flight, overrun)) = lane.lost(ended) {
            self.hold_to_account(place, flight, overrun);
        }
    }

    /// Judges `flight` by the configuration that its worker ran; where another one is in force by now, that one decides.
    fn hold_to_account(&mut self, lane: usize, flight: Flight, overrun: Overrun) {
        match lane < self.crew.homes() {
            true => self.sentence(flight, overrun),
            false => self.submit(flight),
        }
    }

    /// Does with `flight` what the policy of the guilty step says, and remembers the script.
    fn sentence(&mut self, mut flight: Flight, overrun: Overrun) {
        let running = &overrun.running;
        tracing::warn!(
            chain = %flight.question.head.action, decision = %flight.question.decision, step = running.step.as_deref(),
            node = running.node.as_deref(), limit = overrun.kind.as_str(), "{}", overrun.message
        );
        self.metrics.limit(running.step.as_deref().unwrap_or_default(), overrun.kind.as_str());
        self.blame(&overrun);
        let birth = Arc::clone(&self.crew.setup().birth);
        let chain = birth.set.get(&flight.question.head.action);
        let question = Arc::make_mut(&mut flight.question);
        match judge(question, flight.shunned, chain, overrun) {
            Sentence::Shun(subject, limited) => {
                flight.shunned += 1;
                self.shun(subject, limited);
                self.submit(flight);
            }
            Sentence::Again => self.submit(flight),
            Sentence::Fail(failure) => self.give_up(flight, &failure),
        }
    }

    /// Lets nobody ask a script about a node any more, for a while.
    fn shun(&mut self, subject: Subject, limited: Limited) {
        let (birth, now_ms) = (Arc::clone(&self.crew.setup().birth), self.now_ms());
        let forgotten = self.warden.shun(subject.clone(), &birth.set, limited.clone(), now_ms);
        self.set_free(forgotten.into_iter().collect());
        self.confine(subject, limited);
    }

    /// Counts the conviction against the script.
    fn blame(&mut self, overrun: &Overrun) {
        let Some(script) = &overrun.running.step else { return };
        let limited = Limited { kind: overrun.kind, message: overrun.message.as_str().into() };
        let (set, now_ms) = (&self.crew.setup().birth.set, self.now_ms());
        if let Some(limited) = self.warden.killed(script, set, &limited, now_ms) {
            tracing::error!(step = %script, "{}", limited.message);
            self.confine(Subject { script: Arc::clone(script), node: None }, limited);
        }
    }

    fn confine(&mut self, subject: Subject, limited: Limited) {
        if subject.node.is_none() {
            self.metrics.quarantined(&subject.script, true);
        }
        self.crew.tell(&Encoded::new(&Order::Quarantine(subject, Some(limited))), None);
        self.show();
    }

    /// Lets `subjects` run again.
    pub(super) fn set_free(&mut self, subjects: Vec<Subject>) {
        for subject in subjects {
            if subject.node.is_none() {
                tracing::warn!(step = %subject.script, "out of quarantine: tried again");
                self.metrics.quarantined(&subject.script, false);
            }
            self.crew.tell(&Encoded::new(&Order::Quarantine(subject, None)), None);
        }
    }

    /// Puts `flight` to the home of its chain, or answers it where a reload took the chain away.
    pub(super) fn submit(&mut self, flight: Flight) {
        if flight.edition != self.crew.edition() && flight.question.from.is_some() {
            // Nobody can go on with it, and to begin anew would run its programs twice.
            let message = "the configuration changed while its program ran, and then its worker died: ask again";
            return self.give_up(flight, &Failure::new(FailureName::Internal, message));
        }
        if let Err(flight) = self.crew.submit(flight) {
            let failure =
                Failure::new(FailureName::UnknownAction, "the chain was removed before the request's turn came");
            self.give_up(flight, &failure);
        }
    }
}
