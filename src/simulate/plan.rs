//! What a simulation does, drawn from its seed: how large the cluster is, who asks when, and what goes wrong.

use std::fmt;
use std::time::Duration;

use crate::clock::Dice;

/// The step of [`Dice`] that plans are drawn from; other streams of a simulation have other steps.
const PLANNING: u64 = 1;
/// How long requests come for; after that everything that is reserved has to come to its end.
pub(super) const BUSY: Duration = Duration::from_secs(40);
/// Faults of one plan at most.
const MOST_FAULTS: u64 = 6;
/// The most requests of one plan.
const MOST_REQUESTS: u64 = 160;

/// A simulation before it runs.
#[derive(Clone, Debug)]
pub struct SimulationPlan {
    /// What all chance in it comes from.
    pub seed: u64,
    /// How many replicas of the service there are.
    pub replicas: usize,
    /// How many session hosts there are.
    pub hosts: usize,
    /// How many sessions each of them takes.
    pub capacity: u64,
    /// Whether that is kept strictly.
    pub is_strict: bool,
    /// How many users ask, in turn by chance.
    pub users: u64,
    /// How many requests they make.
    pub requests: u64,
    /// What goes wrong.
    pub faults: Vec<PlannedFault>,
    /// A mistake that is put in on purpose, so that it is known that it would be found.
    pub mistake: Option<Mistake>,
}

/// One thing that goes wrong, from one moment on and for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// Whom it strikes: a replica, by its place.
    pub replica: usize,
    /// What it is.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Of a hundred messages between replicas and to requesters, so many are lost.
    Loss(u64),
    /// Messages take up to so much longer, each for itself, so that one overtakes another.
    Delay(Duration),
    /// Of a hundred messages between replicas, so many come twice.
    Duplicates(u64),
    /// The replica and the others do not hear each other.
    Partition,
    /// The replica's process is stopped, and goes on afterwards.
    Freeze,
    /// The replica's process is killed; another one is started when the time is over.
    Kill,
    /// All workers of the replica are killed.
    KillWorkers,
    /// The workers of the replica are stopped.
    FreezeWorkers,
    /// What the hosts report reaches the replica so much later.
    Lag(Duration),
    /// The buckets cannot be read by the replica, which notices; then they are read anew.
    LostView,
    /// The replica takes over a new configuration.
    Reload,
    /// The replica's wall clock is wrong by so many milliseconds.
    Clock(i64),
}

/// A mistake in what surrounds the service, as a mistake in the service would show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A worker is not told of a release.
    LostRelease,
    /// A claim is won by whoever asks.
    DoubleCommit,
    /// A node has one place more than it says.
    OffByOne,
    /// When a worker dies, the last reply is sent once more.
    ReplyTwice,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Self; 4] = [Self::LostRelease, Self::DoubleCommit, Self::OffByOne, Self::ReplyTwice];
}

impl SimulationPlan {
    /// The plan of `seed`.
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

    /// Whether the fault is there at `now`.
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

/// The stream of step `step` of the simulation of `seed`. Seeds are small numbers in a row, of whose lowest bit [`Dice`]
/// makes no use.
pub(super) fn dice(seed: u64, step: u64) -> Dice {
    Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32), step, "")
}

/// A number below `end`, which is not 0.
pub(super) fn below(dice: &mut Dice, end: u64) -> u64 {
    dice.bits() % end.max(1)
}
