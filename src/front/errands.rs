//! Errands: what the runner does for questions that wait at an executable step, and the runner itself.
//!
//! A program that was asked is not asked again because something died. So the runner says which questions it is about to ask before it asks: where it
//! dies, those fail as their steps' policy says, and only the others are given to the next runner.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::chain::StepSource;
use crate::model::Arrangement;
use crate::runner::{Birth, Edition, Errand, Order, Runner, RunnerEvent, process};
use crate::worker::desk::Ticket;
use crate::worker::{Encoded, Orders};

use super::hand::ORDERS_WAITING_BYTES;
use super::silence::Silence;

/// The pause before the next runner is started: after the first death, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much longer than any program may take the runner may be silent while it owes answers.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a runner may take to end its programs and itself.
const LAST_BREATH: Duration = Duration::from_secs(3);
/// The runner is not woken for less than this until the next tick, where nothing is asked of it.
const LAZY_BYTES: usize = 32 << 10;

/// What was asked of programs and has no answer yet, and the runner.
pub(super) struct Errands {
    editions: BTreeMap<u64, Arc<Edition>>,
    open: BTreeMap<Ticket, Open>,
    runner: Option<Runner>,
    orders: Orders,
    /// The number under which the runner's words come.
    number: u64,
    /// Whether a question waits to be sent.
    urgent: bool,
    /// Of the runner, while it owes answers.
    silence: Silence,
    pause: Duration,
    retry_at: Option<Instant>,
    events: mpsc::Sender<(u64, RunnerEvent)>,
}

/// A question that waits for its program.
struct Open {
    errand: Errand,
    /// Whether the runner has said that its program is asked.
    asked: bool,
}

/// A question that a program was asked when the runner died, or that it has answered.
pub(super) struct Returned {
    pub(super) ticket: Ticket,
    pub(super) step: usize,
    pub(super) suspended: Bytes,
}

impl Errands {
    pub(super) fn new(events: mpsc::Sender<(u64, RunnerEvent)>) -> Self {
        Self {
            editions: BTreeMap::new(),
            open: BTreeMap::new(),
            runner: None,
            orders: Orders::default(),
            number: 0,
            urgent: false,
            silence: Silence::default(),
            pause: FIRST_PAUSE,
            retry_at: None,
            events,
        }
    }

    /// From here on these programs count; the editions before `oldest` are decided for by nobody any more.
    pub(super) fn publish(&mut self, edition: Edition, oldest: u64) {
        let edition = Arc::new(edition);
        self.editions.retain(|number, _| *number >= oldest);
        self.editions.insert(edition.number, Arc::clone(&edition));
        if self.runner.is_some() {
            self.orders.push(&Order::Edition(edition));
            self.urgent = true;
        }
    }

    /// Passes on what the runner must know as workers must.
    pub(super) fn tell(&mut self, order: &Encoded) {
        if self.runner.is_some() {
            self.orders.push_encoded(order);
        }
    }

    /// Asks a program.
    pub(super) fn ask(&mut self, errand: Errand) {
        if self.runner.is_some() {
            self.orders.push(&Order::Run(errand.clone()));
            self.urgent = true;
        }
        if self.open.is_empty() {
            self.silence.end();
        }
        self.open.insert(errand.question.ticket, Open { errand, asked: false });
    }

    /// The runner said something.
    pub(super) fn heard(&mut self) {
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
        if let (true, Some(runner)) = (silent, &mut self.runner) {
            runner.peer_mut().kill();
            self.silence.end();
            return true;
        }
        false
    }

    /// Whether a runner has to be started: there are programs, or questions that wait for one.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        let wanted = !self.open.is_empty() || self.editions.values().any(|edition| !edition.chains.is_empty());
        wanted && self.runner.is_none() && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Starts a runner that knows `snapshot`.
    ///
    /// # Errors
    /// What the system says; it will be tried again.
    pub(super) fn start(&mut self, program: &Path, snapshot: Orders) -> std::io::Result<()> {
        self.number += 1;
        let birth = Birth { arrangement: Arrangement::ById };
        match Runner::start(program, &birth, self.number, self.events.clone()) {
            Ok(runner) => {
                tracing::debug!(pid = runner.pid(), "the runner starts");
                self.runner = Some(runner);
                self.silence.end();
                self.orders = snapshot;
                self.editions.values().for_each(|edition| self.orders.push(&Order::Edition(Arc::clone(edition))));
                self.open.values().for_each(|open| self.orders.push(&Order::Run(open.errand.clone())));
                self.urgent = true;
                Ok(())
            }
            Err(error) => {
                self.rest();
                Err(error)
            }
        }
    }

    /// Sends what there is room for; less than a bite that asks nothing only where it is `time`.
    pub(super) fn send(&mut self, time: bool) {
        let Some(runner) = &mut self.runner else { return };
        if time || self.urgent || self.orders.bytes() > LAZY_BYTES {
            runner.peer_mut().send_some(&mut self.orders);
            self.urgent = !self.orders.is_empty();
        }
        if self.orders.bytes() > ORDERS_WAITING_BYTES {
            runner.peer_mut().kill();
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
    pub(super) fn close(&mut self, ticket: Ticket) -> Option<Returned> {
        self.pause = FIRST_PAUSE;
        self.open.remove(&ticket).map(Open::back)
    }

    /// The runner is gone: what it left behind is ended, and the questions come back whose programs it was asking.
    pub(super) fn lost(&mut self) -> Vec<Returned> {
        if let Some(runner) = self.runner.take() {
            tokio::spawn(process::bury(runner.pid()));
        }
        self.orders = Orders::default();
        self.rest();
        let asked: Vec<_> = self.open.extract_if(.., |_, open| open.asked).collect();
        asked.into_iter().map(|(_, open)| open.back()).collect()
    }

    fn rest(&mut self) {
        self.retry_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Questions that wait for a program.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Lets the runner end its programs and itself; waits until it has.
    pub(super) async fn retire(&mut self) {
        if let Some(mut runner) = self.runner.take() {
            let (pid, leash) = (runner.pid(), runner.peer_mut().leash());
            if tokio::time::timeout(LAST_BREATH, runner.retire()).await.is_err() {
                leash.kill();
                process::bury(pid).await;
            }
        }
    }
}

impl Open {
    fn back(self) -> Returned {
        let Errand { question, step, suspended, .. } = self.errand;
        Returned { ticket: question.ticket, step, suspended }
    }
}
