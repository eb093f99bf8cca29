//! Secrets in a config: they are never shown, and a file that holds a secret may be read by the owner alone.

use std::iter::repeat_n;

use secrecy::{ExposeSecret, SecretString};

use super::address::SCHEMES;
use super::problem::{nearest, shell_word};
use crate::plain::is_plain;

/// The keys with values that are never repeated.
const SECRET_KEYS: [&str; 3] = ["token", "password", "nkey"];
/// The words that somebody may write for a secret key.
const SECRET_WORDS: [&str; 7] = ["token", "password", "nkey", "pass", "secret", "seed", "auth"];

/// A text that must not get into logs or messages; wiped from memory when dropped.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// Creates a secret from `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the place where the secret is needed.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Whether the permission bits `mode` let a file's group or anybody else read the file.
#[must_use]
pub const fn others_may_read(mode: u32) -> bool {
    mode & 0o044 != 0
}

/// Returns the message about the secret `what` in a file with the permission bits `mode`, which others may read.
#[must_use]
pub fn exposed(what: &str, mode: u32) -> String {
    format!("{what} is a secret, and others than its owner may read this file, mode {mode:03o}")
}

/// Whether the permission bits `mode` let a file's group or anybody else write the file.
#[must_use]
pub const fn others_may_write(mode: u32) -> bool {
    mode & 0o022 != 0
}

/// Returns the message about `what`, whose file with the permission bits `mode` others may write.
#[must_use]
pub fn writable(what: &str, mode: u32) -> String {
    format!("{what} decides whom to trust, and others than its owner may write this file, mode {mode:03o}")
}

/// Returns the command that makes `file` writable by the owner alone.
#[must_use]
pub fn protect(file: &str) -> String {
    format!("chmod go-w {}", shell_word(file))
}

/// Returns the command that makes `file` readable to the owner alone.
#[must_use]
pub fn hide(file: &str) -> String {
    format!("chmod 600 {}", shell_word(file))
}

/// Whether the value of the key called `path` is never repeated.
pub(super) fn is_secret_key(path: &str) -> bool {
    SECRET_KEYS.contains(&path.rsplit('.').next().unwrap_or(path))
}

/// Returns `text` with possible secrets replaced by stars, and characters that are not plain text by spaces, each byte
/// in the same place.
///
/// Works on lines, not on the tree, because a line with broken syntax is shown too.
pub(super) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let secret_from = secret_value(line).or_else(|| userinfo(line));
        let (open, hidden) = line.split_at(secret_from.unwrap_or(line.len()));
        let mut push = |character: char, mask: Option<char>| match mask {
            _ if character == '\n' || character == ' ' => shown.push(character),
            _ if !is_plain(character) => shown.extend(repeat_n(' ', character.len_utf8())),
            Some(mask) => shown.extend(repeat_n(mask, character.len_utf8())),
            None => shown.push(character),
        };
        open.chars().for_each(|character| push(character, None));
        hidden.chars().for_each(|character| push(character, Some('*')));
    }
    shown
}

/// Returns the place in `line` where the value of a secret key, or of a misspelt secret key, begins.
fn secret_value(line: &str) -> Option<usize> {
    const BLANKS_AND_QUOTES: [char; 4] = [' ', '\t', '"', '\''];
    let mut from = 0;
    line.match_indices(['=', ':']).find_map(|(sign, _)| {
        let before = line.get(from..sign)?.trim_end_matches(BLANKS_AND_QUOTES);
        from = sign + 1;
        let is_of_a_key = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
        let (prose, key) = before.split_at(before.trim_end_matches(is_of_a_key).len());
        // The words of a comment are no keys.
        let begins = prose.trim_end_matches(BLANKS_AND_QUOTES);
        let is_key = begins.is_empty() || begins.ends_with(['{', ',', '.', '#']);
        (is_key && nearest(key, SECRET_WORDS).is_some()).then_some(from)
    })
}

/// Returns the place in `line` where the name and password of an address begin: behind the first quote, else the first
/// `=`, and the scheme. An address may have no scheme, and a password any character, so the text before is no help.
fn userinfo(line: &str) -> Option<usize> {
    let (before, _) = line.split_once('@')?;
    let start = before.find(['"', '\'']).or_else(|| before.find('=')).map_or(0, |sign| sign + 1);
    let (_, value) = before.split_at(start);
    let scheme = SCHEMES.iter().find_map(|scheme| value.trim_start().strip_prefix(scheme)?.strip_prefix("://"));
    Some(before.len() - scheme.map_or(value.len(), str::len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_masked_in_place() {
        for (text, shown) in [
            ("token = \"söcret\" # x\nuser = \"u\"\n", "token = ********* * *\nuser = \"u\"\n"),
            ("  nats.password='p'\r\n", "  nats.password=*** \n"),
            ("nats = { user = \"u\", \"nkey\" = \"SU\" }", "nats = { user = \"u\", \"nkey\" = **** *"),
            ("pasword: \"p\"", "pasword: ***"),
            ("a = 1, Tokens = 2", "a = 1, Tokens = *"),
            ("livness_s = 90 # no such key: a", "livness_s = 90 # no such key: a"),
            ("x = 1 #token=2", "x = 1 #token=*"),
            ("ü = 1 # ü: 2", "ü = 1 # ü: 2"),
            ("to\u{70c}ken = 1", "to\u{70c}ken = 1"),
            ("a.“token = 1", "a.“token = 1"),
            ("a = \"\u{1b}[2J\u{9b}\tb\"", "a = \" [2J   b\""),
            ("token = \"broken", "token = *******"),
            ("url = \"nats://u:p@host\"", "url = \"nats://*********"),
            ("url = \"nats://host\"", "url = \"nats://host\""),
            ("url = \"u:p@host:x\"", "url = \"***********"),
            ("url = 'u:p\"://w@h'", "url = '***********"),
            ("url = nats://u:p@h", "url = nats://*****"),
            ("  t0k@h # x", "  ***** * *"),
            ("# a token is a secret", "# a token is a secret"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert!(!format!("{:?}", Secret::new("hush")).contains("hush"));
        assert!(Secret::new("a") == Secret::new("a") && Secret::new("a") != Secret::new("b"));
        assert!(is_secret_key("nats.token") && is_secret_key("password") && !is_secret_key("nats.user"));
    }
}
