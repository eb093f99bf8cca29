//! The prefix of every subject and bucket of a service, so that several services can share a bus.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::problem::quoted;

/// The namespace where the config names none.
pub const DEFAULT_NAMESPACE: &str = "whither";
/// The longest namespace in bytes.
const MAX_NAMESPACE_BYTES: usize = 64;

/// The prefix of every subject and bucket of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(Arc<str>);

/// The error for a text that is no namespace, with the form of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is no namespace, expected {}", quoted(.0), Namespace::EXPECTED)]
pub struct NamespaceError(String);

impl Namespace {
    pub(super) const EXPECTED: &str = "1 to 64 letters, digits, `_` or `-`";

    /// The namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT_NAMESPACE.into())
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        match (1..=MAX_NAMESPACE_BYTES).contains(&text.len()) && text.bytes().all(fits) {
            true => Ok(Self(text.into())),
            false => Err(NamespaceError(text.to_owned())),
        }
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
            assert_eq!(good.parse::<Namespace>().unwrap().as_str(), good);
        }
        for bad in ["", "a.b", "*", ">", "a b", "ü", "$SYS", &"x".repeat(65)] {
            assert!(bad.parse::<Namespace>().is_err(), "{bad}");
        }
    }
}
