//! A replica of a simulation: the real state machine, its workers in this process, and what holds it up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::chain::{ChainSet, ChainSpec, StepSource, StepSpec};
use crate::clock::Now;
use crate::front::metrics::Metrics;
use crate::front::{ClusterView, Effect, Event, Front, QuarantineSettings, Setup};
use crate::model::Arrangement;
use crate::registry::marks::Mark;
use crate::runner::ProgramLimits;
use crate::worker::protocol::Audience;
use crate::worker::{Birth, WorkerLimits};

use super::plan::Plan;
use super::worker::Worker;

/// How long a reservation lives: longer than all that a simulation delays together.
pub(super) const RESERVATION: Duration = Duration::from_secs(60);
/// The action of all requests.
pub(super) const ACTION: &str = "session/start";
/// The most unanswered requests.
pub(super) const QUEUE: usize = 1_000;
/// Unix time at the start of a simulation.
pub(super) const EPOCH_MS: i64 = 1_800_000_000_000;

/// What a replica sees of the buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct View(Arc<Mutex<Option<Instant>>>);

impl View {
    /// All that had changed up to `at` was handed on.
    pub(super) fn look(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

impl ClusterView for View {
    fn mark(&self, _node: &str) -> Option<Mark> {
        None
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.looked(now).map(|at| now.saturating_duration_since(at))
    }

    fn looked(&self, _now: Instant) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A replica.
pub(super) struct Replica {
    pub(super) front: Front,
    /// Counts the processes that were this replica, one after another.
    pub(super) life: u32,
    pub(super) view: View,
    /// From when on the next change of the cluster can arrive, after those before it.
    pub(super) view_free: Duration,
    pub(super) workers: BTreeMap<u64, Worker>,
    /// Workers that are about to read what they were sent.
    pub(super) busy: BTreeSet<u64>,
    /// Since when the process stands still.
    pub(super) frozen: Option<Duration>,
    /// What came meanwhile.
    pub(super) backlog: VecDeque<Event>,
    pub(super) ticked: Duration,
    /// How wrong the wall clock is, in milliseconds.
    pub(super) skew_ms: i64,
    setup: Setup,
}

impl Replica {
    /// The replica of `plan` that starts at `now`, as the process number `life` in this place.
    pub(super) fn start(plan: &Plan, entropy: [u8; 32], now: Now, at: Duration, life: u32) -> Self {
        let (view, setup) = (View::default(), setup(plan));
        let front = Front::new(setup.clone(), Box::new(view.clone()), Arc::new(Metrics::new()), entropy, now);
        Self {
            front,
            life,
            view,
            view_free: at,
            workers: BTreeMap::new(),
            busy: BTreeSet::new(),
            frozen: None,
            backlog: VecDeque::new(),
            ticked: at,
            skew_ms: 0,
            setup,
        }
    }

    /// A configuration to be taken over: the one in force, once more.
    pub(super) fn another_setup(&self) -> Setup {
        self.setup.clone()
    }

    /// Hands `events` over, one after another, and returns what is to be done for them. `time` says that there was a tick.
    pub(super) fn tell(&mut self, now: Now, events: impl IntoIterator<Item = Event>, time: bool) -> Vec<Effect> {
        events.into_iter().for_each(|event| self.front.handle(now, event));
        self.front.settle(time);
        self.front.take_effects()
    }
}

/// The configuration of all replicas of `plan`.
fn setup(plan: &Plan) -> Setup {
    let step = StepSpec::new("builtin:fewest-sessions", StepSource::Builtin("fewest-sessions".to_owned()));
    let chain = ChainSpec { strict: plan.is_strict, ..ChainSpec::new(ACTION, vec![step]) };
    let set = ChainSet::new(vec![chain]);
    let birth =
        Birth { set, arrangement: Arrangement::ById, limits: WorkerLimits::default(), audience: Audience::Front };
    Setup {
        birth: Arc::new(birth),
        program: PathBuf::new(),
        workers: 1,
        recycle_requests: 50,
        recycle_bytes: u64::MAX,
        quarantine: QuarantineSettings { kills: 3, window_ms: 60_000, pause_ms: 10_000 },
        strict_requests: false,
        queue: QUEUE,
        reservation_ms: RESERVATION.as_millis() as u64,
        longest_reservation_ms: RESERVATION.as_millis() as u64,
        cooldown_ms: 2_000,
        cooldown_users: 2,
        is_last_resort: true,
        is_strict: plan.is_strict,
        waiting: 100,
        waiting_per_user: 20,
        digest: "simulated".into(),
        retries: 3,
        recorded_decisions: 0,
        programs: ProgramLimits::default(),
        environment: Vec::new(),
    }
}
