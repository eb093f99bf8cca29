//! A look at a source before any parser sees it: how deep it nests, which names it mentions, and what it does with the
//! request.
//!
//! Where this lexer must guess it guesses on the safe side: a name that stands in a text or a comment counts as mentioned.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Position;
use crate::script::{LoadError, Source};

use super::input::Wanted;

/// How many operators and calls one statement may chain; Rhai walks such a chain by recursion.
const MAX_CHAIN: usize = 2_000;

/// Refuses a source that nests deeper than `max_depth`, or chains longer than any hand writes.
pub(super) fn check_depth(source: &Source, max_depth: usize) -> Result<(), LoadError> {
    let (mut depth, mut chained) = (0_usize, vec![0_usize]);
    for (place, token) in tokens(&source.text) {
        match token {
            Token::Open => {
                depth += 1;
                chained.push(0);
            }
            Token::Close => {
                depth = depth.saturating_sub(1);
                if chained.len() > 1 {
                    chained.pop();
                }
            }
            Token::End => {
                if let Some(last) = chained.last_mut() {
                    *last = 0;
                }
                continue;
            }
            Token::Operator => {}
            Token::Word(word) if matches!(word, "if" | "else" | "switch" | "for" | "while" | "loop" | "do" | "in") => {}
            Token::Word(_) => continue,
        }
        if let Some(last) = chained.last_mut() {
            *last += 1;
        }
        let message = if depth > max_depth {
            format!("the source nests brackets deeper than {max_depth} levels")
        } else if chained.iter().sum::<usize>() > MAX_CHAIN {
            format!("one statement chains more than {MAX_CHAIN} operators")
        } else {
            continue;
        };
        return Err(LoadError { message, position: Some(position(source, place)) });
    }
    Ok(())
}

/// The names that stand behind a dot.
pub(super) fn properties(text: &str) -> BTreeSet<String> {
    let words: Vec<(usize, &str)> = words(text).collect();
    let behind_dot = |place: usize| text.get(..place).is_some_and(|before| before.trim_end().ends_with('.'));
    words.into_iter().filter(|(place, _)| behind_dot(*place)).map(|(_, word)| word.to_owned()).collect()
}

/// What of the request a source reads that calls it by `names`.
pub(super) fn wanted(text: &str, names: &[String]) -> Wanted {
    let mut fields = BTreeSet::new();
    for (place, word) in words(text).filter(|(_, word)| names.iter().any(|name| name == word)) {
        let rest = text.get(place + word.len()..).unwrap_or_default();
        let is_own_name = text.get(..place).is_none_or(|before| !before.trim_end().ends_with('.'));
        let Some(field) = field(rest).filter(|_| is_own_name) else {
            if is_parameter(text, place, rest) {
                continue;
            }
            return Wanted::All;
        };
        fields.insert(field.to_owned());
    }
    Wanted::Names(fields)
}

/// The field that `rest` reads: a dot, a name, and no call.
fn field(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("?.").or_else(|| rest.strip_prefix('.'))?.trim_start();
    let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
    let (name, behind) = rest.split_at_checked(end)?;
    (!name.is_empty() && !behind.trim_start().starts_with('(')).then_some(name)
}

/// Whether the name stands in the brackets of `fn name(…)`.
fn is_parameter(text: &str, place: usize, rest: &str) -> bool {
    let before = text.get(..place).unwrap_or_default();
    let Some(open) = before.rfind('(') else { return false };
    let (head, inside) = before.split_at_checked(open).unwrap_or_default();
    let inside = inside.trim_start_matches('(');
    let head = head.trim_end().trim_end_matches(is_in_word).trim_end();
    let is_list = |text: &str| text.chars().all(|c| is_in_word(c) || c.is_whitespace() || c == ',');
    head.ends_with("fn") && is_list(inside) && matches!(rest.trim_start().chars().next(), Some(',' | ')'))
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text.get(rest..)?.find(is_in_word)?;
        let tail = text.get(start..)?;
        let end = start + tail.find(|c| !is_in_word(c)).unwrap_or(tail.len());
        rest = end;
        Some((start, text.get(start..end)?))
    })
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn position(source: &Source, offset: usize) -> Position {
    let before = source.text.get(..offset).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Position {
        file: Arc::clone(&source.file),
        line: narrow(before.matches('\n').count() + 1),
        column: narrow(line.chars().count() + 1),
    }
}

/// As much of a token as nesting depends on.
#[derive(Clone, Copy)]
enum Token<'a> {
    Open,
    Close,
    /// The end of a statement, or of an item.
    End,
    Operator,
    Word(&'a str),
}

/// The tokens outside of texts and comments, each with its place.
fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let mut place = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(place..)?;
            let first = rest.chars().next()?;
            let start = place;
            let token = match first {
                _ if rest.starts_with("//") => {
                    place += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                _ if rest.starts_with("/*") => {
                    place += comment(rest);
                    continue;
                }
                '"' | '\'' => {
                    place += quoted(rest, first);
                    continue;
                }
                // What is between `${` and `}` is code and is read as such; the rest of the text then is, too. It has no
                // brackets as a rule, and where it has some they must balance.
                '`' => {
                    place += 1;
                    continue;
                }
                c if is_in_word(c) => {
                    let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
                    place += end;
                    return Some((start, Token::Word(rest.get(..end).unwrap_or_default())));
                }
                '(' | '[' | '{' => Token::Open,
                ')' | ']' | '}' => Token::Close,
                ';' | ',' => Token::End,
                c if c.is_ascii_punctuation() => Token::Operator,
                c => {
                    place += c.len_utf8();
                    continue;
                }
            };
            place += first.len_utf8();
            return Some((start, token));
        }
    })
}

/// The length of the comment that `rest` begins with; Rhai's nest.
fn comment(rest: &str) -> usize {
    let (mut place, mut depth) = (0, 0_usize);
    while let Some(tail) = rest.get(place..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            place += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            place += 2;
            if depth == 0 {
                break;
            }
        } else {
            place += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    place
}

/// The length of the text that `rest` begins with.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return place + 1,
            _ => {}
        }
    }
    rest.len()
}
