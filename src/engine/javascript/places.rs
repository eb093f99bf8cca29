//! Where the lines of a source begin, to turn the parser's places into bytes of the text.
//!
//! [`offsets`](super::analysis::edits::offsets) does that for places that are known beforehand; here they come one by one.

use super::analysis::edits::Place;

/// The beginnings of the lines of a text.
pub(super) struct SourcePlaces<'t> {
    text: &'t str,
    /// For each line where it begins, and whether all of it is ASCII.
    lines: Vec<(usize, bool)>,
}

impl<'t> SourcePlaces<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut lines = vec![(0, true)];
        let mut before = '\0';
        for (offset, next) in text.char_indices() {
            match next {
                '\n' if before == '\r' => {
                    if let Some(last) = lines.last_mut() {
                        last.0 = offset + 1;
                    }
                }
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => lines.push((offset + next.len_utf8(), true)),
                _ if !next.is_ascii() => {
                    if let Some(last) = lines.last_mut() {
                        last.1 = false;
                    }
                }
                _ => {}
            }
            before = next;
        }
        Self { text, lines }
    }

    /// The byte at which `place` lies; absent where the text has no such place.
    pub(super) fn offset(&self, place: boa_ast::Position) -> Option<usize> {
        let line = usize::try_from(place.line_number()).ok()?.checked_sub(1)?;
        let columns = usize::try_from(place.column_number()).ok()?.checked_sub(1)?;
        let (start, is_ascii) = *self.lines.get(line)?;
        if is_ascii {
            return Some(start + columns).filter(|offset| *offset <= self.text.len());
        }
        let rest = self.text.get(start..)?;
        let within = rest.char_indices().nth(columns).map_or(rest.len(), |(within, _)| within);
        Some(start + within)
    }

    /// The place of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|(start, _)| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).map_or(0, |(start, _)| *start);
        let columns = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (narrow(line), narrow(columns + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_bytes_find_each_other() {
        let text = "aä\r\nb\u{2028}c\rd";
        let places = SourcePlaces::of(text);
        for (place, offset) in [((1, 1), 0), ((1, 3), 3), ((2, 1), 5), ((3, 1), 9), ((4, 1), 11), ((4, 2), 12)] {
            assert_eq!(places.offset(boa_ast::Position::new(place.0, place.1)), Some(offset), "{place:?}");
            assert_eq!(places.place(offset), place);
        }
        assert_eq!(places.offset(boa_ast::Position::new(9, 1)), None);
    }
}
