//! Conversion of JSON to values of a script, and back.

use rhai::{Array, Dynamic, Map};
use serde_json::{Number, Value};

use crate::model::json::MAX_DEPTH;

use super::fields::OverlayFields;
use super::lists::List;
use super::objects::ReadOnlyMap;

/// Returns `value` with maps and lists that are copied only when a script writes to them.
pub(super) fn shared(value: &Value) -> Dynamic {
    match value {
        Value::Array(list) => Dynamic::from(List::new(list.iter().map(shared).collect())),
        Value::Object(fields) => Dynamic::from(ReadOnlyMap::new(
            fields.iter().map(|(name, value)| (name.as_str().into(), shared(value))).collect(),
        )),
        scalar => scalar_to_dynamic(scalar),
    }
}

/// Returns `value` with maps and lists of the script's own.
pub(super) fn own(value: &Value) -> Dynamic {
    match value {
        Value::Array(list) => Dynamic::from_array(list.iter().map(own).collect()),
        Value::Object(fields) => {
            Dynamic::from_map(fields.iter().map(|(name, value)| (name.as_str().into(), own(value))).collect())
        }
        scalar => scalar_to_dynamic(scalar),
    }
}

fn scalar_to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Null | Value::Array(_) | Value::Object(_) => Dynamic::UNIT,
    }
}

/// The reason why a value is not converted to JSON.
#[derive(Debug)]
pub(super) enum Excess {
    /// The value nests too deep.
    Depth,
    /// The value is too large.
    Size,
}

/// Writes values as JSON, up to a size: a map may hold all nodes, each with all fields.
pub(super) struct ToJson<'a> {
    fields: &'a OverlayFields,
    bytes_left: usize,
}

impl<'a> ToJson<'a> {
    pub(super) fn new(fields: &'a OverlayFields, max_bytes: usize) -> Self {
        Self { fields, bytes_left: max_bytes }
    }

    /// Returns `value` as JSON; `None` where JSON cannot express the value.
    pub(super) fn value(&mut self, value: &Dynamic) -> Result<Option<Value>, Excess> {
        self.at(value, 0)
    }

    fn at(&mut self, value: &Dynamic, depth: usize) -> Result<Option<Value>, Excess> {
        if depth > MAX_DEPTH {
            return Err(Excess::Depth);
        }
        if value.is_shared() {
            return self.at(&value.flatten_clone(), depth);
        }
        if let Some(scalar) = scalar_to_json(value) {
            let text = scalar.as_str().map_or(0, str::len);
            self.take(8 + text)?;
            return Ok(Some(scalar));
        }
        if let Ok(list) = value.as_array_ref() {
            return self.list(&list, depth).map(Some);
        }
        if let Some(list) = value.read_lock::<List>() {
            return self.list(list.items(), depth).map(Some);
        }
        match self.fields.of(value) {
            Some(fields) => self.map(&fields, depth).map(Some),
            None => Ok(None),
        }
    }

    fn list(&mut self, list: &Array, depth: usize) -> Result<Value, Excess> {
        self.take(2)?;
        // As in JSON: an element that JSON cannot express becomes `null`.
        list.iter().map(|item| self.at(item, depth + 1).map(Option::unwrap_or_default)).collect()
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<Value, Excess> {
        let mut fields = serde_json::Map::new();
        for (name, value) in map {
            self.take(4 + name.len())?;
            if let Some(value) = self.at(value, depth + 1)? {
                fields.insert(name.to_string(), value);
            }
        }
        Ok(fields.into())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Excess> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Excess::Size)?;
        Ok(())
    }
}

fn scalar_to_json(value: &Dynamic) -> Option<Value> {
    if value.is_unit() {
        Some(Value::Null)
    } else if let Ok(flag) = value.as_bool() {
        Some(flag.into())
    } else if let Ok(number) = value.as_int() {
        Some(number.into())
    } else if let Ok(number) = value.as_float() {
        Some(Number::from_f64(number).map_or(Value::Null, Value::Number))
    } else if let Ok(text) = value.as_immutable_string_ref() {
        Some(text.as_str().into())
    } else {
        value.as_char().ok().map(|one| one.to_string().into())
    }
}
