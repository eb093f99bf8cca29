//! What was found out of texts that outlive a call: which patterns they match, and their keys in the order of
//! `localeCompare`. Nodes keep their names, so most of it is asked for again at each call.

use std::rc::Rc;

/// Answers by the numbers of texts.
#[derive(Clone, Default)]
pub(super) struct TextMemo {
    /// By pattern, whether it matches each text.
    matches: Vec<Vec<Option<bool>>>,
    /// The keys of texts by which they are ordered.
    keys: Vec<Option<Rc<[u8]>>>,
}

impl TextMemo {
    /// Whether the pattern matches the text, where that is known.
    pub(super) fn matched(&self, pattern: usize, text: u32) -> Option<bool> {
        self.matches.get(pattern)?.get(text as usize).copied().flatten()
    }

    pub(super) fn note_match(&mut self, pattern: usize, text: u32, matches: bool) {
        if self.matches.len() <= pattern {
            self.matches.resize(pattern + 1, Vec::new());
        }
        if let Some(known) = self.matches.get_mut(pattern) {
            put(known, text, matches);
        }
    }

    /// The key of the text, where it is known.
    pub(super) fn key(&self, text: u32) -> Option<&Rc<[u8]>> {
        self.keys.get(text as usize)?.as_ref()
    }

    pub(super) fn note_key(&mut self, text: u32, key: Rc<[u8]>) {
        put(&mut self.keys, text, key);
    }

    /// Forgets all but the first `count` texts.
    pub(super) fn truncate(&mut self, count: usize) {
        self.matches.iter_mut().for_each(|known| known.truncate(count));
        self.keys.truncate(count);
    }
}

fn put<T: Clone>(known: &mut Vec<Option<T>>, place: u32, value: T) {
    let place = place as usize;
    if known.len() <= place {
        known.resize(place + 1, None);
    }
    if let Some(entry) = known.get_mut(place) {
        *entry = Some(value);
    }
}
