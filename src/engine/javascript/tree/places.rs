//! Conversion of the parser's lines and columns to bytes of a source.

use std::ops::Range;

use boa_ast::Span;

use super::super::analysis::edits::Moves;

/// The lines of a source.
pub(super) struct SourceLines<'t> {
    text: &'t str,
    moves: &'t Moves,
    lines: Vec<SourceLine>,
}

/// A line: the start, and the start of each character where the line has other characters than ASCII.
struct SourceLine {
    start: usize,
    end: usize,
    characters: Option<Vec<usize>>,
}

impl<'t> SourceLines<'t> {
    /// Returns the lines of `text`, in which `moves` shift the parser's columns.
    pub(super) fn new(text: &'t str, moves: &'t Moves) -> Self {
        let (mut lines, mut start, mut before) = (Vec::new(), 0, '\0');
        for (offset, next) in text.char_indices() {
            match next {
                // The second half of a line's end.
                '\n' if before == '\r' => start = offset + 1,
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => {
                    lines.push(SourceLine::new(text, start, offset));
                    start = offset + next.len_utf8();
                }
                _ => {}
            }
            before = next;
        }
        lines.push(SourceLine::new(text, start, text.len()));
        Self { text, moves, lines }
    }

    /// Returns the source.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Returns the bytes of `span`.
    pub(super) fn range(&self, span: Span) -> Range<usize> {
        let at = |place: boa_ast::Position| {
            let (line, column) = (place.line_number(), place.column_number());
            self.offset(line, self.moves.back(line, column))
        };
        let (start, end) = (at(span.start()), at(span.end()));
        start..end.max(start)
    }

    /// Returns the byte at `line` and `column` of the source, both from 1.
    pub(super) fn offset(&self, line: u32, column: u32) -> usize {
        let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(line) = self.lines.get(index(line)) else { return self.text.len() };
        let column = index(column);
        match &line.characters {
            None => line.start.saturating_add(column).min(line.end),
            Some(characters) => characters.get(column).copied().unwrap_or(line.end),
        }
    }
}

impl SourceLine {
    fn new(text: &str, start: usize, end: usize) -> Self {
        let own = text.get(start..end).unwrap_or_default();
        let characters = (!own.is_ascii()).then(|| own.char_indices().map(|(at, _)| start + at).collect());
        Self { start, end, characters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_behind_any_line_end_and_character() {
        let moves = Moves::default();
        let places = SourceLines::new("aä\r\nb\u{2028}c\rd", &moves);
        let at: Vec<_> = [(1, 1), (1, 3), (2, 1), (2, 7), (3, 1), (4, 1), (4, 2), (5, 1)]
            .into_iter()
            .map(|(line, column)| places.offset(line, column))
            .collect();
        assert_eq!(at, [0, 3, 5, 6, 9, 11, 12, 12]);
    }
}
