//! Detects that this process stood still: that the process was stopped, or the machine suspended.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::front::PAUSE;

/// The time when the service's task last ran.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    ran: Option<Instant>,
    /// The CPU time of this process at the last tick: while CPU time is used, the process does not stand still.
    spent: Duration,
}

impl Standstill {
    /// Returns how long the process stood still before `now`, where that is longer than [`PAUSE`]. A task that was busy
    /// for as long has missed nothing: the events of that time are in the task's channels, and in order.
    pub(super) fn notice(&mut self, now: Instant) -> Option<Duration> {
        let gap = now.saturating_duration_since(self.ran.replace(now)?);
        let stood = || gap.saturating_sub(cpu_time().saturating_sub(self.spent));
        (gap > PAUSE).then(stood).filter(|stood| *stood > PAUSE)
    }

    /// Notes a tick.
    pub(super) fn tick(&mut self) {
        self.spent = cpu_time();
    }
}

/// Returns the CPU time that this process has used so far, in all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_gap_without_work_is_a_standstill() {
        let (mut standstill, start) = (Standstill::default(), Instant::now());
        standstill.tick();
        assert_eq!(standstill.notice(start + PAUSE * 9), None, "nobody knows what was before the first look");
        assert_eq!(standstill.notice(start + PAUSE * 10), None);
        assert!(standstill.notice(start + PAUSE * 10_000).unwrap() > PAUSE * 9_000);
        assert_eq!(standstill.notice(start), None, "a clock that goes back is no gap");
        standstill.spent = Duration::ZERO;
        let busy = PAUSE + cpu_time() / 2;
        assert_eq!(standstill.notice(start + busy), None, "this process was busy meanwhile");
    }
}
