//! A look at a node: as many of its fields as somebody asked for, as they are now.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::dictionary::node_fields;
use super::node::Node;

/// The fields that reservations and marks change, `nodeData` aside.
pub const COUNTED: [&str; 3] = node_fields(["sessions", "loggedInUsers", "cordoned"]);

/// A node with fields built from its document, and what happened since then on top.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    node: &'a Node,
    fields: Cow<'a, Map<String, Value>>,
}

/// One top-level field of the node object, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// As the report has it.
    Json(&'a Value),
    /// A number that counts reservations too.
    Count(u64),
    /// A flag that marks may set.
    Flag(bool),
    /// `nodeData`, whose session list holds reservations too.
    Data(&'a Look<'a>),
}

/// One field of `nodeData`, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum DataField<'a> {
    /// As the report has it.
    Json(&'a Value),
    /// The sessions, reported and pending.
    Sessions(&'a Node),
}

impl<'a> Look<'a> {
    /// A look at `node` through `fields`, which were built from its present report.
    #[must_use]
    pub fn through(node: &'a Node, fields: Cow<'a, Map<String, Value>>) -> Self {
        Self { node, fields }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// What was built for this look, to be looked through again; nothing where the report keeps it.
    #[must_use]
    pub fn into_built(self) -> Option<Map<String, Value>> {
        match self.fields {
            Cow::Owned(built) => Some(built),
            Cow::Borrowed(_) => None,
        }
    }

    /// Every top-level field that was asked for, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Field<'_>)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), self.current(name, value)))
    }

    /// The same as `overlay` has them, where it does; what it adds comes last.
    pub fn fields_with<'b>(
        &'b self,
        overlay: Option<&'b Map<String, Value>>,
    ) -> impl Iterator<Item = (&'b str, Field<'b>)> {
        let overlaid = move |name: &str| overlay.and_then(|overlay| overlay.get(name)).map(Field::Json);
        let own = self.fields().map(move |(name, field)| (name, overlaid(name).unwrap_or(field)));
        let added = overlay.into_iter().flatten().filter(|(name, _)| self.field(name).is_none());
        own.chain(added.map(|(name, value)| (name.as_str(), Field::Json(value))))
    }

    /// The top-level field `name` as `overlay` has it, else as it is.
    #[must_use]
    pub fn field_with<'b>(&'b self, name: &str, overlay: Option<&'b Map<String, Value>>) -> Option<Field<'b>> {
        overlay.and_then(|overlay| overlay.get(name)).map(Field::Json).or_else(|| self.field(name))
    }

    /// The top-level field `name`, where it was asked for.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field<'_>> {
        self.fields.get(name).map(|value| self.current(name, value))
    }

    /// Every field of `nodeData`, in order.
    pub fn data_fields(&self) -> impl Iterator<Item = (&str, DataField<'_>)> {
        let data = self.fields.get("nodeData").and_then(Value::as_object);
        data.into_iter().flatten().map(|(name, value)| match name.as_str() {
            "sessions" => (name.as_str(), DataField::Sessions(self.node)),
            _ => (name.as_str(), DataField::Json(value)),
        })
    }

    fn current<'b>(&'b self, name: &str, value: &'b Value) -> Field<'b> {
        match name {
            "nodeData" => Field::Data(self),
            _ => current(self.node, name, value),
        }
    }
}

/// The field `name` of `node`, whose report says `value` of it, as it is now.
pub(super) fn current<'a>(node: &Node, name: &str, value: &'a Value) -> Field<'a> {
    match name {
        "sessions" => node.session_count().map_or(Field::Json(value), Field::Count),
        "cordoned" => Field::Flag(node.is_cordoned()),
        "loggedInUsers" if node.new_users() > 0 => {
            Field::Count(value.as_u64().unwrap_or_default().saturating_add(node.new_users()))
        }
        _ => Field::Json(value),
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Data(look) => serializer.collect_map(look.data_fields()),
        }
    }
}

impl Serialize for DataField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Sessions(node) => serializer.collect_seq(node.sessions().map(|session| session.fields())),
        }
    }
}

impl Field<'_> {
    /// The field as a JSON value of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => (*value).clone(),
            Self::Count(count) => json!(count),
            Self::Flag(flag) => json!(flag),
            Self::Data(look) => look
                .data_fields()
                .map(|(name, field)| (name.to_owned(), field.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// Whether `value` is this field, without building it.
    #[must_use]
    pub fn equals(&self, value: &Value) -> bool {
        match self {
            Self::Json(own) => same(own, value),
            Self::Count(count) => value.as_f64() == Some(*count as f64),
            Self::Flag(flag) => value.as_bool() == Some(*flag),
            Self::Data(_) => same(&self.to_value(), value),
        }
    }
}

impl DataField<'_> {
    /// The field as a JSON value of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => (*value).clone(),
            Self::Sessions(node) => node.sessions().map(|session| Value::Object(session.fields())).collect(),
        }
    }
}

/// Equality as scripts see it: `1` and `1.0` are one number, and the order of an object's members says nothing.
#[must_use]
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}
