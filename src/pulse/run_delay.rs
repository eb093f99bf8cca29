//! How long a thread waits for a processor, as Linux counts it.
//!
//! On an overloaded machine, a thread that is ready to run may wait for a processor for seconds. To end the process for
//! that would make things worse: HAProxy's watchdog counts the processor time of its threads for the same reason.

use std::fs;
use std::time::Duration;

/// The time that a thread had waited for a processor up to a moment.
pub(super) struct RunDelay {
    thread: i32,
    total: Duration,
}

/// Returns the time that `thread` of this process has waited so far; `None` where the kernel does not say.
pub(super) fn of(thread: i32) -> Option<RunDelay> {
    total(thread).map(|total| RunDelay { thread, total })
}

impl RunDelay {
    /// The time that the thread has waited since `self` was taken.
    pub(super) fn passed(&self) -> Duration {
        total(self.thread).map_or(Duration::ZERO, |now| now.saturating_sub(self.total))
    }
}

/// The second of the three figures of `schedstat`: the nanoseconds in the run queue of a processor.
fn total(thread: i32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_waited_for_some_time_and_none_that_is_not_there() {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let before = of(own).unwrap();
        assert!(before.passed() <= total(own).unwrap());
        assert!(of(-1).is_none());
    }
}
