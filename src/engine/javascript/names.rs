//! A cache of property names in the engine's form.
//!
//! The objects of a request have the same few names in the same order again and again. So each name remembers the name
//! that was looked up next, and most look-ups compare a single string.

use std::collections::BTreeMap;

use boa_engine::JsString;
use boa_engine::property::PropertyKey;

use super::lazy::Accessors;

/// The number of names that are kept; names come from documents, which may have any.
const MAX_NAMES: usize = 4_000;

/// The names looked up so far.
#[derive(Default)]
pub(super) struct Names {
    list: Vec<PropertyName>,
    places: BTreeMap<Box<str>, usize>,
    last: usize,
}

/// A property name.
pub(super) struct PropertyName {
    text: Box<str>,
    /// The name as a property key.
    pub(super) key: PropertyKey,
    /// The accessors of lazy properties of this name, once they were needed.
    pub(super) accessors: Option<Accessors>,
    /// The place of the name that was looked up after this name the last time.
    next: usize,
}

impl PropertyName {
    fn new(text: &str) -> Self {
        Self { text: text.into(), key: PropertyKey::from(JsString::from(text)), accessors: None, next: 0 }
    }
}

impl Names {
    /// Returns the result of `read` for the name `text`.
    pub(super) fn look_up<T>(&mut self, text: &str, read: impl FnOnce(&mut PropertyName) -> T) -> T {
        let guess = self.list.get(self.last).map_or(0, |last| last.next);
        let place = match self.list.get(guess) {
            Some(name) if *name.text == *text => guess,
            _ => match self.place(text) {
                Some(place) => place,
                None => return read(&mut PropertyName::new(text)),
            },
        };
        if let Some(last) = self.list.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        match self.list.get_mut(place) {
            Some(name) => read(name),
            None => read(&mut PropertyName::new(text)),
        }
    }

    /// Returns the place of the name `text`; `None` where too many names are kept.
    fn place(&mut self, text: &str) -> Option<usize> {
        if let Some(place) = self.places.get(text) {
            return Some(*place);
        }
        if self.list.len() >= MAX_NAMES {
            return None;
        }
        self.list.push(PropertyName::new(text));
        self.places.insert(text.into(), self.list.len() - 1);
        Some(self.list.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_itself_in_whatever_order_it_is_asked_for() {
        let mut names = Names::default();
        let mut asked: Vec<String> = ["a", "b", "c"].iter().cycle().take(30).map(|name| (*name).to_owned()).collect();
        asked.extend((0..MAX_NAMES + 10).map(|number| format!("n{number}")));
        asked.extend(["b", "a", "a", "n1", "n4005", "b"].map(str::to_owned));
        for name in asked {
            assert_eq!(names.look_up(&name, |name| name.key.to_string()), name);
        }
        assert_eq!(names.list.len(), MAX_NAMES);
    }
}
