//! A lane: the worker that decides, the questions it was asked, and the next worker while it is being born.
//!
//! Orders leave in the order of events, so that a worker sees a change before the questions that came after it. What
//! does not fit into the worker's socket waits here: the front's task itself never waits for a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Change, LimitKind};
use crate::worker::desk::Cause;
use crate::worker::{BirthError, Desk, Order, Overrun, Worker};

use super::events::{Event, Links, Setup};
use super::flight::Flight;

/// Questions that a worker holds at most; more wait at the desk, where their deadline is still looked at.
const ASKED_AT_ONCE: usize = 4096;
/// Orders that wait for a worker to read them; past that it is hopelessly behind, and a new one is cheaper.
const ORDERS_WAITING: usize = 2_000_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One worker after another, and their questions.
pub(super) struct Lane {
    pub(super) desk: Desk<Flight>,
    worker: Option<(u64, Worker)>,
    orders: Vec<Order>,
    newborn: Option<Newborn>,
    born: u64,
    last_word: Instant,
    /// What the next death will be put down to, where that is known beforehand.
    cause: Option<Cause>,
    pause: Duration,
    retry_at: Option<Instant>,
    pub(super) links: Links,
}

/// A worker that is being started, and what it has to be told when it is there.
struct Newborn {
    number: u64,
    setup: Setup,
    backlog: Vec<Order>,
    ready: Option<Worker>,
    /// How it ended, where word of its end came before word of its birth.
    stillborn: Option<String>,
}

impl Lane {
    pub(super) fn new(links: Links) -> Self {
        Self {
            desk: Desk::default(),
            worker: None,
            orders: Vec::new(),
            newborn: None,
            born: 0,
            last_word: Instant::now(),
            cause: None,
            pause: FIRST_PAUSE,
            retry_at: None,
            links,
        }
    }

    /// Whether a worker is there.
    pub(super) fn is_staffed(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether a worker is being started.
    pub(super) fn expects(&self) -> bool {
        self.newborn.is_some()
    }

    /// The worker's process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.worker.as_ref().map(|(_, worker)| worker.pid())
    }

    /// Whether it is time to try again after a worker could not be started.
    pub(super) fn wants_worker(&self, now: Instant) -> bool {
        self.worker.is_none() && self.newborn.is_none() && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Starts a worker for `setup` beside the present one; `snapshot` makes it a mirror of the cluster as it is.
    pub(super) fn start(&mut self, setup: Setup, snapshot: Vec<Order>) {
        self.born += 1;
        let (number, Links { events, words }) = (self.born, self.links.clone());
        let (birth, program) = (setup.birth.clone(), setup.program.clone());
        self.newborn = Some(Newborn { number, setup, backlog: Vec::new(), ready: None, stillborn: None });
        self.retry_at = None;
        tokio::spawn(async move {
            let worker = Worker::start(&program, &birth, number, words).await;
            if let Ok(worker) = &worker {
                worker.send_all(snapshot).await;
            }
            // Without a front there is nobody to decide for.
            drop(events.send(Event::Born(number, worker)).await);
        });
    }

    /// A worker was born, or could not be; returns why not. A birth that nobody waits for any more is ignored.
    pub(super) fn born(&mut self, number: u64, worker: Result<Worker, BirthError>) -> Option<BirthError> {
        let newborn = self.newborn.as_mut().filter(|newborn| newborn.number == number)?;
        let worker = match newborn.stillborn.take() {
            Some(how) => Err(BirthError::Died(None, how)),
            None => worker,
        };
        match worker {
            Ok(worker) => {
                newborn.ready = Some(worker);
                self.pause = FIRST_PAUSE;
                None
            }
            Err(error) => {
                self.newborn = None;
                self.retry_at = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Some(error)
            }
        }
    }

    /// Lets the newborn take over once the present worker has answered everything; returns its setup.
    pub(super) fn hand_over(&mut self) -> Option<Setup> {
        if self.worker.is_some() && self.desk.asked() > 0 {
            return None;
        }
        let newborn = self.newborn.take_if(|newborn| newborn.ready.is_some())?;
        if let Some((_, old)) = self.worker.take() {
            tokio::spawn(old.retire());
        }
        self.worker = newborn.ready.map(|worker| (newborn.number, worker));
        self.orders = newborn.backlog;
        self.desk.worker_arrived();
        Some(newborn.setup)
    }

    /// Passes a change on to whoever mirrors the cluster.
    pub(super) fn tell(&mut self, change: &Change) {
        self.tell_newborn(change);
        if self.worker.is_some() {
            self.orders.push(Order::Change(change.clone()));
        }
    }

    /// Passes on a change that the present worker knows of, because it made it itself.
    pub(super) fn tell_newborn(&mut self, change: &Change) {
        if let Some(newborn) = &mut self.newborn {
            newborn.backlog.push(Order::Change(change.clone()));
        }
    }

    /// Tells a newborn of a choice that was made after its snapshot.
    pub(super) fn recall_newborn(&mut self, action: &Arc<str>, node: &Arc<str>) {
        if let Some(newborn) = &mut self.newborn {
            newborn.backlog.push(Order::Recall(Arc::clone(action), Arc::clone(node)));
        }
    }

    /// Undoes what the present worker alone believes.
    pub(super) fn undo(&mut self, change: Change) {
        if self.worker.is_some() {
            self.orders.push(Order::Change(change));
        }
    }

    /// Asks what may be asked now, and sends what there is room for. Returns the questions that are `late`: those are
    /// not run.
    pub(super) fn pump(&mut self, late: impl Fn(&Flight) -> bool) -> Vec<Flight> {
        let mut too_late = Vec::new();
        let taking_over = self.newborn.as_ref().is_some_and(|newborn| newborn.ready.is_some());
        while !taking_over && self.desk.asked() < ASKED_AT_ONCE {
            if self.desk.asked() == 0 {
                self.last_word = Instant::now();
            }
            let Some((ticket, flight)) = self.desk.ask_next() else { break };
            if late(flight) {
                too_late.extend(self.desk.answered(ticket));
            } else {
                self.orders.push(Order::Ask(flight.question.clone()));
            }
        }
        match &self.worker {
            Some((_, worker)) => {
                worker.send_some(&mut self.orders);
                if self.orders.len() > ORDERS_WAITING {
                    worker.kill();
                }
            }
            None => self.orders.clear(),
        }
        too_late
    }

    /// Whether the words under `number` are the present worker's.
    pub(super) fn hears(&mut self, number: u64) -> bool {
        let present = self.worker.as_ref().is_some_and(|(own, _)| *own == number);
        if present {
            self.last_word = Instant::now();
        }
        present
    }

    /// A worker other than the present one is gone: of a newborn that must be known before it takes over.
    pub(super) fn gone(&mut self, number: u64, how: String) {
        if let Some(newborn) = self.newborn.as_mut().filter(|newborn| newborn.number == number) {
            match newborn.ready {
                Some(_) => self.newborn = None,
                None => newborn.stillborn = Some(how),
            }
        }
    }

    /// The worker named a culprit; returns its question.
    pub(super) fn convicted(&mut self, overrun: &Overrun) -> Option<Flight> {
        self.cause = Some(Cause::Named);
        self.desk.convicted(overrun.ticket)
    }

    /// The worker is gone, `killed` by a signal that only others send or not; returns the question that is guilty, and of
    /// what.
    pub(super) fn lost(&mut self, killed: bool) -> Option<(Flight, LimitKind)> {
        self.worker = None;
        self.orders.clear();
        let unnamed = if killed { Cause::Outside } else { Cause::Unknown };
        let cause = self.cause.take().unwrap_or(unnamed);
        let kind = if cause == Cause::Silent { LimitKind::Time } else { LimitKind::Crash };
        self.desk.worker_lost(cause).map(|(_, flight)| (flight, kind))
    }

    /// Kills a worker that has held questions for `limit` without a word; whether it did.
    pub(super) fn kill_if_silent(&mut self, limit: Duration) -> bool {
        let silent = self.desk.asked() > 0 && self.last_word.elapsed() > limit;
        if let (true, Some((_, worker))) = (silent, &self.worker) {
            worker.kill();
            self.cause = Some(Cause::Silent);
            self.last_word = Instant::now();
            return true;
        }
        false
    }
}
