//! The functions of a source as they stand there: their parameters, and what is between their braces.
//!
//! A function's own text is that from its `fn` to the next one, as long as the compiler found as many functions as there
//! are words `fn`: in a text, one of them may be anything.

use rhai::{AST, ScriptFnMetadata};

use super::mentions::{is_in_word, words};
use super::shape::{is_closure, is_plain};

/// Words that `!` may follow without handing on variables.
const BEFORE_NOT: [&str; 10] = ["if", "else", "while", "until", "return", "break", "throw", "switch", "in", "do"];

/// The functions of a source.
pub(super) struct Definitions<'t> {
    functions: Vec<ScriptFnMetadata<'t>>,
    /// The source without its comments.
    pub(super) code: &'t str,
    /// Where each word `fn` stands in it.
    starts: Vec<usize>,
}

/// One of them.
pub(super) struct Definition<'t> {
    /// The names of its parameters.
    pub(super) parameters: Vec<&'t str>,
    /// What follows its head. It may end later than the function does.
    pub(super) body: &'t str,
}

impl<'t> Definitions<'t> {
    /// The functions of `ast`, whose source is `code` once comments are blanked; nothing where they cannot be told from
    /// each other.
    pub(super) fn of(ast: &'t AST, code: &'t str) -> Option<Self> {
        let functions: Vec<_> = ast.iter_functions().filter(|function| !is_closure(function)).collect();
        let starts: Vec<_> = words(code).filter(|(_, word)| *word == "fn").map(|(start, _)| start).collect();
        let is_clear = starts.len() == functions.len() && !hands_on_variables(code);
        is_clear.then_some(Self { functions, code, starts })
    }

    /// The function `name` that is no method; nothing where it is not found beyond doubt.
    pub(super) fn get(&self, name: &str) -> Option<Definition<'t>> {
        let mut named = self.functions.iter().filter(|function| function.name == name && is_plain(function));
        let (Some(function), None) = (named.next(), named.next()) else { return None };
        let mut bodies = self.starts.iter().enumerate().filter_map(|(place, start)| {
            let own = self.code.get(*start..self.starts.get(place + 1).copied().unwrap_or(self.code.len()))?;
            behind_head(own, name, &function.params)
        });
        let (Some(body), None) = (bodies.next(), bodies.next()) else { return None };
        Some(Definition { parameters: function.params.to_vec(), body })
    }
}

/// What follows `fn name(parameters)` in `own`, where that is how it begins.
fn behind_head<'t>(own: &'t str, name: &str, parameters: &[&str]) -> Option<&'t str> {
    let rest = own.strip_prefix("fn")?.trim_start().strip_prefix(name)?.trim_start();
    let mut rest = rest.strip_prefix('(')?.trim_start();
    for (place, parameter) in parameters.iter().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(',')?.trim_start();
        }
        rest = rest.strip_prefix(parameter)?.trim_start();
    }
    rest.strip_prefix(',').unwrap_or(rest).trim_start().strip_prefix(')')
}

/// Whether anything in `code` may be a call like `help!()`, in which `help` sees and changes its caller's variables.
fn hands_on_variables(code: &str) -> bool {
    let mut nots =
        code.match_indices('!').filter(|(place, _)| !code.get(place + 1..).unwrap_or_default().starts_with('='));
    nots.any(|(place, _)| {
        let before = code.get(..place).unwrap_or_default().trim_end();
        let word = before.rsplit(|c| !is_in_word(c)).next().unwrap_or_default();
        let behind = code.get(place + 1..).unwrap_or_default().trim_start();
        behind.starts_with('(') && !word.is_empty() && !BEFORE_NOT.contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_hand_on_variables_are_seen() {
        for code in ["help!()", "help ! (1)", "x + help!\n(1)", "1 + _a!(2)", "\"help!(1)\"", "!help!()", "iff!()"] {
            assert!(hands_on_variables(code), "{code}");
        }
        for code in ["a != (b)", "if !(a) { }", "return !(a && b)", "a || !(b)", "(!(a))", "`no ${a}!`", "a !=(b)"] {
            assert!(!hands_on_variables(code), "{code}");
        }
    }

    #[test]
    fn heads_are_read() {
        for (own, expected) in [
            ("fn score(node) { 1 }", None),
            ("fn score(node, request) { 1 }", Some(" { 1 }")),
            ("fn  score ( node ,\n request , ){ 1 }", Some("{ 1 }")),
            ("fn scores(node, request) { 1 }", None),
            ("fn score(nodes, request) { 1 }", None),
            ("fn score(node, requested) { 1 }", None),
            ("fn map.score(node, request) { 1 }", None),
        ] {
            assert_eq!(behind_head(own, "score", &["node", "request"]), expected, "{own}");
        }
    }
}
