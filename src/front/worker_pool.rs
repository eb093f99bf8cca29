//! The worker pool: all slots with their workers, the spares, and the workers of the next configuration while they
//! start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::ChainSpec;
use crate::ipc::{Encoded, Orders, ProcessEnd};
use crate::model::Change;
use crate::worker::{BirthError, Ticket, WorkerCommand};

use super::effects::Effect;
use super::events::Setup;
use super::pending_request::PendingRequest;
use super::ports::NewWorker;
use super::requests::Requests;
use super::routing::Routing;
use super::spares::Spares;
use super::status::WorkersStatus;
use super::worker_slot::WorkerSlot;

/// The number of spares beside the workers in slots.
const SPARES: usize = 1;

/// A slot that a spare has taken.
pub(super) struct TakenSlot {
    /// The number of the slot.
    pub(super) slot: usize,
    /// Whether the spare replaced a worker that had done enough.
    pub(super) recycled: bool,
    /// The number of choices of all chains in the spare's snapshot.
    pub(super) choices: u64,
}

/// All workers of this front.
pub(super) struct WorkerPool {
    /// The slots of the configuration in force; behind them those of earlier configurations, until they have answered.
    slots: Vec<WorkerSlot>,
    routing: Routing,
    spares: Spares,
    next: Option<Spares>,
    /// The number of workers that were started so far.
    workers_started: u64,
    /// The number of configurations that were in force so far.
    edition: u64,
    /// Whether each slot had a worker once.
    complete: bool,
}

impl WorkerPool {
    pub(super) fn new(setup: Setup) -> Self {
        let routing = routing(&setup);
        let edition = 1;
        let slots = (0..routing.count()).map(|_| WorkerSlot::new(edition)).collect();
        Self { slots, routing, spares: Spares::new(setup), next: None, workers_started: 0, edition, complete: false }
    }

    /// Returns the setup of the configuration in force.
    pub(super) fn setup(&self) -> &Setup {
        &self.spares.setup
    }

    /// Begins to start workers for `setup`, which take over when each slot has a worker.
    pub(super) fn prepare(&mut self, setup: Setup) {
        if let Some(given_up) = self.next.replace(Spares::new(setup)) {
            given_up.retire();
        }
    }

    /// Whether workers have to be started at `now`.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        let next = self.next.as_ref().map_or(0, |next| next.short(routing(&next.setup).count(), now));
        next + self.spares.short(self.vacancies() + SPARES, now) > 0
    }

    /// Starts the workers that are missing at `now`; `snapshot` makes them mirrors of the present cluster, and comes
    /// with the number of choices that the snapshot holds.
    pub(super) fn start(&mut self, snapshot: (&Orders, u64), now: Instant) -> Vec<Effect> {
        let vacancies = self.vacancies();
        let mut started =
            self.spares.start(self.spares.short(vacancies + SPARES, now), snapshot, &mut self.workers_started);
        if let Some(next) = &mut self.next {
            started.extend(next.start(
                next.short(routing(&next.setup).count(), now),
                snapshot,
                &mut self.workers_started,
            ));
        }
        started
    }

    fn vacancies(&self) -> usize {
        self.present().iter().filter(|slot| !slot.is_staffed()).count()
    }

    fn present(&self) -> &[WorkerSlot] {
        self.slots.get(..self.routing.count()).unwrap_or_default()
    }

    /// Handles the result of starting a worker.
    ///
    /// # Errors
    /// The reason why the worker could not be started; where the next setup does not compile, the setup is given up.
    pub(super) fn started(
        &mut self,
        number: u64,
        worker: Result<NewWorker, BirthError>,
        now: Instant,
    ) -> Result<(), BirthError> {
        match self.next.as_mut().filter(|next| next.expects(number)) {
            Some(next) => next.started(number, worker, now).inspect_err(|error| {
                // Scripts that do not compile never will; after any other error the start is tried again.
                let hopeless = matches!(error, BirthError::Refused(_) | BirthError::Died(Some(_), _));
                if let Some(given_up) = self.next.take_if(|_| hopeless) {
                    given_up.retire();
                }
            }),
            None => self.spares.started(number, worker, now),
        }
    }

    /// Returns the slot of the worker `number`.
    pub(super) fn slot_of(&mut self, number: u64) -> Option<(usize, &mut WorkerSlot)> {
        self.slots.iter_mut().enumerate().find(|(_, slot)| slot.is_held_by(number))
    }

    /// Removes the worker `number`, which had no slot and has exited.
    pub(super) fn gone(&mut self, number: u64, ended: &ProcessEnd, now: Instant) {
        if !self.spares.gone(number, ended, now)
            && let Some(next) = &mut self.next
        {
            next.gone(number, ended, now);
        }
    }

    /// Queues the request `ticket` at a slot of the chain of `action`: at the slot with the fewest requests where there
    /// are several. Returns whether the chain has a slot.
    pub(super) fn submit(&mut self, action: &str, ticket: Ticket) -> bool {
        let slots = self.slots.get_mut(self.routing.slots(action)).unwrap_or_default();
        let slot = slots.iter_mut().min_by_key(|slot| slot.queue.len());
        slot.map(|slot| slot.queue.submit(ticket)).is_some()
    }

    /// Returns the worker slot at `slot`.
    pub(super) fn slot_mut(&mut self, slot: usize) -> Option<&mut WorkerSlot> {
        self.slots.get_mut(slot)
    }

    /// Queues the request `ticket`, which waited for a program, at the same slot: only a worker of the same chains can
    /// resume the decision. Returns whether the request waited for a program.
    pub(super) fn unpark(&mut self, ticket: Ticket) -> bool {
        let slot = self.slots.iter_mut().find_map(|slot| slot.queue.unpark(ticket).then_some(slot));
        slot.map(|slot| slot.queue.submit(ticket)).is_some()
    }

    /// Removes the request `ticket`, which waits for a program, from the queue.
    pub(super) fn drop_parked(&mut self, ticket: Ticket) {
        self.slots.iter_mut().any(|slot| slot.queue.unpark(ticket));
    }

    /// Returns the number of the configuration in force.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Returns the number of the oldest configuration by which a slot still decides.
    pub(super) fn oldest_edition(&self) -> u64 {
        self.slots.iter().map(WorkerSlot::edition).min().unwrap_or(self.edition)
    }

    /// Sends `order` to all workers except the worker in slot `except`, which made the change.
    pub(super) fn broadcast(&mut self, order: &Encoded, except: Option<usize>) {
        let slots = self.slots.iter_mut().enumerate().filter(|(place, _)| Some(*place) != except);
        slots.for_each(|(_, slot)| slot.enqueue(order));
        self.send_to_spares(order);
    }

    /// Sends `order` to the workers that decide for `action`, except the worker in slot `except`.
    pub(super) fn send_to_slots_of(&mut self, action: &str, order: &WorkerCommand, except: usize) {
        for place in self.routing.slots(action).filter(|place| *place != except) {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.order(order);
            }
        }
    }

    /// Sends `order` to the worker in `slot` alone.
    pub(super) fn order(&mut self, slot: usize, order: &WorkerCommand) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.order(order);
        }
    }

    /// Returns the chains that `slot` decides for.
    pub(super) fn chains(&self, slot: usize) -> Vec<Arc<str>> {
        self.routing.chains(slot).cloned().collect()
    }

    fn send_to_spares(&mut self, order: &Encoded) {
        self.spares.enqueue(order);
        if let Some(next) = &mut self.next {
            next.enqueue(order);
        }
    }

    /// Undoes a change that only the worker in `slot` has applied.
    pub(super) fn undo(&mut self, slot: usize, change: Change) {
        self.order(slot, &WorkerCommand::Change(change));
    }

    /// Lets the next workers take over where each of their slots has a worker. Returns those of `requests` that the old
    /// workers were not asked yet; the questions that they were asked, they still answer.
    pub(super) fn take_over(&mut self, requests: &Requests) -> Option<Vec<Ticket>> {
        let next = self.next.take_if(|next| next.ready() >= routing(&next.setup).count())?;
        std::mem::replace(&mut self.spares, next).retire();
        self.routing = routing(&self.spares.setup);
        self.edition += 1;
        let mut slots: Vec<_> = (0..self.routing.count()).map(|_| WorkerSlot::new(self.edition)).collect();
        // A decision is resumed, after a program, by the chains that asked the program.
        let stays = |ticket| requests.get(ticket).is_some_and(|pending| pending.question.from.is_some());
        let queued = self.slots.iter_mut().flat_map(|slot| slot.queue.take_waiting(stays)).collect();
        slots.append(&mut self.slots);
        self.slots = slots;
        Some(queued)
    }

    /// Lets spares take the slots that have no worker, or a tired worker; ends the slots of earlier configurations that
    /// have answered. Returns the slots that were taken.
    pub(super) fn fill_slots(&mut self) -> Vec<TakenSlot> {
        let mut taken = Vec::new();
        let (spares, count) = (&mut self.spares, self.routing.count());
        for (place, slot) in self.slots.iter_mut().take(count).enumerate().filter(|(_, slot)| slot.is_open()) {
            let Some(worker) = spares.take() else { break };
            taken.push(TakenSlot { slot: place, recycled: slot.is_staffed(), choices: worker.choices() });
            slot.assign_worker(worker);
        }
        let mut place = 0;
        self.slots.retain_mut(|slot| {
            place += 1;
            let stays = place <= count || !slot.queue.is_empty();
            if !stays {
                slot.remove_worker();
            }
            stays
        });
        self.complete |= self.vacancies() == 0;
        taken
    }

    /// Returns the requests that workers of earlier configurations left behind when they died.
    pub(super) fn strays(&mut self) -> Vec<Ticket> {
        let old = self.slots.iter_mut().skip(self.routing.count());
        old.filter(|slot| !slot.is_staffed()).flat_map(|slot| slot.queue.take_all()).collect()
    }

    /// Asks the `requests` that can be asked now, and sends as much as there is room for. Returns the requests that are
    /// `late`.
    pub(super) fn pump(
        &mut self,
        time: bool,
        requests: &mut Requests,
        late: impl Fn(&PendingRequest) -> bool,
    ) -> Vec<Ticket> {
        let relieved = self.spares.ready() > 0;
        self.spares.send(time);
        if let Some(next) = &mut self.next {
            next.send(time);
        }
        self.slots.iter_mut().flat_map(|slot| slot.pump(relieved, requests, &late)).collect()
    }

    /// Kills the workers that have held questions for too long without a frame; `slowest` returns the longest time of a
    /// chain, and `passed` is the time since the last look. Returns the limits that the killed workers had.
    pub(super) fn kill_silent(&mut self, passed: Duration, slowest: impl Fn(&ChainSpec) -> Duration) -> Vec<Duration> {
        let set = &self.spares.setup.birth.set;
        let longest = |chains: &mut dyn Iterator<Item = &ChainSpec>| chains.map(&slowest).max().unwrap_or_default();
        let mut killed = Vec::new();
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let limit = match place < self.routing.count() {
                true => longest(&mut self.routing.chains(place).filter_map(|action| set.get(action))),
                false => longest(&mut set.chains.iter()),
            };
            if slot.kill_if_silent(passed, limit) {
                killed.push(limit);
            }
        }
        killed
    }

    /// Marks workers for replacement, as [`WorkerSlot::tire`] says; `mirror` is the memory that the cluster may take in
    /// each.
    pub(super) fn tire(&mut self, mirror: u64) {
        let (requests, bytes) = (self.setup().recycle_requests, self.setup().recycle_bytes);
        for slot in &mut self.slots {
            if slot.tire(requests, bytes, mirror) {
                tracing::debug!("a worker has done enough: it is replaced");
            }
        }
    }

    /// Whether requests are decided: each slot had a worker once, and there is a worker now. The replacement of a
    /// worker is no reason to send requesters elsewhere.
    pub(super) fn is_ready(&self) -> bool {
        self.complete && self.present().iter().any(WorkerSlot::is_staffed)
    }

    /// The number of slots that decide by the configuration in force.
    pub(super) fn slot_count(&self) -> usize {
        self.routing.count()
    }

    /// Returns the number of slots of the configuration in force, of those with a worker, and of spares.
    pub(super) fn counts(&self) -> WorkersStatus {
        let staffed = self.present().iter().filter(|slot| slot.is_staffed()).count();
        WorkersStatus { slots: self.slot_count(), staffed, spares: self.spares.ready(), deaths: 0 }
    }

    /// Returns the gaps in the workers' seals, each once.
    pub(super) fn lacks(&self) -> Vec<String> {
        let workers = self.slots.iter().filter_map(WorkerSlot::worker);
        let mut lacks: Vec<_> = workers.flat_map(|worker| worker.lacks().iter().cloned()).collect();
        lacks.sort();
        lacks.dedup();
        lacks
    }

    /// Returns the probable mistakes in scripts that the workers found when they compiled the scripts.
    pub(super) fn remarks(&self) -> Vec<String> {
        let workers = self.slots.iter().filter_map(WorkerSlot::worker);
        workers.flat_map(|worker| worker.remarks().iter().cloned()).collect()
    }
}

fn routing(setup: &Setup) -> Routing {
    Routing::of(&setup.birth.set, setup.workers)
}

#[cfg(test)]
mod tests;
