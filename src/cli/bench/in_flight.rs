//! Requests under way: their numbers, their start times, and those whose answers are no longer expected.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Requests under way, by their numbers, which grow as their moments do.
#[derive(Debug)]
pub(super) struct RequestsInFlight {
    open: BTreeMap<u64, Instant>,
    next: u64,
    patience: Duration,
}

impl RequestsInFlight {
    /// Returns an empty table; a request without an answer for `patience` is given up.
    #[must_use]
    pub(super) fn new(patience: Duration) -> Self {
        Self { open: BTreeMap::new(), next: 0, patience }
    }

    /// Adds a request, timed from `since`; returns the number of the request.
    pub(super) fn depart(&mut self, since: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, since);
        number
    }

    /// Removes the request `number`, which was answered; returns the time from which the request was timed, or `None`
    /// where the request was given up already.
    pub(super) fn arrive(&mut self, number: u64) -> Option<Instant> {
        self.open.remove(&number)
    }

    /// Removes requests without an answer for `patience` at `now`; returns their number.
    pub(super) fn give_up(&mut self, now: Instant) -> u64 {
        let mut lost = 0;
        while let Some(oldest) = self.open.first_entry()
            && now.saturating_duration_since(*oldest.get()) >= self.patience
        {
            oldest.remove();
            lost += 1;
        }
        lost
    }

    /// Returns the number of requests under way.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the number of all requests so far.
    #[must_use]
    pub(super) fn departed(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_and_only_in_time() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut requests = RequestsInFlight::new(Duration::from_secs(5));
        assert_eq!([0, 1, 4].map(|seconds| requests.depart(after(seconds))), [0, 1, 2]);
        assert_eq!((requests.arrive(1), requests.arrive(1), requests.arrive(9)), (Some(after(1)), None, None));
        assert_eq!((requests.give_up(after(4)), requests.give_up(after(8)), requests.len()), (0, 1, 1));
        assert_eq!((requests.arrive(0), requests.arrive(2), requests.is_empty()), (None, Some(after(4)), true));
        assert_eq!(requests.departed(), 3);
    }
}
