//! JSON Schemas (draft 2020-12) of the documents that come in: a node and a request.
//!
//! The schemas allow the same documents as the readers: other members are allowed everywhere, and `null` counts as
//! absent.

use serde_json::{Map, Value, json};

use crate::model::dictionary::{FieldDoc, Holds, ListElement, NODE, REQUEST, SESSION, USER, members};
use crate::model::report::MAX_SESSIONS;

use super::of_field;

/// The dialect of every schema.
pub(super) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Returns the schema of a node's document, as agents and node lists write the document.
pub(super) fn node() -> Value {
    let mut schema =
        root("whither: a node", "A node, as its agent reports it, and as the node list of `place` has it.");
    let mut members = properties(&NODE, "");
    // The older generation has a number where the newer one has a list, and either may take the other form.
    members.insert("sessions".to_owned(), or_null(sessions("The sessions, or their number.")));
    let data = members.get_mut("nodeData").and_then(|data| data.pointer_mut("/properties"));
    if let Some(data) = data.and_then(Value::as_object_mut) {
        data.insert("sessions".to_owned(), or_null(sessions("The sessions, or their number.")));
    }
    schema.insert("properties".to_owned(), members.into());
    schema.insert("anyOf".to_owned(), json!([{"required": ["id"]}, {"required": ["serverId"]}]));
    schema.insert("$defs".to_owned(), json!({ "session": object(properties(&SESSION, ""), "A session.") }));
    schema.into()
}

/// Returns the schema of a request, as a launcher sends requests to `NS.place` and `NS.explain`.
pub(super) fn request() -> Value {
    let mut schema = root("whither: a request", "A request for a placement. All fields are optional.");
    schema.insert("properties".to_owned(), properties(&REQUEST, "").into());
    let user = object(properties(&USER, ""), "A user, with any other fields.");
    schema.insert("$defs".to_owned(), json!({ "user": user }));
    schema.into()
}

/// Returns the beginning of a schema of an object.
pub(super) fn root(title: &str, about: &str) -> Map<String, Value> {
    let head = json!({ "$schema": DRAFT, "title": title, "description": about, "type": "object" });
    head.as_object().cloned().unwrap_or_default()
}

fn object(members: Map<String, Value>, about: &str) -> Value {
    json!({ "type": "object", "description": about, "properties": members })
}

/// Returns the members below `path` that may stand in the document.
fn properties(table: &[FieldDoc], path: &str) -> Map<String, Value> {
    let sent = members(table, path).filter(|field| field.is_sent());
    sent.map(|field| (field.name().to_owned(), or_null(value(table, field)))).collect()
}

fn value(table: &[FieldDoc], field: &FieldDoc) -> Value {
    let schema = match field.holds {
        Holds::Text => json!({"type": "string"}),
        Holds::Name(least, most) => json!({"type": "string", "minLength": least, "maxLength": most}),
        Holds::Number => json!({"type": "number", "minimum": 0}),
        Holds::Whole => json!({"type": "integer", "minimum": 0}),
        Holds::Range(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Holds::Flag => json!({"type": "boolean"}),
        Holds::Any => json!({}),
        Holds::Object | Holds::Open => json!({"type": "object", "properties": properties(table, field.path)}),
        // The agent writes text; values of any type from other reporters are accepted.
        Holds::Texts => json!({"type": "object"}),
        Holds::User => json!({"$ref": "#/$defs/user"}),
        Holds::List(element) => json!({"type": "array", "items": items(element)}),
    };
    described(schema, of_field(field))
}

/// Returns `schema` with the description `about`.
pub(super) fn described(schema: Value, about: String) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    schema.insert("description".to_owned(), about.into());
    schema.into()
}

fn items(element: ListElement) -> Value {
    match element {
        // The readers check none of these elements.
        ListElement::Text | ListElement::Node => json!({}),
        ListElement::Number => json!({"type": "number", "minimum": 0}),
        ListElement::Session => json!({"$ref": "#/$defs/session"}),
        ListElement::Service => json!({"type": ["string", "object"]}),
    }
}

fn sessions(about: &str) -> Value {
    json!({
        "description": about,
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "array", "maxItems": MAX_SESSIONS,
                "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/session"}]}},
        ],
    })
}

/// Returns `schema` with `null` allowed, which the readers treat as an absent field.
fn or_null(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    if let Some(name) = schema.get("type").and_then(Value::as_str).map(str::to_owned) {
        schema.insert("type".to_owned(), json!([name, "null"]));
    } else if schema.contains_key("$ref") || schema.contains_key("anyOf") {
        let about = schema.remove("description").unwrap_or_default();
        return json!({"description": about, "anyOf": [schema, {"type": "null"}]});
    }
    schema.into()
}
