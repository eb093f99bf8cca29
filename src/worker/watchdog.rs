//! The watchdog: a thread in the worker that sees which step runs and how much CPU time passed meanwhile.
//!
//! It measures CPU time, not wall time: 20 ms of honest work took 70 ms on a busy machine (ARCHITECTURE.md, Facts). The evaluating
//! thread pays two counters a step and no system call; the watchdog samples, so a limit is kept to within one period.
//!
//! It rings before it bites: an engine that can stop a script hears that within the last of its time, and the process
//! lives on. An engine that cannot hears nothing, and the process ends. One that says it heard gets time to clear up:
//! a map of a million entries takes a tenth of a second to free.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::chain::{ChainSet, Witness};
use crate::clock::{Alarm, Overtime, Wake};

use super::protocol::Running;

/// How often the watchdog looks while something runs.
const PERIOD: Duration = Duration::from_millis(2);
/// How often it looks for something that runs: an idle worker costs next to nothing.
const IDLE_PERIOD: Duration = Duration::from_millis(20);

/// How long before the end it rings: time to see it, to stop, and to tell; half of the time where that is shorter.
const NOTICE_US: u64 = 4_000;
/// CPU time that lies between the two at least: a watchdog that is kept from looking must not ring and bite at once.
const HEARD_US: u64 = 2_000;
/// CPU time to clear up in for an engine that has heard: many times what it takes to free all that a worker may hold.
const CLEAR_UP_US: u64 = 2_000_000;

/// What runs, shared between the evaluating thread and the watchdog.
#[derive(Debug)]
pub struct Watch {
    busy: AtomicBool,
    /// Counts beginnings of steps; the low bits say nothing of which step.
    steps: AtomicU64,
    /// Counts beginnings of per-node calls.
    calls: AtomicU64,
    /// What the two counters were when it rang; they count on, so that it never rings for another one.
    rung_steps: AtomicU64,
    rung_calls: AtomicU64,
    /// What the count of calls, which every step moves too, was when an engine had heard.
    heard: AtomicU64,
    current: Mutex<Current>,
    wakes: Wakes,
}

/// What it calls when it rings.
#[derive(Default)]
struct Wakes(Mutex<Vec<Wake>>);

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakes")
    }
}

impl Wakes {
    fn lock(&self) -> MutexGuard<'_, Vec<Wake>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Watch {
    fn default() -> Self {
        let (busy, current) = (AtomicBool::default(), Mutex::default());
        let [steps, calls] = [0; 2].map(AtomicU64::new);
        let [rung_steps, rung_calls, heard] = [u64::MAX; 3].map(AtomicU64::new);
        Self { busy, steps, calls, rung_steps, rung_calls, heard, current, wakes: Wakes::default() }
    }
}

/// The question, step and node that are running.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// The front's number of the question.
    pub ticket: u64,
    /// The chain's action.
    pub action: Arc<str>,
    /// How many nodes the cluster has.
    pub nodes: u64,
    /// The step, from 0.
    pub step: usize,
    /// The node that a per-node function is asked about.
    pub node: Option<Arc<str>>,
    /// Whether that answer hangs on the node's document alone.
    pub pure: bool,
}

impl Current {
    /// The same with the step's name, which `set` has.
    #[must_use]
    pub fn named(self, set: &ChainSet) -> Running {
        let step = set.get(&self.action).and_then(|chain| chain.steps.get(self.step));
        let step = step.map(|step| Arc::clone(&step.name));
        Running { ticket: self.ticket, step, node: self.node, pure: self.pure }
    }
}

impl Watch {
    /// A question begins to be decided.
    pub fn begin(&self, ticket: u64, action: &Arc<str>, nodes: u64) {
        let mut current = self.lock();
        *current = Current { ticket, action: Arc::clone(action), nodes, ..Current::default() };
        // What is sampled between this and the first step must not count as the last step of the question before.
        self.steps.fetch_add(1, Ordering::Release);
        drop(current);
        self.busy.store(true, Ordering::Release);
    }

    /// It is decided.
    pub fn end(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// What runs now; absent while nothing does.
    #[must_use]
    pub fn current(&self) -> Option<Current> {
        self.busy.load(Ordering::Acquire).then(|| self.lock().clone())
    }

    /// As [`Watch::current`], for a thread that may hold the lock itself: absent also while it is held.
    #[must_use]
    pub fn try_current(&self) -> Option<Current> {
        let free = self.busy.load(Ordering::Acquire).then(|| self.current.try_lock());
        free.and_then(|current| current.ok().map(|current| current.clone()))
    }

    /// Rings for what `begun` counts now.
    fn ring(&self, rung: &AtomicU64, begun: u64) {
        rung.store(begun, Ordering::Release);
        self.wake();
    }

    /// Wakes the engines that do not ask while they work.
    pub fn wake(&self) {
        self.wakes.lock().iter().for_each(|wake| wake());
    }

    /// How many steps and how many calls have begun.
    fn begun(&self) -> (u64, u64) {
        (self.steps.load(Ordering::Acquire), self.calls.load(Ordering::Acquire))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The evaluator's witness: writes down what it is told.
#[derive(Debug)]
pub struct Witnessed(pub Arc<Watch>);

impl Witness for Witnessed {
    fn step(&self, step: usize) {
        let mut current = self.0.lock();
        (current.step, current.node, current.pure) = (step, None, false);
        self.0.calls.fetch_add(1, Ordering::Release);
        self.0.steps.fetch_add(1, Ordering::Release);
    }

    fn node(&self, node: &Arc<str>, pure: bool) {
        let mut current = self.0.lock();
        (current.node, current.pure) = (Some(Arc::clone(node)), pure);
        self.0.calls.fetch_add(1, Ordering::Release);
    }

    fn alone(&self, step: usize, node: &Arc<str>) {
        let mut current = self.0.lock();
        (current.step, current.node, current.pure) = (step, Some(Arc::clone(node)), true);
        self.0.calls.fetch_add(1, Ordering::Release);
        self.0.steps.fetch_add(1, Ordering::Release);
    }

    fn back_to(&self, step: usize) {
        let mut current = self.0.lock();
        (current.step, current.node, current.pure) = (step, None, false);
        self.0.calls.fetch_add(1, Ordering::Release);
    }

    fn nodes_done(&self) {
        let mut current = self.0.lock();
        (current.node, current.pure) = (None, false);
    }
}

/// The watchdog's warning, for engines.
#[derive(Debug)]
pub struct Bell(pub Arc<Watch>);

impl Alarm for Bell {
    fn rings(&self) -> Option<Overtime> {
        let is = |rung: &AtomicU64, begun: &AtomicU64| rung.load(Ordering::Relaxed) == begun.load(Ordering::Relaxed);
        if is(&self.0.rung_steps, &self.0.steps) {
            Some(Overtime::Step)
        } else {
            is(&self.0.rung_calls, &self.0.calls).then_some(Overtime::Call)
        }
    }

    fn on_ring(&self, wake: Wake) {
        self.0.wakes.lock().push(wake);
    }

    fn heard(&self) {
        self.0.heard.store(self.0.calls.load(Ordering::Relaxed), Ordering::Release);
    }
}

/// How much CPU time a step and a per-node call may take, in microseconds.
pub struct Allowance {
    /// For the step.
    pub step_us: u64,
    /// For the call.
    pub call_us: u64,
}

/// What passed its allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The step as a whole.
    Step,
    /// One per-node call.
    Call,
}

/// Starts the watchdog. `allow` says what the current step may take; `bite` is told the culprit and does not return to
/// work: it ends the process.
///
/// # Errors
/// Where the thread cannot be started.
pub fn start(
    watch: Arc<Watch>,
    allow: impl Fn(&Current) -> Allowance + Send + 'static,
    bite: impl Fn(Current, Passed, u64) + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let (mut step, mut call) = (Sample::default(), Sample::default());
        let (mut step_rung, mut call_rung) = (Sample::default(), Sample::default());
        let mut period = PERIOD;
        loop {
            thread::sleep(period);
            let cpu_us = cpu_us();
            let (steps, calls) = watch.begun();
            let (in_step, in_call) = (step.since(steps, cpu_us), call.since(calls, cpu_us));
            let Some(current) = watch.current() else {
                (step, call, period) = (Sample::default(), Sample::default(), IDLE_PERIOD);
                continue;
            };
            period = PERIOD;
            if watch.begun() != (steps, calls) {
                // Something else runs by now, and the time is not its own.
                continue;
            }
            let notice_us = if watch.heard.load(Ordering::Acquire) == calls { CLEAR_UP_US } else { HEARD_US };
            let allowance = allow(&current);
            let is_late =
                |used_us: u64, allowed_us: u64| used_us > allowed_us.saturating_sub(NOTICE_US).max(allowed_us / 2);
            if is_late(in_step, allowance.step_us) {
                watch.ring(&watch.rung_steps, steps);
                let heard_us = step_rung.since(steps, cpu_us);
                if in_step > allowance.step_us && heard_us > notice_us {
                    bite(current, Passed::Step, allowance.step_us);
                }
            } else if current.node.is_some() && is_late(in_call, allowance.call_us) {
                watch.ring(&watch.rung_calls, calls);
                let heard_us = call_rung.since(calls, cpu_us);
                if in_call > allowance.call_us && heard_us > notice_us {
                    bite(current, Passed::Call, allowance.call_us);
                }
            }
        }
    })
}

/// When a counter was first seen at its value.
#[derive(Default)]
struct Sample {
    value: u64,
    cpu_us: u64,
}

impl Sample {
    /// CPU time since the counter has its present value, as far as sampling can tell: never too much.
    fn since(&mut self, value: u64, cpu_us: u64) -> u64 {
        if self.value != value || self.cpu_us == 0 {
            *self = Self { value, cpu_us };
        }
        cpu_us.saturating_sub(self.cpu_us)
    }
}

/// CPU time of this process in microseconds: the evaluating thread is the only one in it that works.
fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}
