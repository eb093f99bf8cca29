//! The clocks, for whoever drives what reads none.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Now;

/// Unix time in milliseconds.
#[must_use]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time by both clocks.
#[must_use]
pub fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: unix_ms() }
}
