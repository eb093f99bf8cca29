//! The problems of a config, as values: each problem with the line, and all of them at once.
//!
//! The look of problems on a terminal is up to the command line; the plain form, a line for each problem, is here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::plain::plain;

/// The most problems that are listed; a megabyte of nonsense has as many as bytes.
pub const MAX_PROBLEMS: usize = 100;
/// The most characters of the administrator's text that a message repeats.
const MAX_SHOWN_CHARS: usize = 120;

/// All problems of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The path of the file, as given.
    pub file: Arc<str>,
    /// The text of the file as far as shown, without secrets and control characters; places count in this text.
    pub text: Arc<str>,
    /// The problems in the order of their places.
    pub problems: Vec<Problem>,
    /// The number of further problems, past [`MAX_PROBLEMS`].
    pub more: usize,
}

/// A problem of a config, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The message: the key, the value found, the value expected.
    pub message: String,
    /// A remedy, where a remedy can be guessed.
    pub help: Option<String>,
    /// The place of the problem; absent for a problem of the file as a whole.
    pub place: Option<Place>,
}

/// A place in a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path of the file, as given.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// The bytes of the text.
    pub span: Range<usize>,
}

impl ConfigErrors {
    /// Creates the error of a `file` that could not be read at all.
    #[must_use]
    pub fn whole(file: &str, problem: Problem) -> Self {
        Self { file: file.into(), text: "".into(), problems: vec![problem], more: 0 }
    }
}

impl Problem {
    /// Creates a problem without a place or advice.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, place: None }
    }

    /// Returns the problem with advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}:{}: ", place.file, place.line, place.column)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            // A problem of the whole file has no place that would name it.
            if problem.place.is_none() && !problem.message.contains(&*self.file) {
                write!(f, "{}: ", self.file)?;
            }
            write!(f, "{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n{}: {more} more problems", self.file),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// The problems of a config while the config is read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    problems: Vec<(Option<Range<usize>>, Problem)>,
    /// Stretches with broken syntax: the values that were recovered from them are not judged.
    spoiled: Vec<Range<usize>>,
}

impl Notes {
    /// Notes that the syntax is broken within `stretch`; only the first problem of a stretch is kept.
    pub(super) fn broken(&mut self, stretch: Range<usize>, span: Range<usize>, problem: Problem) {
        if !self.spoiled.contains(&stretch) {
            self.spoiled.push(stretch);
            self.problems.push((Some(span), problem));
        }
    }

    /// Notes a problem with the text at `span`.
    pub(super) fn at(&mut self, span: &Range<usize>, problem: Problem) {
        if !self.spoiled.iter().any(|stretch| within(span.start, stretch)) {
            self.problems.push((Some(span.clone()), problem));
        }
    }

    /// Notes that something is missing. Ignored where the syntax is broken somewhere, since the missing part may be
    /// there, unread.
    pub(super) fn missing(&mut self, span: Option<&Range<usize>>, problem: Problem) {
        if self.spoiled.is_empty() {
            self.problems.push((span.cloned(), problem));
        }
    }

    /// Notes a problem of the file as a whole.
    pub(super) fn whole(&mut self, problem: Problem) {
        self.problems.push((None, problem));
    }

    /// Returns all problems in order, if there are any. Their places count in `text`, which is shown as `mask` leaves
    /// the text.
    pub(super) fn into_errors(mut self, file: &str, text: &str, mask: fn(&str) -> String) -> Option<ConfigErrors> {
        if self.problems.is_empty() {
            return None;
        }
        let file: Arc<str> = file.into();
        self.problems.sort_by_key(|(span, _)| span.as_ref().map_or(0, |span| span.start));
        let more = self.problems.len().saturating_sub(MAX_PROBLEMS);
        let located = |(span, problem): (Option<Range<usize>>, Problem)| Problem {
            place: span.map(|span| locate(&file, text, span)),
            ..problem
        };
        let problems = self.problems.into_iter().take(MAX_PROBLEMS).map(located).collect();
        Some(ConfigErrors { file: Arc::clone(&file), text: mask(text).into(), problems, more })
    }
}

/// Whether `position` lies in `stretch`, the end included: a missing value is missing at the end.
pub(super) const fn within(position: usize, stretch: &Range<usize>) -> bool {
    stretch.start <= position && position <= stretch.end
}

/// Returns the line around `position`, without the line feed.
pub(crate) fn line_around(text: &str, position: usize) -> Range<usize> {
    let (before, after) = text.split_at(text.floor_char_boundary(position));
    let start = before.rfind('\n').map_or(0, |feed| feed + 1);
    start..before.len() + after.find('\n').unwrap_or(after.len())
}

pub(super) fn locate(file: &Arc<str>, text: &str, span: Range<usize>) -> Place {
    let before = text.get(..text.floor_char_boundary(span.start)).unwrap_or(text);
    let line_text = before.rsplit('\n').next().unwrap_or_default();
    Place {
        file: Arc::clone(file),
        line: before.matches('\n').count() + 1,
        column: line_text.chars().count() + 1,
        span,
    }
}

/// Returns `text` in backticks for a message: cut where the text is long, and plain.
pub(crate) fn quoted(text: &str) -> String {
    let (shown, rest) = match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), "…"),
        None => (text, ""),
    };
    format!("`{}{rest}`", plain(shown))
}

/// Returns `text` as a single word of a shell's command line.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:".contains(&byte);
    // A word that begins with a dash would be an option.
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    if !text.is_empty() && text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Returns the word of `known` that was probably meant by `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    // Longer than any known word: not worth a quadratic comparison.
    let word = Some(plain(word)).filter(|word| word.len() <= 64)?;
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&word, &plain(known)), known))
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_a_near_one() {
        let known = ["liveness_s", "reservation_s", "retries", "url"];
        assert_eq!(nearest("livness_s", known), Some("liveness_s"));
        assert_eq!(nearest("Retires", known), Some("retries"));
        assert_eq!(nearest("reservation-s", known), Some("reservation_s"));
        assert_eq!(nearest("urls", known), Some("url"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest(&"r".repeat(1 << 20), known), None);
    }

    #[test]
    fn places_count_characters_and_survive_any_position() {
        let file: Arc<str> = "f".into();
        let at = |text: &str, position: usize| {
            let place = locate(&file, text, position..position);
            (place.line, place.column)
        };
        assert_eq!(at("a\nüx", 4), (2, 2));
        assert_eq!(at("a\nüx", 3), (2, 1), "inside a character");
        assert_eq!(at("a\n", 2), (2, 1));
        assert_eq!(at("", 9), (1, 1));
        assert_eq!(line_around("ab\ncd\n", 4), 3..5);
        assert_eq!(line_around("ab\ncd", 99), 3..5);
    }

    #[test]
    fn a_shell_reads_a_word_as_one() {
        for (text, word) in [
            ("etc/w.toml", "etc/w.toml"),
            ("-w", "./-w"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }

    #[test]
    fn what_is_repeated_cannot_move_the_cursor() {
        assert_eq!(quoted("a\u{1b}[2Jb\n"), "`a\\u{1b}[2Jb\\n`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), MAX_SHOWN_CHARS + 3);
    }
}
