//! Oddities in a node document, and their interpretation: the author of the document may have meant something else.

use std::cell::RefCell;

use serde_json::Value;

use super::report::Sessions;

/// Adds notes on values of a document that administrators may have meant otherwise.
pub(super) fn note(notes: &RefCell<Vec<String>>, available: bool, is_weightless: bool, limit_in_static_data: bool) {
    let add = |is: bool, words: &str| {
        if is {
            notes.borrow_mut().push(words.to_owned());
        }
    };
    add(!available, "`available` is false: it takes no requests");
    add(is_weightless, "`weight` is 0: it takes no new sessions");
    add(
        limit_in_static_data,
        "`maxSessions` in the static data limits nothing; it belongs beside `id` (`whither agent --max-sessions`)",
    );
}

/// Whether `weight` is zero; text is accepted too, because metadata is text.
pub(super) fn is_zero(weight: Option<Value>) -> bool {
    match weight {
        Some(Value::String(text)) => text.trim().parse() == Ok(0.0),
        Some(value) => value.as_f64() == Some(0.0),
        None => false,
    }
}

/// Reads sessions that are written as text: their number, if the text is a number.
pub(super) fn sessions_of_text(text: &str, note: impl Fn(String)) -> Sessions {
    match text.trim().parse() {
        Ok(count) => {
            note("is text, which is taken for a number".to_owned());
            Sessions::Count(count)
        }
        Err(_) => {
            note("is text, which counts as unknown".to_owned());
            Sessions::Unknown
        }
    }
}
