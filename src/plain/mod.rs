//! Text for a log line or a terminal: no character moves a cursor, ends a line, or hides and re-orders text.
//!
//! Requests, scripts, programs and node documents bring text of any kind, and the reader of a log or a table must see
//! the true text. So there is a single rule and a single way to escape, here, and every output uses them: the log's
//! formatters (`log.rs`), and all printing to a terminal (`cli/output.rs`). A character that is not [`is_plain`] is
//! written as Rust writes the character in a literal, `\n` or `\u{202e}`, and in JSON as JSON writes the character, so
//! that the data stay the same. Ordinary text is passed on unchanged, without a copy.
//!
//! The joiners U+200C and U+200D and the variation selectors are left alone, although they cannot be seen: Persian,
//! Indic scripts, some Japanese names and most emoji are not written without them, and they hide nothing of the
//! characters beside them. A backslash is left alone too: an escape may have been written by hand, which forges nothing
//! but an escape.

mod log;

pub use log::{PlainEvents, PlainFields};

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The longest colour sequence that a terminal is sent, in bytes after `ESC [`; the longest of ours has a third of
/// that.
const MAX_COLOUR_BYTES: usize = 24;

/// Whether `character` may be shown unescaped.
#[must_use]
pub fn is_plain(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Control characters of C0 and C1, and DEL.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => false,
        // The soft hyphen, the grapheme joiner, fillers that are drawn as nothing, vowels that are never drawn.
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Marks, embeddings, overrides and isolates of the bidirectional algorithm.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        // Ends of lines and paragraphs.
        '\u{2028}' | '\u{2029}' => false,
        // Spaces without width, invisible operators, retired format controls.
        '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => false,
        // Annotations between lines, beams and slurs, tags.
        '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}' => false,
        _ => true,
    }
}

/// Returns `text` with everything escaped that is not [`is_plain`], line ends included.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, is_plain, in_words)
}

/// Returns `text`, which may have several lines and colours, for a terminal: line ends stay, and so do the sequences
/// that set a colour. Values in the text are made [`plain`] before they are put together; this is the net below that.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    let Some(mut next) = text.find('\u{1b}') else { return escaped(text, is_plain_or_line_end, in_words) };
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    loop {
        let (before, sequence) = rest.split_at(next);
        shown.push_str(&escaped(before, is_plain_or_line_end, in_words));
        let length = colour_length(sequence);
        let (own, after) = sequence.split_at(length.unwrap_or_else(|| '\u{1b}'.len_utf8().min(sequence.len())));
        match length {
            Some(_) => shown.push_str(own),
            None => shown.push_str(&plain(own)),
        }
        rest = after;
        next = match rest.find('\u{1b}') {
            Some(next) => next,
            None => {
                shown.push_str(&escaped(rest, is_plain_or_line_end, in_words));
                return Cow::Owned(shown);
            }
        };
    }
}

/// Returns the JSON `text`, with line ends between the tokens, with everything else escaped in the strings that is not
/// [`is_plain`]. The data stay the same: no character of that kind stands outside of a string.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, is_plain_or_line_end, |character, shown| {
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let _infallible = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn is_plain_or_line_end(character: char) -> bool {
    character == '\n' || is_plain(character)
}

fn in_words(character: char, shown: &mut String) {
    shown.extend(character.escape_default());
}

/// Returns `text` with each character that is not `good` replaced by the output of `write`.
fn escaped(text: &str, good: impl Fn(char) -> bool, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    // Nearly all text is of this kind and passed on unchanged, and to look at bytes is a tenth of the work.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.find(|character| !good(character)) else { return Cow::Borrowed(text) };
    let (start, rest) = text.split_at(first);
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(start);
    for character in rest.chars() {
        match good(character) {
            true => shown.push(character),
            false => write(character, &mut shown),
        }
    }
    Cow::Owned(shown)
}

/// Returns the length in bytes of the sequence at the start of `text`, where that sequence sets a colour.
fn colour_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let length = parameters.bytes().take(MAX_COLOUR_BYTES).position(|byte| !matches!(byte, b'0'..=b'9' | b';'))?;
    (parameters.as_bytes().get(length) == Some(&b'm')).then_some("\u{1b}[".len() + length + 1)
}

/// A value that is shown as [`plain`] text.
#[derive(Clone, Copy, Debug)]
pub struct Plain<T>(pub T);

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

impl<T: fmt::Debug> Plain<&T>
where
    T: ?Sized,
{
    /// Writes the value's `Debug` form as [`plain`] text to `to`.
    ///
    /// # Errors
    /// The error of `to`.
    fn write_debug(&self, to: &mut impl fmt::Write) -> fmt::Result {
        write!(Escaping(to), "{:?}", self.0)
    }
}

/// A writer that escapes the text written to it.
struct Escaping<'a, W: ?Sized>(&'a mut W);

impl<W: fmt::Write + ?Sized> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&plain(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_handed_on_as_it_is() {
        for text in
            ["", "ann", "node `a` is full: 3 of 3", "Åsa Öberg", "日本語", "می‌خواهم", "👩‍🚀 ❤️", "葛\u{e0100}", "\\u{1b}"]
        {
            assert!(matches!(plain(text), Cow::Borrowed(_)), "{text}");
            assert!(matches!(lines(text), Cow::Borrowed(_)) && matches!(json(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn what_steers_hides_or_reorders_is_written_out() {
        for (text, shown) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}\0", "\\u{1b}[2J\\u{7}\\u{0}"),
            ("\u{7f}\u{85}\u{9b}31m", "\\u{7f}\\u{85}\\u{9b}31m"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("txt.\u{202e}gpj", "txt.\\u{202e}gpj"),
            ("a\u{200b}\u{feff}\u{e0041}", "a\\u{200b}\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(plain(text), shown);
            assert_eq!(Plain(text).to_string(), shown);
        }
    }

    #[test]
    fn a_terminal_gets_lines_and_colours_and_nothing_else() {
        let ours = "\u{1b}[1m\u{1b}[31merror:\u{1b}[39m\u{1b}[0m\n  all\u{1b}[38;5;12mright\u{1b}[m\n";
        assert_eq!(lines(ours), ours);
        for (text, shown) in [
            ("\u{1b}[2J\n", "\\u{1b}[2J\n"),
            ("\u{1b}[1m\u{1b}]0;title\u{7}\u{1b}", "\u{1b}[1m\\u{1b}]0;title\\u{7}\\u{1b}"),
            ("\u{1b}[31\n\u{202e}", "\\u{1b}[31\n\\u{202e}"),
            ("\u{1b}[1;\u{1b}[1m", "\\u{1b}[1;\u{1b}[1m"),
            ("a\r\n", "a\\r\n"),
        ] {
            assert_eq!(lines(text), shown);
        }
        let long = format!("\u{1b}[{}m", "1;".repeat(100));
        assert!(!lines(&long).contains('\u{1b}'));
    }

    #[test]
    fn json_is_still_the_same_data() {
        let value = serde_json::json!({"a\u{9b}": ["\u{1b}[2J\n", "\u{202e}x\u{e0041}\u{7f}", "é"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = json(&text);
            assert!(shown.chars().all(|character| character == '\n' || is_plain(character)), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
            assert!(shown.contains("\\u202ex\\udb40\\udc41\\u007f"));
        }
    }
}
