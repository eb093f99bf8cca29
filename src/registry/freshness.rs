//! The age of the view of the cluster: the time since the last proof that nothing is missing from the view.
//!
//! A proof is the last message of every feed (its newest entry, or a heartbeat of the server, which counts the messages
//! that were sent), or a check of the buckets that found nothing more in them. Silence is no proof, and neither is a
//! connection that is up. Moments are handed in.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The last proof.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    proven: Mutex<Option<Instant>>,
}

impl Freshness {
    /// Records that the view was complete at the moment `at`.
    pub(super) fn prove(&self, at: Instant) {
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        // Two proofs may be recorded in another order than they were found.
        *proven = (*proven).max(Some(at));
    }

    /// The time from the last proof to `now`; `None` where the view was never complete.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let proven = *self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.map(|proven| now.saturating_duration_since(proven))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_proof_makes_the_view_younger() {
        let (freshness, start) = (Freshness::default(), Instant::now());
        let second = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(freshness.age(start), None);
        freshness.prove(second(5));
        assert_eq!(freshness.age(second(8)), Some(Duration::from_secs(3)));
        freshness.prove(second(2));
        assert_eq!(freshness.age(second(8)), Some(Duration::from_secs(3)));
        assert_eq!(freshness.age(second(4)), Some(Duration::ZERO), "a proof is never in the future");
    }
}
