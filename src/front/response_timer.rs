//! The silence of a process that owes answers, in time in which the front itself ran.
//!
//! A clock goes on while the front is stopped, or its machine is, and what the process said meanwhile is read afterwards.
//! So the front counts the silence at its own ticks, and a tick counts for no more than the front may take for one.

use std::time::Duration;

/// A tick counts for no more than this: the longest time between two of them, however much there is to hear.
pub const LONGEST_TICK: Duration = Duration::from_millis(200);

/// How long a process that owes answers has said nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResponseTimer(Duration);

impl ResponseTimer {
    /// Begins anew: the process said something, or owed nothing until now.
    pub(super) fn end(&mut self) {
        self.0 = Duration::ZERO;
    }

    /// The front ticks, `passed` after the tick before. Returns whether the silence is longer than `limit` by now.
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
