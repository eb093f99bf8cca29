//! The running step of a worker, and the CPU time that the script has used: shared between the evaluating thread, which
//! writes both, and the watchdog, which reads both.
//!
//! A script's time runs while the script's own code runs. The worker's work between calls (plans, commands, kept
//! results) and the engine's own work (building the objects that a script is given, collecting garbage) do not count
//! against a script.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::chain::{ChainSet, StepObserver};
use crate::clock::{Alarm, Overtime, Wake};

use super::protocol::RunningStep;

/// The state of the running call, and the counters and clocks of the script's time.
#[derive(Debug)]
pub struct CallWatch {
    busy: AtomicBool,
    /// The number of steps that began, over all questions.
    steps: AtomicU64,
    /// The number of entries into the code of scripts and returns from there: odd while such code runs.
    entries: AtomicU64,
    /// The values of the two counters when the alarm was raised; the counters go on, so the alarm never applies to a
    /// later step or call.
    alarmed_steps: AtomicU64,
    alarmed_entries: AtomicU64,
    /// The limits that were used up when the alarm was raised, in microseconds.
    alarmed_step_us: AtomicU64,
    alarmed_call_us: AtomicU64,
    /// The value of `entries` in the last call that began anew: an engine's attempt that came to nothing.
    abandoned: AtomicU64,
    /// The value of `entries` when an engine acknowledged the alarm.
    acknowledged: AtomicU64,
    /// The CPU time that passed in the code of scripts and does not count as theirs, in microseconds.
    excused_us: AtomicU64,
    /// The part of the excused time in which garbage was collected, in microseconds.
    garbage_us: AtomicU64,
    /// The CPU time when the engine began with work of its own, in microseconds; 0 where the engine does none.
    paused_us: AtomicU64,
    /// The nesting depth of pauses.
    pauses: AtomicU64,
    /// Whether each call is timed exactly, which costs two system calls each; otherwise the watchdog's samples must do.
    exact: AtomicBool,
    /// Of exact timing: the time when the running code was entered, and the time that the step used before, on the
    /// script's own clock.
    entered_us: AtomicU64,
    spent_us: AtomicU64,
    current: Mutex<Current>,
    wakes: AlarmCallbacks,
}

/// The callbacks that are called when the alarm is raised.
#[derive(Default)]
struct AlarmCallbacks(Mutex<Vec<Wake>>);

impl fmt::Debug for AlarmCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlarmCallbacks")
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
        let [steps, entries, paused_us, pauses, entered_us, spent_us] = [0; 6].map(AtomicU64::new);
        let [excused_us, garbage_us, alarmed_step_us, alarmed_call_us] = [0; 4].map(AtomicU64::new);
        let [alarmed_steps, alarmed_entries, abandoned, acknowledged] = [u64::MAX; 4].map(AtomicU64::new);
        let (current, wakes) = (Mutex::default(), AlarmCallbacks::default());
        Self {
            busy,
            steps,
            entries,
            alarmed_steps,
            alarmed_entries,
            alarmed_step_us,
            alarmed_call_us,
            abandoned,
            acknowledged,
            excused_us,
            garbage_us,
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
    /// The front's number of the question; 0 where no question was asked: caches and indexes are being refreshed.
    pub ticket: u64,
    /// The chain's action.
    pub action: Arc<str>,
    /// The number of nodes in the cluster.
    pub nodes: u64,
    /// The step, from 0.
    pub step: usize,
    /// The node of the call, for a per-node function.
    pub node: Option<Arc<str>>,
    /// Whether the answer of the call hangs on the node's document alone.
    pub pure: bool,
}

impl Current {
    /// Returns the running step with the step's name, which `set` has.
    #[must_use]
    pub fn named(self, set: &ChainSet) -> RunningStep {
        let step = set.get(&self.action).and_then(|chain| chain.steps.get(self.step));
        let step = step.map(|step| Arc::clone(&step.name));
        RunningStep { ticket: self.ticket, step, node: self.node, pure: self.pure }
    }
}

/// A sample of the watch: counters and clocks of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchSample {
    /// The number of steps that began.
    pub(super) steps: u64,
    /// The number of entries into code of scripts and returns from there: odd while such code runs.
    pub(super) entries: u64,
    /// The value of `entries` in the last call that began anew.
    pub(super) abandoned: u64,
    /// The CPU time without the excused time, in microseconds.
    pub(super) clock_us: u64,
    /// The CPU time of collections of garbage since the start of the worker, in microseconds.
    pub(super) garbage_us: u64,
    /// The CPU time that the scripts of the step have used, in microseconds, where each call is timed exactly.
    pub(super) exact_us: Option<u64>,
}

impl WatchSample {
    /// Whether code of a script runs.
    pub(super) fn is_inside(&self) -> bool {
        self.entries % 2 == 1
    }
}

impl CallWatch {
    /// Notes that a question begins to be decided; with `exact`, each call of a script is timed.
    pub fn begin(&self, ticket: u64, action: &Arc<str>, nodes: u64, exact: bool) {
        let mut current = self.lock();
        *current = Current { ticket, action: Arc::clone(action), nodes, ..Current::default() };
        self.exact.store(exact, Ordering::Relaxed);
        // Samples between this call and the first step must not count as the last step of the question before.
        self.begin_step();
        drop(current);
        self.busy.store(true, Ordering::Release);
    }

    /// Notes that the question is decided.
    pub fn end(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Returns the running step, or `None` while nothing runs.
    #[must_use]
    pub fn current(&self) -> Option<Current> {
        self.busy.load(Ordering::Acquire).then(|| self.lock().clone())
    }

    /// Returns the running step as [`CallWatch::current`] does, for a thread that may hold the lock itself: `None` also
    /// while the lock is held.
    #[must_use]
    pub fn try_current(&self) -> Option<Current> {
        let free = self.busy.load(Ordering::Acquire).then(|| self.current.try_lock());
        free.and_then(|current| current.ok().map(|current| current.clone()))
    }

    /// Wakes the engines that do not check for the alarm while they work.
    pub fn wake(&self) {
        self.wakes.lock().iter().for_each(|wake| wake());
    }

    /// Raises the alarm for the running step, or for the call alone, whose limit is `allowed_us` microseconds.
    pub(super) fn raise_alarm(&self, what: Overtime, at: &WatchSample, allowed_us: u64) {
        match what {
            Overtime::Step => {
                self.alarmed_step_us.store(allowed_us, Ordering::Relaxed);
                self.alarmed_steps.store(at.steps, Ordering::Release);
            }
            Overtime::Call => {
                self.alarmed_call_us.store(allowed_us, Ordering::Relaxed);
                self.alarmed_entries.store(at.entries, Ordering::Release);
            }
        }
        self.wake();
    }

    /// Whether an engine has acknowledged the alarm in the call that `at` shows.
    pub(super) fn has_acknowledged(&self, at: &WatchSample) -> bool {
        self.acknowledged.load(Ordering::Acquire) == at.entries
    }

    /// Takes a sample of counters and clocks.
    pub(super) fn sample(&self) -> WatchSample {
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
        let abandoned = self.abandoned.load(Ordering::Acquire);
        let garbage_us = self.garbage_us.load(Ordering::Acquire);
        WatchSample { steps, entries, abandoned, clock_us, garbage_us, exact_us }
    }

    /// Returns the number of steps that began, and the number of entries into code of scripts and returns from there.
    pub(super) fn counters(&self) -> (u64, u64) {
        (self.steps.load(Ordering::Acquire), self.entries.load(Ordering::Acquire))
    }

    fn begin_step(&self) {
        self.spent_us.store(0, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Release);
    }

    /// The script's own clock, in microseconds.
    fn clock_us(&self) -> u64 {
        cpu_us().saturating_sub(self.excused_us.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The evaluator's observer: records the running step.
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

/// The watchdog's alarm, as engines see it.
#[derive(Debug)]
pub struct WatchAlarm(pub Arc<CallWatch>);

impl Alarm for WatchAlarm {
    fn overtime(&self) -> Option<Overtime> {
        let is = |alarmed: &AtomicU64, now: &AtomicU64| alarmed.load(Ordering::Relaxed) == now.load(Ordering::Relaxed);
        if is(&self.0.alarmed_steps, &self.0.steps) {
            Some(Overtime::Step)
        } else {
            is(&self.0.alarmed_entries, &self.0.entries).then_some(Overtime::Call)
        }
    }

    fn allowed_ms(&self, scope: Overtime) -> Option<u64> {
        let allowed_us = match scope {
            Overtime::Step => &self.0.alarmed_step_us,
            Overtime::Call => &self.0.alarmed_call_us,
        };
        Some(allowed_us.load(Ordering::Relaxed) / 1000)
    }

    fn on_overtime(&self, wake: Wake) {
        self.0.wakes.lock().push(wake);
    }

    fn acknowledge(&self) {
        self.0.acknowledged.store(self.0.entries.load(Ordering::Relaxed), Ordering::Release);
    }

    fn pause(&self) {
        if self.0.pauses.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.paused_us.store(cpu_us(), Ordering::Release);
        }
    }

    fn resume(&self) -> u64 {
        // Each call of `resume` follows a call of `pause`.
        if self.0.pauses.fetch_sub(1, Ordering::Relaxed) != 1 {
            return 0;
        }
        let pause_us = cpu_us().saturating_sub(self.0.paused_us.load(Ordering::Relaxed));
        // In this order, so that the script's clock may stand still for a sample and never goes ahead.
        self.0.excused_us.fetch_add(pause_us, Ordering::Release);
        self.0.paused_us.store(0, Ordering::Release);
        pause_us
    }

    fn begin_anew(&self) {
        self.0.alarmed_steps.store(u64::MAX, Ordering::Relaxed);
        if self.0.exact.load(Ordering::Relaxed) {
            self.0.entered_us.store(self.0.clock_us(), Ordering::Relaxed);
        }
        // To the watchdog it is a return and the entry into another call.
        self.0.abandoned.store(self.0.entries.load(Ordering::Relaxed), Ordering::Release);
        self.0.entries.fetch_add(2, Ordering::Release);
    }

    fn cpu_us(&self) -> u64 {
        cpu_us()
    }

    fn excuse_garbage(&self, us: u64) {
        self.0.excused_us.fetch_add(us, Ordering::Release);
        self.0.garbage_us.fetch_add(us, Ordering::Release);
    }
}

/// Returns the CPU time of this process in microseconds: the evaluating thread is the only thread that works.
fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_work_stops_the_clock_of_the_script_and_is_no_garbage() {
        const WORK_US: u64 = 3_000;
        let watch = Arc::new(CallWatch::default());
        let alarm: &dyn Alarm = &WatchAlarm(Arc::clone(&watch));
        let (start_us, before) = (cpu_us(), watch.sample());
        alarm.own_work(|| {
            let from_us = cpu_us();
            while cpu_us() - from_us < WORK_US {}
        });
        let after = watch.sample();
        assert!(after.clock_us - before.clock_us + WORK_US <= cpu_us() - start_us);
        assert_eq!(after.garbage_us, 0);
        alarm.excuse_garbage(7);
        assert_eq!(watch.sample().garbage_us, 7);
    }
}
