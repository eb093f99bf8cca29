//! Cells: what a field of a node or of the request holds, as compiled code reads it, with the lists and records that it
//! takes.

use serde_json::{Map, Value};
use wasmtime::{Memory, Store};

use crate::model::node_view::DataField;
use crate::model::{Node, NodeField};

use super::emit::MAX_PAGES;
use super::host::Surroundings;
use super::paths::{PathId, Paths};
use super::request::RequestCell;
use super::table::REQUEST_AT;
use super::value::{self, LIST_BYTES};

/// There is no room for the nodes.
#[derive(Debug)]
pub(super) struct Full;

/// Something to write cells with.
pub(super) struct CellWriter<'a> {
    pub(super) store: &'a mut Store<Surroundings>,
    pub(super) memory: Memory,
    pub(super) paths: &'a Paths,
    /// Where the next list goes.
    pub(super) end: &'a mut u32,
    /// Where the room for lists ends.
    pub(super) limit: u32,
}

/// What a field of a node holds.
pub(super) enum NodeCell<'a> {
    Value(Option<&'a Value>),
    Number(f64),
    Flag(bool),
    Object,
    Sessions(&'a Node),
}

/// What lies at `names` in `node`, where that is at hand without a look into the document.
pub(super) fn at_hand<'a>(names: &[String], node: &'a Node) -> Option<NodeCell<'a>> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["nodeData"] => Some(NodeCell::Object),
        ["nodeData", "sessions"] => Some(NodeCell::Sessions(node)),
        [name] => match node.typed(name)? {
            None => Some(NodeCell::Value(None)),
            Some(Value::Number(number)) => Some(NodeCell::Number(number.as_f64().unwrap_or(f64::NAN))),
            Some(Value::Bool(flag)) => Some(NodeCell::Flag(flag)),
            Some(_) => None,
        },
        _ => None,
    }
}

/// What lies at `names` in the node that `look` looks at.
pub(super) fn found<'a>(look: &'a crate::model::NodeView<'a>, names: &[String], node: &'a Node) -> NodeCell<'a> {
    let Some((first, rest)) = names.split_first() else { return NodeCell::Value(None) };
    match (look.field(first), rest.split_first()) {
        (None, _) => NodeCell::Value(None),
        (Some(NodeField::Json(value)), _) => NodeCell::Value(within(Some(value), rest)),
        (Some(NodeField::Count(count)), None) => NodeCell::Number(count as f64),
        (Some(NodeField::Flag(flag)), None) => NodeCell::Flag(flag),
        (Some(NodeField::Data(_)), None) => NodeCell::Object,
        (Some(NodeField::Data(_)), Some((second, rest))) => match look.data_fields().find(|(name, _)| name == second) {
            Some((_, DataField::Json(value))) => NodeCell::Value(within(Some(value), rest)),
            Some((_, DataField::Sessions(_))) if rest.is_empty() => NodeCell::Sessions(node),
            Some((_, DataField::Sessions(_))) | None => NodeCell::Value(None),
        },
        (Some(NodeField::Count(_) | NodeField::Flag(_)), Some(_)) => NodeCell::Value(None),
    }
}

/// What lies at `names` in `value`, where these lead through objects.
pub(super) fn within<'a>(value: Option<&'a Value>, names: &[String]) -> Option<&'a Value> {
    names.iter().try_fold(value?, |value, name| value.as_object()?.get(name))
}

impl CellWriter<'_> {
    /// The cell at `path` in this row.
    ///
    /// # Errors
    /// Where there is no room.
    pub(super) fn cell(&mut self, cell: &NodeCell<'_>, path: PathId, row: u32) -> Result<u64, Full> {
        match cell {
            NodeCell::Value(value) => self.value(*value, path, row),
            NodeCell::Number(number) => Ok(value::number(*number)),
            NodeCell::Flag(flag) => Ok(value::flag(*flag)),
            NodeCell::Object => Ok(value::object(path, row)),
            NodeCell::Sessions(node) => {
                // Where nobody looks at a session, they are only counted.
                if self.paths.get(path).is_some_and(|path| path.items.is_none()) {
                    return self.unknown_list(node.session_len());
                }
                let sessions: Vec<Value> = node.sessions().map(|session| Value::Object(session.fields())).collect();
                self.items(&sessions, path)
            }
        }
    }

    /// The same for a field of the request.
    ///
    /// # Errors
    /// Where there is no room.
    pub(super) fn asked(&mut self, cell: &RequestCell<'_>, path: PathId) -> Result<u64, Full> {
        match cell {
            RequestCell::Value(value) => self.value(*value, path, REQUEST_AT),
            RequestCell::Number(number) => Ok(value::number(*number)),
            RequestCell::Object => Ok(value::object(path, REQUEST_AT)),
            RequestCell::Nodes => Ok(value::UNKNOWN),
            RequestCell::List(items) => self.items(items, path),
        }
    }

    /// The cell for `value`, which lies at `path` in this row or record.
    fn value(&mut self, value: Option<&Value>, path: PathId, row: u32) -> Result<u64, Full> {
        Ok(match value {
            None => value::UNDEFINED,
            Some(Value::Null) => value::NULL,
            Some(Value::Bool(flag)) => value::flag(*flag),
            Some(Value::Number(number)) => value::number(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::String(text)) => value::text(self.store.data_mut().strings.intern(text)),
            Some(Value::Object(_)) => value::object(path, row),
            Some(Value::Array(items)) => return self.items(items, path),
        })
    }

    fn take(&mut self, bytes: u32) -> Result<u32, Full> {
        let at = *self.end;
        *self.end = at.checked_add(bytes).filter(|end| *end <= self.limit).ok_or(Full)?;
        grow(self.store, self.memory, *self.end)?;
        Ok(at)
    }

    fn header(&mut self, count: usize) -> Result<(u32, u32), Full> {
        let count = u32::try_from(count).map_err(|_too_many| Full)?;
        let at = self.take(LIST_BYTES + 8 * count)?;
        for (place, word) in (0..).zip([count, count, at + LIST_BYTES, 1]) {
            put(self.store, self.memory, at + 4 * place, &u32::to_le_bytes(word))?;
        }
        Ok((at, at + LIST_BYTES))
    }

    fn unknown_list(&mut self, count: usize) -> Result<u64, Full> {
        let (list, items) = self.header(count)?;
        put(self.store, self.memory, items, &value::UNKNOWN.to_le_bytes().repeat(count))?;
        Ok(value::list(list))
    }

    /// A list of `items`, which lie at `path`.
    fn items(&mut self, items: &[Value], path: PathId) -> Result<u64, Full> {
        let (list, mut at) = self.header(items.len())?;
        let root = self.paths.get(path).and_then(|path| path.items);
        for item in items {
            let bits = match (item, root) {
                (Value::Object(fields), Some(root)) => self.record(fields, root)?,
                (Value::Object(_) | Value::Array(_), _) => value::UNKNOWN,
                (scalar, _) => self.value(Some(scalar), path, 0)?,
            };
            put(self.store, self.memory, at, &bits.to_le_bytes())?;
            at += 8;
        }
        Ok(value::list(list))
    }

    fn record(&mut self, fields: &Map<String, Value>, root: PathId) -> Result<u64, Full> {
        let places = self.paths.root_of(root).map(|root| root.places.clone()).unwrap_or_default();
        let at = self.take(8 * places.len().max(1) as u32)?;
        for (place, path) in (0..).zip(places) {
            let names = self.paths.get(path).map(|path| path.names.as_slice()).unwrap_or_default();
            let value = names.split_first().and_then(|(first, rest)| within(fields.get(first), rest));
            let bits = self.value(value, path, at)?;
            put(self.store, self.memory, at + 8 * place, &bits.to_le_bytes())?;
        }
        Ok(value::object(root, at))
    }
}

/// Writes `bytes` at `at`.
pub(super) fn put(store: &mut Store<Surroundings>, memory: Memory, at: u32, bytes: &[u8]) -> Result<(), Full> {
    memory.write(store, at as usize, bytes).map_err(|_outside| Full)
}

/// Makes memory reach to `end`.
pub(super) fn grow(store: &mut Store<Surroundings>, memory: Memory, end: u32) -> Result<(), Full> {
    let (pages, wanted) = (memory.size(&*store), (u64::from(end) >> 16) + 1);
    if wanted <= pages {
        return Ok(());
    }
    if wanted > MAX_PAGES {
        return Err(Full);
    }
    memory.grow(store, wanted - pages).map(drop).map_err(|_refused| Full)
}
