//! Shared strings off the wire: a single allocation each, where the library's way takes two.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error, Visitor};

/// Reads a string to be shared; for `deserialize_with` on fields that are sent for each request.
///
/// # Errors
/// The value is no string.
pub fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    struct SharedText;
    impl Visitor<'_> for SharedText {
        type Value = Arc<str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
            Ok(text.into())
        }
    }
    deserializer.deserialize_str(SharedText)
}
