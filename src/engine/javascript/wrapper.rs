//! The text that Boa compiles: the administrator's source inside a function that returns its functions.
//!
//! Calling that function is one run of the source's top level; compiling once and calling often is what makes a fresh
//! run per request affordable (docs/src/internals/facts.md: a new source leaks 3.5 kB). A source cannot break out of
//! it, because it was parsed on its own before; one that is rewritten is parsed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Position;
use crate::script::{CoveragePoint, PerNode, Shape, SourceText};

use super::counting::{self, Counted};
use super::edits::{Edit, Moves, Place, apply, offsets};
use super::lengths::computed;
use super::syntax::{self, Entry, Reading};

/// What stands before the source and after it.
const HEAD: &str = "(function(){\n";
const TAIL: &str = "\n;return";
/// Lines before the first of the source.
const LINES_BEFORE: u32 = 1;

/// A source in its wrapper, and the way back from places in it.
pub(super) struct Wrapper {
    file: Arc<str>,
    source: Arc<str>,
    text: String,
    /// What was put into the source, as far as it moved the rest of its line.
    moves: Moves,
    /// What counters moved after that.
    counted: Moves,
}

impl Wrapper {
    pub(super) fn new(source: &SourceText, reading: &Reading) -> Self {
        // A first line for a shell is a comment; the parser knows it at the very start of a text alone.
        let own = match source.text.strip_prefix("#!") {
            Some(rest) => format!("//{rest}"),
            None => source.text.to_string(),
        };
        let (result, named) = match &reading.entry {
            Entry::Named(name) => (format!("balance:{name}"), None),
            Entry::PerNode => (per_node(reading.shape), None),
            Entry::Anonymous(line, column) => {
                let mut name = "balance$".to_owned();
                while own.contains(&name) {
                    name.push('$');
                }
                (format!("balance:{name}"), naming(&own, (*line, *column), &name))
            }
        };
        let (own, moves) = edited(&own, named, reading);
        let text = format!("{HEAD}{own}{TAIL}{{{result}}}}})");
        Self {
            file: Arc::clone(&source.file),
            source: Arc::clone(&source.text),
            text,
            moves,
            counted: Moves::default(),
        }
    }

    /// Puts counters into the source, and returns what they count; absent where that cannot be done. The factory that
    /// the text makes takes the function that counts.
    pub(super) fn count(&mut self) -> Option<Vec<CoveragePoint>> {
        let own = self.text.strip_prefix(HEAD)?;
        let (own, tail) = own.split_at(own.rfind(TAIL)?);
        let mut counter = "count$".to_owned();
        while own.contains(&counter) {
            counter.push('$');
        }
        let Counted { text, moves, mut points } = counting::count(own, &counter)?;
        for point in &mut points {
            point.column = self.moves.back(point.line, point.column);
        }
        self.text = format!("(function({counter}){{\n{text}{tail}");
        self.counted = moves;
        Some(points)
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
        let column = self.moves.back(line, self.counted.back(line, column));
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

/// What gives the function expression at `place` a name.
fn naming(text: &str, place: Place, name: &str) -> Option<Edit> {
    let start = *offsets(text, &BTreeSet::from([place])).get(&place)?;
    Some(Edit { start, replaced: 0, text: format!("var {name}="), moves: Some(place) })
}

/// The source with its function's name, and with its assignments to a length in the form that works.
fn edited(own: &str, named: Option<Edit>, reading: &Reading) -> (String, Moves) {
    let lengths = computed(own, &reading.length_writes);
    if !lengths.is_empty() {
        let (text, moves) = apply(own, named.iter().cloned().chain(lengths).collect());
        // `let.length = 1` is a program, and `let['length'] = 1` is none.
        if syntax::parse(&text).is_ok() {
            return (text, moves);
        }
    }
    apply(own, named.into_iter().collect())
}
