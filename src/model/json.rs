//! Untrusted JSON: every document from outside passes a size limit and a depth scan before any parser reads the
//! document.
//!
//! `serde_json` refuses more than 128 levels by itself. The scan is our own because a document may nest less deeply
//! than that, by as many levels as are put around the document later, and because the refusal names the limit. The scan
//! costs a pass over the bytes and allocates nothing.

use serde_json::{Map, Number, Value};

/// The deepest nesting of objects and arrays that is accepted anywhere.
pub const MAX_DEPTH: usize = 64;

/// The limits of a JSON document.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// The size of the text in bytes.
    pub max_bytes: usize,
    /// The nesting of objects and arrays.
    pub max_depth: usize,
}

impl JsonLimits {
    /// Returns the usual depth with a size of `max_bytes`.
    #[must_use]
    pub const fn bytes(max_bytes: usize) -> Self {
        Self { max_bytes, max_depth: MAX_DEPTH }
    }
}

/// The reason why a JSON document was refused.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is larger than the limit.
    #[error("{bytes} bytes of JSON, at most {max_bytes} are accepted")]
    TooLarge {
        /// The size of the text in bytes.
        bytes: usize,
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// The text is nested deeper than the limit.
    #[error("JSON nested deeper than {max_depth} levels")]
    TooDeep {
        /// The limit in levels.
        max_depth: usize,
    },
    /// The text is not JSON.
    #[error("not valid JSON: {}", malformed(.0))]
    Malformed(serde_json::Error),
    /// The text is JSON, but not of the expected shape.
    #[error("not as expected: {0}")]
    Misshapen(serde_json::Error),
}

fn malformed(error: &serde_json::Error) -> String {
    match error.is_eof() {
        true => format!("it ends too early, at line {} column {}", error.line(), error.column()),
        false => error.to_string(),
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        if error.is_data() { Self::Misshapen(error) } else { Self::Malformed(error) }
    }
}

impl JsonError {
    /// Returns the error in a sentence about `what`, e.g. the request.
    #[must_use]
    pub fn about(&self, what: &str) -> String {
        let Self::Misshapen(error) = self else { return format!("{what} is {self}") };
        let words = error.to_string();
        let words = words.rsplit_once(" at line ").map_or(&*words, |(words, _place)| words);
        match (words.strip_prefix("missing field "), words.strip_prefix("unknown field ")) {
            (Some(field), _) => format!("{what} has no {field}"),
            (None, Some(field)) => {
                format!("{what} has the unknown field {}", field.replacen(", expected", "; expected", 1))
            }
            (None, None) => {
                let whole = ["usize", "u64", "u32", "i64"].iter().find_map(|whole| words.strip_suffix(whole));
                let words = whole.map_or(words.to_owned(), |words| format!("{words}a whole number"));
                format!("{what} is not as expected: {words}")
            }
        }
    }
}

/// Parses untrusted `text` within `limits`.
///
/// # Errors
/// [`JsonError`] says which limit was passed, or where the text stops being JSON.
pub fn parse(text: &[u8], limits: JsonLimits) -> Result<Value, JsonError> {
    parse_as(text, limits)
}

/// Parses untrusted `text` within `limits` into `T`.
///
/// # Errors
/// As [`parse`]; a document of another shape than `T` is [`JsonError::Misshapen`].
pub fn parse_as<'a, T: serde::Deserialize<'a>>(text: &'a [u8], limits: JsonLimits) -> Result<T, JsonError> {
    if text.len() > limits.max_bytes {
        return Err(JsonError::TooLarge { bytes: text.len(), max_bytes: limits.max_bytes });
    }
    if nests_deeper_than(text, limits.max_depth) {
        return Err(JsonError::TooDeep { max_depth: limits.max_depth });
    }
    Ok(serde_json::from_slice(text)?)
}

/// Whether brackets outside of strings nest deeper than `max_depth`; text that is not JSON gets some answer, never a
/// panic.
#[must_use]
pub fn nests_deeper_than(text: &[u8], max_depth: usize) -> bool {
    // Most texts have fewer brackets than the limit; counting brackets goes several bytes at a time.
    if text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= max_depth {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > max_depth {
                    return true;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Returns the kind of `value` in the words that an administrator uses.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns the member `name` of `map`, if the member is a non-empty string.
#[must_use]
pub fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Whether no script can tell `left` from `right`: scripts see the order of an object's members, and the sign of zero.
#[must_use]
pub fn is_identical(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let bits = |number: &Number| number.as_f64().map(f64::to_bits);
            left == right && bits(left) == bits(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_identical(left, right))
        }
        (Value::Object(left), Value::Object(right)) => are_identical(left, right),
        _ => left == right,
    }
}

/// Whether no script can tell the members `left` from the members `right`.
#[must_use]
pub fn are_identical(left: &Map<String, Value>, right: &Map<String, Value>) -> bool {
    let is_same = |((left_name, left), (right_name, right)): ((&String, &Value), (&String, &Value))| {
        left_name == right_name && is_identical(left, right)
    };
    left.len() == right.len() && left.iter().zip(right).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_scan_ignores_brackets_in_strings() {
        assert!(!nests_deeper_than(br#"{"a":"[[[[\"[[[["}"#, 1));
        assert!(nests_deeper_than(b"[[1]]", 1));
        assert!(!nests_deeper_than(b"[[1],[2],[3]]", 2));
    }

    #[test]
    fn what_a_script_can_tell_apart_is_not_identical() {
        let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        for (left, right, expected) in [
            (r#"{"a": 1, "b": [1.5, {"c": null}]}"#, r#"{"a": 1, "b": [1.5, {"c": null}]}"#, true),
            (r#"{"a": 1, "b": 2}"#, r#"{"b": 2, "a": 1}"#, false),
            (r#"[{"a": 1, "b": 2}]"#, r#"[{"b": 2, "a": 1}]"#, false),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false),
            ("[0.0]", "[-0.0]", false),
            ("[1]", "[1, 2]", false),
            (r#""a""#, r#""b""#, false),
        ] {
            assert_eq!(is_identical(&read(left), &read(right)), expected, "{left} {right}");
        }
    }

    #[test]
    fn limits_come_before_the_parser() {
        let deep = "[".repeat(100_000);
        assert!(matches!(
            parse(deep.as_bytes(), JsonLimits::bytes(1 << 20)),
            Err(JsonError::TooDeep { max_depth: 64 })
        ));
        assert!(matches!(parse(b"[1,2]", JsonLimits::bytes(4)), Err(JsonError::TooLarge { bytes: 5, max_bytes: 4 })));
        assert!(parse(b"[NaN]", JsonLimits::bytes(10)).is_err());
    }
}
