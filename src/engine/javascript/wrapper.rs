//! The text that Boa compiles: the administrator's source inside a function that returns the source's functions.
//!
//! A call of that function runs the source's top level; compiling once and calling often makes a fresh run per request
//! affordable (docs/src/internals/facts.md: a new source leaks 3.5 kB). A source cannot break out of the wrapper,
//! because the source was parsed separately before; a rewritten source is parsed again.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Position;
use crate::script::{CoveragePoint, PerNode, ScriptShape, SourceText};

use super::analysis::edits::{Edit, Moves, Place, apply, offsets};
use super::analysis::lengths::computed;
use super::analysis::method_calls::MethodCalls;
use super::analysis::source::{EntryPoint, JavaScriptSource};
use super::analysis::tree;
use super::counting::{self, Counted};

/// The wrapper's text before and after the source.
const HEAD: &str = "(function(){\n";
const TAIL: &str = "\n;return";
/// The number of lines before the first line of the source.
const LINES_BEFORE: u32 = 1;

/// A source in a wrapper, and the mapping of places back to the source.
pub(super) struct Wrapper {
    file: Arc<str>,
    source: Arc<str>,
    text: String,
    /// The moved columns of the edited source.
    moves: Moves,
    /// What counters moved after that.
    counted: Moves,
    /// The method calls of the text, read when an error first asks for them; `None` within where the text cannot be
    /// read.
    method_calls: OnceCell<Option<MethodCalls>>,
}

impl Wrapper {
    pub(super) fn new(source: &SourceText, reading: &JavaScriptSource) -> Self {
        // A first line for a shell is a comment; the parser accepts such a line at the very start of a text alone.
        let own = match source.text.strip_prefix("#!") {
            Some(rest) => format!("//{rest}"),
            None => source.text.to_string(),
        };
        let (result, named) = match &reading.entry {
            EntryPoint::Named(name) => (format!("balance:{name}"), None),
            EntryPoint::PerNode => (per_node(reading.shape), None),
            EntryPoint::Anonymous(line, column) => {
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
            method_calls: OnceCell::new(),
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

    /// Returns the method calls of the text, by their places in the text.
    pub(super) fn method_calls(&self) -> Option<&MethodCalls> {
        let read = || tree::parse(&self.text).ok().map(|tree| MethodCalls::of(&tree));
        self.method_calls.get_or_init(read).as_ref()
    }

    /// Returns the source's line before `place`, and the line from `place` on.
    pub(super) fn around(&self, place: &Position) -> Option<(&str, &str)> {
        let line = self.source.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
        let columns_before = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let start = line.char_indices().nth(columns_before).map_or(line.len(), |(start, _)| start);
        Some(line.split_at(start))
    }

    /// Returns the place in the administrator's source that is at `line` and `column` of the wrapped text.
    pub(super) fn own_position(&self, line: u32, column: u32) -> Option<Position> {
        let line = line.checked_sub(LINES_BEFORE).filter(|line| *line > 0)?;
        let column = self.moves.back(line, self.counted.back(line, column));
        Some(Position { file: Arc::clone(&self.file), line, column })
    }
}

fn per_node(shape: ScriptShape) -> String {
    let ScriptShape::PerNode(PerNode { filter, score, key }) = shape else { return String::new() };
    let names = [("filter", filter.is_some()), ("score", score.is_some()), ("key", key)];
    let present: Vec<String> =
        names.into_iter().filter(|(_, there)| *there).map(|(name, _)| format!("{name}:{name}")).collect();
    present.join(",")
}

/// Returns the edit that names the function expression at `place`.
fn naming(text: &str, place: Place, name: &str) -> Option<Edit> {
    let start = *offsets(text, &BTreeSet::from([place])).get(&place)?;
    Some(Edit { start, replaced: 0, text: format!("var {name}="), moves: Some(place) })
}

/// Returns the source with the edits: the function gets a name, assignments to a length get the computed form, and keys
/// that are taken apart beside a rest are taken before.
fn edited(own: &str, named: Option<Edit>, reading: &JavaScriptSource) -> (String, Moves) {
    let sure = || named.iter().cloned().chain(reading.split_keys.taken(own));
    let lengths = computed(own, &reading.length_writes);
    if !lengths.is_empty() {
        let (text, moves) = apply(own, sure().chain(lengths).collect());
        // `let.length = 1` is a program, and `let['length'] = 1` is none.
        if tree::parse(&text).is_ok() {
            return (text, moves);
        }
    }
    apply(own, sure().collect())
}
