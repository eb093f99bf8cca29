//! The JSON Schema of a file of tests, made from the keys that its reader accepts.

use serde_json::{Map, Value, json};

use super::key::{SUITE_KEYS, SuiteKey, SuiteValue};

/// The schema, by which an editor completes and checks a `*.test.toml`.
#[must_use]
pub fn schema() -> Value {
    let mut sections: Vec<&str> = SUITE_KEYS.iter().map(|key| key.section).filter(|name| !name.is_empty()).collect();
    sections.dedup();
    let definitions: Map<_, _> = sections.iter().map(|name| ((*name).to_owned(), section(name))).collect();
    let mut root = section("");
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("Tests of balancer scripts"));
        root.insert("required".to_owned(), json!(["case"]));
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

fn section(name: &str) -> Value {
    let own = SUITE_KEYS.iter().filter(|key| key.section == name);
    let properties: Map<_, _> = own.map(|key| (key.key.to_owned(), property(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(key: &SuiteKey) -> Value {
    let mut kinds: Vec<_> = key.values.iter().copied().map(kind).collect();
    let mut property = match (kinds.pop(), kinds.is_empty()) {
        (Some(only), true) => only,
        (last, _) => json!({ "anyOf": kinds.into_iter().chain(last).collect::<Vec<_>>() }),
    };
    if let Some(fields) = property.as_object_mut() {
        fields.insert("description".to_owned(), json!(key.about));
    }
    property
}

fn kind(value: SuiteValue) -> Value {
    let defined = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    match value {
        SuiteValue::Text => json!({ "type": "string" }),
        SuiteValue::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        SuiteValue::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        SuiteValue::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        SuiteValue::Flag => json!({ "type": "boolean" }),
        SuiteValue::Free => json!({ "type": "object" }),
        SuiteValue::FreeList => json!({ "type": "array", "items": { "type": ["object", "string"] } }),
        SuiteValue::Section(name) => defined(name),
        SuiteValue::Sections(name) => json!({ "type": "array", "items": defined(name) }),
    }
}
