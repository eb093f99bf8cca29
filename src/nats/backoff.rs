//! Pauses between attempts: growing, bounded, and spread so that a thousand agents do not come back in one moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A pause that doubles from one failure to the next, up to a limit.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses of about `first` after the first failure and of about `most` after many.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// How long to wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        let pause = doubled(self.first, self.most, self.failures);
        self.failures = self.failures.saturating_add(1);
        spread(pause)
    }

    /// The next failure counts as the first again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// `first`, doubled `times` times, at most `most`.
#[must_use]
pub fn doubled(first: Duration, most: Duration, times: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times.min(31)).unwrap_or(u32::MAX)).min(most)
}

/// Between half of `pause` and all of it.
#[must_use]
pub fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + 0.5 * chance())
}

/// A number from 0 up to 1. The keys of the standard library's hasher are random, which is chance enough for a pause;
/// decisions draw theirs elsewhere.
fn chance() -> f64 {
    f64::from(RandomState::new().hash_one(0_u8) as u32) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_start_again() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, most);
        let pause = backoff.failed();
        assert!(pause >= first / 2 && pause <= first);
        for _ in 0..100 {
            assert!(backoff.failed() <= most);
        }
        assert!(backoff.failed() >= most / 2);
        backoff.succeeded();
        assert!(backoff.failed() <= first);
        assert_eq!(doubled(first, most, u32::MAX), most);
    }

    #[test]
    fn pauses_are_spread() {
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| spread(Duration::from_secs(1))).collect();
        assert!(pauses.len() > 10);
    }
}
