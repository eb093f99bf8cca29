//! The first step of reading a config: from text to a tree with spans, as far as the syntax allows.
//!
//! The tree is read by hand rather than through `Deserialize`, whose first error is its last: an administrator with five
//! mistakes would run the command five times. The parser recovers from broken syntax, so that mistakes after it are
//! found in the same run; what lies inside a broken value is not judged at all.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::problem::{Notes, Problem, line_around, within};

/// The largest config in bytes.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;
/// The most syntax errors that are looked at; a recovering parser can find one at every byte.
const MAX_SYNTAX_ERRORS: usize = 200;

/// Reads `text` as TOML and notes what is no TOML. The parser stops at 80 levels of nesting by itself.
pub(super) fn parse<'t>(text: &'t str, notes: &mut Notes) -> Spanned<DeTable<'t>> {
    let (root, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    errors.truncate(MAX_SYNTAX_ERRORS);
    let mut stretches = Vec::new();
    if !errors.is_empty() {
        collect(root.get_ref(), &mut stretches);
    }
    for error in errors {
        let Some(span) = error.span() else {
            notes.whole(describe(&error, text));
            continue;
        };
        // One slip of the pen makes a row of errors; the first one of a value, or of a line, says enough.
        let inside = stretches.iter().find(|stretch| within(span.start, stretch));
        let stretch = inside.cloned().unwrap_or_else(|| line_around(text, span.start));
        notes.broken(stretch, span, describe(&error, text));
    }
    root
}

/// The spans of all values outside of lists, and of all table headers.
fn collect(table: &DeTable<'_>, stretches: &mut Vec<Range<usize>>) {
    for value in table.values() {
        stretches.push(value.span());
        if let DeValue::Table(inner) = value.get_ref() {
            collect(inner, stretches);
        }
    }
}

fn describe(error: &Error, text: &str) -> Problem {
    let found = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let line = error.span().and_then(|span| text.get(line_around(text, span.start))).unwrap_or_default();
    match error.message() {
        "duplicate key" => Problem::new(format!("{} is there twice", super::problem::quoted(found))),
        message if message.contains("recurs") => Problem::new("nested deeper than 80 levels"),
        message if message.starts_with("invalid unquoted key") && line.starts_with("[chain.") => {
            Problem::new(format!("not valid TOML: {message}"))
                .help("an action with other characters stands in quotes: `[chain.\"session/start\"]`")
        }
        message => Problem::new(format!("not valid TOML: {message}")),
    }
}
