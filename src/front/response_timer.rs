//! The time for which a process that owes answers has sent nothing, counted while the front itself ran.
//!
//! A clock goes on while the front is stopped, or the machine is suspended, and the frames that the process sent
//! meanwhile are read afterwards. So the front counts the silence at the front's own ticks, and a tick counts for no
//! more than the front may take for a tick.

use std::time::Duration;

/// The most that a tick counts for: the longest time between two ticks under any load.
pub const LONGEST_TICK: Duration = Duration::from_millis(200);

/// The time for which a process that owes answers has sent nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResponseTimer(Duration);

impl ResponseTimer {
    /// Resets the timer: the process sent a frame, or owed nothing until now.
    pub(super) fn end(&mut self) {
        self.0 = Duration::ZERO;
    }

    /// Adds a tick, `passed` after the tick before. Returns whether the silence is longer than `limit` by now.
    pub(super) fn tick(&mut self, passed: Duration, limit: Duration) -> bool {
        self.0 = self.0.saturating_add(passed.min(LONGEST_TICK));
        self.0 > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);
    const LIMIT: Duration = Duration::from_secs(1);

    #[test]
    fn a_process_is_silent_after_so_many_ticks_without_a_word() {
        let mut silence = ResponseTimer::default();
        assert!((0..10).all(|_| !silence.tick(TICK, LIMIT)));
        assert!(silence.tick(TICK, LIMIT));
        silence.end();
        assert!(!silence.tick(TICK, LIMIT));
    }

    #[test]
    fn time_in_which_the_front_did_not_run_is_no_silence() {
        let mut silence = ResponseTimer::default();
        assert!(!silence.tick(TICK, LIMIT));
        assert!(!silence.tick(Duration::from_secs(3600), LIMIT), "an hour counts as the longest tick");
        assert!((0..7).all(|_| !silence.tick(TICK, LIMIT)), "what is left of the limit is left");
        assert!(silence.tick(TICK, LIMIT));
        assert!(!ResponseTimer::default().tick(Duration::MAX, LIMIT));
    }

    #[test]
    fn a_front_that_is_slow_counts_what_its_ticks_took() {
        let mut silence = ResponseTimer::default();
        assert!((0..5).all(|_| !silence.tick(LONGEST_TICK, LIMIT)));
        assert!(silence.tick(LONGEST_TICK, LIMIT));
    }
}
