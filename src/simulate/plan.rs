//! The plan of a simulation, drawn from a seed: the size of the cluster, the number of requests, and the faults.

use std::fmt;
use std::time::Duration;

use crate::clock::Dice;

/// The step of [`Dice`] that plans are drawn from; other streams of a simulation have other steps.
const PLANNING: u64 = 1;
/// The time during which requests come; after that all reservations have to end.
pub(super) const BUSY: Duration = Duration::from_secs(40);
/// The most faults of a plan.
const MOST_FAULTS: u64 = 6;
/// The most requests of a plan.
const MOST_REQUESTS: u64 = 160;

/// A simulation before it runs.
#[derive(Clone, Debug)]
pub struct SimulationPlan {
    /// The seed of all chance.
    pub seed: u64,
    /// The number of replicas of the service.
    pub replicas: usize,
    /// The number of session hosts.
    pub hosts: usize,
    /// The number of sessions that each host takes.
    pub capacity: u64,
    /// Whether capacity is strict.
    pub is_strict: bool,
    /// The number of users; each request is of a user at random.
    pub users: u64,
    /// The number of requests.
    pub requests: u64,
    /// The faults.
    pub faults: Vec<PlannedFault>,
    /// A mistake that is made on purpose, to show that the checks would find such a mistake.
    pub mistake: Option<Mistake>,
}

/// A fault, from one moment on and for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// The time when the fault begins.
    pub at: Duration,
    /// How long the fault lasts.
    pub lasts: Duration,
    /// The place of the replica that is affected.
    pub replica: usize,
    /// The kind of fault.
    pub kind: FaultKind,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// So many percent of the messages between replicas and to requesters are lost.
    Loss(u64),
    /// Messages are delayed by up to so much, each by another time, so that they overtake each other.
    Delay(Duration),
    /// So many percent of the messages between replicas arrive twice.
    Duplicates(u64),
    /// The replica and the others do not receive each other's messages.
    Partition,
    /// The replica's process is stopped, and goes on afterwards.
    Freeze,
    /// The replica's process is killed; another process is started when the time is over.
    Kill,
    /// All workers of the replica are killed.
    KillWorkers,
    /// The workers of the replica are stopped.
    FreezeWorkers,
    /// The reports of hosts reach the replica so much later.
    Lag(Duration),
    /// The buckets cannot be read by the replica, which notices; later they are read anew.
    LostView,
    /// The replica takes over a new configuration.
    Reload,
    /// The replica's wall clock is wrong by so many milliseconds.
    Clock(i64),
}

/// A mistake in the simulated world around the service, which looks like a mistake of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A worker is not sent a release.
    LostRelease,
    /// Every claim is won.
    DoubleCommit,
    /// A node reports one place more than the node has.
    OffByOne,
    /// When a worker dies, the last reply is sent once more.
    ReplyTwice,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Self; 4] = [Self::LostRelease, Self::DoubleCommit, Self::OffByOne, Self::ReplyTwice];
}

impl SimulationPlan {
    /// Returns the plan of `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = dice(seed, PLANNING);
        let replicas = 1 + below(&mut dice, 4) as usize;
        let hosts = 1 + below(&mut dice, 8) as usize;
        let faults = below(&mut dice, MOST_FAULTS + 1);
        let plan = Self {
            seed,
            replicas,
            hosts,
            capacity: 1 + below(&mut dice, 4),
            is_strict: below(&mut dice, 3) > 0,
            users: 1 + below(&mut dice, 20),
            requests: 20 + below(&mut dice, MOST_REQUESTS - 20),
            faults: Vec::new(),
            mistake: None,
        };
        let faults = (0..faults).map(|_| PlannedFault::draw(&mut dice, replicas)).collect();
        Self { faults, ..plan }
    }
}

impl PlannedFault {
    fn draw(dice: &mut Dice, replicas: usize) -> Self {
        let kind = match below(dice, 12) {
            0 => FaultKind::Loss(1 + below(dice, 50)),
            1 => FaultKind::Delay(Duration::from_millis(1 + below(dice, 2000))),
            2 => FaultKind::Duplicates(1 + below(dice, 100)),
            3 => FaultKind::Partition,
            4 => FaultKind::Freeze,
            5 => FaultKind::Kill,
            6 => FaultKind::KillWorkers,
            7 => FaultKind::FreezeWorkers,
            8 => FaultKind::Lag(Duration::from_millis(1 + below(dice, 5000))),
            9 => FaultKind::LostView,
            10 => FaultKind::Reload,
            _ => FaultKind::Clock(below(dice, 86_400_000) as i64 - 43_200_000),
        };
        Self {
            at: Duration::from_millis(below(dice, BUSY.as_millis() as u64)),
            lasts: Duration::from_millis(200 + below(dice, 15_000)),
            replica: below(dice, replicas as u64) as usize,
            kind,
        }
    }

    /// Whether the fault is active at `now`.
    #[must_use]
    pub fn is_there(&self, now: Duration) -> bool {
        (self.at..self.at + self.lasts).contains(&now)
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, replica, kind } = self;
        write!(f, "at {:.3} s, for {:.3} s, replica {replica}: {kind:?}", at.as_secs_f64(), lasts.as_secs_f64())
    }
}

impl fmt::Display for SimulationPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, replicas, hosts, capacity, is_strict, users, requests, faults, mistake } = self;
        let how = if *is_strict { "strict" } else { "not strict" };
        writeln!(
            f,
            "seed {seed}: {replicas} replicas, {hosts} hosts of {capacity}, {how}, {requests} requests of {users} users"
        )?;
        mistake.iter().try_for_each(|mistake| writeln!(f, "  with a mistake: {mistake:?}"))?;
        faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"))
    }
}

/// Returns the stream of step `step` of the simulation of `seed`. Seeds are small numbers in a row, whose lowest bit
/// [`Dice`] does not use.
pub(super) fn dice(seed: u64, step: u64) -> Dice {
    Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32), step, "")
}

/// Returns a number below `end`, which is not 0.
pub(super) fn below(dice: &mut Dice, end: u64) -> u64 {
    dice.bits() % end.max(1)
}
