//! The errors that scripts throw and the reasons why scripts are stopped, with the place in the administrator's own
//! source.

use std::rc::Rc;
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, ParseError, ParseErrorType, Position as Place};

use crate::clock::Overtime;
use crate::engine::known::missing;
use crate::engine::words::{NOT_PURE, USE_AN_EXECUTABLE};
use crate::model::{LimitKind, Position, Thrown};
use crate::script::{LoadError, ScriptError, SourceText};

use super::call_context::{RhaiCallContext, RhaiStop};
use super::convert::ToJson;
use super::fields::OverlayFields;
use super::language::{MAX_CALLS, MAX_VARIABLES};
use super::nodes::NodeRef;

/// The size of the largest thrown value that is shown, as JSON.
const MAX_SHOWN_BYTES: usize = 16 * 1024;
/// The number of nested calls that are searched for the innermost error.
const MAX_WRAPPERS: usize = 256;

/// Words of the language that a balancer script may not use, each with an alternative.
pub(super) const REFUSED: [(&str, &str); 4] = [
    ("eval", USE_AN_EXECUTABLE),
    ("import", USE_AN_EXECUTABLE),
    ("export", USE_AN_EXECUTABLE),
    ("curry", "a closure does the same"),
];

/// Returns the reason why Rhai refuses `source`.
pub(super) fn refused(error: &ParseError, source: &SourceText) -> LoadError {
    let position = position(error.position(), source);
    let here = position.as_ref().and_then(|place| rest_of_line(source, place)).unwrap_or_default();
    let word = REFUSED.iter().find(|(word, _)| here.starts_with(word));
    let message = match (error.err_type(), word) {
        (_, Some((word, instead))) => format!("`{word}` is not available in a balancer script: {instead}"),
        (ParseErrorType::ExprTooDeep, _) => "an expression nests too deep".to_owned(),
        (other, _) => format!("syntax error: {other}"),
    };
    LoadError { message, position }
}

/// Returns the line of `place` up to there.
fn start_of_line<'a>(source: &'a SourceText, place: &Position) -> Option<&'a str> {
    let line = source.text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let rest = rest_of_line(source, place)?;
    line.get(..line.len().checked_sub(rest.len())?)
}

/// Returns the line of the source from `place` on.
fn rest_of_line<'a>(source: &'a SourceText, place: &Position) -> Option<&'a str> {
    let line = source.text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let columns_before = usize::try_from(place.column).ok()?.checked_sub(1)?;
    line.char_indices().nth(columns_before).and_then(|(start, _)| line.get(start..))
}

/// Converts `error` for the requester.
pub(super) fn script_error(error: EvalAltResult, source: &SourceText, context: &Rc<RhaiCallContext>) -> ScriptError {
    let (mut error, place) = innermost(error);
    let position = position(place, source);
    // Rhai gives no place for errors that stop a script.
    let limit = |kind, message: String| ScriptError::Limit(kind, message);
    match &error {
        EvalAltResult::ErrorTerminated(..) => match context.stopped() {
            Some(RhaiStop::Operations(most)) => {
                limit(LimitKind::Time, format!("the script made more than {most} operations"))
            }
            Some(RhaiStop::Overtime(Overtime::Call)) => {
                limit(LimitKind::Time, "the script used up its CPU time for one node".to_owned())
            }
            Some(RhaiStop::Overtime(Overtime::Step)) | None => {
                limit(LimitKind::Time, "the script used up its CPU time".to_owned())
            }
        },
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            limit(LimitKind::Memory, format!("a value grew too large: {}", what.to_lowercase()))
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            limit(LimitKind::Memory, format!("calls nest deeper than {MAX_CALLS} levels"))
        }
        EvalAltResult::ErrorTooManyVariables(_) => {
            limit(LimitKind::Memory, format!("more than {MAX_VARIABLES} variables at once"))
        }
        EvalAltResult::ErrorRuntime(value, _) => {
            let (name, message) = words(value, &OverlayFields(Rc::clone(context)));
            let cut = |text: &str| context.limits().cut(text);
            ScriptError::Thrown(Thrown { name: cut(&name), message: cut(&message) }, position)
        }
        _ => {
            let before = position.as_ref().and_then(|place| start_of_line(source, place));
            error.clear_position();
            let message = context.limits().cut(&helpful(&error, context, before.unwrap_or_default()));
            ScriptError::Thrown(Thrown { name: "RuntimeError".to_owned(), message }, position)
        }
    }
}

/// Returns the error inside of all calls around it, with the innermost known place.
fn innermost(mut error: EvalAltResult) -> (EvalAltResult, Place) {
    let mut place = error.position();
    for _ in 0..MAX_WRAPPERS {
        let (EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _)) = error
        else {
            break;
        };
        error = *inner;
        place = if error.position().is_none() { place } else { error.position() };
    }
    (error, place)
}

/// Returns the name and message of any thrown value.
fn words(value: &Dynamic, fields: &OverlayFields) -> (String, String) {
    let text = |value: &Dynamic| value.as_immutable_string_ref().ok().map(|text| text.to_string());
    if let Some(message) = text(value) {
        return ("Error".to_owned(), message);
    }
    let thrown = fields.of(value).unwrap_or_default();
    let name = thrown.get("name").and_then(text).unwrap_or_else(|| "Error".to_owned());
    match thrown.get("message").and_then(text) {
        Some(message) => (name, message),
        None if value.is_unit() => (name, "the script threw nothing that says why".to_owned()),
        None => (name, shown(value, fields)),
    }
}

/// Returns `value` as a person wants to read the value.
fn shown(value: &Dynamic, fields: &OverlayFields) -> String {
    if let Some(node) = value.read_lock::<NodeRef>() {
        return node.shown();
    }
    match ToJson::new(fields, MAX_SHOWN_BYTES).value(value) {
        Ok(Some(json)) => json.to_string(),
        Ok(None) | Err(_) => format!("a value of the type `{}`", value.type_name()),
    }
}

/// Returns Rhai's message, with a hint where the message does not help an administrator; `before` is the line up to the
/// place of the error.
fn helpful(error: &EvalAltResult, context: &RhaiCallContext, before: &str) -> String {
    let words = error.to_string();
    match error {
        EvalAltResult::ErrorVariableNotFound(name, _) if context.is_pure() && is_request(name) => {
            format!("`{name}` {NOT_PURE}")
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            format!("{words}: a function sees its parameters, and constants of the top level as `global::{name}`")
        }
        EvalAltResult::ErrorDataRace(..) => format!(
            "{words}: what a closure uses must not be what its method is called on; put it into a variable first, as in \
             `let group = input.data.group; input.nodes.filter(|node| node.metadata.group == group)`"
        ),
        EvalAltResult::ErrorFunctionNotFound(signature, _)
            if signature.contains("(()") || signature.contains(", ()") =>
        {
            format!("{words}: `()` stands for what is absent; ask `value == ()`, or give a default with `value ?? 0`")
        }
        EvalAltResult::ErrorDotExpr(..) => {
            match words.split('\'').nth(1).filter(|_| words.ends_with("for type '()'")) {
                Some(name) => {
                    let missing = missing(before);
                    format!("cannot use `{name}` of `()`, which stands for what is absent: `?.` asks first{missing}")
                }
                None => words,
            }
        }
        _ => words,
    }
}

fn is_request(name: &str) -> bool {
    ["request", "input", "now", "time", "sequence"].contains(&name)
}

fn position(place: Place, source: &SourceText) -> Option<Position> {
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Position {
        file: Arc::clone(&source.file),
        line: narrow(place.line()?),
        column: place.position().map_or(1, narrow),
    })
}
