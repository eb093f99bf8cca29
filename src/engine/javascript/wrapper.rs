//! The text that Boa compiles: the administrator's source inside a function that returns its functions.
//!
//! Calling that function is one run of the source's top level; compiling once and calling often is what makes a fresh
//! run per request affordable (ARCHITECTURE.md, Facts: a new source leaks 3.5 kB). A source cannot break out of it, because it
//! was parsed on its own before.

use std::sync::Arc;

use crate::model::Position;
use crate::script::{PerNode, Shape, Source};

use super::syntax::{Entry, Reading};

/// Lines before the first of the source.
const LINES_BEFORE: u32 = 1;

/// A source in its wrapper, and the way back from places in it.
pub(super) struct Wrapper {
    file: Arc<str>,
    source: Arc<str>,
    text: String,
    /// What was put into the source: line and column from 1, and how many columns it takes.
    inserted: Option<(u32, u32, u32)>,
}

impl Wrapper {
    pub(super) fn new(source: &Source, reading: &Reading) -> Self {
        // A first line for a shell is a comment; the parser knows it at the very start of a text alone.
        let own = match source.text.strip_prefix("#!") {
            Some(rest) => format!("//{rest}"),
            None => source.text.to_string(),
        };
        let (own, result, inserted) = match &reading.entry {
            Entry::Named(name) => (own, format!("balance:{name}"), None),
            Entry::PerNode => (own, per_node(reading.shape), None),
            Entry::Anonymous(line, column) => {
                let mut name = "balance$".to_owned();
                while own.contains(&name) {
                    name.push('$');
                }
                let declaration = format!("var {name}=");
                let columns = u32::try_from(declaration.len()).unwrap_or(u32::MAX);
                let own = insert(&own, *line, *column, &declaration);
                (own, format!("balance:{name}"), Some((*line, *column, columns)))
            }
        };
        let text = format!("(function(){{\n{own}\n;return{{{result}}}}})");
        Self { file: Arc::clone(&source.file), source: Arc::clone(&source.text), text, inserted }
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands in the source's line before `place`, and from there on.
    pub(super) fn around(&self, place: &Position) -> Option<(&str, &str)> {
        let line = self.source.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
        let columns_before = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let start = line.char_indices().nth(columns_before).map_or(line.len(), |(start, _)| start);
        Some(line.split_at(start))
    }

    /// The place in the administrator's source that is at `line` and `column` of the wrapped one.
    pub(super) fn own_position(&self, line: u32, column: u32) -> Option<Position> {
        let line = line.checked_sub(LINES_BEFORE).filter(|line| *line > 0)?;
        let column = match self.inserted {
            Some((at_line, at_column, columns)) if line == at_line && column >= at_column => {
                column.saturating_sub(columns).max(at_column)
            }
            _ => column,
        };
        Some(Position { file: Arc::clone(&self.file), line, column })
    }
}

fn per_node(shape: Shape) -> String {
    let Shape::PerNode(PerNode { filter, score, key }) = shape else { return String::new() };
    let names = [("filter", filter.is_some()), ("score", score.is_some()), ("key", key)];
    let present: Vec<String> =
        names.into_iter().filter(|(_, there)| *there).map(|(name, _)| format!("{name}:{name}")).collect();
    present.join(",")
}

/// `text` with `addition` at `line` and `column`, both from 1 and counted as the parser counts them.
fn insert(text: &str, line: u32, column: u32, addition: &str) -> String {
    let (mut at_line, mut at_column) = (1, 1);
    let mut before = '\0';
    for (place, next) in text.char_indices() {
        if (at_line, at_column) == (line, column) {
            let (start, end) = text.split_at(place);
            return format!("{start}{addition}{end}");
        }
        match next {
            '\n' if before == '\r' => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => {
                at_line += 1;
                at_column = 1;
            }
            _ => at_column += 1,
        }
        before = next;
    }
    text.to_owned()
}
