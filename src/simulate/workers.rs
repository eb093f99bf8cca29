//! The workers of a simulation's replicas: started, woken, dismissed.

use std::time::Duration;

use crate::front::FrontEvent;
use crate::ipc::{Orders, ProcessEnd};
use crate::worker::{WorkerEvent, WorkerInit};

use super::plan::Mistake;
use super::worker::{SimulatedWorker, WorkerStop};
use super::world::{World, WorldEvent};

/// The range of times that a worker takes until ready.
const START: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// The range of times that a worker takes for the frames at hand.
const WORK: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));
/// The delay of a worker's frames.
const FRAME_DELAY: Duration = Duration::from_micros(100);

impl World {
    /// Starts a worker of a replica.
    pub(super) fn start_worker(&mut self, place: usize, number: u64, init: &WorkerInit, snapshot: Orders) {
        let delay = self.between(START.0, START.1);
        let ignores_releases = self.plan.mistake == Some(Mistake::LostRelease);
        let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
        let started = SimulatedWorker::start(init, number, snapshot).map(|(mut worker, new)| {
            if ignores_releases {
                worker.ignore_releases();
            }
            replica.workers.insert(number, worker);
            new
        });
        let life = replica.life;
        self.timeline.after(delay, WorldEvent::Arrives(place, life, FrontEvent::Born(number, started)));
    }

    /// Lets the workers of the replica read their frames, and end where they were dismissed.
    pub(super) fn wake_workers(&mut self, place: usize) {
        let now = self.timeline.now();
        let held = self.network.holds_workers(place, now);
        let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
        let life = replica.life;
        let wants = |worker: &SimulatedWorker| worker.has_work() || worker.is_dismissed().is_some();
        let numbers: Vec<_> =
            replica.workers.iter().filter(|(_, worker)| wants(worker)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
            let is_killed =
                replica.workers.get(&number).and_then(SimulatedWorker::is_dismissed) == Some(WorkerStop::Killed);
            if !is_killed && !replica.busy.insert(number) {
                continue;
            }
            // A process that stands still can be killed all the same.
            let from = held.filter(|_| !is_killed).unwrap_or(now);
            let at = from + self.between(WORK.0, WORK.1);
            self.timeline.at(at, WorldEvent::Works(place, life, number));
        }
    }

    /// Lets a worker read all frames.
    pub(super) fn work(&mut self, place: usize, life: u32, number: u64) {
        let skew_ms = self.alive(place, life).map_or(0, |replica| replica.skew_ms);
        let unix_ms = self.now(skew_ms).unix_ms;
        let Some(replica) = self.alive(place, life) else { return };
        replica.busy.remove(&number);
        let Some(worker) = replica.workers.get_mut(&number) else { return };
        let dismissal = worker.is_dismissed();
        let mut events = match dismissal {
            Some(WorkerStop::Killed) => Vec::new(),
            Some(WorkerStop::Retired) | None => worker.work(unix_ms),
        };
        if let Some(dismissal) = dismissal {
            replica.workers.remove(&number);
            let (how, killed) = match dismissal {
                WorkerStop::Killed => ("was ended by signal 9", true),
                WorkerStop::Retired => ("exited with code 0", false),
            };
            events.push(WorkerEvent::Exited(ProcessEnd { how: how.to_owned(), killed, stopped: false }));
        }
        for event in events {
            self.timeline.after(FRAME_DELAY, WorldEvent::Arrives(place, life, FrontEvent::Worker(number, event)));
        }
    }
}
