//! Reads a single value of a JSON text without building the rest.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Returns the value in `text` on the path of these `names` from the outside in, or the value in which the path ends
/// early because that value is no object; with the number of names that led to the value. Of two fields of the same
/// name the last counts. `None` where there is no value, or no JSON.
#[must_use]
pub(super) fn value_at(text: &str, names: &[String]) -> Option<(usize, Value)> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (left, value) = PathSeed(names).deserialize(&mut deserializer).ok().flatten()?;
    Some((names.len().saturating_sub(left), value))
}

/// The rest of a path; yields the number of names left over, and the value.
struct PathSeed<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for PathSeed<'_> {
    type Value = Option<(usize, Value)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<(usize, Value)>, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(deserializer).map(|value| Some((0, value))),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for PathSeed<'_> {
    type Value = Option<(usize, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<(usize, Value)>, A::Error> {
        let Some((name, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(IsName(name))? {
            if is_it {
                found = map.next_value_seed(PathSeed(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<(usize, Value)>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Some((self.0.len(), Value::Array(values))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<(usize, Value)>, E> {
        Ok(Some((self.0.len(), text.into())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<(usize, Value)>, E> {
        Ok(Some((self.0.len(), value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<(usize, Value)>, E> {
        Ok(Some((self.0.len(), value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<(usize, Value)>, E> {
        Ok(Some((self.0.len(), value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Option<(usize, Value)>, E> {
        Ok(Some((self.0.len(), value.into())))
    }

    fn visit_unit<E>(self) -> Result<Option<(usize, Value)>, E> {
        Ok(Some((self.0.len(), Value::Null)))
    }
}

/// Deserializes a name to whether the name equals this text.
struct IsName<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// Returns the value on the path in `fields`, in the same sense; the number of names is returned also where no value is
/// found.
#[must_use]
pub(super) fn look_up<'a>(mut fields: &'a Map<String, Value>, names: &[String]) -> (usize, Option<&'a Value>) {
    for (place, name) in names.iter().enumerate() {
        match fields.get(name) {
            None => return (place, None),
            Some(Value::Object(inner)) if place + 1 < names.len() => fields = inner,
            Some(value) => return (place + 1, Some(value)),
        }
    }
    (0, None)
}
