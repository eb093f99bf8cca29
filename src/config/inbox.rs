//! The prefix of the inboxes of a login, so that a server can keep others from reading them.

use std::fmt;

use super::problem::quoted;

/// The longest prefix in bytes.
const MAX_PREFIX_BYTES: usize = 128;

/// The prefix of every inbox of a connection: the tokens of a subject, without wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxPrefix(String);

impl InboxPrefix {
    pub(super) const EXPECTED: &str =
        "tokens of letters, digits, `_` or `-` with dots between them, such as `_INBOX.ann`";

    /// Parses the prefix `text`.
    ///
    /// # Errors
    /// A message with the form of a prefix, where `text` has another form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_token = |token: &str| !token.is_empty() && token.bytes().all(fits);
        match text.len() <= MAX_PREFIX_BYTES && text.split('.').all(is_token) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("{} is no inbox prefix, expected {}", quoted(text), Self::EXPECTED)),
        }
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InboxPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_tokens_of_a_subject() {
        for good in ["_INBOX", "_INBOX.node-7", "a.b.c", &"x".repeat(128)] {
            assert_eq!(InboxPrefix::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "_INBOX.>", "*", "a b", "ü", "$KV.x", &"x".repeat(129)] {
            assert!(InboxPrefix::parse(bad).is_err(), "{bad}");
        }
    }
}
