//! Reads the answer that a program printed: an id as plain text, or JSON.

use serde_json::Value;

use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::report::named_id;
use crate::script::{Element, ReturnedValue};

/// Returns the answer in `printed`; `is_node` knows the cluster's ids, because an exact id wins over JSON.
#[must_use]
pub fn read(printed: &[u8], is_node: impl Fn(&str) -> bool) -> ReturnedValue {
    let Ok(text) = str::from_utf8(printed) else { return ReturnedValue::Other("output that is not UTF-8".to_owned()) };
    let text = text.trim();
    if text.is_empty() {
        return ReturnedValue::Falsy;
    }
    if is_node(text) {
        return ReturnedValue::Id(text.to_owned());
    }
    match json::parse(text.as_bytes(), JsonLimits::bytes(text.len())) {
        Ok(value) => from_json(value),
        Err(JsonError::TooDeep { max_depth }) => {
            ReturnedValue::Other(format!("JSON nested deeper than {max_depth} levels"))
        }
        Err(_no_json) if text.contains('\n') => {
            let lines = text.lines().count();
            ReturnedValue::Other(format!("{lines} lines of text (print the id alone, and messages on standard error)"))
        }
        Err(_no_json) if text.contains(|character: char| character.is_control()) => {
            ReturnedValue::Other("text with control characters".to_owned())
        }
        Err(_no_json) => ReturnedValue::Id(text.to_owned()),
    }
}

/// Returns the answer in the JSON `value`, by the rules that hold for every language.
#[must_use]
pub fn from_json(value: Value) -> ReturnedValue {
    match value {
        Value::Null | Value::Bool(false) => ReturnedValue::Falsy,
        Value::Number(number) if number.as_f64() == Some(0.0) => ReturnedValue::Falsy,
        Value::String(text) if text.is_empty() => ReturnedValue::Falsy,
        Value::String(id) => ReturnedValue::Id(id),
        Value::Array(elements) => ReturnedValue::List(list(elements)),
        Value::Object(own) => match named_id(&own) {
            Some(id) => ReturnedValue::Node(id.to_owned()),
            None => ReturnedValue::Other("an object".to_owned()),
        },
        other => ReturnedValue::Other(in_words(&other)),
    }
}

/// Returns the elements, up to the first that refuses the list.
fn list(values: Vec<Value>) -> Vec<Element> {
    let mut elements = Vec::new();
    for value in values {
        elements.push(element(value));
        if matches!(elements.last(), Some(Element::Other(_))) {
            break;
        }
    }
    elements
}

fn element(value: Value) -> Element {
    match value {
        Value::String(id) => Element::Id(id),
        Value::Object(own) => match named_id(&own).map(str::to_owned) {
            Some(id) => Element::Node(id, own),
            None => Element::Other("an object without `id`".to_owned()),
        },
        other => Element::Other(in_words(&other)),
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Bool(_) => format!("`{value}`"),
        Value::Number(_) => format!("the number {value}"),
        other => json::kind(other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(printed: &str) -> ReturnedValue {
        super::read(printed.as_bytes(), |id| ["b", "null", "[1]", "node 7"].contains(&id))
    }

    fn id(id: &str) -> ReturnedValue {
        ReturnedValue::Id(id.to_owned())
    }

    #[test]
    fn an_exact_id_wins_over_json_and_json_over_other_text() {
        for (printed, expected) in [
            ("b\n", id("b")),
            (" b ", id("b")),
            ("null\n", id("null")),
            ("[1]", id("[1]")),
            ("node 7", id("node 7")),
            ("\"c\"", id("c")),
            ("c", id("c")),
            ("", ReturnedValue::Falsy),
            (" \n\n", ReturnedValue::Falsy),
            ("false", ReturnedValue::Falsy),
            ("0", ReturnedValue::Falsy),
            ("-0.0", ReturnedValue::Falsy),
            ("\"\"", ReturnedValue::Falsy),
            ("{\"id\":\"b\"}", ReturnedValue::Node("b".to_owned())),
            ("{}", ReturnedValue::Other("an object".to_owned())),
            ("true", ReturnedValue::Other("`true`".to_owned())),
            ("7", ReturnedValue::Other("the number 7".to_owned())),
            ("[]", ReturnedValue::List(Vec::new())),
        ] {
            assert_eq!(read(printed), expected, "{printed}");
        }
    }

    #[test]
    fn a_list_holds_ids_and_nodes() {
        let printed = r#"["a", {"serverId": "b", "rank": 1}, 7, null, {}]"#;
        let properties = [("serverId".to_owned(), "b".into()), ("rank".to_owned(), 1.into())].into_iter().collect();
        let elements = vec![
            Element::Id("a".to_owned()),
            Element::Node("b".to_owned(), properties),
            Element::Other("the number 7".to_owned()),
        ];
        assert_eq!(read(printed), ReturnedValue::List(elements));
        for (printed, words) in [("[null]", "null"), ("[{}]", "an object without `id`"), ("[[]]", "a list")] {
            assert_eq!(read(printed), ReturnedValue::List(vec![Element::Other(words.to_owned())]));
        }
    }

    #[test]
    fn what_is_no_answer_is_called_what_it_is() {
        for (printed, words) in [
            ("choosing\nc\n", "2 lines of text"),
            ("c\u{7}", "control characters"),
            (&"[".repeat(100_000), "nested deeper than 64"),
        ] {
            let ReturnedValue::Other(found) = read(printed) else { panic!("{printed}") };
            assert!(found.contains(words), "{found}");
        }
        let binary = super::read(b"\xff\xfe\x00", |_| false);
        assert_eq!(binary, ReturnedValue::Other("output that is not UTF-8".to_owned()));
    }
}
