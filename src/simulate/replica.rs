//! A replica of a simulation: the real state machine, the workers in this process, and the faults that hold them up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::chain::{ChainSet, ChainSpec, StepSource, StepSpec};
use crate::clock::Now;
use crate::front::metrics::Metrics;
use crate::front::{ClusterView, Effect, Front, FrontEvent, QuarantineSettings, Setup};
use crate::model::Arrangement;
use crate::registry::mark::Mark;
use crate::runner::ProgramLimits;
use crate::worker::protocol::WorkerAudience;
use crate::worker::{WorkerInit, WorkerLimits};

use super::plan::SimulationPlan;
use super::worker::SimulatedWorker;

/// The lifetime of a reservation: longer than the sum of all delays in a simulation.
pub(super) const RESERVATION: Duration = Duration::from_secs(60);
/// The action of all requests.
pub(super) const ACTION: &str = "session/start";
/// The most unanswered requests.
pub(super) const QUEUE: usize = 1_000;
/// The Unix time at the start of a simulation.
pub(super) const EPOCH_MS: i64 = 1_800_000_000_000;

/// A replica's view of the buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct BucketView(Arc<Mutex<Option<Instant>>>);

impl BucketView {
    /// Notes that all changes up to `at` were passed on.
    pub(super) fn look(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

impl ClusterView for BucketView {
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
    /// The number of the process among all processes of the simulation.
    pub(super) life: u32,
    pub(super) view: BucketView,
    /// The time from which on the next change of the cluster can arrive, after those before.
    pub(super) view_free: Duration,
    pub(super) workers: BTreeMap<u64, SimulatedWorker>,
    /// The workers that are about to read their frames.
    pub(super) busy: BTreeSet<u64>,
    /// The time since which the process stands still.
    pub(super) frozen: Option<Duration>,
    /// The events that came meanwhile.
    pub(super) backlog: VecDeque<FrontEvent>,
    pub(super) ticked: Duration,
    /// The error of the wall clock, in milliseconds.
    pub(super) skew_ms: i64,
    setup: Setup,
}

impl Replica {
    /// Creates the replica of `plan` that starts at `now`, as the process number `life`.
    pub(super) fn start(plan: &SimulationPlan, entropy: [u8; 32], now: Now, at: Duration, life: u32) -> Self {
        let (view, setup) = (BucketView::default(), setup(plan));
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

    /// Returns a configuration for a reload: the present configuration once more.
    pub(super) fn another_setup(&self) -> Setup {
        self.setup.clone()
    }

    /// Handles `events`, one after another, and returns the effects. `time` says that there was a tick.
    pub(super) fn handle(&mut self, now: Now, events: impl IntoIterator<Item = FrontEvent>, time: bool) -> Vec<Effect> {
        events.into_iter().for_each(|event| self.front.handle(now, event));
        self.front.settle(time);
        self.front.take_effects()
    }
}

/// Returns the configuration of all replicas of `plan`.
fn setup(plan: &SimulationPlan) -> Setup {
    let step = StepSpec::new("builtin:fewest-sessions", StepSource::Builtin("fewest-sessions".to_owned()));
    let chain = ChainSpec { strict: plan.is_strict, ..ChainSpec::new(ACTION, vec![step]) };
    let set = ChainSet::new(vec![chain]);
    let birth = WorkerInit {
        set,
        arrangement: Arrangement::ById,
        limits: WorkerLimits::default(),
        audience: WorkerAudience::Front,
    };
    Setup {
        birth: Arc::new(birth),
        program: PathBuf::new(),
        workers: 1,
        recycle_requests: 50,
        recycle_bytes: u64::MAX,
        quarantine: QuarantineSettings { kills: 3, window_ms: 60_000, pause_ms: 10_000 },
        tokens: None,
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
        reservations_per_user: 1_000_000,
        digest: "simulated".into(),
        retries: 3,
        recorded_decisions: 0,
        programs: ProgramLimits::default(),
        environment: Vec::new(),
    }
}
