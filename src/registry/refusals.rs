//! Documents that were refused: all of them counted, logged once a minute per key, in bounded memory however many keys
//! there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The time between two log lines about the same key.
const REPEAT: Duration = Duration::from_secs(60);
/// The most keys that are told apart; refusals of further keys are only counted.
const KEYS: usize = 1024;

/// The refusals so far.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    total: u64,
    logged: BTreeMap<String, RefusalLogged>,
}

#[derive(Debug)]
struct RefusalLogged {
    at: Instant,
    not_logged: u64,
}

impl Refusals {
    /// Counts a refusal of the document under `key`. Where the refusal is to be logged, returns the number of refusals
    /// of that key that were not logged since the last time.
    pub(super) fn count(&mut self, key: &str, now: Instant) -> Option<u64> {
        self.total += 1;
        if let Some(logged) = self.logged.get_mut(key) {
            if now.saturating_duration_since(logged.at) < REPEAT {
                logged.not_logged += 1;
                return None;
            }
            logged.at = now;
            return Some(std::mem::take(&mut logged.not_logged));
        }
        if self.logged.len() >= KEYS {
            self.logged.retain(|_, logged| now.saturating_duration_since(logged.at) < REPEAT);
        }
        if self.logged.len() >= KEYS {
            return None;
        }
        self.logged.insert(key.to_owned(), RefusalLogged { at: now, not_logged: 0 });
        Some(0)
    }

    /// Records that a good document stands under `key` again; returns whether the last document was refused.
    pub(super) fn cured(&mut self, key: &str) -> bool {
        self.logged.remove(key).is_some()
    }

    /// The number of refusals so far.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_is_said_once_a_minute() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.count("a", start), Some(0));
        assert_eq!(refusals.count("a", start + Duration::from_secs(30)), None);
        assert_eq!(refusals.count("b", start), Some(0));
        assert_eq!(refusals.count("a", start + REPEAT), Some(1));
        assert!(refusals.cured("a") && !refusals.cured("a"));
        assert_eq!(refusals.total(), 4);
    }

    #[test]
    fn a_flood_of_keys_is_counted_in_bounded_memory() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let logged = (0..10 * KEYS).filter(|key| refusals.count(&key.to_string(), start).is_some()).count();
        assert_eq!((logged, refusals.logged.len(), refusals.total()), (KEYS, KEYS, 10 * KEYS as u64));
        assert_eq!(refusals.count("later", start + REPEAT), Some(0));
    }
}
