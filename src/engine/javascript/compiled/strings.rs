//! The texts of a script, each once: two of them are equal when their numbers are.
//!
//! Texts come and go in the manner of a stack: those of a call go with the call. So a chain of texts with one hash begins
//! with the youngest, and taking texts away takes the beginnings of chains away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use super::text_memo::TextMemo;
use super::value;

/// No text.
const NONE: u32 = u32::MAX;
/// Chains at the start.
const MIN_CHAINS: usize = 64;

/// Interned texts.
#[derive(Clone, Default)]
pub(super) struct Strings {
    texts: Vec<InternedText>,
    /// The youngest text of each chain.
    chains: Vec<u32>,
    bytes: usize,
    /// The numbers of the names that every object inherits.
    inherited: Range<u32>,
    /// How many texts outlive a call.
    settled: usize,
    pub(super) memo: TextMemo,
}

#[derive(Clone)]
struct InternedText {
    text: Rc<str>,
    hash: u64,
    /// The next older text of the chain.
    older: u32,
}

impl Strings {
    /// The number of `text`.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let hash = hash_of(text);
        if let Some(number) = self.find(text, hash) {
            return number;
        }
        if self.texts.len() >= self.chains.len() {
            self.lengthen();
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(NONE);
        self.bytes += text.len();
        self.texts.push(InternedText { text: text.into(), hash, older: NONE });
        self.chain(number);
        number
    }

    fn find(&self, text: &str, hash: u64) -> Option<u32> {
        let mut next = *self.chains.get(place_of(hash, self.chains.len()))?;
        while let Some(known) = self.texts.get(next as usize) {
            if known.hash == hash && &*known.text == text {
                return Some(next);
            }
            next = known.older;
        }
        None
    }

    /// Puts the youngest text at the beginning of its chain.
    fn chain(&mut self, number: u32) {
        let count = self.chains.len();
        let Some(own) = self.texts.get_mut(number as usize) else { return };
        if let Some(youngest) = self.chains.get_mut(place_of(own.hash, count)) {
            own.older = std::mem::replace(youngest, number);
        }
    }

    fn lengthen(&mut self) {
        self.chains = vec![NONE; (self.chains.len() * 2).max(MIN_CHAINS)];
        for number in 0..u32::try_from(self.texts.len()).unwrap_or(NONE) {
            self.chain(number);
        }
    }

    /// Interns the names that every object inherits.
    pub(super) fn intern_inherited<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let start = u32::try_from(self.texts.len()).unwrap_or(NONE);
        for name in names {
            self.intern(name);
        }
        self.inherited = start..u32::try_from(self.texts.len()).unwrap_or(NONE);
    }

    /// Whether every object inherits a member with the name of this number.
    pub(super) fn is_inherited(&self, number: u32) -> bool {
        self.inherited.contains(&number)
    }

    /// Whether the text with this number outlives a call.
    pub(super) fn is_settled(&self, number: u32) -> bool {
        (number as usize) < self.settled
    }

    /// The text with this number.
    pub(super) fn get(&self, number: u32) -> Option<&Rc<str>> {
        self.texts.get(number as usize).map(|known| &known.text)
    }

    /// The text that `bits` are.
    pub(super) fn text_of(&self, bits: u64) -> Option<Rc<str>> {
        match value::kind(bits) {
            value::Kind::Text(number) => self.get(number).cloned(),
            _ => None,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// How many bytes all of them have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all but the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        let chains = self.chains.len();
        while self.texts.len() > count
            && let Some(known) = self.texts.pop()
        {
            self.bytes -= known.text.len();
            if let Some(youngest) = self.chains.get_mut(place_of(known.hash, chains)) {
                *youngest = known.older;
            }
        }
        self.settled = self.texts.len();
        self.memo.truncate(count);
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The chain of a hash among `count`, which is a power of two.
fn place_of(hash: u64, count: usize) -> usize {
    hash as usize & count.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_number_and_number_by_text() {
        let mut strings = Strings::default();
        let names: Vec<String> = (0..1_000).map(|number| format!("node-{}", number * 7)).collect();
        for keep in [1_000, 400, 0, 700] {
            for (number, name) in names.iter().enumerate() {
                assert_eq!(strings.intern(name) as usize, number);
            }
            assert_eq!(strings.intern("node-7"), 1);
            strings.truncate(keep);
            assert_eq!((strings.len(), strings.get(keep as u32)), (keep, None));
            assert_eq!(strings.bytes(), names.iter().take(keep).map(String::len).sum::<usize>());
            for (number, name) in names.iter().enumerate() {
                assert_eq!(strings.find(name, hash_of(name)), (number < keep).then_some(number as u32));
            }
        }
    }
}
