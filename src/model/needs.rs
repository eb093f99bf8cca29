//! The needs of a request: how many units of which countable facts the session takes, such as licences.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::bounds::{MAX_FACT_COUNT, MAX_FACT_NAME_BYTES, MAX_NEEDS};
use super::json;
use super::request::RequestError;

/// The number of units that a request needs, by the name of the fact.
pub type Needs = BTreeMap<Arc<str>, u32>;

/// The most bytes of a wrong name that a message shows.
const MAX_SHOWN: usize = 80;

/// Whether `name` can be the name of a fact: 1 to 64 letters, digits, `.`, `_` or `-`.
#[must_use]
pub fn is_fact_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_FACT_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits)
}

/// Returns the needs that `own`, the fields of a request, name in `needs`. The field stays in place, because scripts see
/// the field like any other.
///
/// # Errors
/// Something else than an object of names and whole numbers, or more facts than a request may need.
pub(super) fn read(own: &Map<String, Value>) -> Result<Needs, RequestError> {
    let needs = match own.get("needs") {
        None | Some(Value::Null) => return Ok(Needs::new()),
        Some(Value::Object(needs)) => needs,
        Some(other) => return Err(refused(json::kind(other), "an object such as {\"matlab\": 1}")),
    };
    if needs.len() > MAX_NEEDS {
        return Err(refused(&format!("an object of {}", needs.len()), "an object of at most 8 facts"));
    }
    needs.iter().map(|(name, number)| Ok((name.as_str().into(), need(name, number)?))).collect()
}

/// Returns `needs` as they were read with the outline of a request, or `None` where only [`read`] can say what is wrong.
pub(super) fn sound(needs: BTreeMap<String, u32>) -> Option<Needs> {
    let is_sound = |(name, number): (&String, &u32)| is_fact_name(name) && (1..=MAX_FACT_COUNT).contains(number);
    let all = needs.len() <= MAX_NEEDS && needs.iter().all(is_sound);
    all.then(|| needs.into_iter().map(|(name, number)| (name.into(), number)).collect())
}

fn need(name: &str, number: &Value) -> Result<u32, RequestError> {
    if !is_fact_name(name) {
        let shown = Value::from(name.get(..name.floor_char_boundary(MAX_SHOWN)).unwrap_or_default());
        return Err(refused(
            &format!("an object with {shown}"),
            "facts under names of 1 to 64 letters, digits, `.`, `_` or `-`",
        ));
    }
    let whole = number.as_u64().and_then(|number| u32::try_from(number).ok());
    whole.filter(|number| (1..=MAX_FACT_COUNT).contains(number)).ok_or_else(|| {
        let found = if number.is_number() { number.to_string() } else { json::kind(number).to_owned() };
        RequestError::Range { field: format!("needs.{name}"), found, least: 1, most: MAX_FACT_COUNT, unit: "units" }
    })
}

fn refused(found: &str, expected: &'static str) -> RequestError {
    RequestError::Field { field: "needs".to_owned(), found: found.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(needs: Value) -> Result<Needs, String> {
        read(&Map::from_iter([("needs".to_owned(), needs)])).map_err(|error| error.to_string())
    }

    #[test]
    fn needs_are_names_with_whole_numbers() {
        let expected = Needs::from([("a.b-C_1".into(), 2), ("matlab".into(), MAX_FACT_COUNT)]);
        assert_eq!(of(json!({"matlab": MAX_FACT_COUNT, "a.b-C_1": 2})), Ok(expected));
        assert_eq!((of(json!(null)), of(json!({}))), (Ok(Needs::new()), Ok(Needs::new())));
    }

    #[test]
    fn what_is_wrong_with_needs_is_said() {
        let many: Map<_, _> = (0..9).map(|number| (format!("f{number}"), json!(1))).collect();
        for (needs, words) in [
            (json!([1]), "`needs` must be an object such as {\"matlab\": 1}, not a list"),
            (json!(many), "`needs` must be an object of at most 8 facts, not an object of 9"),
            (json!({"a b": 1}), "letters, digits, `.`, `_` or `-`, not an object with \"a b\""),
            (json!({"": 1}), "not an object with \"\""),
            (json!({"m": -1}), "`needs.m` is -1; the least is 1"),
            (json!({"m": 0}), "`needs.m` is 0; the least is 1"),
            (json!({"m": 1.5}), "`needs.m` must be a whole number of units from 1 to 1000000, not 1.5"),
            (json!({"m": "1"}), "`needs.m` must be a whole number of units from 1 to 1000000, not a string"),
            (json!({"m": 1_000_001}), "`needs.m` is 1000001; the most is 1000000"),
        ] {
            let refused = of(needs).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn both_readers_take_the_same() {
        let outline = |name: &str, number| sound(BTreeMap::from([(name.to_owned(), number)]));
        assert_eq!(outline("matlab", 1), of(json!({"matlab": 1})).ok());
        for (name, number) in [("a b", 1), ("m", 0), ("m", MAX_FACT_COUNT + 1)] {
            assert_eq!(outline(name, number), None, "{name} {number}");
        }
        assert_eq!(sound((0..9).map(|number| (number.to_string(), 1)).collect()), None);
    }
}
