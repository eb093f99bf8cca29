//! Spares: workers that mirror the cluster and decide for nobody yet, and those that are being born.
//!
//! Every worker is born with all chains, so any spare can take any slot the moment that its worker dies. A reload is a
//! second set of spares, born with the new configuration.

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
/// Workers that are started at one time: each takes a copy of the cluster with it.
const BIRTHS_AT_ONCE: usize = 4;
/// A spare is not woken for less than this until the next tick.
const LAZY_BYTES: usize = 32 << 10;

/// The workers of one setup that have no slot.
pub(super) struct Spares {
    pub(super) setup: Setup,
    newborns: Vec<StartingWorker>,
    ready: Vec<WorkerHandle>,
    pauses: Backoff,
    retry_at: Option<Instant>,
}

/// A worker that is being started, and what it has to be told when it is there.
struct StartingWorker {
    number: u64,
    backlog: Orders,
    choices: u64,
    /// How it ended, where word of its end came before word of its birth.
    stillborn: Option<String>,
}

impl Spares {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            newborns: Vec::new(),
            ready: Vec::new(),
            pauses: Backoff::exact(FIRST_PAUSE, LONGEST_PAUSE),
            retry_at: None,
        }
    }

    /// How many are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many have to be started for `wanted` to be there, if now is a time to try.
    pub(super) fn short(&self, wanted: usize, now: Instant) -> usize {
        match self.retry_at {
            Some(at) if now < at => 0,
            _ => wanted
                .saturating_sub(self.ready.len() + self.newborns.len())
                .min(BIRTHS_AT_ONCE.saturating_sub(self.newborns.len())),
        }
    }

    /// Starts `count` workers; `snapshot` makes them mirrors of the cluster as it is, with the first `choices` of all chains.
    /// `births` is the number of the last worker that was started.
    pub(super) fn start(&mut self, count: usize, (snapshot, choices): (&Orders, u64), births: &mut u64) -> Vec<Effect> {
        if count > 0 {
            self.retry_at = None;
        }
        let start = |_| {
            *births += 1;
            let number = *births;
            self.newborns.push(StartingWorker { number, backlog: Orders::default(), choices, stillborn: None });
            let Setup { program, birth, .. } = &self.setup;
            Effect::StartWorker { number, program: program.clone(), birth: birth.clone(), snapshot: snapshot.clone() }
        };
        (0..count).map(start).collect()
    }

    /// Whether the worker under `number` is one of these that is being born.
    pub(super) fn expects(&self, number: u64) -> bool {
        self.newborns.iter().any(|newborn| newborn.number == number)
    }

    /// The worker under `number` was born, or could not be; a birth that nobody waits for any more is ignored.
    ///
    /// # Errors
    /// Why it could not be.
    pub(super) fn started(
        &mut self,
        number: u64,
        worker: Result<NewWorker, BirthError>,
        now: Instant,
    ) -> Result<(), BirthError> {
        let Some(place) = self.newborns.iter().position(|newborn| newborn.number == number) else { return Ok(()) };
        let newborn = self.newborns.swap_remove(place);
        let behind = newborn.backlog.bytes() > ORDERS_WAITING_BYTES;
        let worker = match newborn.stillborn.or_else(|| behind.then(|| "came too late for the changes".to_owned())) {
            Some(how) => Err(BirthError::Died(None, how)),
            None => worker,
        };
        match worker {
            Ok(worker) => {
                self.ready.push(WorkerHandle::new(number, worker, newborn.backlog, newborn.choices));
                Ok(())
            }
            Err(error) => {
                self.rest(now);
                Err(error)
            }
        }
    }

    /// The worker under `number` is gone; whether it was one of these.
    pub(super) fn gone(&mut self, number: u64, ended: &ProcessEnd, now: Instant) -> bool {
        let newborn = self.newborns.iter_mut().find(|newborn| newborn.number == number);
        if let Some(newborn) = newborn {
            newborn.stillborn = Some(ended.how.clone());
            return true;
        }
        let before = self.ready.len();
        self.ready.retain(|worker| worker.number() != number);
        let was_ready = self.ready.len() < before;
        if was_ready && !ended.killed {
            // It died of the cluster itself, as the next one may.
            self.rest(now);
        }
        was_ready
    }

    /// Lets some time pass before the next birth, more each time.
    fn rest(&mut self, now: Instant) {
        self.retry_at = Some(now + self.pauses.failed());
    }

    /// One that can decide.
    pub(super) fn take(&mut self) -> Option<WorkerHandle> {
        let first = (!self.ready.is_empty()).then(|| self.ready.remove(0))?;
        self.pauses.succeeded();
        Some(first)
    }

    /// Passes on what all must know.
    pub(super) fn enqueue(&mut self, order: &Encoded) {
        for newborn in &mut self.newborns {
            // Past the bound it is lost anyway, and its birth will say so.
            if newborn.backlog.bytes() <= ORDERS_WAITING_BYTES {
                newborn.backlog.push_encoded(order);
            }
        }
        self.ready.iter_mut().for_each(|worker| worker.enqueue(order));
    }

    /// Sends what waits; less than a bite only where it is `time`.
    pub(super) fn send(&mut self, time: bool) {
        self.ready.iter_mut().filter(|worker| time || worker.waiting_bytes() > LAZY_BYTES).for_each(WorkerHandle::send);
    }

    /// Lets all of them end; those that are being born end when nobody expects them.
    pub(super) fn retire(self) {
        self.ready.into_iter().for_each(WorkerHandle::retire);
    }
}

#[cfg(test)]
mod tests;
