//! On which ways the per-node functions look at the request, from the words of the source.
//!
//! A function gets its request as a copy of its own, and nothing else of its caller's. So what lies on those ways, and
//! the node, decide what it says, as long as its parameter's name stands for nothing else, and nothing in the source is
//! chance. What stands in a text counts as code: too many ways make a key that fits fewer requests, but no wrong one.

use crate::script::{Arity, PerNode, RequestPath, ScriptShape};

use super::definitions::{Definition, Definitions};
use super::mentions::{field, words};

/// Names of what says another thing at another time, or that lead to it, wherever in the source they stand. `Fn` makes a
/// function of any text.
const UNSTEADY: [&str; 5] = ["random", "timestamp", "sleep", "Fn", "eval"];

/// What may stand before the `=` of an assignment.
const ASSIGNED_WITH: [&str; 12] = ["**", "<<", ">>", "??", "+", "-", "*", "/", "%", "&", "|", "^"];

/// The ways of the functions of two parameters among `definitions`; absent where they cannot be told, and where the
/// script has a key of its own.
pub(super) fn depends(definitions: &Definitions<'_>, shape: ScriptShape) -> Option<Vec<RequestPath>> {
    let ScriptShape::PerNode(PerNode { filter, score, key: false }) = shape else { return None };
    let functions = [("filter", filter), ("score", score)].into_iter();
    let mut names = functions.filter(|(_, arity)| *arity == Some(Arity::NodeAndRequest)).peekable();
    names.peek()?;
    if words(definitions.code).any(|(_, word)| UNSTEADY.contains(&word)) {
        return None;
    }
    let mut paths = Vec::new();
    for (name, _) in names {
        paths.extend(ways(&definitions.get(name)?)?);
    }
    paths.sort_unstable();
    paths.dedup();
    paths.iter().all(RequestPath::is_given).then_some(paths)
}

/// The ways on which the function looks at its second parameter; nothing where it does anything else with it.
fn ways(definition: &Definition<'_>) -> Option<Vec<RequestPath>> {
    let [_, request] = definition.parameters.as_slice() else { return None };
    let (body, mut paths, mut done) = (definition.body, Vec::new(), 0);
    for (start, word) in words(body) {
        // The names on a way are no variables.
        if start < done || word != *request {
            continue;
        }
        let before = body.get(..start)?.trim_end();
        let is_field = before.ends_with('.') && !before.ends_with("..");
        if is_field {
            return None;
        }
        let (path, behind) = way(body.get(start + word.len()..)?);
        if path.0.is_empty() || is_assigned(behind) {
            return None;
        }
        paths.push(path);
        done = body.len() - behind.len();
    }
    Some(paths)
}

/// The fields that `rest` goes into one after the other, with what follows them. A method sees what it is called on: its
/// name is no field.
fn way(mut rest: &str) -> (RequestPath, &str) {
    let mut names = Vec::new();
    while let Some((name, behind)) = field(rest) {
        names.push(name.to_owned());
        rest = behind;
    }
    (RequestPath(names), rest)
}

/// Whether what `behind` follows is written to.
fn is_assigned(behind: &str) -> bool {
    let behind = behind.trim_start();
    let with = ASSIGNED_WITH.iter().find_map(|operator| behind.strip_prefix(operator)).unwrap_or(behind);
    with.strip_prefix('=').is_some_and(|value| with.len() < behind.len() || !value.starts_with(['=', '>']))
}

#[cfg(test)]
mod tests;
