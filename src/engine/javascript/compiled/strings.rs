//! The texts of a script, each once: two of them are equal when their numbers are.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::value;

/// Interned texts.
#[derive(Clone, Default)]
pub(super) struct Strings {
    texts: Vec<Rc<str>>,
    numbers: BTreeMap<Rc<str>, u32>,
    bytes: usize,
}

impl Strings {
    /// The number of `text`.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let (text, number): (Rc<str>, _) = (text.into(), u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.bytes += text.len();
        self.texts.push(Rc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The text with this number.
    pub(super) fn get(&self, number: u32) -> Option<&Rc<str>> {
        self.texts.get(number as usize)
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
        for text in self.texts.drain(count.min(self.texts.len())..) {
            self.bytes -= text.len();
            self.numbers.remove(&text);
        }
    }
}
