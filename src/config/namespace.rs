//! What every subject and bucket of one service begins with, so that several can share a bus.

use std::fmt;

use super::problem::quoted;

/// The namespace where the config names none.
pub const DEFAULT_NAMESPACE: &str = "whither";
/// The longest namespace in bytes.
const MAX_NAMESPACE_BYTES: usize = 64;

/// What every subject and bucket of one service begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    pub(super) const EXPECTED: &str = "1 to 64 letters, digits, `_` or `-`";

    /// The namespace called `text`.
    ///
    /// # Errors
    /// What a namespace is made of, where `text` is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        match (1..=MAX_NAMESPACE_BYTES).contains(&text.len()) && text.bytes().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("{} is no namespace, expected {}", quoted(text), Self::EXPECTED)),
        }
    }

    /// The namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT_NAMESPACE.to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_one_token_of_a_subject() {
        for good in ["whither", "Site_1-b", &"x".repeat(64)] {
            assert_eq!(Namespace::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a.b", "*", ">", "a b", "ü", "$SYS", &"x".repeat(65)] {
            assert!(Namespace::parse(bad).is_err(), "{bad}");
        }
    }
}
