//! The words and signs of a source, in order, without the comments.

use crate::script::tree::SourceRange;

/// A word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme {
    /// A name or keyword.
    Word(String),
    /// A number.
    Number(f64),
    /// A text without values in it.
    Text(String),
    /// The start of a text with values in it.
    Backtick,
    /// A sign.
    Sign(&'static str),
    /// The end of the source.
    End,
    /// Any other character.
    Strange,
}

/// A word or sign, with its bytes.
#[derive(Clone, Debug)]
pub(super) struct PlacedLexeme {
    pub(super) kind: Lexeme,
    pub(super) span: SourceRange,
}

/// The signs, longer signs first.
const SIGNS: [&str; 58] = [
    "<<=", ">>=", "**=", "..=", "??=", "!==", "===", "!in", "?.", "?[", "??", "||", "&&", "==", "!=", "<=", ">=", "=>",
    "..", "::", "**", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "#{", "(", ")", "[", "]", "{", "}",
    ",", ";", ":", ".", "+", "-", "*", "/", "%", "<", ">", "=", "!", "&", "|", "^", "~", "?", "@", "_",
];

/// The source as words and signs.
pub(super) struct Lexemes<'t> {
    text: &'t str,
    /// The place where the search for the next word or sign starts.
    at: usize,
    /// The end of the last taken word or sign.
    pub(super) end: usize,
    next: Option<PlacedLexeme>,
}

impl<'t> Lexemes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, end: 0, next: None }
    }

    /// Returns the source.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Returns the next word or sign.
    pub(super) fn peek(&mut self) -> PlacedLexeme {
        if let Some(next) = &self.next {
            return next.clone();
        }
        let read = self.read();
        self.next = Some(read.clone());
        read
    }

    /// Takes the next word or sign.
    pub(super) fn take(&mut self) -> PlacedLexeme {
        let next = self.peek();
        self.next = None;
        (self.at, self.end) = (next.span.end, next.span.end);
        next
    }

    /// Goes on reading at `place`.
    pub(super) fn jump(&mut self, place: usize) {
        (self.at, self.end, self.next) = (place, place, None);
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    fn read(&self) -> PlacedLexeme {
        let start = self.behind_blanks(self.at);
        let rest = self.rest(start);
        let (kind, length) = match rest.chars().next() {
            None => (Lexeme::End, 0),
            Some('`') => (Lexeme::Backtick, 1),
            Some('"') => quoted(rest, '"'),
            Some('\'') => quoted(rest, '\''),
            Some('#') if raw_marks(rest).is_some() => raw(rest),
            Some(first) if first.is_ascii_digit() => number(rest),
            Some(first) if first.is_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Lexeme::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            Some(first) => match SIGNS.iter().find(|sign| rest.starts_with(**sign) && is_whole(sign, rest)) {
                Some(sign) => (Lexeme::Sign(sign), sign.len()),
                None => (Lexeme::Strange, first.len_utf8()),
            },
        };
        PlacedLexeme { kind, span: start..start + length }
    }

    /// Returns the start of the first word or sign behind `at`.
    fn behind_blanks(&self, mut at: usize) -> usize {
        loop {
            let rest = self.rest(at);
            let blanks = rest.len() - rest.trim_start().len();
            at += blanks;
            let rest = self.rest(at);
            at += if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                comment(rest)
            } else {
                return at;
            };
        }
    }
}

/// Whether `rest` starts with the whole `sign`: `!in` is a sign where no longer word begins with these letters.
fn is_whole(sign: &str, rest: &str) -> bool {
    sign != "!in" || !rest.get(3..).is_some_and(|behind| behind.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Returns the length of the comment at the start of `rest`; comments nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Reads a text or character between quotation marks, in which a backslash escapes.
fn quoted(rest: &str, mark: char) -> (Lexeme, usize) {
    let (mut text, mut is_escaped) = (String::new(), false);
    for (at, next) in rest.char_indices().skip(1) {
        match next {
            _ if is_escaped => {
                text.push(next);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            _ if next == mark => return (Lexeme::Text(text), at + 1),
            _ => text.push(next),
        }
    }
    (Lexeme::Strange, rest.len())
}

/// Returns the number of `#` before the quotation mark of a raw text.
fn raw_marks(rest: &str) -> Option<usize> {
    let marks = rest.len() - rest.trim_start_matches('#').len();
    rest.get(marks..)?.starts_with('"').then_some(marks)
}

fn raw(rest: &str) -> (Lexeme, usize) {
    let marks = raw_marks(rest).unwrap_or_default();
    let (start, closing) = (marks + 1, format!("\"{}", "#".repeat(marks)));
    match rest.get(start..).and_then(|inner| inner.find(&closing)) {
        Some(length) => {
            let text = rest.get(start..start + length).unwrap_or_default().to_owned();
            (Lexeme::Text(text), start + length + closing.len())
        }
        None => (Lexeme::Strange, rest.len()),
    }
}

fn number(rest: &str) -> (Lexeme, usize) {
    let digits = |text: &str| text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
    if let Some(radix) = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(start, _)| rest.starts_with(start)) {
        let tail = rest.get(2..).unwrap_or_default();
        let length = tail.find(|c: char| !(c.is_ascii_hexdigit() || c == '_')).unwrap_or(tail.len());
        let plain = tail.get(..length).unwrap_or_default().replace('_', "");
        let value = i64::from_str_radix(&plain, radix.1).unwrap_or_default();
        return (Lexeme::Number(value as f64), length + 2);
    }
    let mut length = digits(rest);
    // `1..5` is a range, `1.max(2)` a method.
    let fraction = rest.get(length..).and_then(|tail| tail.strip_prefix('.'));
    if let Some(fraction) =
        fraction.filter(|tail| !tail.starts_with(|c: char| c == '.' || c == '_' || c.is_alphabetic()))
    {
        length += 1 + digits(fraction);
    }
    if let Some(tail) = rest.get(length..).and_then(|tail| tail.strip_prefix(['e', 'E'])) {
        let sign = usize::from(tail.starts_with(['+', '-']));
        let exponent = digits(tail.get(sign..).unwrap_or_default());
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let plain = rest.get(..length).unwrap_or_default().replace('_', "");
    (plain.parse().map_or(Lexeme::Strange, Lexeme::Number), length)
}
