//! The client of the runner: the questions that wait for programs, and the runner process itself.
//!
//! A program that was asked is not asked again because a process died. So the runner reports which questions are about
//! to be asked before asking: where the runner dies, those fail as their steps' policy says, and only the others are
//! given to the next runner.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::backoff::Backoff;
use crate::chain::StepSource;
use crate::ipc::{Encoded, Orders};
use crate::runner::{ProgramQuestion, ProgramSet, RunnerCommand};
use crate::worker::Ticket;

use super::ports::ProcessLink;
use super::response_timer::ResponseTimer;
use super::worker_handle::ORDERS_WAITING_BYTES;

/// The pause before the next runner is started: after the first death, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much longer than the longest program limit the runner may be silent while answers are due.
const PATIENCE: Duration = Duration::from_secs(15);
/// The size of waiting commands in bytes up to which the runner is not woken before the next tick, where no question
/// waits.
const LAZY_BYTES: usize = 32 << 10;

/// The questions to programs without an answer, and the runner.
pub(super) struct RunnerClient {
    editions: BTreeMap<u64, Arc<ProgramSet>>,
    open: BTreeMap<Ticket, Open>,
    runner: Option<Box<dyn ProcessLink>>,
    /// Whether a runner is being started.
    starting: bool,
    orders: Orders,
    /// The number of the runner in events.
    number: u64,
    /// Whether a question waits to be sent.
    urgent: bool,
    /// The silence of the runner, while answers are due.
    silence: ResponseTimer,
    pauses: Backoff,
    retry_at: Option<Instant>,
}

/// A question that waits for a program.
struct Open {
    program_question: ProgramQuestion,
    /// Whether the runner has reported that the program is asked.
    asked: bool,
}

/// A question that a program was asked when the runner died, or that the program has answered.
pub(super) struct ReturnedQuestion {
    pub(super) ticket: Ticket,
    pub(super) step: usize,
    pub(super) suspended: Bytes,
}

impl Default for RunnerClient {
    fn default() -> Self {
        Self {
            editions: BTreeMap::new(),
            open: BTreeMap::new(),
            runner: None,
            starting: false,
            orders: Orders::default(),
            number: 0,
            urgent: false,
            silence: ResponseTimer::default(),
            pauses: Backoff::exact(FIRST_PAUSE, LONGEST_PAUSE),
            retry_at: None,
        }
    }
}

impl RunnerClient {
    /// Sends a new edition of the programs to the runner; no decision is made any more by editions before `oldest`.
    pub(super) fn publish(&mut self, edition: ProgramSet, oldest: u64) {
        let edition = Arc::new(edition);
        self.editions.retain(|number, _| *number >= oldest);
        self.editions.insert(edition.number, Arc::clone(&edition));
        if self.runner.is_some() {
            self.orders.push(&RunnerCommand::Edition(edition));
            self.urgent = true;
        }
    }

    /// Queues a command that all workers and the runner receive.
    pub(super) fn enqueue(&mut self, order: &Encoded) {
        if self.runner.is_some() {
            self.orders.push_encoded(order);
        }
    }

    /// Asks a program.
    pub(super) fn ask(&mut self, program_question: ProgramQuestion) {
        if self.runner.is_some() {
            self.orders.push(&RunnerCommand::Run(program_question.clone()));
            self.urgent = true;
        }
        if self.open.is_empty() {
            self.silence.end();
        }
        self.open.insert(program_question.question.ticket, Open { program_question, asked: false });
    }

    /// Notes that a frame of the runner came.
    pub(super) fn note_frame(&mut self) {
        self.silence.end();
    }

    /// Kills a runner that owes answers and has been silent for longer than any program may take. Called at a tick that
    /// comes `passed` after the tick before; returns whether the runner was killed.
    pub(super) fn kill_if_silent(&mut self, passed: Duration) -> bool {
        let steps = self.editions.values().flat_map(|edition| {
            let steps = edition.chains.iter().flat_map(|chain| &chain.steps);
            let own = steps.filter_map(|step| match &step.source {
                StepSource::Executable(program) => program.wall_ms,
                StepSource::Script { .. } | StepSource::Builtin(_) => None,
            });
            own.chain([edition.limits.wall_ms])
        });
        let longest = Duration::from_millis(u64::from(steps.max().unwrap_or_default()));
        let silent = !self.open.is_empty() && self.silence.tick(passed, longest + PATIENCE);
        if let (true, Some(runner)) = (silent, &self.runner) {
            runner.kill();
            self.silence.end();
            return true;
        }
        false
    }

    /// Whether a runner has to be started: there are programs, or questions that wait for a runner.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        let wanted = !self.open.is_empty() || self.editions.values().any(|edition| !edition.chains.is_empty());
        wanted && self.runner.is_none() && !self.starting && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Returns the number of the runner that is to be started now.
    pub(super) fn start(&mut self) -> u64 {
        self.number += 1;
        self.starting = true;
        self.number
    }

    /// Takes over the started runner `number`, which is sent `snapshot` and all open questions.
    ///
    /// # Errors
    /// The error of the system where the runner could not be started; the start is tried again later.
    pub(super) fn started(
        &mut self,
        number: u64,
        runner: io::Result<Box<dyn ProcessLink>>,
        snapshot: impl FnOnce() -> Orders,
        now: Instant,
    ) -> io::Result<()> {
        if number != self.number {
            return Ok(());
        }
        self.starting = false;
        let runner = runner.inspect_err(|_| self.rest(now))?;
        tracing::debug!(pid = runner.pid(), "the runner starts");
        self.runner = Some(runner);
        self.silence.end();
        self.orders = snapshot();
        self.editions.values().for_each(|edition| self.orders.push(&RunnerCommand::Edition(Arc::clone(edition))));
        self.open.values().for_each(|open| self.orders.push(&RunnerCommand::Run(open.program_question.clone())));
        self.urgent = true;
        Ok(())
    }

    /// Sends as much as there is room for; small commands without a question only where `time` is set.
    pub(super) fn send(&mut self, time: bool) {
        let Some(runner) = &mut self.runner else { return };
        if time || self.urgent || self.orders.bytes() > LAZY_BYTES {
            runner.send(&mut self.orders);
            self.urgent = !self.orders.is_empty();
        }
        if self.orders.bytes() > ORDERS_WAITING_BYTES {
            runner.kill();
        }
    }

    /// Whether events under `number` are the present runner's.
    pub(super) fn is_held_by(&self, number: u64) -> bool {
        self.runner.is_some() && self.number == number
    }

    /// Notes that the programs of these questions are being asked.
    pub(super) fn asking(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            if let Some(open) = self.open.get_mut(ticket) {
                open.asked = true;
            }
        }
    }

    /// Removes the question `ticket`, and returns the parts to resume the question with.
    pub(super) fn close(&mut self, ticket: Ticket) -> Option<ReturnedQuestion> {
        self.pauses.succeeded();
        self.open.remove(&ticket).map(Open::back)
    }

    /// Handles the exit of the runner: the processes left behind are ended, and the questions whose programs were being
    /// asked are returned.
    pub(super) fn lost(&mut self, now: Instant) -> Vec<ReturnedQuestion> {
        if let Some(runner) = self.runner.take() {
            runner.kill_and_reap();
        }
        self.orders = Orders::default();
        self.rest(now);
        let asked: Vec<_> = self.open.extract_if(.., |_, open| open.asked).collect();
        asked.into_iter().map(|(_, open)| open.back()).collect()
    }

    fn rest(&mut self, now: Instant) {
        self.retry_at = Some(now + self.pauses.failed());
    }

    /// The number of questions that wait for a program.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Lets the runner end all programs and exit.
    pub(super) fn retire(&mut self) {
        if let Some(runner) = self.runner.take() {
            runner.retire();
        }
    }
}

impl Open {
    fn back(self) -> ReturnedQuestion {
        let ProgramQuestion { question, step, suspended, .. } = self.program_question;
        ReturnedQuestion { ticket: question.ticket, step, suspended }
    }
}

#[cfg(test)]
mod tests;
