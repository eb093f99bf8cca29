//! Patterns of nodes: `{ metadata = { gpu = "true" } }` is any node that has at least this.

use serde_json::Value;

/// Whether `value` has at least what `pattern` says: of a table each named field, of a list the same elements in order, or
/// any element where the pattern is no list. Numbers are equal by value.
#[must_use]
pub fn matches(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(own), Value::Object(named)) => {
            named.iter().all(|(name, pattern)| own.get(name).is_some_and(|own| matches(own, pattern)))
        }
        (Value::Array(own), Value::Array(named)) => {
            own.len() == named.len() && own.iter().zip(named).all(|(own, pattern)| matches(own, pattern))
        }
        (Value::Array(own), pattern) => own.iter().any(|own| matches(own, pattern)),
        (Value::Number(own), Value::Number(named)) => own.as_f64() == named.as_f64(),
        (own, named) => own == named,
    }
}

/// `pattern` as a test file writes it.
#[must_use]
pub fn written(pattern: &Value) -> String {
    match pattern {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {}", written(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_is_the_least_that_is_there() {
        let node = json!({"id": "a", "sessions": 2, "metadata": {"gpu": "true", "rack": "r1"}, "services": ["a", "b"]});
        for (pattern, expected) in [
            (json!({}), true),
            (json!({"id": "a"}), true),
            (json!({"id": "b"}), false),
            (json!({"sessions": 2.0}), true),
            (json!({"metadata": {"gpu": "true"}}), true),
            (json!({"metadata": {"gpu": true}}), false),
            (json!({"metadata": {"cpu": "true"}}), false),
            (json!({"services": "b"}), true),
            (json!({"services": ["b"]}), false),
        ] {
            assert_eq!(matches(&node, &pattern), expected, "{pattern}");
        }
        assert_eq!(written(&json!({"metadata": {"gpu": "true"}})), "{ metadata = { gpu = \"true\" } }");
    }
}
