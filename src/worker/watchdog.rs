//! The watchdog: a thread in the worker that measures the CPU time of the script's code.
//!
//! The watchdog measures CPU time, not wall time: 20 ms of honest work took 70 ms on a busy machine
//! (docs/src/internals/facts.md). The evaluating thread pays two counters a call and no system call; the watchdog
//! samples. A call's time runs from the first sample that saw this call, never too much. A step's time is the sum over
//! the samples that found code of the script running: right on the average, which is enough for a suspicion. A
//! suspected question is asked again alone, and there each call is timed exactly.
//!
//! The watchdog raises an alarm before the process is ended: an engine that can stop a script sees the alarm in the
//! last part of the script's time, and the process lives on. An engine that cannot stop a script does not react, and
//! the process ends. An engine that acknowledges the alarm gets time to clean up: a map of a million entries takes a
//! tenth of a second to free.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::clock::Overtime;

use super::watch::{CallWatch, Current, WatchSample};

/// The time between two samples while something runs.
const PERIOD: Duration = Duration::from_millis(2);
/// The time between two samples while nothing runs: an idle worker costs next to nothing.
const IDLE_PERIOD: Duration = Duration::from_millis(20);

/// How long before the limit the alarm is raised: time for the engine to see the alarm, to stop, and to report; half of
/// the limit where that is shorter.
const NOTICE_US: u64 = 4_000;
/// The least CPU time between alarm and end: a watchdog that was not scheduled must not raise the alarm and end the
/// process at once.
const REACTION_US: u64 = 2_000;
/// The CPU time for an engine that has acknowledged the alarm to clean up in: many times the time to free all that a
/// worker may hold.
const CLEAR_UP_US: u64 = 2_000_000;

/// The CPU time that a step and a per-node call may take, in microseconds.
pub struct Allowance {
    /// The limit of the step.
    pub step_us: u64,
    /// The limit of the call.
    pub call_us: u64,
}

/// Starts the watchdog. `allow` returns the limits of the current step; `end_process` is given the running step, the
/// limit that was passed and the limit's value, and does not return: `end_process` ends the process.
///
/// # Errors
/// Where the thread cannot be started.
pub fn start(
    watch: Arc<CallWatch>,
    allow: impl Fn(&Current) -> Allowance + Send + 'static,
    end_process: impl Fn(Current, Overtime, u64) + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let mut scale = Scale::default();
        let mut period = PERIOD;
        loop {
            thread::sleep(period);
            let sample = watch.sample();
            let Some(current) = watch.current() else {
                (scale, period) = (Scale::default(), IDLE_PERIOD);
                continue;
            };
            period = PERIOD;
            let allowance = allow(&current);
            let late = scale.weigh(&sample, current.node.is_some(), &allowance);
            if watch.counters() != (sample.steps, sample.entries) || !sample.is_inside() {
                // By now another call runs, or no code of a script does.
                continue;
            }
            let Some(late) = late else { continue };
            watch.raise_alarm(late.what, &sample, late.allowed_us);
            let notice_us = if watch.has_acknowledged(&sample) { CLEAR_UP_US } else { REACTION_US };
            if late.used_us > late.allowed_us && scale.since_alarm_us(&sample, &late) > notice_us {
                end_process(current, late.what, late.allowed_us);
            }
        }
    })
}

/// The sums over the samples of one question after the other.
#[derive(Default)]
struct Scale {
    step: StepSamples,
    call: Since,
    alarmed: [Since; 2],
}

impl Scale {
    /// Adds a sample, and returns the limit that is used up by then, if any.
    fn weigh(&mut self, sample: &WatchSample, is_node: bool, allowance: &Allowance) -> Option<OverrunReport> {
        let (in_step, in_call) = (self.step.spent(sample), self.call.spent(sample.entries, sample.clock_us));
        // Collections are excused up to the limit of the step: garbage is made by somebody. Other work of the engine's
        // own is nobody's, and ends.
        let beyond_us = sample.garbage_us.saturating_sub(self.step.garbage_us).saturating_sub(allowance.step_us);
        late(in_step + beyond_us, in_call + beyond_us, is_node, allowance)
    }

    /// Returns the CPU time since the watchdog first raised the alarm for `late`. Excused time counts as in
    /// [`Scale::weigh`]: the clock of a script that makes nothing but garbage stands still.
    fn since_alarm_us(&mut self, sample: &WatchSample, late: &OverrunReport) -> u64 {
        match (late.what, &mut self.alarmed) {
            (Overtime::Step, [alarmed, _]) => alarmed.spent(sample.steps, late.used_us),
            (Overtime::Call, [_, alarmed]) => alarmed.spent(sample.entries, late.used_us),
        }
    }
}

/// A limit that is used up, or nearly.
struct OverrunReport {
    what: Overtime,
    used_us: u64,
    allowed_us: u64,
}

/// Returns the step's limit where that is used up, else the call's limit where that is used up and `is_node` says that
/// the call is about a node.
fn late(in_step: u64, in_call: u64, is_node: bool, allowance: &Allowance) -> Option<OverrunReport> {
    let Allowance { step_us, call_us } = *allowance;
    let is_late = |used_us: u64, allowed_us: u64| used_us > allowed_us.saturating_sub(NOTICE_US).max(allowed_us / 2);
    if is_late(in_step, step_us) {
        return Some(OverrunReport { what: Overtime::Step, used_us: in_step, allowed_us: step_us });
    }
    let is_late = is_node && is_late(in_call, call_us);
    is_late.then_some(OverrunReport { what: Overtime::Call, used_us: in_call, allowed_us: call_us })
}

/// The time when a counter was first seen at the present value.
#[derive(Default)]
struct Since {
    value: u64,
    clock_us: u64,
}

impl Since {
    /// Returns the time since the counter has the present value, as far as sampling can tell: never too much.
    fn spent(&mut self, value: u64, clock_us: u64) -> u64 {
        if self.value != value || self.clock_us == 0 {
            *self = Self { value, clock_us };
        }
        clock_us.saturating_sub(self.clock_us)
    }
}

/// The sums over the samples of a step.
#[derive(Default)]
struct StepSamples {
    number: u64,
    spent_us: u64,
    seen_us: u64,
    /// The running call, as the counter of entries has it, and what of the step's time was found in it.
    call: u64,
    call_us: u64,
    /// The time of collections before the step.
    garbage_us: u64,
}

impl StepSamples {
    /// Returns the CPU time that the step's script has used so far, in microseconds.
    fn spent(&mut self, sample: &WatchSample) -> u64 {
        if self.number != sample.steps || self.seen_us == 0 {
            let garbage_us = sample.garbage_us;
            *self = Self { number: sample.steps, seen_us: sample.clock_us, garbage_us, ..Self::default() };
        }
        if sample.entries != self.call {
            if sample.abandoned == self.call {
                self.spent_us = self.spent_us.saturating_sub(self.call_us);
            }
            (self.call, self.call_us) = (sample.entries, 0);
        }
        if sample.is_inside() {
            let found_us = sample.clock_us.saturating_sub(self.seen_us);
            (self.spent_us, self.call_us) = (self.spent_us + found_us, self.call_us + found_us);
        }
        self.seen_us = self.seen_us.max(sample.clock_us);
        sample.exact_us.unwrap_or(self.spent_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { step_us: 250_000, call_us: 10_000 };

    fn sample(steps: u64, entries: u64, clock_us: u64) -> WatchSample {
        WatchSample { steps, entries, abandoned: u64::MAX, clock_us, garbage_us: 0, exact_us: None }
    }

    #[test]
    fn what_happens_between_calls_is_nobodys() {
        let (mut step, mut call) = (StepSamples::default(), Since::default());
        let mut spent = (0, 0);
        for (entries, clock_us) in [(1, 1_000), (1, 3_000), (2, 5_000), (2, 90_000), (2, 400_000), (3, 401_000)] {
            let sample = sample(7, entries, clock_us);
            spent = (step.spent(&sample), call.spent(sample.entries, sample.clock_us));
        }
        assert_eq!(spent, (3_000, 0), "two samples found the script at work, and the last call has just begun");
        assert!(late(spent.0, spent.1, true, &ALLOWANCE).is_none());
    }

    #[test]
    fn a_call_is_late_by_its_own_time_and_a_step_by_the_sum() {
        let (mut step, mut call) = (StepSamples::default(), Since::default());
        let mut take = |entries: u64, clock_us: u64| {
            let sample = sample(7, entries, clock_us);
            (step.spent(&sample), call.spent(sample.entries, sample.clock_us))
        };
        take(1, 1);
        let (in_step, in_call) = take(1, 8_001);
        let call = late(in_step, in_call, true, &ALLOWANCE).map(|late| (late.what, late.used_us));
        assert_eq!(call, Some((Overtime::Call, 8_000)));
        assert!(late(in_step, in_call, false, &ALLOWANCE).is_none(), "a whole list is no call about a node");
        let mut in_step = 0;
        for call in 1..=50 {
            (in_step, _) = take(2 * call + 1, 8_001 + call * 5_000);
        }
        assert_eq!(late(in_step, 0, true, &ALLOWANCE).map(|late| late.what), Some(Overtime::Step));
    }

    /// A loop that awaits nothing makes garbage all the time, and more time is excused than passes.
    #[test]
    fn a_script_whose_clock_stands_still_is_late_and_is_not_rung_for_for_ever() {
        let mut scale = Scale::default();
        let mut take = |garbage_us: u64| {
            let sample = WatchSample { garbage_us, ..sample(7, 1, 1_000) };
            scale.weigh(&sample, false, &ALLOWANCE).map(|late| (late.used_us, scale.since_alarm_us(&sample, &late)))
        };
        assert_eq!([0, 250_000, 400_000].map(&mut take), [None; 3], "its own work is excused for as long as a step");
        let alarmed = [500_000, 502_000, 504_000].map(&mut take);
        assert_eq!(alarmed, [Some((250_000, 0)), Some((252_000, 2_000)), Some((254_000, 4_000))]);
    }

    /// An engine tried compiled code for 40 ms, and gave up.
    #[test]
    fn an_attempt_that_came_to_nothing_counts_for_nothing() {
        let mut step = StepSamples::default();
        let mut take = |entries: u64, abandoned: u64, clock_us: u64| {
            step.spent(&WatchSample { abandoned, ..sample(7, entries, clock_us) })
        };
        assert_eq!([take(1, u64::MAX, 1_000), take(1, u64::MAX, 41_000)], [0, 40_000]);
        assert_eq!([take(3, 1, 43_000), take(3, 1, 45_000), take(5, 1, 47_000)], [2_000, 4_000, 6_000]);
    }

    #[test]
    fn a_question_alone_is_timed_exactly() {
        let mut step = StepSamples::default();
        step.spent(&sample(7, 1, 1_000));
        assert_eq!(step.spent(&WatchSample { exact_us: Some(40), ..sample(7, 1, 300_000) }), 40);
    }
}
