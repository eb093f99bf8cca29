//! What a component is told of nodes: rows of its table, built from the nodes as they are.

use serde_json::{Map, Value};

use crate::model::dictionary::node_fields;
use crate::model::{Cluster, Field, Look, Node, SlotIndex};

use super::contract::{Column, Kind, Rows, Wishes};

/// The fields that rows are built from.
const READ: [&str; 7] =
    node_fields(["sessions", "maxSessions", "freemem", "loadavg", "cordoned", "metadata", "staticData"]);
/// Columns that a component may wish for.
pub(super) const MAX_WISHES: usize = 64;

/// A node with what an earlier step set on it.
pub(super) struct Seen<'a> {
    node: &'a Node,
    look: Look<'a>,
    overlay: Option<&'a Map<String, Value>>,
}

impl<'a> Seen<'a> {
    fn new(node: &'a Node, overlay: Option<&'a Map<String, Value>>, wishes: &Wishes) -> Self {
        // The columns that are wished for come last, and are the only ones that cost a look into the document.
        let unread = [wishes.metadata.is_empty(), wishes.static_data.is_empty()];
        let read = READ
            .into_iter()
            .filter(|name| !matches!((*name, unread), ("metadata", [true, _]) | ("staticData", [_, true])));
        Self { node, look: node.look_at(Some(&read.collect::<Vec<_>>())), overlay }
    }

    /// The top-level field `name`, as `read` understands it.
    fn read<T>(
        &self,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
        own: impl Fn(Field<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.overlay.and_then(|overlay| overlay.get(name)) {
            Some(value) => read(value),
            None => own(self.look.field(name)?),
        }
    }

    fn number(&self, name: &str, of: fn(&Value) -> Option<f64>) -> f64 {
        let own = |field: Field<'_>| match field {
            Field::Json(value) => of(value),
            Field::Count(count) => Some(count as f64),
            Field::Flag(_) | Field::Data(_) => None,
        };
        self.read(name, of, own).unwrap_or(f64::NAN)
    }

    fn flag(&self, name: &str) -> bool {
        let own = |field: Field<'_>| match field {
            Field::Json(value) => value.as_bool(),
            Field::Flag(flag) => Some(flag),
            Field::Count(_) | Field::Data(_) => None,
        };
        self.read(name, Value::as_bool, own).unwrap_or_default()
    }

    /// The value under `key` of the object `name`.
    fn member(&self, name: &str, key: &str) -> Option<&Value> {
        let object = match (self.overlay.and_then(|overlay| overlay.get(name)), self.look.field(name)) {
            (Some(value), _) | (None, Some(Field::Json(value))) => value,
            _ => return None,
        };
        object.get(key)
    }
}

/// The rows of the nodes in `slots`, as far as there are nodes; `overlay` says what is set on the node in a slot.
pub(super) fn rows<'a>(
    cluster: &'a Cluster,
    slots: impl ExactSizeIterator<Item = SlotIndex>,
    overlay: impl Fn(SlotIndex) -> Option<&'a Map<String, Value>>,
    wishes: &Wishes,
) -> Rows {
    let mut rows = Rows::with_capacity(slots.len(), wishes);
    for slot in slots {
        let (Some(node), Ok(row)) = (cluster.node(slot), u32::try_from(slot.index())) else { continue };
        rows.add(row, &Seen::new(node, overlay(slot), wishes), wishes);
    }
    rows
}

impl Rows {
    fn with_capacity(capacity: usize, wishes: &Wishes) -> Self {
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

    fn add(&mut self, row: u32, seen: &Seen<'_>, wishes: &Wishes) {
        self.rows.push(row);
        self.ids.extend_from_slice(seen.node.id().as_bytes());
        self.id_offsets.push(offset(&self.ids));
        self.sessions.push(seen.number("sessions", Value::as_f64));
        self.max_sessions.push(seen.number("maxSessions", Value::as_f64));
        self.free_memory.push(seen.number("freemem", Value::as_f64));
        self.load.push(seen.number("loadavg", |load| load.get(0)?.as_f64()));
        self.cordoned.push(seen.flag("cordoned"));
        let wished = [("metadata", &wishes.metadata), ("staticData", &wishes.static_data)];
        let wished = wished.into_iter().flat_map(|(object, keys)| keys.iter().map(move |key| (object, key)));
        for (column, (object, key)) in self.columns.iter_mut().zip(wished) {
            column.add(seen.member(object, key));
        }
    }
}

impl Column {
    fn add(&mut self, value: Option<&Value>) {
        let (kind, number) = match value {
            None | Some(Value::Null) => (Kind::Absent, f64::NAN),
            Some(Value::String(text)) => {
                self.text.extend_from_slice(text.as_bytes());
                (Kind::Text, f64::NAN)
            }
            Some(Value::Number(number)) => (Kind::Number, number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::Bool(flag)) => (Kind::Flag, f64::from(u8::from(*flag))),
            Some(Value::Array(_) | Value::Object(_)) => (Kind::Json, f64::NAN),
        };
        if let Some(value) = value.filter(|_| matches!(kind, Kind::Number | Kind::Flag | Kind::Json)) {
            // A JSON value can always be written, and so can a vector.
            drop(serde_json::to_writer(&mut self.text, value));
        }
        self.kinds.push(kind);
        self.numbers.push(number);
        self.offsets.push(offset(&self.text));
    }
}

/// Where the next text begins. Node documents are bounded, and all of them together stay far below 4 GiB.
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
        let wishes = Wishes { metadata: vec!["zone".to_owned()], static_data };
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
        assert_eq!(first, [Kind::Absent, Kind::Flag, Kind::Text, Kind::Number, Kind::Json, Kind::Absent, Kind::Absent]);
        assert_eq!(rows.columns[0].kinds[1], Kind::Text);
        assert_eq!((rows.columns[1].numbers[0], rows.columns[3].numbers[0]), (1.0, 16.0));
        assert_eq!(rows.columns[4].text, br#"["x"]"#);
    }
}
