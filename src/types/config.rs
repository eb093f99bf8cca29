//! The JSON Schema of the config, from the lists that the config's readers check against.
//!
//! `ConfigKey::expected` is written for a person, in a few forms (`1 to 64`, `` `"fast"` or `"strict"` ``, `a list of
//! …`). These forms are parsed here: a second list of types could contradict them.

use serde_json::{Map, Value, json};

use crate::config::chains::MAX_STEPS;
use crate::config::figure::{FIGURES, Figure};
use crate::config::key::{ConfigKey, KEYS};

use super::schema::{described, root};
use super::sentence;

/// The sections of a config, each with a description; `chain` has a table for each action.
const SECTIONS: [(&str, &str); 6] = [
    ("nats", "Where the bus is, and how to log in."),
    ("http", "The small HTTP port."),
    ("service", "How the service keeps its state."),
    ("limits", "What is bounded, and how far."),
    ("tokens", "By which keys and rules the tokens of requests are verified."),
    ("tracing", "The collector that spans of requests are sent to."),
];

/// Returns the schema of a config.
pub(super) fn config() -> Value {
    let mut schema = root("whither: a config", "The config of the service, in TOML. Unknown keys are refused.");
    let sections = SECTIONS.iter().map(|(name, about)| ((*name).to_owned(), section(name, about)));
    let mut sections: Map<_, _> = sections.collect();
    let chains = json!({
        "type": "object", "description": "A chain of steps for each action.", "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/chain"},
    });
    sections.insert("chain".to_owned(), chains);
    schema.insert("properties".to_owned(), sections.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema.insert("$defs".to_owned(), json!({ "chain": chain(), "step": step() }));
    schema.into()
}

fn chain() -> Value {
    let Value::Object(mut schema) = section("chain", "The chain of one action.") else { return Value::Null };
    schema.insert("required".to_owned(), json!(["steps"]));
    if let Some(steps) = schema.get_mut("properties").and_then(|own| own.get_mut("steps")) {
        let items = json!({"anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/$defs/step"}]});
        let list = json!({"type": "array", "minItems": 1, "maxItems": MAX_STEPS, "items": items});
        let about = steps.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        *steps = described(list, about);
    }
    schema.into()
}

fn step() -> Value {
    let Value::Object(mut schema) = section("step", "A step that is a table.") else { return Value::Null };
    schema.insert("oneOf".to_owned(), json!([{"required": ["script"]}, {"required": ["builtin"]}]));
    schema.into()
}

fn section(name: &str, about: &str) -> Value {
    let keys = KEYS.iter().filter(|key| key.section == name).map(|key| (key.key.to_owned(), of_key(key)));
    let figures = FIGURES.iter().filter(|figure| figure.section == name);
    let figures = figures.map(|figure| (figure.key.to_owned(), of_figure(figure)));
    let properties: Map<_, _> = keys.chain(figures).collect();
    json!({"type": "object", "description": about, "properties": properties, "additionalProperties": false})
}

fn of_figure(figure: &Figure) -> Value {
    let Figure { default, least, most, about, .. } = *figure;
    let schema = json!({"type": "integer", "minimum": least, "maximum": most, "default": default});
    described(schema, sentence(about))
}

fn of_key(key: &ConfigKey) -> Value {
    let Value::Object(mut schema) = read(key.expected) else { return Value::Null };
    if let Ok(default) = serde_json::from_str::<Value>(key.default) {
        schema.insert("default".to_owned(), default);
    }
    described(schema.into(), format!("{} Expected: {}.", sentence(key.about), key.expected))
}

/// Returns the schema of the type that `expected` describes.
fn read(expected: &str) -> Value {
    if expected == "`true` or `false`" {
        return json!({"type": "boolean"});
    }
    if let Some((least, most)) = range(expected) {
        return json!({"type": "integer", "minimum": least, "maximum": most});
    }
    if let Some(words) = alternatives(expected) {
        let fixed: Vec<_> = words.iter().filter(|word| !word.ends_with(":NAME")).collect();
        let Some(open) = words.iter().find_map(|word| word.strip_suffix("NAME")) else { return json!({"enum": fixed}) };
        return json!({"anyOf": [{"enum": fixed}, {"type": "string", "pattern": format!("^{open}.")}]});
    }
    let text = json!({"type": "string", "minLength": 1});
    if expected.starts_with("a list of ") {
        return json!({"type": "array"});
    }
    if expected.ends_with(", or a list of them") {
        return json!({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]});
    }
    if expected.contains(", or a list of ") {
        return json!({"anyOf": [text, {"type": "array", "items": text}]});
    }
    text
}

/// Returns the numbers of `1 to 64`.
fn range(expected: &str) -> Option<(u32, u32)> {
    let (least, most) = expected.split_once(" to ")?;
    Some((least.parse().ok()?, most.parse().ok()?))
}

/// Returns the words of `` `"fast"` or `"strict"` ``, where there is nothing else.
fn alternatives(expected: &str) -> Option<Vec<String>> {
    let parts = expected.split('`').enumerate();
    let (words, between): (Vec<_>, Vec<_>) = parts.partition(|(place, _)| place % 2 == 1);
    let is_plain = between.iter().all(|(_, text)| ["", ", ", " or "].contains(text));
    if !is_plain || words.len() < 2 {
        return None;
    }
    words.into_iter().map(|(_, word)| serde_json::from_str::<String>(word).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the type that is parsed from the expected form of the key `section.key`.
    fn check(section: &str, key: &str, expected: Value) {
        let found = KEYS.iter().find(|one| (one.section, one.key) == (section, key)).unwrap();
        assert_eq!(read(found.expected), expected, "{section}.{key}: {}", found.expected);
    }

    #[test]
    fn the_words_of_keys_are_types() {
        let text = json!({"type": "string", "minLength": 1});
        check("nats", "url", json!({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}));
        check("nats", "namespace", text.clone());
        check("nats", "replicas", json!({"type": "integer", "minimum": 1, "maximum": 5}));
        check("nats", "tls_required", json!({"type": "boolean"}));
        check("service", "user_names", json!({"enum": ["as-is", "ignore-case", "short"]}));
        check("service", "environment", json!({"anyOf": [text, {"type": "array", "items": text}]}));
        let fallback = json!({"type": "string", "pattern": "^fallback:."});
        check("step", "on_error", json!({"anyOf": [{"enum": ["stop", "skip"]}, fallback]}));
    }

    /// Words in a new form would be taken for text in silence.
    #[test]
    fn every_key_that_is_text_is_known_to_be() {
        let text: Vec<_> =
            KEYS.iter().filter(|key| read(key.expected)["type"] == "string").map(|key| key.key).collect();
        let expected = [
            "namespace",
            "inbox_prefix",
            "credentials",
            "token",
            "user",
            "password",
            "nkey",
            "tls_ca",
            "tls_cert",
            "tls_key",
            "listen",
            "endpoint",
            "timezone",
            "secret_file",
            "groups_claim",
            "admin_claim",
            "login_claim",
            "script",
            "builtin",
        ];
        assert_eq!(text, expected);
    }
}
