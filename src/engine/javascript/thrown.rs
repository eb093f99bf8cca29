//! The errors that scripts throw, with the place in the administrator's own source.

use std::fmt::Write;

use boa_engine::builtins::error::Error;
use boa_engine::error::{EngineError, RuntimeLimitError};
use boa_engine::object::JsObject;
use boa_engine::{Context, JsError, JsString, JsValue, js_string};

use crate::engine::known::missing;
use crate::engine::words::{NOT_PURE, USE_AN_EXECUTABLE};
use crate::model::{Position, Thrown};
use crate::script::ScriptError;

use super::analysis::survey::Survey;
use super::console::shown;
use super::engine_trace::FailedAt;
use super::fault::CallFault;
use super::tail::Tail;
use super::tools::ContextTools;
use super::wrapper::Wrapper;

/// Names of other hosts that scripts use, and that do not exist here.
const ELSEWHERE: [&str; 31] = [
    "require",
    "process",
    "module",
    "exports",
    "Buffer",
    "fetch",
    "XMLHttpRequest",
    "WebSocket",
    "setTimeout",
    "setInterval",
    "setImmediate",
    "clearTimeout",
    "clearInterval",
    "clearImmediate",
    "window",
    "document",
    "navigator",
    "location",
    "localStorage",
    "__dirname",
    "__filename",
    "performance",
    "crypto",
    "Atomics",
    "SharedArrayBuffer",
    "Temporal",
    "WeakRef",
    "FinalizationRegistry",
    "AbortController",
    "Blob",
    "WebAssembly",
];
/// Boa's words where a member of `undefined` or `null` is looked up.
const NO_OBJECT: &str = "cannot convert 'null' or 'undefined' to object";
/// Boa's words where a value is called that is no function.
const NO_FUNCTION: &str = "not a callable function";
/// Boa's words that leave out a name.
const ENGINES_WORDS: [&str; 2] = [NO_OBJECT, NO_FUNCTION];
/// The length of an error's text that is kept to look for the place, in bytes.
const MAX_TRACE_BYTES: usize = 16 * 1024;

/// Converts `fault` for the requester. A thrown value is the script's own object, so that reading the value may run
/// more of the script; errors during the reading are ignored.
pub(super) fn script_error(
    fault: CallFault,
    (wrapper, survey): (&Wrapper, &Survey),
    kit: &ContextTools,
    context: &mut Context,
) -> ScriptError {
    match fault {
        CallFault::Limit(kind, message) => ScriptError::Limit(kind, message),
        CallFault::ClockMisused => {
            let thrown = Thrown { name: "TypeError".to_owned(), message: format!("`Date` {NOT_PURE}") };
            ScriptError::Thrown(thrown, None)
        }
        CallFault::Js(error) => {
            kit.stage.note(&error);
            let thrown = ThrownReader { kit, context, wrapper }.read(&error);
            let cut = |text: &str| kit.stage.limits().cut(text);
            let (name, message) = (cut(&thrown.0), cut(&with_hint(&thrown.0, thrown.1)));
            let place = thrown.2.map(|place| at_name(&name, &message, place, survey));
            ScriptError::Thrown(Thrown { name, message }, place)
        }
    }
}

struct ThrownReader<'a> {
    kit: &'a ContextTools,
    context: &'a mut Context,
    wrapper: &'a Wrapper,
}

impl ThrownReader<'_> {
    /// Returns the name, message and place of `error`.
    fn read(&mut self, error: &JsError) -> (String, String, Option<Position>) {
        if let Some(engine) = error.as_engine() {
            let (name, message) = limit_words(engine);
            return (name, message, self.position(error, None));
        }
        if let Some(native) = error.as_native() {
            let (message, position) = self.engines(error, native.message());
            return (native.kind().to_string(), message, position);
        }
        let value = error.as_opaque().cloned().unwrap_or_default();
        let object = value.as_object();
        let class = object.as_ref().and_then(|object| self.class_name(object));
        let (name, message) = self.words(&value);
        // The engine's own errors come as objects out of a loop, a `try` or a promise.
        if object.is_some_and(|object| object.is::<Error>()) && ENGINES_WORDS.contains(&message.as_str()) {
            let (message, position) = self.engines(error, &message);
            return (name, message, position);
        }
        (name, message, self.position(error, class.as_deref()))
    }

    /// Returns the words and the place of an `error` of the engine, which the engine calls `message`.
    fn engines(&self, error: &JsError, message: &str) -> (String, Option<Position>) {
        let mut position = self.position(error, None);
        if message == NO_OBJECT {
            position = self.member(error, position.as_ref()).or(position);
        }
        (self.engines_words(message, position.as_ref()), position)
    }

    /// Returns the name and message of any thrown value.
    fn words(&mut self, value: &JsValue) -> (String, String) {
        let Some(object) = value.as_object() else { return ("Error".to_owned(), self.shown(value)) };
        let name = self.text(&object, js_string!("name")).filter(|name| !name.is_empty() && !object.is_callable());
        let name = name.unwrap_or_else(|| "Error".to_owned());
        match self.text(&object, js_string!("message")) {
            Some(message) if object.is::<Error>() || !message.is_empty() => (name, message),
            _ => (name, self.shown(value)),
        }
    }

    fn shown(&mut self, value: &JsValue) -> String {
        shown(value, self.kit, self.context).unwrap_or_else(|error| {
            self.kit.stage.note(&error);
            "an object that cannot be shown".to_owned()
        })
    }

    /// Returns the class name of a thrown object: the object was made in the class's constructor, and the error does
    /// not lie there.
    fn class_name(&mut self, object: &JsObject) -> Option<String> {
        let constructor = self.get(object, js_string!("constructor"))?.as_object()?;
        self.text(&constructor, js_string!("name"))
    }

    fn text(&mut self, object: &JsObject, name: JsString) -> Option<String> {
        self.get(object, name)?.as_string().map(|text| text.to_std_string_lossy())
    }

    fn get(&mut self, object: &JsObject, name: JsString) -> Option<JsValue> {
        object.get(name, self.context).inspect_err(|error| self.kit.stage.note(error)).ok()
    }

    /// Returns the engine's message, with the name that the most common messages leave out.
    fn engines_words(&self, message: &str, position: Option<&Position>) -> String {
        let around = position.and_then(|place| self.wrapper.around(place));
        match message {
            NO_OBJECT => {
                let what = match around.and_then(member) {
                    Some(name) => format!("cannot use `{name}` of undefined or null"),
                    None => "cannot use a property of undefined or null".to_owned(),
                };
                format!("{what}{}", around.map(|(before, _)| missing(before)).unwrap_or_default())
            }
            NO_FUNCTION => match around.and_then(|(before, _)| word_before(before)) {
                Some(name) => format!("`{name}` is not a function"),
                None => "what is called here is not a function".to_owned(),
            },
            _ => message.to_owned(),
        }
    }

    /// Returns the place of the member at which a lookup failed with `error`, where Boa reports `told` instead; `None`
    /// where Boa's place is the place of the member.
    fn member(&self, error: &JsError, told: Option<&Position>) -> Option<Position> {
        let failed = FailedAt::of(error)?;
        let own = |(line, column)| self.wrapper.own_position(line, column);
        // The innermost function may be one of ours.
        if own(failed.reported).as_ref() != told {
            return None;
        }
        own(self.wrapper.method_calls()?.member(failed.reported, (failed.before, failed.next))?)
    }

    /// Returns the innermost place in the script's own source, outside of the constructor `class`. Boa reports the
    /// place in the error's text alone.
    fn position(&self, error: &JsError, class: Option<&str>) -> Option<Position> {
        let mut trace = Tail::new(MAX_TRACE_BYTES);
        let _ = write!(trace, "{error}");
        let mark = format!("({}:", self.wrapper.file());
        let frames = trace.as_str().lines().filter_map(|line| line.trim_start().strip_prefix("at "));
        let is_constructor = |line: &&str| class.is_some_and(|class| line.split(" (").next() == Some(class));
        frames.skip_while(is_constructor).find_map(|line| {
            let (_, place) = line.rsplit_once(&mark)?;
            let (line, column) = place.strip_suffix(')')?.split_once(':')?;
            self.wrapper.own_position(line.parse().ok()?, column.parse().ok()?)
        })
    }
}

fn limit_words(error: &EngineError) -> (String, String) {
    match error {
        EngineError::RuntimeLimit(RuntimeLimitError::Recursion | RuntimeLimitError::StackSize) => {
            ("RangeError".to_owned(), "too much recursion".to_owned())
        }
        other => ("InternalError".to_owned(), other.to_string()),
    }
}

/// Returns `message` of an error `name`, with advice where a name of another host is missing.
pub(super) fn with_hint(name: &str, message: String) -> String {
    let missing = message.strip_suffix(" is not defined").filter(|_| name == "ReferenceError");
    if let Some(missing) = missing.filter(|missing| ELSEWHERE.contains(missing)) {
        let instead = match missing {
            "require" | "module" | "exports" => "to use Node modules, make the step an executable",
            _ => USE_AN_EXECUTABLE,
        };
        return format!("`{missing}` is not available in a balancer script; {instead}");
    }
    if message.contains("module resolution is disabled") {
        return format!("`import()` is not available in a balancer script: {USE_AN_EXECUTABLE}");
    }
    message
}

/// Returns the place of the undefined name. The engine reports the start of the function around the name; so the place
/// is the name's first place behind that start.
fn at_name(name: &str, message: &str, told: Position, survey: &Survey) -> Position {
    let missing =
        Some(message).filter(|_| name == "ReferenceError").and_then(|words| words.split_once(" is not defined"));
    let places = missing.and_then(|(missing, _)| survey.undeclared.get(missing));
    let behind = places.and_then(|places| {
        let behind = places.iter().find(|place| **place >= (told.line, told.column));
        behind.or_else(|| places.first())
    });
    match behind {
        Some((line, column)) => Position { line: *line, column: *column, ..told },
        None => told,
    }
}

/// The name of the member that is read here; absent where it is computed.
fn member<'a>((before, after): (&str, &'a str)) -> Option<&'a str> {
    let end = after.find(|c: char| !is_in_word(c)).unwrap_or(after.len());
    after.get(..end).filter(|word| !word.is_empty() && !before.trim_end().ends_with('['))
}

/// Returns the name at the end of `text`, with the names before the dots.
fn word_before(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let start = text
        .rfind(|c: char| !is_in_word(c) && c != '.')
        .map_or(0, |place| place + text.get(place..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    text.get(start..).filter(|word| word.starts_with(is_in_word))
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
