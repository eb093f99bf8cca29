//! The tally of the launchers in a cell: latencies, placements over time, and faults by name.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cli::bench::latencies::Latencies;
use crate::cli::exit::CommandExit;

use super::answer::StormFailure;

/// The length of a slice of time in which placements are counted.
const SLICE: Duration = Duration::from_millis(100);
const SLICES_IN_A_SECOND: usize = 10;
/// The length of the beginning and of the end of a run that are compared; in a short run each is a half.
const WINDOW: Duration = Duration::from_secs(5);

/// The tally of the launchers in a cell.
#[derive(Clone, Debug)]
pub(super) struct LauncherTally {
    /// The latencies from the request, or the moment at which the request was due, to the answer; lost requests
    /// included.
    pub(super) latencies: Latencies,
    /// The number of answers with a node.
    pub(super) placed: u64,
    /// The number of confirmed placements.
    pub(super) confirmed: u64,
    /// From the first request to the last answer with a node.
    pub(super) elapsed: Duration,
    /// The faults by name.
    pub(super) faults: BTreeMap<String, StormFault>,
    slices: Vec<u64>,
}

/// A kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StormFault {
    /// The number of faults.
    pub(super) count: u64,
    /// The message of the first fault of the kind.
    pub(super) example: String,
}

impl LauncherTally {
    /// Nothing yet.
    ///
    /// # Errors
    /// As the histogram of latencies.
    pub(super) fn new() -> Result<Self, CommandExit> {
        Ok(Self {
            latencies: Latencies::new()?,
            placed: 0,
            confirmed: 0,
            elapsed: Duration::ZERO,
            faults: BTreeMap::new(),
            slices: Vec::new(),
        })
    }

    /// Counts the answer that came at `now` to the request that was sent, or due, at `since`; the run began at `start`.
    pub(super) fn answered(&mut self, since: Instant, now: Instant, start: Instant, failure: Option<&StormFailure>) {
        self.latencies.record(now.saturating_duration_since(since));
        let after = now.saturating_duration_since(start);
        self.elapsed = after;
        if let Some(failure) = failure {
            return self.fault(&failure.name, &failure.message);
        }
        self.placed += 1;
        let slice = (after.as_millis() / SLICE.as_millis()) as usize;
        if slice >= self.slices.len() {
            self.slices.resize(slice + 1, 0);
        }
        if let Some(slice) = self.slices.get_mut(slice) {
            *slice += 1;
        }
    }

    /// Counts a fault under `name`.
    pub(super) fn fault(&mut self, name: &str, words: &str) {
        let fault = self.faults.entry(name.to_owned()).or_default();
        fault.count += 1;
        if fault.example.is_empty() {
            words.clone_into(&mut fault.example);
        }
    }

    /// Counts `count` requests without an answer, which took `patience` at least: left out, the worst service would
    /// look best.
    pub(super) fn lose(&mut self, name: &str, count: u64, patience: Duration) {
        for _ in 0..count {
            self.latencies.record(patience);
            self.fault(name, "");
        }
    }

    /// Placements a second.
    pub(super) fn per_second(&self) -> f64 {
        self.placed as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Placements a second in the first five seconds and in the last five of a run of `time`.
    pub(super) fn first_and_last(&self, time: Duration) -> (f64, f64) {
        let slices = ((time.as_millis() / SLICE.as_millis()) as usize).max(1);
        let window = ((WINDOW.min(time / 2).as_millis() / SLICE.as_millis()) as usize).max(1);
        let rate = |from: usize| {
            let placed: u64 = self.slices.iter().skip(from).take(window).sum();
            placed as f64 / (SLICE * window as u32).as_secs_f64()
        };
        (rate(0), rate(slices.saturating_sub(window)))
    }

    /// Placements in each second.
    pub(super) fn seconds(&self) -> Vec<u64> {
        self.slices.chunks(SLICES_IN_A_SECOND).map(|second| second.iter().sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_decays_is_seen() {
        let (mut tally, start) = (LauncherTally::new().unwrap(), Instant::now());
        let mut answer = |ms: u64| {
            let now = start + Duration::from_millis(ms);
            tally.answered(now, now, start, None);
        };
        (0..10_000).step_by(10).for_each(&mut answer);
        (10_000..20_000).step_by(100).for_each(&mut answer);
        assert_eq!(tally.first_and_last(Duration::from_secs(20)), (100.0, 10.0));
        assert_eq!(tally.seconds(), [vec![100; 10], vec![10; 10]].concat());
        assert!((tally.per_second() - 1100.0 / 19.9).abs() < 0.1);
        assert_eq!(LauncherTally::new().unwrap().first_and_last(Duration::from_millis(10)), (0.0, 0.0));
    }

    #[test]
    fn what_is_lost_counts_as_slow() {
        let mut tally = LauncherTally::new().unwrap();
        tally.lose("no-answer", 200, Duration::from_secs(30));
        let failure = StormFailure { name: "no-node".to_owned(), message: "full".to_owned() };
        let now = Instant::now();
        tally.answered(now, now, now, Some(&failure));
        assert_eq!((tally.placed, tally.faults["no-answer"].count), (0, 200));
        assert_eq!(tally.faults["no-node"], StormFault { count: 1, example: "full".to_owned() });
        assert!(tally.latencies.p50_ns() > 29_000_000_000);
    }
}
