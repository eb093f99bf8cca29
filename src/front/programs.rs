//! Questions that wait for programs: sent to the runner, and resumed with the program's answer.

use std::sync::Arc;

use crate::chain::{ChainSpec, ProgramAnswer};
use crate::model::{Change, Failure, FailureName, LimitKind};

use crate::ipc::{Encoded, ProcessEnd};
use crate::runner::{self, ProgramQuestion, ProgramSet, RunnerEvent};
use crate::script::ScriptError;
use crate::worker::{SuspendedStep, Ticket, WaitingDecision};

use super::effects::Effect;
use super::pending_request::{PendingRequest, PendingStage};
use super::placing::no_more_tries;
use super::ports::ProcessLink;
use super::runner_client::ReturnedQuestion;
use super::snapshot::cluster_snapshot;
use super::task::Front;

impl Front {
    /// Handles a decision of the worker in `slot` that came to an executable step.
    pub(super) fn wait(&mut self, slot: usize, waiting: WaitingDecision) {
        let WaitingDecision { ticket, step, suspended, taken } = waiting;
        let most = self.workers.setup().retries;
        let Some(edition) = self.workers.slot_mut(slot).and_then(|slot| slot.park(ticket)) else { return };
        let now = self.requests.now();
        let Some(pending) = self.requests.get_mut(ticket) else { return };
        pending.enter(PendingStage::Suspended, now);
        if let Some((node, reason)) = taken {
            self.metrics.refused_commits.inc();
            pending.retries += 1;
            if pending.retries > most {
                let Some(pending) = self.take_suspended(ticket) else { return };
                return self.come_to_nothing(pending, no_more_tries(&node, most + 1, reason));
            }
        }
        // The answer of an earlier program is part of the decision so far.
        Arc::make_mut(&mut pending.question).from = None;
        pending.edition = edition;
        self.metrics.programs_asked.inc();
        let question = Arc::clone(&pending.question);
        self.ask_in_turn(ProgramQuestion { edition, step, question, suspended });
    }

    /// Asks a program as soon as the question's turn comes.
    fn ask_in_turn(&mut self, program_question: ProgramQuestion) {
        let action = Arc::clone(&program_question.question.head.action);
        let program_question = match self.turns_of(&action) {
            Some(most) => self.turns.take(&action, program_question, most),
            None => Some(program_question),
        };
        program_question.into_iter().for_each(|program_question| self.runner.ask(program_question));
    }

    /// Notes that the question `ticket` of the chain of `action` is done with the programs; the next questions are
    /// asked.
    pub(super) fn end_turn(&mut self, action: &Arc<str>, ticket: Ticket) {
        self.turns.end(action, ticket);
        self.begin_turns(action);
    }

    fn begin_turns(&mut self, action: &Arc<str>) {
        // Where a reload removed the limit, all waiting questions are asked.
        let most = self.turns_of(action).unwrap_or(usize::MAX);
        while let Some(program_question) = self.turns.next(action, most) {
            self.runner.ask(program_question);
        }
    }

    fn turns_of(&self, action: &str) -> Option<usize> {
        self.workers.setup().birth.set.get(action).and_then(ChainSpec::turns)
    }

    /// Whether the node that was chosen for `pending` took a session after the program had read the cluster; then the
    /// program is asked again, the last time with no other question beside.
    pub(super) fn is_outdated(&mut self, pending: &PendingRequest, node: &str) -> bool {
        let (action, ticket) = (&pending.question.head.action, pending.question.ticket);
        let outdated = pending.edition > 0 && self.turns.is_taken_since(action, ticket, node);
        if outdated && pending.retries >= self.workers.setup().retries {
            self.turns.again_alone(action, ticket);
            let action = Arc::clone(action);
            self.begin_turns(&action);
        }
        outdated
    }

    /// Handles an event of the runner `number`.
    pub(super) fn runner_event(&mut self, number: u64, event: RunnerEvent) {
        if !self.runner.is_held_by(number) {
            return;
        }
        self.runner.note_frame();
        match event {
            RunnerEvent::Asking(tickets) => self.runner.asking(&tickets),
            RunnerEvent::Heard(ticket, heard) => {
                if let Some(returned) = self.runner.close(ticket) {
                    self.note_choice(ticket, &heard);
                    self.go_on(returned, Some(heard));
                }
            }
            RunnerEvent::Late(ticket) => {
                if let Some(returned) = self.runner.close(ticket) {
                    self.late(returned);
                }
            }
            RunnerEvent::Logged(step, line) => tracing::info!(target: "script", script = %step, "{line}"),
            RunnerEvent::Ended(step, how) => {
                tracing::warn!(step = %step, "{how}: it is started again");
                self.metrics.program_ended(&step);
            }
            RunnerEvent::Exited(ended) => self.runner_lost(&ended),
        }
    }

    /// Handles the exit of the runner. A program whose answer is lost is not asked again: the program may have taken
    /// effect.
    fn runner_lost(&mut self, ended: &ProcessEnd) {
        let waiting = self.runner.len();
        match ended.stopped {
            true => tracing::info!(
                waiting,
                "the runner was told to stop: another one goes on for as long as the service does"
            ),
            false => tracing::warn!(waiting, "the runner {ended}: another one is started"),
        }
        self.metrics.runner_deaths.inc();
        for returned in self.runner.lost(self.now.instant) {
            let message = format!("the runner {ended} while the program ran");
            self.go_on(returned, Some(ProgramAnswer::only(Err(ScriptError::Limit(LimitKind::Crash, message)))));
        }
    }

    /// Where the chain asks one question at a time, ends the turn of `ticket` when the program has chosen a node: the
    /// next question sees that choice already.
    fn note_choice(&mut self, ticket: Ticket, heard: &ProgramAnswer) {
        let Some(pending) = self.requests.get(ticket) else { return };
        let action = Arc::clone(&pending.question.head.action);
        if heard.chooses() && self.turns_of(&action) == Some(1) {
            self.end_turn(&action, ticket);
        }
    }

    /// Lets a worker resume a decision with the answer of the program.
    fn go_on(&mut self, returned: ReturnedQuestion, heard: Option<ProgramAnswer>) {
        let ReturnedQuestion { ticket, step, suspended } = returned;
        let from = SuspendedStep { step, suspended, heard };
        let now = self.requests.now();
        let Some(pending) = self.requests.get_mut(ticket) else { return };
        if self.workers.unpark(ticket) {
            Arc::make_mut(&mut pending.question).from = Some(from);
            pending.enter(PendingStage::Queued, now);
        }
    }

    /// Removes the request `ticket`, which waits for a program, from the table.
    fn take_suspended(&mut self, ticket: Ticket) -> Option<Box<PendingRequest>> {
        self.workers.drop_parked(ticket);
        self.requests.take(ticket)
    }

    /// Handles a question that was not asked because the deadline had passed; a repetition with a later deadline may
    /// have joined since.
    fn late(&mut self, returned: ReturnedQuestion) {
        let now_ms = self.now.unix_ms;
        let Some(pending) = self.requests.get_mut(returned.ticket) else { return };
        if pending.is_late(now_ms) {
            self.metrics.past_deadline.inc();
            let Some(pending) = self.take_suspended(returned.ticket) else { return };
            let message = "the deadline passed before its program's turn came";
            return self.give_up(pending, &Failure::new(FailureName::Overloaded, message));
        }
        Arc::make_mut(&mut pending.question).deadline_ms = pending.deadline_ms();
        self.go_on(returned, None);
    }

    /// Tells the runner that a choice of a program came to nothing: the runner counts such a choice as placed until
    /// told otherwise.
    pub(super) fn forget_choice(&mut self, decision: &Arc<str>) {
        self.runner.enqueue(&Encoded::new(&runner::RunnerCommand::Change(Change::Release(Arc::clone(decision)))));
    }

    /// Whether the program at which `pending` was suspended made the choice of `decided_by`, so that the program has to
    /// choose again.
    pub(super) fn chose_itself(&self, pending: &PendingRequest, decided_by: Option<&Arc<str>>) -> bool {
        let set = &self.workers.setup().birth.set;
        let chain = set.get(&pending.question.head.action);
        let step = pending.question.from.as_ref().and_then(|from| chain?.steps.get(from.step));
        step.is_some_and(|step| Some(&step.name) == decided_by)
    }

    /// Sends the programs of the configuration in force to the runner.
    pub(super) fn publish_programs(&mut self) {
        let (setup, number) = (self.workers.setup(), self.workers.edition());
        let edition = ProgramSet::of(number, &setup.birth.set, setup.environment.clone(), setup.programs);
        let oldest = self.workers.oldest_edition();
        self.runner.publish(edition, oldest);
    }

    /// Starts the runner where a runner is wanted.
    pub(super) fn start_runner(&mut self) {
        if !self.runner.is_short(self.now.instant) {
            return;
        }
        let (number, program) = (self.runner.start(), self.workers.setup().program.clone());
        self.order(Effect::StartRunner { number, program });
    }

    /// Handles the result of starting the runner `number`.
    pub(super) fn runner_started(&mut self, number: u64, runner: std::io::Result<Box<dyn ProcessLink>>) {
        let cluster = &self.cluster;
        match self.runner.started(number, runner, || cluster_snapshot(cluster), self.now.instant) {
            Ok(()) => drop(self.notes.remove("runner")),
            Err(error) => {
                tracing::error!(%error, "no runner: executables wait");
                self.notes.insert("runner", format!("it cannot be started: {error}"));
            }
        }
        self.runner.send(true);
    }
}

#[cfg(test)]
mod tests;
