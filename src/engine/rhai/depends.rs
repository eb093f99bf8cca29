//! The paths on which the per-node functions look into the request, found from the words of the source.
//!
//! A function receives the request as a separate copy, and nothing else of the caller. So the values on those paths,
//! and the node, decide the answer, as long as the parameter's name means nothing else, and nothing in the source is
//! random. Words in strings count as code: too many paths make a key that fits fewer requests, but never a wrong key.

use crate::script::{Arity, PerNode, RequestPath, ScriptShape};

use super::definitions::{Definition, Definitions};
use super::mentions::{field, words};

/// Names of functions that answer differently at different times, or that lead to such, anywhere in the source. `Fn`
/// makes a function from any text.
const UNSTEADY: [&str; 5] = ["random", "timestamp", "sleep", "Fn", "eval"];

/// The operators that may precede the `=` of an assignment.
const ASSIGNED_WITH: [&str; 12] = ["**", "<<", ">>", "??", "+", "-", "*", "/", "%", "&", "|", "^"];

/// Returns the paths of the functions of two parameters among `definitions`; `None` where they are not certain, and
/// where the script defines a key.
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
        paths.extend(paths_of(&definitions.get(name)?)?);
    }
    paths.sort_unstable();
    paths.dedup();
    paths.iter().all(RequestPath::is_given).then_some(paths)
}

/// Returns the paths on which the function looks at the second parameter; `None` where the function uses the parameter
/// in any other way.
fn paths_of(definition: &Definition<'_>) -> Option<Vec<RequestPath>> {
    let [_, request] = definition.parameters.as_slice() else { return None };
    let (body, mut paths, mut done) = (definition.body, Vec::new(), 0);
    for (start, word) in words(body) {
        // The names on a path are no variables.
        if start < done || word != *request {
            continue;
        }
        let before = body.get(..start)?.trim_end();
        let is_field = before.ends_with('.') && !before.ends_with("..");
        if is_field {
            return None;
        }
        let (path, behind) = path_of(body.get(start + word.len()..)?);
        if path.0.is_empty() || is_assigned(behind) {
            return None;
        }
        paths.push(path);
        done = body.len() - behind.len();
    }
    Some(paths)
}

/// Returns the fields that `rest` accesses in turn, with the text behind them. A method sees the object of the call: a
/// method's name is no field.
fn path_of(mut rest: &str) -> (RequestPath, &str) {
    let mut names = Vec::new();
    while let Some((name, behind)) = field(rest) {
        names.push(name.to_owned());
        rest = behind;
    }
    (RequestPath(names), rest)
}

/// Whether the expression before `behind` is assigned to.
fn is_assigned(behind: &str) -> bool {
    let behind = behind.trim_start();
    let with = ASSIGNED_WITH.iter().find_map(|operator| behind.strip_prefix(operator)).unwrap_or(behind);
    with.strip_prefix('=').is_some_and(|value| with.len() < behind.len() || !value.starts_with(['=', '>']))
}

#[cfg(test)]
mod tests;
