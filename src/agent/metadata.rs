//! Metadata from the environment: `METADATA_gpu=a100` makes `metadata.gpu` the string `a100`, as in FastX 4.
//!
//! The key is taken as written, since administrators' scripts use that spelling; because environment variables are
//! often upper-case and scripts are not, a lower-case alias is added where that name is free.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::{Map, Value};
use tracing::warn;

const PREFIX: &str = "METADATA_";
/// The most bytes of all names and values together; the largest are left out.
const MAX_BYTES: usize = 16 * 1024;

/// Returns the metadata in the variables of `environment`; always strings.
pub fn read(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Map<String, Value> {
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in environment {
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).filter(|key| !key.is_empty()) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => drop(own.insert(key.to_owned(), value)),
            Err(_bytes) => warn!("{PREFIX}{key} is left out: its value is not UTF-8"),
        }
    }
    bound(&mut own);
    let mut metadata: Map<String, Value> = Map::new();
    for (key, value) in &own {
        metadata.insert(key.clone(), value.as_str().into());
    }
    for (key, value) in own {
        metadata.entry(key.to_lowercase()).or_insert_with(|| value.into());
    }
    metadata
}

/// Removes the largest variables until the rest fits.
fn bound(own: &mut BTreeMap<String, String>) {
    // Twice, for the alias.
    let size = |(key, value): (&String, &String)| 2 * (key.len() + value.len());
    while own.iter().map(size).sum::<usize>() > MAX_BYTES {
        let Some(key) = own.iter().max_by_key(|entry| size(*entry)).map(|(key, _)| key.clone()) else { return };
        own.remove(&key);
        warn!("{PREFIX}{key} is left out: all metadata together may have {} KiB", MAX_BYTES / 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::ffi::OsStringExt;

    fn of(variables: &[(&str, &str)]) -> Value {
        Value::Object(read(variables.iter().map(|(name, value)| (name.into(), value.into()))))
    }

    #[test]
    fn keys_are_as_written_with_a_lower_case_alias() {
        let metadata = of(&[("METADATA_GPU", "a100"), ("METADATA_Site", "b 2"), ("PATH", "/bin"), ("METADATA_", "x")]);
        assert_eq!(metadata, json!({"GPU": "a100", "gpu": "a100", "Site": "b 2", "site": "b 2"}));
        assert_eq!(of(&[("METADATA_weight", "2")]), json!({"weight": "2"}), "always strings");
    }

    #[test]
    fn an_alias_never_takes_a_name_that_is_taken() {
        let metadata = of(&[("METADATA_GPU", "upper"), ("METADATA_gpu", "lower"), ("METADATA_Gpu", "mixed")]);
        assert_eq!(metadata, json!({"GPU": "upper", "gpu": "lower", "Gpu": "mixed"}));
    }

    #[test]
    fn what_cannot_be_reported_is_left_out() {
        let large = "x".repeat(MAX_BYTES);
        assert_eq!(of(&[("METADATA_BIG", &large), ("METADATA_a", "1")]), json!({"a": "1"}));
        let broken = (OsString::from("METADATA_b"), OsString::from_vec(vec![0xff]));
        assert_eq!(read([broken]), Map::new());
    }
}
