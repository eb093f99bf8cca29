//! Spares: workers that mirror the cluster and have no slot yet, and workers that are being started.
//!
//! Every worker is started with all chains, so any spare can take any slot the moment that the slot's worker dies. A
//! reload is a second set of spares, started with the new configuration.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::ipc::{Encoded, Orders, ProcessEnd};
use crate::worker::BirthError;

use super::effects::Effect;
use super::events::Setup;
use super::ports::NewWorker;
use super::worker_handle::{ORDERS_WAITING_BYTES, WorkerHandle};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The most workers that are started at one time: each takes a copy of the cluster with it.
const STARTS_AT_ONCE: usize = 4;
/// The size of waiting commands in bytes up to which a spare is not woken before the next tick.
const LAZY_BYTES: usize = 32 << 10;

/// The workers of a setup that have no slot.
pub(super) struct Spares {
    pub(super) setup: Setup,
    starting: Vec<StartingWorker>,
    ready: Vec<WorkerHandle>,
    pauses: Backoff,
    retry_at: Option<Instant>,
}

/// A worker that is being started, and the changes since the worker's snapshot.
struct StartingWorker {
    number: u64,
    backlog: Orders,
    choices: u64,
    /// How the worker ended, where the exit event came before the result of the start.
    early_exit: Option<String>,
}

impl Spares {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            starting: Vec::new(),
            ready: Vec::new(),
            pauses: Backoff::exact(FIRST_PAUSE, LONGEST_PAUSE),
            retry_at: None,
        }
    }

    /// Returns the number of spares that are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Returns the number of workers that have to be started for `wanted`, where a start may be tried at `now`.
    pub(super) fn short(&self, wanted: usize, now: Instant) -> usize {
        match self.retry_at {
            Some(at) if now < at => 0,
            _ => wanted
                .saturating_sub(self.ready.len() + self.starting.len())
                .min(STARTS_AT_ONCE.saturating_sub(self.starting.len())),
        }
    }

    /// Starts `count` workers; `snapshot` makes them mirrors of the present cluster, with the first `choices` of all
    /// chains. `births` is the number of the last worker that was started.
    pub(super) fn start(
        &mut self,
        count: usize,
        (snapshot, choices): (&Orders, u64),
        last_number: &mut u64,
    ) -> Vec<Effect> {
        if count > 0 {
            self.retry_at = None;
        }
        let start = |_| {
            *last_number += 1;
            let number = *last_number;
            self.starting.push(StartingWorker { number, backlog: Orders::default(), choices, early_exit: None });
            let Setup { program, birth, .. } = &self.setup;
            Effect::StartWorker { number, program: program.clone(), birth: birth.clone(), snapshot: snapshot.clone() }
        };
        (0..count).map(start).collect()
    }

    /// Whether the worker `number` is being started here.
    pub(super) fn expects(&self, number: u64) -> bool {
        self.starting.iter().any(|entry| entry.number == number)
    }

    /// Handles the result of starting the worker `number`; a start that is not expected any more is ignored.
    ///
    /// # Errors
    /// The reason why the worker could not be started.
    pub(super) fn started(
        &mut self,
        number: u64,
        worker: Result<NewWorker, BirthError>,
        now: Instant,
    ) -> Result<(), BirthError> {
        let Some(place) = self.starting.iter().position(|entry| entry.number == number) else {
            return Ok(());
        };
        let entry = self.starting.swap_remove(place);
        let behind = entry.backlog.bytes() > ORDERS_WAITING_BYTES;
        let worker = match entry.early_exit.or_else(|| behind.then(|| "came too late for the changes".to_owned())) {
            Some(how) => Err(BirthError::Died(None, how)),
            None => worker,
        };
        match worker {
            Ok(worker) => {
                self.ready.push(WorkerHandle::new(number, worker, entry.backlog, entry.choices));
                Ok(())
            }
            Err(error) => {
                self.rest(now);
                Err(error)
            }
        }
    }

    /// Removes the worker `number`, which has exited; returns whether the worker was one of the spares.
    pub(super) fn gone(&mut self, number: u64, ended: &ProcessEnd, now: Instant) -> bool {
        let entry = self.starting.iter_mut().find(|entry| entry.number == number);
        if let Some(entry) = entry {
            entry.early_exit = Some(ended.how.clone());
            return true;
        }
        let before = self.ready.len();
        self.ready.retain(|worker| worker.number() != number);
        let was_ready = self.ready.len() < before;
        if was_ready && !ended.killed {
            // The worker died of the cluster itself, as the next may.
            self.rest(now);
        }
        was_ready
    }

    /// Delays the next start, by more each time.
    fn rest(&mut self, now: Instant) {
        self.retry_at = Some(now + self.pauses.failed());
    }

    /// Removes and returns a spare that can decide.
    pub(super) fn take(&mut self) -> Option<WorkerHandle> {
        let first = (!self.ready.is_empty()).then(|| self.ready.remove(0))?;
        self.pauses.succeeded();
        Some(first)
    }

    /// Queues a command that all workers receive.
    pub(super) fn enqueue(&mut self, order: &Encoded) {
        for entry in &mut self.starting {
            // Past the bound the worker is lost anyway, and the result of the start will say so.
            if entry.backlog.bytes() <= ORDERS_WAITING_BYTES {
                entry.backlog.push_encoded(order);
            }
        }
        self.ready.iter_mut().for_each(|worker| worker.enqueue(order));
    }

    /// Sends the waiting commands; few bytes only where `time` is set.
    pub(super) fn send(&mut self, time: bool) {
        self.ready.iter_mut().filter(|worker| time || worker.waiting_bytes() > LAZY_BYTES).for_each(WorkerHandle::send);
    }

    /// Lets all spares end; workers that are being started end when they find no receiver.
    pub(super) fn retire(self) {
        self.ready.into_iter().for_each(WorkerHandle::retire);
    }
}

#[cfg(test)]
mod tests;
