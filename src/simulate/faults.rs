//! The faults of a simulation: of the network, of processes, of views and clocks.

use std::time::Duration;

use crate::clock::Dice;
use crate::front::{FrontEvent, PAUSE};
use crate::ipc::ProcessEnd;
use crate::registry::RegistryEvent;
use crate::worker::WorkerEvent;

use super::plan::{FaultKind, PlannedFault, SimulationPlan, below};
use super::world::{World, WorldEvent};

/// The shortest time that a message takes without faults, and the range on top, in microseconds.
const USUAL: (u64, u64) = (200, 3_000);

/// The faults of a plan, as messages and views meet them.
#[derive(Clone, Debug)]
pub(super) struct NetworkFaults {
    faults: Vec<PlannedFault>,
}

impl NetworkFaults {
    pub(super) fn new(plan: &SimulationPlan) -> Self {
        Self { faults: plan.faults.clone() }
    }

    fn present(&self, now: Duration) -> impl Iterator<Item = &PlannedFault> {
        self.faults.iter().filter(move |fault| fault.is_there(now))
    }

    /// Returns the times after which the copies of a message from one replica arrive at another replica, or at a
    /// requester where `to` is `usize::MAX`.
    pub(super) fn passes(&self, from: usize, to: usize, now: Duration, dice: &mut Dice) -> Vec<Duration> {
        let is_gossip = to != usize::MAX;
        let (mut copies, mut late) = (1, Duration::ZERO);
        for fault in self.present(now).copied().collect::<Vec<_>>() {
            match fault.kind {
                // A replica's message to itself does not leave the replica.
                FaultKind::Partition if is_gossip && from != to && [from, to].contains(&fault.replica) => copies = 0,
                FaultKind::Loss(percent) if from != to && below(dice, 100) < percent => copies = 0,
                FaultKind::Duplicates(percent) if is_gossip && below(dice, 100) < percent => copies *= 2,
                FaultKind::Delay(most) if from != to => {
                    late = late.max(Duration::from_micros(below(dice, most.as_micros() as u64)))
                }
                _ => {}
            }
        }
        (0..copies).map(|_| late + Duration::from_micros(USUAL.0 + below(dice, USUAL.1))).collect()
    }

    /// Returns the extra delay of the hosts' reports to the replica.
    pub(super) fn lag(&self, replica: usize, now: Duration) -> Duration {
        let lags = self.present(now).filter(|fault| fault.replica == replica).map(|fault| match fault.kind {
            FaultKind::Lag(lag) => lag,
            FaultKind::LostView => fault.at + fault.lasts - now,
            _ => Duration::ZERO,
        });
        lags.max().unwrap_or_default()
    }

    /// Whether the replicas may have missed each other's messages between the two moments.
    pub(super) fn was_rough(&self, from: Duration, to: Duration) -> bool {
        let touches = |fault: &&PlannedFault| fault.at <= to && from <= fault.at + fault.lasts + PAUSE * 4;
        self.faults.iter().filter(touches).any(|fault| {
            !matches!(fault.kind, FaultKind::Lag(_) | FaultKind::LostView | FaultKind::Reload | FaultKind::Clock(_))
        })
    }

    /// Whether replicas that were asked the same, from `from` on and again at `asked`, with the last answer at `to`,
    /// could know of one another. A replica that stood still before being asked catches up before answering.
    pub(super) fn could_talk(&self, from: Duration, asked: Duration, to: Duration) -> bool {
        let is_over = |fault: &PlannedFault| fault.kind == FaultKind::Freeze && fault.at + fault.lasts < asked;
        let awake: Vec<_> = self.faults.iter().filter(|fault| !is_over(fault)).copied().collect();
        !Self { faults: awake }.was_rough(from, to)
    }

    /// Returns the time until which the workers of the replica stand still, or `None` where they run.
    pub(super) fn holds_workers(&self, replica: usize, now: Duration) -> Option<Duration> {
        let held = |fault: &&PlannedFault| fault.replica == replica && fault.kind == FaultKind::FreezeWorkers;
        self.present(now).filter(held).map(|fault| fault.at + fault.lasts).max()
    }
}

impl World {
    /// Begins the fault at this place of the plan.
    pub(super) fn begin(&mut self, place: usize) {
        let Some(fault) = self.plan.faults.get(place).copied() else { return };
        self.record(|| format!("fault: {fault}"));
        let (now, replica) = (self.timeline.now(), fault.replica);
        match fault.kind {
            FaultKind::Freeze => {
                if let Some(Some(struck)) = self.replicas.get_mut(replica) {
                    struck.frozen.get_or_insert(now);
                }
            }
            FaultKind::Kill => {
                if let Some(slot) = self.replicas.get_mut(replica) {
                    *slot = None;
                }
            }
            FaultKind::KillWorkers => {
                let Some(Some(struck)) = self.replicas.get_mut(replica) else { return };
                let numbers: Vec<_> = struck.workers.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.end_worker(replica, number));
                self.maybe_reply_again();
            }
            FaultKind::LostView => self.lose_view(replica),
            FaultKind::Reload => {
                let setup = self.replicas.get(replica).and_then(Option::as_ref).map(|struck| struck.another_setup());
                let frozen =
                    self.replicas.get(replica).and_then(Option::as_ref).is_some_and(|struck| struck.frozen.is_some());
                if let Some(setup) = setup.filter(|_| !frozen) {
                    self.drive(replica, vec![FrontEvent::Reload(Box::new(setup))], false);
                }
            }
            FaultKind::Clock(skew_ms) => self.set_clock(replica, skew_ms),
            FaultKind::Loss(_)
            | FaultKind::Delay(_)
            | FaultKind::Duplicates(_)
            | FaultKind::Partition
            | FaultKind::FreezeWorkers
            | FaultKind::Lag(_) => {}
        }
    }

    /// Ends the fault at this place of the plan.
    pub(super) fn end(&mut self, place: usize) {
        let Some(fault) = self.plan.faults.get(place).copied() else { return };
        let now = self.timeline.now();
        match fault.kind {
            FaultKind::Freeze => self.thaw(fault.replica),
            FaultKind::Kill if self.replicas.get(fault.replica).is_some_and(Option::is_none) => {
                self.start_replica(fault.replica);
            }
            FaultKind::LostView => {
                if let Some(Some(struck)) = self.replicas.get_mut(fault.replica) {
                    struck.view_free = struck.view_free.max(now);
                    self.read_buckets(fault.replica);
                }
            }
            FaultKind::Clock(_) => self.set_clock(fault.replica, 0),
            _ => {}
        }
    }

    fn lose_view(&mut self, replica: usize) {
        let reason = "the simulation lost it".to_owned();
        let Some(life) = self.replicas.get(replica).and_then(Option::as_ref).map(|struck| struck.life) else { return };
        self.timeline.after(
            Duration::ZERO,
            WorldEvent::Arrives(replica, life, FrontEvent::Registry(RegistryEvent::Lost { reason })),
        );
    }

    fn set_clock(&mut self, replica: usize, skew_ms: i64) {
        if let Some(Some(struck)) = self.replicas.get_mut(replica) {
            struck.skew_ms = skew_ms;
        }
    }

    /// Lets a replica that stood still run again, and handle the events that came meanwhile.
    fn thaw(&mut self, place: usize) {
        let now = self.timeline.now();
        let is_held = self
            .plan
            .faults
            .iter()
            .any(|fault| fault.kind == FaultKind::Freeze && fault.replica == place && fault.is_there(now));
        let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
        if is_held {
            return;
        }
        let Some(since) = replica.frozen.take() else { return };
        let gap = now.saturating_sub(since);
        let mut events: Vec<_> = (gap > PAUSE).then_some(FrontEvent::StoodStill(gap)).into_iter().collect();
        events.extend(std::mem::take(&mut replica.backlog));
        self.record(|| {
            format!("replica {place} goes on after {:.3} s, with {} events", gap.as_secs_f64(), events.len())
        });
        self.drive(place, events, true);
    }

    /// Kills a worker from outside.
    fn end_worker(&mut self, place: usize, number: u64) {
        let delay = self.between(Duration::from_millis(1), Duration::from_millis(20));
        let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
        replica.workers.remove(&number);
        let life = replica.life;
        let ended = ProcessEnd { how: "was ended by signal 9".to_owned(), killed: true, stopped: false };
        let event = FrontEvent::Worker(number, WorkerEvent::Exited(ended));
        self.timeline.after(delay, WorldEvent::Arrives(place, life, event));
    }
}
