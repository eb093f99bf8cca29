//! What runs in a worker, and how much CPU time a script has spent on it: shared between the evaluating thread, which says
//! so, and the watchdog, which looks.
//!
//! A script's time runs while its own code does. What the worker does between calls (plans, orders, kept results) and what
//! an engine does on its own account (the objects that a script is given, the collection of garbage) is nobody's: a script
//! is not convicted of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::chain::{ChainSet, StepObserver};
use crate::clock::{Alarm, Overtime, Wake};

use super::protocol::RunningStep;

/// What runs, and whose time it is.
#[derive(Debug)]
pub struct CallWatch {
    busy: AtomicBool,
    /// Counts beginnings of steps; the low bits say nothing of which step.
    steps: AtomicU64,
    /// Counts entries into the code of scripts and returns from it: odd while such code runs.
    entries: AtomicU64,
    /// What the two counters were when it rang; they count on, so that it never rings for another one.
    rung_steps: AtomicU64,
    rung_entries: AtomicU64,
    /// What the count of entries was when an engine had heard.
    heard: AtomicU64,
    /// CPU time that passed in the code of scripts and was not theirs, in microseconds.
    excused_us: AtomicU64,
    /// When the engine began to work on its own account, as CPU time; 0 where it does not.
    paused_us: AtomicU64,
    /// How many pauses lie one in the other.
    pauses: AtomicU64,
    /// Whether each call is timed exactly, which costs two system calls each; otherwise the watchdog's samples must do.
    exact: AtomicBool,
    /// Of exact timing: when the code that runs was entered, and what the step took before, on the script's own clock.
    entered_us: AtomicU64,
    spent_us: AtomicU64,
    current: Mutex<Current>,
    wakes: AlarmCallbacks,
}

/// What is called when the watch rings.
#[derive(Default)]
struct AlarmCallbacks(Mutex<Vec<Wake>>);

impl fmt::Debug for AlarmCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakes")
    }
}

impl AlarmCallbacks {
    fn lock(&self) -> MutexGuard<'_, Vec<Wake>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CallWatch {
    fn default() -> Self {
        let [busy, exact] = [false; 2].map(AtomicBool::new);
        let [steps, entries, excused_us, paused_us, pauses, entered_us, spent_us] = [0; 7].map(AtomicU64::new);
        let [rung_steps, rung_entries, heard] = [u64::MAX; 3].map(AtomicU64::new);
        let (current, wakes) = (Mutex::default(), AlarmCallbacks::default());
        Self {
            busy,
            steps,
            entries,
            rung_steps,
            rung_entries,
            heard,
            excused_us,
            paused_us,
            pauses,
            exact,
            entered_us,
            spent_us,
            current,
            wakes,
        }
    }
}

/// The question, step and node that are running.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// The front's number of the question; 0 where nothing was asked: what is kept is brought up to date.
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
    pub fn named(self, set: &ChainSet) -> RunningStep {
        let step = set.get(&self.action).and_then(|chain| chain.steps.get(self.step));
        let step = step.map(|step| Arc::clone(&step.name));
        RunningStep { ticket: self.ticket, step, node: self.node, pure: self.pure }
    }
}

/// What a look at the watch shows: counters and clocks of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchSample {
    /// How many steps have begun.
    pub(super) steps: u64,
    /// How often code of scripts was entered and left: odd while it runs.
    pub(super) entries: u64,
    /// CPU time without what was excused, in microseconds.
    pub(super) clock_us: u64,
    /// What was excused since the worker's start.
    pub(super) excused_us: u64,
    /// What the scripts of the step have spent, where each call is timed exactly.
    pub(super) exact_us: Option<u64>,
}

impl WatchSample {
    /// Whether code of a script runs.
    pub(super) fn is_inside(&self) -> bool {
        self.entries % 2 == 1
    }
}

impl CallWatch {
    /// A question begins to be decided; `exact` says that each call of a script is timed by itself.
    pub fn begin(&self, ticket: u64, action: &Arc<str>, nodes: u64, exact: bool) {
        let mut current = self.lock();
        *current = Current { ticket, action: Arc::clone(action), nodes, ..Current::default() };
        self.exact.store(exact, Ordering::Relaxed);
        // What is sampled between this and the first step must not count as the last step of the question before.
        self.begin_step();
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

    /// As [`CallWatch::current`], for a thread that may hold the lock itself: absent also while it is held.
    #[must_use]
    pub fn try_current(&self) -> Option<Current> {
        let free = self.busy.load(Ordering::Acquire).then(|| self.current.try_lock());
        free.and_then(|current| current.ok().map(|current| current.clone()))
    }

    /// Wakes the engines that do not ask while they work.
    pub fn wake(&self) {
        self.wakes.lock().iter().for_each(|wake| wake());
    }

    /// Rings for the step that runs, or for the call alone.
    pub(super) fn raise_alarm(&self, what: Overtime, at: &WatchSample) {
        match what {
            Overtime::Step => self.rung_steps.store(at.steps, Ordering::Release),
            Overtime::Call => self.rung_entries.store(at.entries, Ordering::Release),
        }
        self.wake();
    }

    /// Whether an engine has heard that its time is over in the call that `at` shows.
    pub(super) fn has_acknowledged(&self, at: &WatchSample) -> bool {
        self.heard.load(Ordering::Acquire) == at.entries
    }

    /// Counters and clocks as they are.
    pub(super) fn glance(&self) -> WatchSample {
        let (steps, entries) = self.counters();
        let (now_us, paused_us) = (cpu_us(), self.paused_us.load(Ordering::Acquire));
        let pause_us = if paused_us == 0 { 0 } else { now_us.saturating_sub(paused_us) };
        let excused_us = self.excused_us.load(Ordering::Acquire) + pause_us;
        let clock_us = now_us.saturating_sub(excused_us);
        let exact = self.exact.load(Ordering::Relaxed);
        let inside_us = match entries % 2 {
            1 => clock_us.saturating_sub(self.entered_us.load(Ordering::Relaxed)),
            _ => 0,
        };
        let exact_us = exact.then(|| self.spent_us.load(Ordering::Relaxed) + inside_us);
        WatchSample { steps, entries, clock_us, excused_us, exact_us }
    }

    /// How many steps have begun, and how often code of scripts was entered and left.
    pub(super) fn counters(&self) -> (u64, u64) {
        (self.steps.load(Ordering::Acquire), self.entries.load(Ordering::Acquire))
    }

    fn begin_step(&self) {
        self.spent_us.store(0, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Release);
    }

    /// The script's own clock.
    fn clock_us(&self) -> u64 {
        cpu_us().saturating_sub(self.excused_us.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The evaluator's witness: writes down what it is told.
#[derive(Debug)]
pub struct Witnessed(pub Arc<CallWatch>);

impl StepObserver for Witnessed {
    fn step(&self, step: usize) {
        let mut current = self.0.lock();
        (current.step, current.node, current.pure) = (step, None, false);
        self.0.begin_step();
    }

    fn node(&self, node: &Arc<str>, pure: bool) {
        let mut current = self.0.lock();
        (current.node, current.pure) = (Some(Arc::clone(node)), pure);
    }

    fn alone(&self, step: usize, node: &Arc<str>) {
        let mut current = self.0.lock();
        (current.step, current.node, current.pure) = (step, Some(Arc::clone(node)), true);
        self.0.begin_step();
    }

    fn back_to(&self, step: usize) {
        let mut current = self.0.lock();
        (current.step, current.node, current.pure) = (step, None, false);
    }

    fn nodes_done(&self) {
        let mut current = self.0.lock();
        (current.node, current.pure) = (None, false);
    }

    fn called(&self) {
        if self.0.exact.load(Ordering::Relaxed) {
            self.0.entered_us.store(self.0.clock_us(), Ordering::Relaxed);
        }
        self.0.entries.fetch_add(1, Ordering::Release);
    }

    fn returned(&self) {
        self.0.entries.fetch_add(1, Ordering::Release);
        if self.0.exact.load(Ordering::Relaxed) {
            let spent_us = self.0.clock_us().saturating_sub(self.0.entered_us.load(Ordering::Relaxed));
            self.0.spent_us.fetch_add(spent_us, Ordering::Relaxed);
        }
    }
}

/// The watchdog's warning, for engines.
#[derive(Debug)]
pub struct WatchAlarm(pub Arc<CallWatch>);

impl Alarm for WatchAlarm {
    fn overtime(&self) -> Option<Overtime> {
        let is = |rung: &AtomicU64, now: &AtomicU64| rung.load(Ordering::Relaxed) == now.load(Ordering::Relaxed);
        if is(&self.0.rung_steps, &self.0.steps) {
            Some(Overtime::Step)
        } else {
            is(&self.0.rung_entries, &self.0.entries).then_some(Overtime::Call)
        }
    }

    fn on_overtime(&self, wake: Wake) {
        self.0.wakes.lock().push(wake);
    }

    fn acknowledge(&self) {
        self.0.heard.store(self.0.entries.load(Ordering::Relaxed), Ordering::Release);
    }

    fn pause(&self) {
        if self.0.pauses.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.paused_us.store(cpu_us(), Ordering::Release);
        }
    }

    fn resume(&self) -> u64 {
        // Whoever resumes has paused before.
        if self.0.pauses.fetch_sub(1, Ordering::Relaxed) != 1 {
            return 0;
        }
        let pause_us = cpu_us().saturating_sub(self.0.paused_us.load(Ordering::Relaxed));
        // In this order, so that the script's clock may stand still for a glance and never goes ahead.
        self.0.excused_us.fetch_add(pause_us, Ordering::Release);
        self.0.paused_us.store(0, Ordering::Release);
        pause_us
    }

    fn excuse(&self, us: u64) {
        self.0.excused_us.fetch_add(us, Ordering::Release);
    }
}

/// CPU time of this process in microseconds: the evaluating thread is the only one in it that works.
fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}
