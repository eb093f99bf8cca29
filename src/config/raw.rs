//! The first step of reading a config: from text to a tree with spans, as far as the syntax allows.
//!
//! The tree is read by hand rather than through `Deserialize`, which stops at the first error: an administrator with
//! five mistakes would run the command five times. The parser recovers from broken syntax, so that mistakes after the
//! broken place are found in the same run; the inside of a broken value is not judged at all.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::problem::{Notes, Problem, line_around, quoted, within};

/// The largest config in bytes.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;
/// The most syntax errors that are looked at; a recovering parser can find an error at every byte.
const MAX_SYNTAX_ERRORS: usize = 200;
/// The only error at which the parser does not recover but drops the rest of the file, as `key: value` does.
const DEAD_END: &str = "key with no value";

/// Notes the syntax errors of `text`, and returns the text as far as the parser can read on.
pub(super) fn check<'t>(text: &'t str, notes: &mut Notes) -> Cow<'t, str> {
    let (mut readable, mut found) = (Cow::Borrowed(text), Vec::new());
    for error in syntax_errors(text).1 {
        if let Some(span) = error.span().filter(|_| error.message().starts_with(DEAD_END)) {
            let line = line_around(text, span.start);
            let blank = " ".repeat(line.len());
            readable.to_mut().replace_range(line, &blank);
            found.push(error);
        }
    }
    let (stretches, errors) = syntax_errors(&readable);
    found.extend(errors);
    found.sort_by_key(start);
    for error in found {
        let Some(span) = error.span() else {
            notes.whole(describe(&error, text));
            continue;
        };
        // A single mistake makes a row of errors; the first error of a value, or of a line, is enough.
        let inside = stretches.iter().find(|stretch| within(span.start, stretch)).cloned();
        let stretch = inside.unwrap_or_else(|| line_around(text, span.start));
        notes.broken(stretch, span, describe(&error, text));
    }
    readable
}

/// Returns the first errors of `text`, and the spans that they may lie in.
fn syntax_errors(text: &str) -> (Vec<Range<usize>>, Vec<Error>) {
    let (root, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(start);
    errors.truncate(MAX_SYNTAX_ERRORS);
    let mut stretches = Vec::new();
    if !errors.is_empty() {
        collect(root.get_ref(), &mut stretches);
    }
    (stretches, errors)
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// Returns the tree of the text that [`check`] returned. The parser stops at 80 levels of nesting by itself.
pub(super) fn tree(readable: &str) -> Spanned<DeTable<'_>> {
    DeTable::parse_recoverable(readable).0
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
        "duplicate key" => Problem::new(format!("{} is there twice", quoted(found))),
        message if message.contains("recurs") => Problem::new("nested deeper than 80 levels"),
        message if message.starts_with("invalid unquoted key") && line.starts_with("[chain.") => {
            Problem::new(format!("not valid TOML: {message}"))
                .help("an action with other characters stands in quotes: `[chain.\"session/start\"]`")
        }
        message => Problem::new(format!("not valid TOML: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{ConfigErrors, ConfigNeeds, FileError, Loading, MemoryFiles, load};

    fn errors_of(files: &MemoryFiles) -> ConfigErrors {
        load(Path::new("w"), Loading { files, host_zone: "UTC", needs: ConfigNeeds::Both }).unwrap_err()
    }

    fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
        let errors = errors_of(&MemoryFiles::default().with("w", text));
        assert!(errors.problems.len() <= crate::config::problem::MAX_PROBLEMS);
        errors.to_string().lines().map(str::to_owned).collect()
    }

    /// The text recovered from a broken number may have any characters.
    #[test]
    fn a_number_with_control_characters_steers_no_terminal() {
        for broken in ["256\0\0", "1.5\u{1b}[2J"] {
            let problems = problems(format!("[limits]\nsource_kb = {broken}\n"));
            assert!(problems.iter().flat_map(|problem| problem.chars()).all(crate::plain::is_plain), "{problems:?}");
        }
    }

    /// Each broken text with the beginning of each problem: a problem for each slip, and the text after is read.
    #[test]
    fn broken_syntax_hides_nothing_else() {
        let after = "\n[limits]\nqueue = 0\n";
        for (broken, expected) in [
            ("[nats]\nurl = ", ["w:2:7: not valid TOML: string values must be quoted", "w:4:9: `limits.queue`"]),
            ("[nats]\nurl = \"bus", ["w:2:11: not valid TOML: invalid basic string", "w:4:9: `limits.queue`"]),
            ("[nats]\nurl = nats://bus", ["w:2:7: not valid TOML", "w:4:9: `limits.queue`"]),
            ("[nats\nurl = \"bus\"", ["w:1:6: not valid TOML: unclosed table", "w:4:9: `limits.queue`"]),
            (
                "[nats]\nurl: \"bus\"",
                ["w:2:6: not valid TOML: key with no value, expected `=`", "w:4:9: `limits.queue`"],
            ),
            ("[nats]\nurl=\"a\"\nurl=\"b\"", ["w:3:1: `url` is there twice", "w:5:9: `limits.queue`"]),
            ("[chain.a/b]\nsteps=[\"builtin:weighted\"]", ["w:1:9: not valid TOML", "w:4:9: `limits.queue`"]),
        ] {
            let found = problems(format!("{broken}{after}"));
            assert_eq!(found.len(), expected.len(), "{broken}: {found:#?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{broken}: {found}");
            }
        }
        let three = problems("a: 1\n[chain.x]\nb\nsteps = 1\n[chain.a/b]\nsteps = 1\n");
        let lines: Vec<_> = three.iter().map(|problem| problem.get(..4).unwrap_or_default()).collect();
        assert_eq!(lines, ["w:1:", "w:3:", "w:4:", "w:5:", "w:6:"], "{three:#?}");
        let unclosed = problems("[chain.a]\nsteps = [\"builtin:weighted\"\nreserve = true\n[limits]\nqueue = 0\n");
        assert_eq!(unclosed.len(), 1, "the rest belongs to the list: {unclosed:#?}");
        assert!(problems("[chain.a/b]")[0].contains("[chain.\"session/start\"]"));
    }

    #[test]
    fn hostile_files_get_an_answer() {
        let n = super::MAX_CONFIG_BYTES / 4;
        for (text, expected) in [
            ("[".repeat(n), "not valid TOML"),
            (format!("a={}", "[".repeat(n - 2)), "nested deeper than 80 levels"),
            ("a={".repeat(n / 3), "nested deeper than 80 levels"),
            (format!("a={}", "[{a=".repeat(n / 4 - 1)), "nested deeper than 80 levels"),
            (format!("{}b=1", "a.".repeat(n / 2 - 2)), "nested deeper than 80 levels"),
            (format!("[{}b]", "a.".repeat(n / 2 - 2)), "nested deeper than 80 levels"),
            ("=\n".repeat(n / 10), "not valid TOML"),
            ("a=1\n".repeat(n / 20), "`a` is there twice"),
            ("[[a]]\n".repeat(n / 6), "unknown section or key `a`"),
            ((0..n / 100).map(|key| format!("k{key:06}=1\n")).collect(), "more problems"),
            (format!("{}=1", "k".repeat(n - 2)), "unknown section or key `kkkk"),
            ("\u{feff}\0".to_owned(), "not valid TOML"),
            (" ".repeat(n * 4 + 1), "has 1048577 bytes, at most 1048576 are accepted"),
        ] {
            let found = problems(&text);
            let start: String = text.chars().take(20).collect();
            assert!(found.iter().any(|problem| problem.contains(expected)), "{start}: {:?}", found.first());
            assert!(found.iter().all(|problem| problem.len() < 1000), "{start}");
        }
        assert!(problems(b"a = 1\nb = \"\xff\"")[0].contains("config `w`: is not UTF-8 on line 2"));
    }

    #[test]
    fn a_config_that_cannot_be_read_says_why() {
        let none = errors_of(&MemoryFiles::default()).to_string();
        assert_eq!(none, "config `w`: no such file (`whither new config` writes one)");
        let folder = errors_of(&MemoryFiles::default().with_fault("w", FileError::Directory)).to_string();
        assert_eq!(folder, "config `w`: is a directory, expected a file");
    }
}
