//! Buckets that are being read, and are checked at intervals: each must still be the bucket that reading began with,
//! and all stored entries must arrive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use tracing::debug;

use super::RegistryCounters;
use super::freshness::Freshness;
use super::streams::{self, StreamState};
use crate::nats::subjects::bucket_stream;

/// The time between two checks that the buckets are still the buckets being read.
const CHECK: Duration = Duration::from_secs(5);
/// The time within which the entries that a hurried check finds in the buckets have to arrive; [`ARRIVAL_LOOKS`] times
/// they are looked for.
const ARRIVAL: Duration = Duration::from_secs(1);
const ARRIVAL_LOOKS: u32 = 50;

/// A bucket that is checked at intervals.
#[derive(Debug)]
pub(super) struct GuardedBucket<'a> {
    stream: String,
    /// The creation time of the bucket that is being read.
    created: String,
    /// The number of the last entry that was read; `None` for a bucket that is not read.
    seen: Option<&'a AtomicU64>,
    /// The last entry that had been read, and the last entry stored, at the check before.
    before: (u64, u64),
}

impl<'a> GuardedBucket<'a> {
    pub(super) fn new(bucket: &str, first: &StreamState, seen: Option<&'a AtomicU64>) -> Self {
        Self { stream: bucket_stream(bucket), created: first.created.clone(), seen, before: (0, 0) }
    }

    /// The number of the last entry that was read; `None` for a bucket that is not read.
    fn seen(&self) -> Option<u64> {
        self.seen.map(|seen| seen.load(Ordering::Relaxed))
    }

    /// Returns whether all entries of the present `state` have arrived, or the fault where they never will. `seen` is
    /// the last entry that had been read before `state` was asked for.
    fn check(&mut self, state: &StreamState, seen: Option<u64>) -> Result<bool, String> {
        let stored = state.last_sequence;
        let seen = seen.unwrap_or(stored);
        if state.created != self.created || stored < seen {
            return Err(format!("`{}` was made anew", self.stream));
        }
        let (seen_before, stored_before) = std::mem::replace(&mut self.before, (seen, stored));
        // A backlog that is being worked off is no fault.
        if seen < stored_before && seen == seen_before {
            return Err(format!("entries of `{}` do not arrive", self.stream));
        }
        Ok(self.seen().is_none_or(|seen| seen >= stored))
    }
}

/// Returns a reason when a bucket is no longer the bucket that is being read, or when stored entries do not arrive. A
/// bucket that cannot be asked at the moment proves nothing: the feeds have heartbeats of their own.
pub(super) async fn guard<const N: usize>(
    js: &Context,
    mut buckets: [GuardedBucket<'_>; N],
    figures: &RegistryCounters,
) -> String {
    let mut regular = tokio::time::interval(CHECK);
    regular.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    regular.reset();
    loop {
        tokio::select! {
            _ = regular.tick() => {}
            () = figures.hurry.notified() => {
                look_in_a_hurry(js, &buckets, &figures.looked).await;
                continue;
            }
        }
        let (at, mut complete) = (Instant::now(), 0);
        for bucket in &mut buckets {
            // Read before the look: an entry that comes during the look may be newer than the state that the look
            // finds.
            let seen = bucket.seen();
            match streams::look(js, &bucket.stream).await {
                Err(error) => debug!("{error}"),
                Ok(None) => return format!("`{}` was deleted", bucket.stream),
                Ok(Some(state)) => match bucket.check(&state, seen) {
                    Ok(is_complete) => complete += usize::from(is_complete),
                    Err(wrong) => return wrong,
                },
            }
        }
        if complete == N {
            figures.freshness.prove(at);
            figures.looked.prove(at);
        }
    }
}

/// Asks for the state of the buckets, and records the moment of asking once all of their entries have arrived. Any
/// fault that shows is left to the next regular check.
async fn look_in_a_hurry<const N: usize>(js: &Context, buckets: &[GuardedBucket<'_>; N], looked: &Freshness) {
    let at = Instant::now();
    let mut missing = Vec::new();
    for bucket in buckets {
        match streams::look(js, &bucket.stream).await {
            Ok(Some(state)) if state.created == bucket.created => missing.push((bucket, state.last_sequence)),
            _ => return,
        }
    }
    for _look in 0..ARRIVAL_LOOKS {
        missing.retain(|(bucket, stored)| bucket.seen().is_some_and(|seen| seen < *stored));
        if missing.is_empty() {
            return looked.prove(at);
        }
        tokio::time::sleep(ARRIVAL / ARRIVAL_LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_anew_where_it_has_less_than_had_come_before_the_look() {
        let state = |last_sequence| StreamState { created: "then".to_owned(), last_sequence };
        let seen = AtomicU64::new(5);
        let mut bucket = GuardedBucket::new("nodes", &state(0), Some(&seen));
        let before = bucket.seen();
        // Two more come while the server is asked.
        seen.store(7, Ordering::Relaxed);
        assert_eq!(bucket.check(&state(6), before), Ok(true), "it has all that the look found");
        assert_eq!(bucket.check(&state(9), bucket.seen()), Ok(false), "two are on their way");
        assert!(bucket.check(&state(6), bucket.seen()).is_err_and(|wrong| wrong.contains("made anew")));
    }
}
