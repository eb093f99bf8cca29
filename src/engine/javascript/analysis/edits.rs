//! Edits of a source before the compilation, and the mapping of places in the edited text back to the source.
//!
//! No edit adds or removes a line, so that a reported line is the administrator's own without mapping; only columns
//! move.

use std::collections::{BTreeMap, BTreeSet};

/// A place in a source: line and column from 1, counted as the parser counts them.
pub(in crate::engine::javascript) type Place = (u32, u32);

/// Text that is inserted at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine::javascript) struct Edit {
    /// The start of the edit, in bytes of the source.
    pub(in crate::engine::javascript) start: usize,
    /// The number of replaced bytes from the start.
    pub(in crate::engine::javascript) replaced: usize,
    pub(in crate::engine::javascript) text: String,
    /// The place from which columns on its line move; `None` where the text is as wide as the replaced bytes.
    pub(in crate::engine::javascript) moves: Option<Place>,
}

/// Returns the byte offset of each of `places` in `text`; places outside of `text` are left out.
pub(in crate::engine::javascript) fn offsets(text: &str, places: &BTreeSet<Place>) -> BTreeMap<Place, usize> {
    let mut found = BTreeMap::new();
    let mut wanted = places.iter().copied().peekable();
    let (mut line, mut column) = (1, 1);
    let mut before = '\0';
    for (offset, next) in text.char_indices().chain([(text.len(), '\0')]) {
        // The `\n` of `\r\n` is no place of its own.
        let is_place = !(next == '\n' && before == '\r');
        while is_place && wanted.next_if(|place| *place < (line, column)).is_some() {}
        while is_place && wanted.next_if_eq(&(line, column)).is_some() {
            found.insert((line, column), offset);
        }
        if wanted.peek().is_none() {
            break;
        }
        match next {
            '\n' if before == '\r' => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => {
                line += 1;
                column = 1;
            }
            _ => column += 1,
        }
        before = next;
    }
    found
}

/// The moved columns of an edited text.
#[derive(Debug, Default)]
pub(in crate::engine::javascript) struct Moves(Vec<(Place, u32)>);

/// Returns `text` with `edits`, which do not overlap, and the moved columns.
pub(in crate::engine::javascript) fn apply(text: &str, mut edits: Vec<Edit>) -> (String, Moves) {
    edits.sort();
    let (mut edited, mut end) = (String::with_capacity(text.len()), 0);
    let mut moves = Vec::new();
    for edit in edits {
        edited.push_str(text.get(end..edit.start).unwrap_or_default());
        edited.push_str(&edit.text);
        end = edit.start + edit.replaced;
        if let (Some(place), Ok(columns)) = (edit.moves, u32::try_from(edit.text.chars().count())) {
            moves.push((place, columns));
        }
    }
    edited.push_str(text.get(end..).unwrap_or_default());
    (edited, Moves(moves))
}

impl Moves {
    /// Returns the column in the source that is at `column` of the same line of the edited text.
    pub(in crate::engine::javascript) fn back(&self, line: u32, column: u32) -> u32 {
        let mut added = 0;
        for ((_, start), columns) in self.0.iter().filter(|((on, _), _)| *on == line) {
            if column < start + added {
                break;
            }
            if column < start + added + columns {
                return *start;
            }
            added += columns;
        }
        column - added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_the_parser_counts_them() {
        let text = "aä\r\nb\u{2028}c\rd";
        let places = BTreeSet::from([(1, 1), (1, 3), (2, 1), (2, 7), (3, 1), (4, 1), (4, 2), (5, 1)]);
        let expected = [((1, 1), 0), ((1, 3), 3), ((2, 1), 5), ((3, 1), 9), ((4, 1), 11), ((4, 2), 12)];
        assert_eq!(offsets(text, &places), BTreeMap::from(expected));
    }

    #[test]
    fn columns_find_their_way_back() {
        let put =
            |start, text: &str| Edit { start, replaced: 0, text: text.into(), moves: Some((1, start as u32 + 1)) };
        let same = Edit { start: 3, replaced: 1, text: "D".into(), moves: None };
        let (edited, moves) = apply("abcdef", vec![put(4, "--"), put(1, "+"), same]);
        assert_eq!(edited, "a+bcD--ef");
        let back: Vec<_> = (1..=10).map(|column| moves.back(1, column)).collect();
        assert_eq!(back, [1, 2, 2, 3, 4, 5, 5, 5, 6, 7]);
        assert_eq!(moves.back(2, 9), 9);
    }
}
