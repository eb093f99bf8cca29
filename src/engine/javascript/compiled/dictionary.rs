//! Objects with computed names, maps and sets, for as long as a call lasts.

use std::collections::BTreeMap;

use super::value;

/// More entries than these are not kept by one call.
const MAX_ENTRIES: usize = 100_000;

/// What a dictionary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DictionaryKind {
    Object,
    Map,
    Set,
}

/// Entries in the order in which they came.
pub(super) struct Dictionary {
    pub(super) kind: DictionaryKind,
    entries: Vec<(u64, u64)>,
    places: BTreeMap<u64, usize>,
}

impl Dictionary {
    pub(super) fn new(kind: DictionaryKind) -> Self {
        Self { kind, entries: Vec::new(), places: BTreeMap::new() }
    }

    /// What is kept under `key`.
    pub(super) fn get(&self, key: u64) -> Option<u64> {
        self.places.get(&same_zero(key)).and_then(|place| self.entries.get(*place)).map(|(_, value)| *value)
    }

    /// Keeps `value` under `key`; whether there was room.
    pub(super) fn put(&mut self, key: u64, value: u64) -> bool {
        let key = same_zero(key);
        if let Some(entry) = self.places.get(&key).and_then(|place| self.entries.get_mut(*place)) {
            entry.1 = value;
            return true;
        }
        if self.entries.len() >= MAX_ENTRIES {
            return false;
        }
        self.places.insert(key, self.entries.len());
        self.entries.push((key, value));
        true
    }

    pub(super) fn entries(&self) -> &[(u64, u64)] {
        &self.entries
    }
}

/// Both zeros are one key, and so are all that is no number.
fn same_zero(key: u64) -> u64 {
    match value::kind(key) {
        value::Kind::Number(0.0) => value::number(0.0),
        value::Kind::Number(number) => value::number(number),
        _ => key,
    }
}
