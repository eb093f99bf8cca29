//! The definitions of functions in a source: their parameters, and the text between their braces.
//!
//! The text of a function is the text from the `fn` to the next, as long as the compiler found as many functions as
//! there are words `fn`: a `fn` inside of a string may mean anything.

use rhai::{AST, ScriptFnMetadata};

use super::mentions::{is_in_word, words};
use super::shape::{is_closure, is_plain};

/// Words that may precede `!` without passing variables on to a called function.
const BEFORE_NOT: [&str; 10] = ["if", "else", "while", "until", "return", "break", "throw", "switch", "in", "do"];

/// The functions of a source.
pub(super) struct Definitions<'t> {
    functions: Vec<ScriptFnMetadata<'t>>,
    /// The source without comments.
    pub(super) code: &'t str,
    /// The place of each word `fn` in `code`.
    starts: Vec<usize>,
}

/// The definition of a function.
pub(super) struct Definition<'t> {
    /// The names of the parameters.
    pub(super) parameters: Vec<&'t str>,
    /// The text behind the head. The text may extend past the end of the function.
    pub(super) body: &'t str,
}

impl<'t> Definitions<'t> {
    /// Returns the functions of `ast`, with the source `code`, in which comments are blanked; `None` where the
    /// functions cannot be told from each other.
    pub(super) fn of(ast: &'t AST, code: &'t str) -> Option<Self> {
        let functions: Vec<_> = ast.iter_functions().filter(|function| !is_closure(function)).collect();
        let starts: Vec<_> = words(code).filter(|(_, word)| *word == "fn").map(|(start, _)| start).collect();
        let is_clear = starts.len() == functions.len() && !passes_variables_on(code);
        is_clear.then_some(Self { functions, code, starts })
    }

    /// Returns the function `name` that is no method; `None` where the definition is not certain.
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

/// Returns the text behind `fn name(parameters)` in `own`, where `own` begins like that.
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

/// Whether anything in `code` may be a call like `help!()`, in which `help` sees and changes the caller's variables.
fn passes_variables_on(code: &str) -> bool {
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
            assert!(passes_variables_on(code), "{code}");
        }
        for code in ["a != (b)", "if !(a) { }", "return !(a && b)", "a || !(b)", "(!(a))", "`no ${a}!`", "a !=(b)"] {
            assert!(!passes_variables_on(code), "{code}");
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
