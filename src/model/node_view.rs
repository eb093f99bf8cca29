//! A view of a node: as many fields as were asked for, with their present values.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::dictionary::node_fields;
use super::node::Node;

/// The fields that reservations and marks change, `nodeData` aside.
pub const COUNTED: [&str; 3] = node_fields(["sessions", "loggedInUsers", "cordoned"]);

/// A node with fields built from the document, and the changes since the report on top.
#[derive(Clone, Debug)]
pub struct NodeView<'a> {
    node: &'a Node,
    fields: Cow<'a, Map<String, Value>>,
}

/// A top-level field of the node object, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum NodeField<'a> {
    /// A value from the report.
    Json(&'a Value),
    /// A number that includes reservations.
    Count(u64),
    /// A flag that marks may set.
    Flag(bool),
    /// `nodeData`, with reservations in the session list.
    Data(&'a NodeView<'a>),
}

/// A field of `nodeData`, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum DataField<'a> {
    /// A value from the report.
    Json(&'a Value),
    /// The sessions, reported and pending.
    Sessions(&'a Node),
}

impl<'a> NodeView<'a> {
    /// Returns a view of `node` through `fields`, which were built from the node's present report.
    #[must_use]
    pub fn through(node: &'a Node, fields: Cow<'a, Map<String, Value>>) -> Self {
        Self { node, fields }
    }

    /// Returns the node.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Returns the fields built for this view, to be used in a later view; `None` where the report keeps the fields.
    #[must_use]
    pub fn into_built(self) -> Option<Map<String, Value>> {
        match self.fields {
            Cow::Owned(built) => Some(built),
            Cow::Borrowed(_) => None,
        }
    }

    /// Returns every top-level field that was asked for, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, NodeField<'_>)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), self.current(name, value)))
    }

    /// Returns the same fields with `overlay` on top; fields that the overlay adds come last.
    pub fn fields_with<'b>(
        &'b self,
        overlay: Option<&'b Map<String, Value>>,
    ) -> impl Iterator<Item = (&'b str, NodeField<'b>)> {
        let overlaid = move |name: &str| overlay.and_then(|overlay| overlay.get(name)).map(NodeField::Json);
        let own = self.fields().map(move |(name, field)| (name, overlaid(name).unwrap_or(field)));
        let added = overlay.into_iter().flatten().filter(|(name, _)| self.field(name).is_none());
        own.chain(added.map(|(name, value)| (name.as_str(), NodeField::Json(value))))
    }

    /// Returns the top-level field `name` of `overlay`, else of the node.
    #[must_use]
    pub fn field_with<'b>(&'b self, name: &str, overlay: Option<&'b Map<String, Value>>) -> Option<NodeField<'b>> {
        overlay.and_then(|overlay| overlay.get(name)).map(NodeField::Json).or_else(|| self.field(name))
    }

    /// Returns the top-level field `name`, if the field was asked for.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<NodeField<'_>> {
        self.fields.get(name).map(|value| self.current(name, value))
    }

    /// Returns every field of `nodeData`, in order.
    pub fn data_fields(&self) -> impl Iterator<Item = (&str, DataField<'_>)> {
        let data = self.fields.get("nodeData").and_then(Value::as_object);
        data.into_iter().flatten().map(|(name, value)| match name.as_str() {
            "sessions" => (name.as_str(), DataField::Sessions(self.node)),
            _ => (name.as_str(), DataField::Json(value)),
        })
    }

    fn current<'b>(&'b self, name: &str, value: &'b Value) -> NodeField<'b> {
        match name {
            "nodeData" => NodeField::Data(self),
            _ => current(self.node, name, value),
        }
    }
}

/// Returns the present value of the field `name` of `node`, given the `value` in the node's report.
pub(super) fn current<'a>(node: &Node, name: &str, value: &'a Value) -> NodeField<'a> {
    match name {
        "sessions" => node.session_count().map_or(NodeField::Json(value), NodeField::Count),
        "cordoned" => NodeField::Flag(node.is_cordoned()),
        "loggedInUsers" if node.new_users() > 0 => {
            NodeField::Count(value.as_u64().unwrap_or_default().saturating_add(node.new_users()))
        }
        _ => NodeField::Json(value),
    }
}

impl Serialize for NodeField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Data(view) => serializer.collect_map(view.data_fields()),
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

impl NodeField<'_> {
    /// Returns the field as a separate JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => (*value).clone(),
            Self::Count(count) => json!(count),
            Self::Flag(flag) => json!(flag),
            Self::Data(view) => view
                .data_fields()
                .map(|(name, field)| (name.to_owned(), field.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// Whether the field equals `value`, without building a JSON value unless the field is `nodeData`.
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
    /// Returns the field as a separate JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => (*value).clone(),
            Self::Sessions(node) => node.sessions().map(|session| Value::Object(session.fields())).collect(),
        }
    }
}

/// Whether scripts see `left` and `right` as equal: `1` and `1.0` are the same number, and the order of an object's
/// members does not matter.
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
