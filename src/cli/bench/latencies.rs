//! Latencies: any number of them in the memory of a histogram, exact to three digits.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::cli::exit::{self, CommandExit};

/// The longest latency; longer latencies count as this.
const LONGEST: Duration = Duration::from_secs(3600);
const DIGITS: u8 = 3;
/// The fewest decisions for a 99th percentile: of fewer than a hundred, the percentile would be the worst decision
/// alone.
const FEWEST_FOR_P99: u64 = 100;

/// A histogram of latencies, in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// Never with these bounds; the histogram checks them all the same.
    pub(super) fn new() -> Result<Self, CommandExit> {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Histogram::new_with_bounds(1, longest, DIGITS).map(Self).map_err(|error| CommandExit::new(exit::OTHER, error))
    }

    /// Adds the latency `took`.
    pub(super) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns the number of latencies.
    #[must_use]
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the median latency in nanoseconds.
    #[must_use]
    pub(super) fn p50_ns(&self) -> u64 {
        self.0.value_at_quantile(0.5)
    }

    /// Returns the 99th percentile in nanoseconds, or `None` where there are too few latencies.
    #[must_use]
    pub(super) fn p99_ns(&self) -> Option<u64> {
        (self.count() >= FEWEST_FOR_P99).then(|| self.0.value_at_quantile(0.99))
    }

    /// Returns the largest latency in nanoseconds.
    #[must_use]
    pub(super) fn max_ns(&self) -> u64 {
        self.0.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new().unwrap();
        (1..=50).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        assert_eq!(latencies.p99_ns(), None);
        (51..=100).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let near = |ns: u64, ms: u64| ns.abs_diff(ms * 1_000_000) < ms * 1_000;
        assert!(near(latencies.p50_ns(), 50) && near(latencies.p99_ns().unwrap(), 99), "{latencies:?}");
        latencies.record(Duration::from_secs(100_000));
        latencies.record(Duration::ZERO);
        assert_eq!(latencies.count(), 102);
    }
}
