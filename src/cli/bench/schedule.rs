//! The moments at which requests of an open loop are due: so many a second, whatever becomes of the requests before.
//!
//! Latencies that are measured from these moments are free of coordinated omission: a service that stands still for a
//! second is charged with all requests that were due in that second, and not only with the request that waited.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::cli::exit::{self, CommandExit};

/// Moments at a fixed rate, due one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    start: Instant,
    rate: u32,
    count: u64,
}

impl Schedule {
    /// Returns `rate` moments a second for `time`, evenly, the first at `start`.
    #[must_use]
    pub(super) fn new(start: Instant, rate: u32, time: Duration) -> Self {
        let count = time.as_nanos() * u128::from(rate) / 1_000_000_000;
        Self { start, rate, count: u64::try_from(count).unwrap_or(u64::MAX).max(1) }
    }

    /// Returns the number of moments.
    #[must_use]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the moment number `number`, from 0; none past the last.
    #[must_use]
    pub(super) fn due(&self, number: u64) -> Option<Instant> {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate.max(1));
        let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        (number < self.count).then(|| self.start.checked_add(after)).flatten()
    }

    /// Sends each moment when the moment has come; `waiting` moments may be queued. A thread, because the runtime's own
    /// timers are exact to a millisecond only.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub(super) fn play(self, waiting: usize) -> Result<mpsc::Receiver<Instant>, CommandExit> {
        let (moments, due) = mpsc::channel(waiting.max(1));
        let play = move || {
            for moment in (0..self.count).map_while(|number| self.due(number)) {
                thread::sleep(moment.saturating_duration_since(Instant::now()));
                // Where the queue is full this waits, and the moment stays the same.
                if moments.blocking_send(moment).is_err() {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("schedule".to_owned()).spawn(play);
        started.map_err(|error| CommandExit::new(exit::OTHER, error))?;
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_even_and_do_not_drift() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 3, Duration::from_secs(2));
        let after: Vec<_> = (0..).map_while(|number| schedule.due(number)).map(|due| due - start).collect();
        let ms: Vec<_> = after.iter().map(Duration::as_millis).collect();
        assert_eq!(ms, [0, 333, 666, 1000, 1333, 1666]);
        let long = Schedule::new(start, 1_000_000, Duration::from_secs(3600));
        assert_eq!(long.count(), 3_600_000_000);
        assert_eq!(long.due(3_599_000_000), Some(start + Duration::from_secs(3599)));
        assert_eq!(Schedule::new(start, 1, Duration::from_millis(1)).count(), 1);
    }

    #[test]
    fn late_moments_stay_what_they_were() {
        let start = Instant::now() - Duration::from_secs(1);
        let schedule = Schedule::new(start, 100, Duration::from_millis(50));
        let mut due = schedule.play(1).unwrap();
        let came: Vec<_> = std::iter::from_fn(|| due.blocking_recv()).collect();
        assert_eq!(came, (0..5).filter_map(|number| schedule.due(number)).collect::<Vec<_>>());
    }
}
