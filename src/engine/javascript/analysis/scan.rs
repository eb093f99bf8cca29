//! A scan of a source before any parser reads the source: brackets and chains of operators may nest only to a limit.
//!
//! Boa's parser and compiler recurse, and a deep source ends the process where no error can be caught
//! (docs/src/internals/facts.md). On the worker's 64 MiB stack an unoptimised build parses 1,024 parentheses and 16,384
//! links of `a => a => …`; the limits here stay far below, and no script written by hand comes near them. That build
//! compiles 60,000 commas of a single expression; commas of lists, calls and `name: value` do not nest and are not
//! counted. Rejected: a limit inside the parser, which has none to set. Where this lexer must guess (is `/` a
//! division?), the guess keeps brackets visible.

use std::str::Chars;
use std::sync::Arc;

use crate::model::Position;
use crate::script::{LoadError, SourceText};

/// The number of operators, calls and nested statements that an expression or statement may chain, over all brackets
/// around the expression.
const MAX_CHAIN: usize = 2_000;
/// The number of commas that an expression may chain, over all brackets around the expression.
const MAX_COMMAS: usize = 20_000;

/// Refuses a source that is nested deeper than `max_depth`, or chained longer than any handwritten source.
pub(in crate::engine::javascript) fn check_depth(source: &SourceText, max_depth: usize) -> Result<(), LoadError> {
    let mut scan = SourceScan::new(&source.text);
    while let Some(first) = scan.rest.next() {
        scan.token(first);
        let message = if scan.levels.len() > max_depth + 1 {
            format!("the source nests brackets deeper than {max_depth} levels")
        } else if scan.chained > MAX_CHAIN {
            format!("one expression or statement chains more than {MAX_CHAIN} operators")
        } else if scan.commas > MAX_COMMAS {
            format!("one expression or statement chains more than {MAX_COMMAS} commas")
        } else {
            continue;
        };
        let read = source.text.len() - scan.rest.as_str().len();
        let position = position(source, read.saturating_sub(first.len_utf8()));
        return Err(LoadError { message, position: Some(position) });
    }
    Ok(())
}

fn position(source: &SourceText, offset: usize) -> Position {
    let before = source.text.get(..source.text.floor_char_boundary(offset)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Position {
        file: Arc::clone(&source.file),
        line: narrow(before.matches('\n').count() + 1),
        column: narrow(line.chars().count() + 1),
    }
}

/// The kind of the last token, as far as the kind decides the meaning of the next token.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Start,
    /// The end of an expression that has a value.
    Operand,
    Operator,
    /// A keyword before the bracket of a statement: `if`, `for`, `while`, `with`.
    Header,
}

/// An open bracket.
#[derive(Default)]
struct OpenBracket {
    chain: usize,
    commas: usize,
    /// Whether the bracket is a list or the arguments of a call, with commas that chain nothing.
    separates: bool,
    /// Whether the bracket is part of the expression around the bracket, as `(…)` and `[…]` are.
    chains: bool,
    /// Whether the bracket belongs to `if (…)` and the like, so that no value ends with the bracket.
    header: bool,
    /// Whether the bracket is the `${` of a template.
    template: bool,
}

struct SourceScan<'a> {
    rest: Chars<'a>,
    levels: Vec<OpenBracket>,
    /// The sum of all levels' chains.
    chained: usize,
    /// The sum of all levels' commas.
    commas: usize,
    last: Last,
}

impl<'a> SourceScan<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars(), levels: vec![OpenBracket::default()], chained: 0, commas: 0, last: Last::Start }
    }

    fn token(&mut self, first: char) {
        match first {
            // `(` after a value begins arguments, `[` after anything else begins a list.
            '(' => {
                self.open(OpenBracket { separates: self.last == Last::Operand, chains: true, ..OpenBracket::default() })
            }
            '[' => {
                self.open(OpenBracket { separates: self.last != Last::Operand, chains: true, ..OpenBracket::default() })
            }
            '{' => self.open(OpenBracket::default()),
            ')' | ']' => self.close(),
            '}' if self.levels.last().is_some_and(|level| level.template) => {
                self.close();
                self.template();
            }
            '}' => self.close(),
            ';' => {
                self.restart();
                self.last = Last::Operator;
            }
            ',' => {
                self.comma();
                self.last = Last::Operator;
            }
            ':' => {
                self.link();
                self.forget_commas();
                self.last = Last::Operator;
            }
            '"' | '\'' => self.string(first),
            '`' => {
                if self.last == Last::Operand {
                    self.link();
                }
                self.template();
            }
            '/' => self.slash(),
            _ if first.is_whitespace() => {}
            _ if first.is_alphanumeric() || matches!(first, '_' | '$' | '#' | '\\') => self.word(first),
            '.' => {
                self.link();
                self.last = Last::Operator;
            }
            _ => {
                // `x++` ends an operand as `x` does; a longer operator counts once for each of its characters.
                let doubled = matches!(first, '+' | '-') && self.rest.as_str().starts_with(first);
                self.link();
                if !(doubled && self.last == Last::Operand) {
                    self.last = Last::Operator;
                } else {
                    self.rest.next();
                }
            }
        }
    }

    fn open(&mut self, level: OpenBracket) {
        if self.last == Last::Operand {
            self.link();
        }
        self.levels.push(OpenBracket { header: self.last == Last::Header, ..level });
        self.last = Last::Start;
    }

    fn close(&mut self) {
        if self.levels.len() > 1
            && let Some(level) = self.levels.pop()
        {
            self.chained -= level.chain;
            // A chain may begin with another chain in brackets.
            match self.levels.last_mut() {
                Some(around) if level.chains && !around.separates => around.commas += level.commas,
                _ => self.commas -= level.commas,
            }
            self.last = if level.header { Last::Operator } else { Last::Operand };
        }
    }

    /// Adds a link to the chain of this level.
    fn link(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
            self.chained += 1;
        }
    }

    /// Ends the chain of this level, and the statement.
    fn restart(&mut self) {
        self.restart_chain();
        self.forget_commas();
    }

    fn restart_chain(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.chained -= level.chain;
            level.chain = 0;
        }
    }

    /// Goes on with the chain of this level behind a comma.
    fn comma(&mut self) {
        self.restart_chain();
        if let Some(level) = self.levels.last_mut().filter(|level| !level.separates) {
            level.commas += 1;
            self.commas += 1;
        }
    }

    fn forget_commas(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.commas -= level.commas;
            level.commas = 0;
        }
    }

    fn word(&mut self, first: char) {
        let text = self.rest.as_str();
        let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$' | '\\'))).unwrap_or(text.len());
        let (tail, rest) = text.split_at(end);
        let word = format!("{first}{tail}");
        self.rest = rest.chars();
        match word.as_str() {
            "in" | "instanceof" | "of" | "else" | "extends" | "catch" | "finally" => {
                self.link();
                self.last = Last::Operator;
            }
            "if" | "for" | "while" | "with" => {
                self.after_operand();
                self.link();
                self.last = Last::Header;
            }
            "new" | "typeof" | "void" | "delete" | "await" | "yield" | "do" | "return" | "throw" | "case" | "async" => {
                self.after_operand();
                self.link();
                self.last = Last::Operator;
            }
            _ => {
                self.after_operand();
                self.last = Last::Operand;
            }
        }
    }

    /// Ends the statement where a keyword or name follows a value.
    fn after_operand(&mut self) {
        if self.last == Last::Operand {
            self.restart();
        }
    }

    fn string(&mut self, quote: char) {
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => {
                    self.rest.next();
                }
                '\n' => break,
                _ if next == quote => break,
                _ => {}
            }
        }
        self.last = Last::Operand;
    }

    /// Skips the rest of a template up to the end or the next `${`.
    fn template(&mut self) {
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => {
                    self.rest.next();
                }
                '`' => break,
                '$' if self.rest.as_str().starts_with('{') => {
                    self.rest.next();
                    self.last = Last::Operator;
                    self.open(OpenBracket { template: true, ..OpenBracket::default() });
                    return;
                }
                _ => {}
            }
        }
        self.last = Last::Operand;
    }

    fn slash(&mut self) {
        let text = self.rest.as_str();
        if text.starts_with('/') {
            let end = text.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(text.len());
            self.rest = text.get(end..).unwrap_or_default().chars();
        } else if let Some(comment) = text.strip_prefix('*') {
            let end = comment.find("*/").map_or(comment.len(), |end| end + 2);
            self.rest = comment.get(end..).unwrap_or_default().chars();
        } else if self.last != Last::Operand
            && let Some(end) = regex_end(text)
        {
            self.rest = text.get(end..).unwrap_or_default().chars();
            self.last = Last::Operand;
        } else {
            self.link();
            self.last = Last::Operator;
        }
    }
}

/// Returns the end of the regular expression literal behind the first slash; `None` where the line ends first.
fn regex_end(text: &str) -> Option<usize> {
    let (mut in_class, mut escaped) = (false, false);
    for (place, next) in text.char_indices() {
        match next {
            '\n' | '\r' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return Some(place + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
