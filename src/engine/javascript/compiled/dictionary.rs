//! Objects with computed names, maps and sets, for as long as a call lasts.

use super::value;

/// More entries than these are not kept by one call.
const MAX_ENTRIES: usize = 100_000;
/// Up to here entries are looked through.
const MAX_SCANNED: usize = 8;
/// No entry.
const NONE: u32 = u32::MAX;

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
    /// The places of entries, each at or behind the place of its key's hash; empty for few.
    table: Vec<u32>,
}

impl Dictionary {
    pub(super) fn new(kind: DictionaryKind) -> Self {
        Self { kind, entries: Vec::new(), table: Vec::new() }
    }

    /// What is kept under `key`.
    pub(super) fn get(&self, key: u64) -> Option<u64> {
        let place = self.place(same_zero(key))?;
        self.entries.get(place).map(|(_, value)| *value)
    }

    /// Keeps `value` under `key`; whether there was room.
    pub(super) fn put(&mut self, key: u64, value: u64) -> bool {
        let key = same_zero(key);
        if let Some(entry) = self.place(key).and_then(|place| self.entries.get_mut(place)) {
            entry.1 = value;
            return true;
        }
        if self.entries.len() >= MAX_ENTRIES {
            return false;
        }
        self.entries.push((key, value));
        if self.entries.len() * 2 > self.table.len() && self.entries.len() > MAX_SCANNED {
            self.table = vec![NONE; (self.entries.len() * 4).next_power_of_two()];
            (0..self.entries.len()).for_each(|place| self.enter(place));
        } else if !self.table.is_empty() {
            self.enter(self.entries.len() - 1);
        }
        true
    }

    fn place(&self, key: u64) -> Option<usize> {
        if self.table.is_empty() {
            return self.entries.iter().position(|(own, _)| *own == key);
        }
        let mut at = self.start(key);
        loop {
            let place = *self.table.get(at)?;
            let (own, _) = self.entries.get(place as usize)?;
            if *own == key {
                return Some(place as usize);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }

    fn enter(&mut self, place: usize) {
        let Some((key, _)) = self.entries.get(place) else { return };
        let mut at = self.start(*key);
        while self.table.get(at).is_some_and(|entry| *entry != NONE) {
            at = (at + 1) & (self.table.len() - 1);
        }
        if let (Some(entry), Ok(place)) = (self.table.get_mut(at), u32::try_from(place)) {
            *entry = place;
        }
    }

    /// Where the search for a key begins in the table, whose length is a power of two.
    fn start(&self, key: u64) -> usize {
        let mixed = (key ^ (key >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (self.table.len() - 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_whether_few_or_many() {
        let mut dictionary = Dictionary::new(DictionaryKind::Map);
        for count in 0..500_u32 {
            let key = |number: u32| {
                if number.is_multiple_of(2) { value::text(number) } else { value::number(f64::from(number)) }
            };
            assert_eq!(dictionary.get(key(count)), None);
            assert!(dictionary.put(key(count), u64::from(count)) && dictionary.put(key(count / 2), 7));
            assert_eq!(dictionary.entries().len(), count as usize + 1);
            assert_eq!((dictionary.get(key(count / 2)), dictionary.get(value::number(-1.0))), (Some(7), None));
        }
        dictionary.put(value::number(-0.0), 1);
        assert_eq!(dictionary.get(value::number(0.0)), Some(1));
    }
}
