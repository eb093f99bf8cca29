//! Pauses between attempts: growing and bounded; spread at random where many clients try at once, so that a thousand
//! agents do not return in the same moment.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// A pause that doubles with each failure, up to a limit.
#[derive(Debug)]
pub struct Backoff {
    rule: ExponentialBuilder,
    pauses: ExponentialBackoff,
    most: Duration,
}

impl Backoff {
    /// Creates pauses of `first` after the first failure and of `most` after many.
    #[must_use]
    pub fn exact(first: Duration, most: Duration) -> Self {
        Self::by(ExponentialBuilder::new().with_min_delay(first).with_max_delay(most), most)
    }

    /// Creates pauses between half of `first` and all of `first` after the first failure, between half of `most` and
    /// all of `most` after many.
    #[must_use]
    pub fn spread(first: Duration, most: Duration) -> Self {
        // The crate adds a random part of up to the same length.
        Self::by(ExponentialBuilder::new().with_min_delay(first / 2).with_max_delay(most / 2).with_jitter(), most)
    }

    fn by(rule: ExponentialBuilder, most: Duration) -> Self {
        let rule = rule.with_factor(2.0).without_max_times();
        Self { pauses: rule.build(), rule, most }
    }

    /// Returns the pause after a further failure.
    pub fn failed(&mut self) -> Duration {
        let pause = self.pauses.next().unwrap_or(self.most);
        // The crate doubles in floats of 32 bits: their error is less than half a microsecond.
        let us = pause.saturating_add(Duration::from_nanos(500)).as_micros();
        Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX))
    }

    /// Resets the pause: the next failure counts as the first again.
    pub fn succeeded(&mut self) {
        self.pauses = self.rule.build();
    }
}

/// Returns a random time between half of `pause` and all of `pause`.
#[must_use]
pub fn spread(pause: Duration) -> Duration {
    Backoff::spread(pause, pause).failed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(2);

    #[test]
    fn pauses_grow_to_the_limit_and_start_again() {
        let mut backoff = Backoff::exact(FIRST, MOST);
        let pauses: Vec<_> = (0..7).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert!((0..100_000).all(|_| backoff.failed() == MOST));
        backoff.succeeded();
        assert_eq!(backoff.failed(), FIRST);
    }

    #[test]
    fn spread_pauses_differ_and_keep_to_the_limit() {
        let mut backoff = Backoff::spread(FIRST, MOST);
        assert!((FIRST / 2..=FIRST).contains(&backoff.failed()));
        assert!((0..10).all(|_| backoff.failed() <= MOST));
        assert!((0..100).all(|_| (MOST / 2..=MOST).contains(&backoff.failed())));
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| spread(MOST)).collect();
        assert!(pauses.len() > 10);
    }
}
