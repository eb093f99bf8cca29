//! The work of the front after each batch of events, and the end of the front.

use std::sync::Arc;
use std::time::Duration;

use super::Front;
use crate::chain::ChainSet;
use crate::front::turns::Turns;
use crate::model::{Failure, FailureName};

/// How long a stopping front waits for the pending answers.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(30);

impl Front {
    /// Fills the slots, starts missing workers, asks the questions that can be asked, and answers the first costly
    /// question: after a batch of events, and again where [`Front::has_work`] says so. `time` says whether there was a
    /// tick among the events.
    pub fn settle(&mut self, time: bool) {
        let before = Arc::clone(&self.workers.setup().birth);
        if let Some(queued) = self.workers.take_over(&self.requests) {
            self.take_over(&before.set);
            self.submit_again(queued);
        }
        let ready = self.workers.is_ready();
        for taken in self.workers.fill_slots() {
            self.metrics.recycled_workers.inc_by(u64::from(taken.recycled));
            self.recall(&taken);
        }
        if !ready && self.workers.is_ready() {
            tracing::info!(slots = self.workers.slot_count(), "each chain has its worker");
            self.notes.remove("worker");
            self.look_at_seals();
            self.show();
        }
        self.ask_waiting(time);
        self.publish_due(time);
        let strays = self.workers.strays();
        self.submit_again(strays);
        if self.workers.is_short(self.now.instant) {
            let snapshot = self.snapshot();
            let started = self.workers.start((&snapshot, self.choices), self.now.instant);
            self.effects.extend(started);
        }
        self.start_runner();
        self.runner.send(time);
        let now_ms = self.now.unix_ms;
        for ticket in self.workers.pump(time, &mut self.requests, |pending| pending.is_late(now_ms)) {
            let Some(pending) = self.requests.take(ticket) else { continue };
            self.metrics.past_deadline.inc();
            let message = "the deadline passed before the request's turn came";
            self.give_up(pending, &Failure::new(FailureName::Overloaded, message));
        }
        self.answer_costly();
    }

    /// Puts the new configuration in force, for which each slot has a worker, in the place of the chains `before`.
    fn take_over(&mut self, before: &ChainSet) {
        let setup = self.workers.setup();
        let (quarantine, birth) = (setup.quarantine, Arc::clone(&setup.birth));
        tracing::info!(chains = birth.set.chains.len(), "the new configuration is in force");
        self.ledger.set_rules(setup.ledger_rules());
        self.cluster.set_names(birth.set.names);
        self.bound_cool_downs();
        self.notes.remove("worker");
        self.tokens.forget();
        // Other sources may have the same names.
        self.suspects.clear();
        let free = self.quarantine.reload(quarantine, &birth.set);
        self.set_free(free);
        for script in before.step_names().difference(&birth.set.step_names()) {
            self.metrics.forget_quarantine(script);
        }
        self.publish_programs();
    }

    /// Whether the service was told to stop and has answered all requests.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stopping.is_some_and(|since| self.owed() == 0 || self.since(since) > LAST_ANSWERS)
    }

    /// Answers all remaining requests with a failure when the front stops waiting, and lets the runner end.
    pub fn close(&mut self) {
        let failure = Failure::new(FailureName::Internal, "the service is stopping");
        // No further question is asked.
        self.turns = Turns::default();
        self.wait_queues.clear();
        self.answer_held_back(&failure);
        self.answer_unverified(&failure);
        self.refuse_costly(&failure);
        self.requests.drain().for_each(|pending| self.give_up(pending, &failure));
        self.runner.retire();
    }
}
