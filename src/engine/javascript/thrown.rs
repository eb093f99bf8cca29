//! What a script threw, with the place in the administrator's own source.

use std::fmt::Write;

use boa_engine::builtins::error::Error;
use boa_engine::error::{EngineError, RuntimeLimitError};
use boa_engine::object::JsObject;
use boa_engine::{Context, JsError, JsResult, JsString, JsValue, js_string};

use crate::model::{Position, Thrown};
use crate::script::ScriptError;

use super::console::shown;
use super::fault::Fault;
use super::kit::Kit;
use super::stage::NOT_PURE;
use super::syntax::USE_AN_EXECUTABLE;
use super::wrapper::Wrapper;

/// Names that scripts for other hosts use, and that are not there.
const ELSEWHERE: [&str; 18] = [
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
    "queueMicrotask",
    "window",
    "document",
    "global",
    "__dirname",
    "performance",
];
/// How much of an error's text is kept to look for its place.
const MAX_TRACE_BYTES: usize = 16 * 1024;

/// `fault` for the requester.
pub(super) fn told(fault: Fault, wrapper: &Wrapper, kit: &Kit, context: &mut Context) -> ScriptError {
    match fault {
        Fault::Limit(kind, message) => ScriptError::Limit(kind, message),
        Fault::ClockMisused => {
            let thrown = Thrown { name: "TypeError".to_owned(), message: format!("`Date` {NOT_PURE}") };
            ScriptError::Thrown(thrown, None)
        }
        Fault::Js(error) => {
            let class = error.as_opaque().and_then(JsValue::as_object).and_then(|object| class_name(&object, context));
            let position = position(&error, class.as_deref(), wrapper);
            let (name, message) = match (error.as_engine(), error.as_native(), error.as_opaque()) {
                (Some(engine), _, _) => limit_words(engine),
                (_, Some(native), _) => (native.kind().to_string(), native.message().to_string()),
                (_, _, Some(value)) => words(&value.clone(), kit, context),
                _ => ("Error".to_owned(), error.to_string()),
            };
            let message = with_hint(&name, message);
            let cut = |text: &str| kit.stage.limits().cut(text);
            ScriptError::Thrown(Thrown { name: cut(&name), message: cut(&message) }, position)
        }
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

/// Name and message of whatever was thrown. Reading them may run the script's own code, whose errors count for nothing.
fn words(value: &JsValue, kit: &Kit, context: &mut Context) -> (String, String) {
    let unnamed = |message: String| ("Error".to_owned(), message);
    let Some(object) = value.as_object() else {
        return unnamed(shown(value, kit, context).unwrap_or_else(|_error| "a value that cannot be shown".to_owned()));
    };
    let name = text(&object, js_string!("name"), context).filter(|name| !name.is_empty() && !object.is_callable());
    let message = text(&object, js_string!("message"), context);
    let name = name.unwrap_or_else(|| "Error".to_owned());
    match message {
        Some(message) if object.is::<Error>() || !message.is_empty() => (name, message),
        _ => (name, shown(value, kit, context).unwrap_or_else(|_error| "an object that cannot be shown".to_owned())),
    }
}

fn text(object: &JsObject, name: JsString, context: &mut Context) -> Option<String> {
    let value: JsResult<JsValue> = object.get(name, context);
    value.ok().and_then(|value| value.as_string()).map(|text| text.to_std_string_lossy())
}

fn with_hint(name: &str, message: String) -> String {
    let missing = message.strip_suffix(" is not defined").filter(|_| name == "ReferenceError");
    if missing.is_some_and(|missing| ELSEWHERE.contains(&missing)) {
        return format!("{message}: not available in a balancer script, {USE_AN_EXECUTABLE}");
    }
    if message.contains("module resolution is disabled") {
        return format!("`import()` is not available in a balancer script: {USE_AN_EXECUTABLE}");
    }
    message
}

/// The class of a thrown object: its constructor is where the object was made, and not where the error lies.
fn class_name(object: &JsObject, context: &mut Context) -> Option<String> {
    let constructor = object.get(js_string!("constructor"), context).ok()?.as_object()?;
    text(&constructor, js_string!("name"), context)
}

/// The innermost place in the script's own source, outside of the constructor `class`. Boa tells it in the error's text
/// alone.
fn position(error: &JsError, class: Option<&str>, wrapper: &Wrapper) -> Option<Position> {
    let mut trace = Tail(String::new());
    let _ = write!(trace, "{error}");
    let mark = format!("({}:", wrapper.file());
    let frames = trace.0.lines().filter_map(|line| line.trim_start().strip_prefix("at "));
    let is_constructor = |line: &&str| class.is_some_and(|class| line.split(" (").next() == Some(class));
    frames.skip_while(is_constructor).find_map(|line| {
        let (_, place) = line.rsplit_once(&mark)?;
        let (line, column) = place.strip_suffix(')')?.split_once(':')?;
        wrapper.own_position(line.parse().ok()?, column.parse().ok()?)
    })
}

/// The end of a text that may be long.
struct Tail(String);

impl Write for Tail {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 2 * MAX_TRACE_BYTES {
            let start = self.0.ceil_char_boundary(self.0.len() - MAX_TRACE_BYTES);
            self.0.drain(..start);
        }
        Ok(())
    }
}
