//! The rows of a component's table, built from the present state of the nodes.

use serde_json::{Map, Value};

use crate::model::dictionary::node_fields;
use crate::model::{Cluster, Node, NodeField, NodeView, SlotIndex};

use super::contract::{CellKind, Column, ColumnWishes, Rows};

/// The fields that rows are built from.
const READ: [&str; 7] =
    node_fields(["sessions", "maxSessions", "freemem", "loadavg", "cordoned", "metadata", "staticData"]);
/// The number of columns that a component may ask for.
pub(super) const MAX_WISHES: usize = 64;

/// A node with the overlay of earlier steps.
pub(super) struct NodeRow<'a> {
    node: &'a Node,
    view: NodeView<'a>,
    overlay: Option<&'a Map<String, Value>>,
}

impl<'a> NodeRow<'a> {
    fn new(node: &'a Node, overlay: Option<&'a Map<String, Value>>, wishes: &ColumnWishes) -> Self {
        // The optional columns come last, and are the only ones that are read from the document.
        let unread = [wishes.metadata.is_empty(), wishes.static_data.is_empty()];
        let read = READ
            .into_iter()
            .filter(|name| !matches!((*name, unread), ("metadata", [true, _]) | ("staticData", [_, true])));
        Self { node, view: node.look_at(Some(&read.collect::<Vec<_>>())), overlay }
    }

    /// Returns the top-level field `name`, converted by `read` from the overlay or by `own` from the node.
    fn read<T>(
        &self,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
        own: impl Fn(NodeField<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.overlay.and_then(|overlay| overlay.get(name)) {
            Some(value) => read(value),
            None => own(self.view.field(name)?),
        }
    }

    fn number(&self, name: &str, of: fn(&Value) -> Option<f64>) -> f64 {
        let own = |field: NodeField<'_>| match field {
            NodeField::Json(value) => of(value),
            NodeField::Count(count) => Some(count as f64),
            NodeField::Flag(_) | NodeField::Data(_) => None,
        };
        self.read(name, of, own).unwrap_or(f64::NAN)
    }

    fn flag(&self, name: &str) -> bool {
        let own = |field: NodeField<'_>| match field {
            NodeField::Json(value) => value.as_bool(),
            NodeField::Flag(flag) => Some(flag),
            NodeField::Count(_) | NodeField::Data(_) => None,
        };
        self.read(name, Value::as_bool, own).unwrap_or_default()
    }

    /// Returns the value under `key` of the object `name`.
    fn member(&self, name: &str, key: &str) -> Option<&Value> {
        let object = match (self.overlay.and_then(|overlay| overlay.get(name)), self.view.field(name)) {
            (Some(value), _) | (None, Some(NodeField::Json(value))) => value,
            _ => return None,
        };
        object.get(key)
    }
}

/// Returns the rows of the nodes in `slots`, as far as the slots hold nodes; `overlay` returns the overlay of the node
/// in a slot.
pub(super) fn rows<'a>(
    cluster: &'a Cluster,
    slots: impl ExactSizeIterator<Item = SlotIndex>,
    overlay: impl Fn(SlotIndex) -> Option<&'a Map<String, Value>>,
    wishes: &ColumnWishes,
) -> Rows {
    let mut rows = Rows::with_capacity(slots.len(), wishes);
    for slot in slots {
        let (Some(node), Ok(row)) = (cluster.node(slot), u32::try_from(slot.index())) else { continue };
        rows.add(row, &NodeRow::new(node, overlay(slot), wishes), wishes);
    }
    rows
}

impl Rows {
    fn with_capacity(capacity: usize, wishes: &ColumnWishes) -> Self {
        let figures = || Vec::with_capacity(capacity);
        let columns = wishes.metadata.len() + wishes.static_data.len();
        Self {
            rows: Vec::with_capacity(capacity),
            ids: Vec::new(),
            id_offsets: vec![0],
            sessions: figures(),
            max_sessions: figures(),
            free_memory: figures(),
            load: figures(),
            cordoned: Vec::with_capacity(capacity),
            columns: (0..columns).map(|_| Column { offsets: vec![0], ..Column::default() }).collect(),
        }
    }

    fn add(&mut self, row: u32, node: &NodeRow<'_>, wishes: &ColumnWishes) {
        self.rows.push(row);
        self.ids.extend_from_slice(node.node.id().as_bytes());
        self.id_offsets.push(offset(&self.ids));
        self.sessions.push(node.number("sessions", Value::as_f64));
        self.max_sessions.push(node.number("maxSessions", Value::as_f64));
        self.free_memory.push(node.number("freemem", Value::as_f64));
        self.load.push(node.number("loadavg", |load| load.get(0)?.as_f64()));
        self.cordoned.push(node.flag("cordoned"));
        let wished = [("metadata", &wishes.metadata), ("staticData", &wishes.static_data)];
        let wished = wished.into_iter().flat_map(|(object, keys)| keys.iter().map(move |key| (object, key)));
        for (column, (object, key)) in self.columns.iter_mut().zip(wished) {
            column.add(node.member(object, key));
        }
    }
}

impl Column {
    fn add(&mut self, value: Option<&Value>) {
        let (kind, number) = match value {
            None | Some(Value::Null) => (CellKind::Absent, f64::NAN),
            Some(Value::String(text)) => {
                self.text.extend_from_slice(text.as_bytes());
                (CellKind::Text, f64::NAN)
            }
            Some(Value::Number(number)) => (CellKind::Number, number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::Bool(flag)) => (CellKind::Flag, f64::from(u8::from(*flag))),
            Some(Value::Array(_) | Value::Object(_)) => (CellKind::Json, f64::NAN),
        };
        if let Some(value) = value.filter(|_| matches!(kind, CellKind::Number | CellKind::Flag | CellKind::Json)) {
            // Writing a JSON value to a vector cannot fail.
            drop(serde_json::to_writer(&mut self.text, value));
        }
        self.kinds.push(kind);
        self.numbers.push(number);
        self.offsets.push(offset(&self.text));
    }
}

/// Returns the position where the next text begins. Node documents are bounded, and all of them together stay far below
/// 4 GiB.
fn offset(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Report};
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn every_kind_of_value_has_its_cell_and_overlays_lie_on_top() {
        let mut cluster = Cluster::default();
        for document in [
            json!({"id": "a", "sessions": 2, "freemem": 7, "loadavg": [0.5, 1, 2], "maxSessions": 9,
                "staticData": {"gpu": true, "model": "T4", "memory": 16, "tags": ["x"], "none": null}}),
            json!({"id": "b"}),
        ] {
            cluster.apply(Change::Report(Arc::new(Report::from_value(document).unwrap())));
        }
        let static_data = ["gpu", "model", "memory", "tags", "none", "missing"].map(str::to_owned).to_vec();
        let wishes = ColumnWishes { metadata: vec!["zone".to_owned()], static_data };
        let slots: Vec<_> = cluster.nodes().map(|(slot, _)| slot).collect();
        let overlay = json!({"sessions": 5, "cordoned": true, "metadata": {"zone": "north"}});
        let on_b = |slot: SlotIndex| overlay.as_object().filter(|_| slot.index() == 1);
        let rows = rows(&cluster, slots.into_iter(), on_b, &wishes);
        assert_eq!(
            (rows.rows.as_slice(), rows.ids.as_slice(), rows.id_offsets.as_slice()),
            ([0, 1].as_slice(), b"ab".as_slice(), [0, 1, 2].as_slice())
        );
        assert_eq!(
            (rows.sessions.as_slice(), rows.cordoned.as_slice()),
            ([2.0, 5.0].as_slice(), [false, true].as_slice())
        );
        assert_eq!((rows.free_memory[0], rows.load[0], rows.max_sessions[0]), (7.0, 0.5, 9.0));
        assert!(rows.free_memory[1].is_nan() && rows.load[1].is_nan() && rows.max_sessions[1].is_nan());
        let first: Vec<_> = rows.columns.iter().map(|column| column.kinds[0]).collect();
        assert_eq!(
            first,
            [
                CellKind::Absent,
                CellKind::Flag,
                CellKind::Text,
                CellKind::Number,
                CellKind::Json,
                CellKind::Absent,
                CellKind::Absent
            ]
        );
        assert_eq!(rows.columns[0].kinds[1], CellKind::Text);
        assert_eq!((rows.columns[1].numbers[0], rows.columns[3].numbers[0]), (1.0, 16.0));
        assert_eq!(rows.columns[4].text, br#"["x"]"#);
    }
}
