//! A request's headers: until when it is run.

use whither::front::deadline::{Judged, judge};
use whither::nats::message::deadlines;
use whither::nats::subjects::HEADER_TIMEOUT;

use super::must_be_plain;

/// A deadline further off than this is ignored, in milliseconds (ARCHITECTURE.md, Contracts).
const HORIZON_MS: u64 = 3_600_000;

/// The bytes are the clock and the time that the request waited, then a line for each header. Whatever they say, a request
/// is run in the future or not at all.
pub fn run(bytes: &[u8]) {
    let Some((now, rest)) = bytes.split_first_chunk() else { return };
    let Some((waited, rest)) = rest.split_first_chunk() else { return };
    let (now_ms, waited_ms) = (i64::from_le_bytes(*now), u64::from_le_bytes(*waited));
    let text = String::from_utf8_lossy(rest);
    let (deadline, timeout) = text.split_once('\n').map_or((&*text, None), |(first, rest)| (first, Some(rest)));
    let header = |name| if name == HEADER_TIMEOUT { timeout } else { Some(deadline) };
    let (deadline_ms, timeout_ms) = match deadlines(header) {
        Ok(read) => read,
        Err(error) => return must_be_plain(&error.to_string()),
    };
    assert_eq!(deadline_ms, deadline.trim().parse().ok());
    let off_ms = deadline_ms.map(|deadline_ms: i64| deadline_ms.saturating_sub(now_ms));
    match judge(deadline_ms, timeout_ms, waited_ms, now_ms) {
        Judged::None => assert_eq!((deadline_ms, timeout_ms), (None, None)),
        Judged::Until(until_ms) => {
            assert!(until_ms >= now_ms);
            let least = timeout_ms.map(|timeout_ms| timeout_ms.saturating_sub(waited_ms));
            assert!(least.is_some() || off_ms.is_some_and(|off_ms| off_ms.unsigned_abs() <= HORIZON_MS));
        }
        Judged::Strange => assert!(off_ms.is_some_and(|off_ms| off_ms.unsigned_abs() > HORIZON_MS)),
        Judged::Passed => assert!(timeout_ms.is_none_or(|timeout_ms| timeout_ms <= waited_ms)),
        Judged::PassedBefore => assert!(timeout_ms.is_none() && off_ms.is_some_and(|off_ms| off_ms < 0)),
    }
}
