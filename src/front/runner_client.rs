//! RunnerClient: what the runner does for questions that wait at an executable step, and the runner itself.
//!
//! A program that was asked is not asked again because something died. So the runner says which questions it is about to ask before it asks: where it
//! dies, those fail as their steps' policy says, and only the others are given to the next runner.

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

/// The pause before the next runner is started: after the first death, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much longer than any program may take the runner may be silent while it owes answers.
const PATIENCE: Duration = Duration::from_secs(15);
/// The runner is not woken for less than this until the next tick, where nothing is asked of it.
const LAZY_BYTES: usize = 32 << 10;

/// What was asked of programs and has no answer yet, and the runner.
pub(super) struct RunnerClient {
    editions: BTreeMap<u64, Arc<ProgramSet>>,
    open: BTreeMap<Ticket, Open>,
    runner: Option<Box<dyn ProcessLink>>,
    /// Whether one is being started.
    starting: bool,
    orders: Orders,
    /// The number under which the runner's words come.
    number: u64,
    /// Whether a question waits to be sent.
    urgent: bool,
    /// Of the runner, while it owes answers.
    silence: ResponseTimer,
    pauses: Backoff,
    retry_at: Option<Instant>,
}

/// A question that waits for its program.
struct Open {
    errand: ProgramQuestion,
    /// Whether the runner has said that its program is asked.
    asked: bool,
}

/// A question that a program was asked when the runner died, or that it has answered.
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
    /// From here on these programs count; the editions before `oldest` are decided for by nobody any more.
    pub(super) fn publish(&mut self, edition: ProgramSet, oldest: u64) {
        let edition = Arc::new(edition);
        self.editions.retain(|number, _| *number >= oldest);
        self.editions.insert(edition.number, Arc::clone(&edition));
        if self.runner.is_some() {
            self.orders.push(&RunnerCommand::Edition(edition));
            self.urgent = true;
        }
    }

    /// Passes on what the runner must know as workers must.
    pub(super) fn enqueue(&mut self, order: &Encoded) {
        if self.runner.is_some() {
            self.orders.push_encoded(order);
        }
    }

    /// Asks a program.
    pub(super) fn ask(&mut self, errand: ProgramQuestion) {
        if self.runner.is_some() {
            self.orders.push(&RunnerCommand::Run(errand.clone()));
            self.urgent = true;
        }
        if self.open.is_empty() {
            self.silence.end();
        }
        self.open.insert(errand.question.ticket, Open { errand, asked: false });
    }

    /// The runner said something.
    pub(super) fn note_frame(&mut self) {
        self.silence.end();
    }

    /// Kills a runner that owes answers and has said nothing for longer than any program may take, at a tick that comes
    /// `passed` after the one before; whether it did.
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

    /// Whether a runner has to be started: there are programs, or questions that wait for one.
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

    /// The runner under `number` was started; it is told of `snapshot` and of all that is open.
    ///
    /// # Errors
    /// What the system says where it could not be; that is tried again.
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
        self.open.values().for_each(|open| self.orders.push(&RunnerCommand::Run(open.errand.clone())));
        self.urgent = true;
        Ok(())
    }

    /// Sends what there is room for; less than a bite that asks nothing only where it is `time`.
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

    /// Whether words under `number` are the present runner's.
    pub(super) fn is_held_by(&self, number: u64) -> bool {
        self.runner.is_some() && self.number == number
    }

    /// The programs of these questions are being asked.
    pub(super) fn asking(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            if let Some(open) = self.open.get_mut(ticket) {
                open.asked = true;
            }
        }
    }

    /// The question `ticket` comes back.
    pub(super) fn close(&mut self, ticket: Ticket) -> Option<ReturnedQuestion> {
        self.pauses.succeeded();
        self.open.remove(&ticket).map(Open::back)
    }

    /// The runner is gone: what it left behind is ended, and the questions come back whose programs it was asking.
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

    /// Questions that wait for a program.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Lets the runner end its programs and itself.
    pub(super) fn retire(&mut self) {
        if let Some(runner) = self.runner.take() {
            runner.retire();
        }
    }
}

impl Open {
    fn back(self) -> ReturnedQuestion {
        let ProgramQuestion { question, step, suspended, .. } = self.errand;
        ReturnedQuestion { ticket: question.ticket, step, suspended }
    }
}

#[cfg(test)]
mod tests;
