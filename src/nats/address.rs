//! Addresses of NATS servers; their text never shows the login that a URL may hold.

use std::fmt;
use std::str::FromStr;

use async_nats::ServerAddr;

use super::ConnectError;
use crate::config::{Login, Secret};

/// The address of a NATS server, with the login of the URL kept apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) server: ServerAddr,
    pub(super) login: Option<Login>,
}

impl FromStr for Address {
    type Err = ConnectError;

    /// Parses `nats://host:4222`, `tls://…`, `ws://…`, a bare `host`; also `nats://user:password@host` and
    /// `nats://token@host`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: String| ConnectError::Address { url: without_login(text), reason };
        let server: ServerAddr = text.trim().parse().map_err(|error: std::io::Error| refuse(error.to_string()))?;
        if server.host().is_empty() {
            return Err(refuse("it names no host".to_owned()));
        }
        let login = match (server.username().map(unescape), server.password().map(unescape)) {
            (Some(user), Some(password)) => Some(Login::Password { user, password: Secret::new(&password) }),
            (Some(token), None) => Some(Login::Token(Secret::new(&token))),
            (None, _) => None,
        };
        let mut url = server.into_inner();
        // A login with a slash would be parsed as a path, and shown.
        if [Some(url.path()), url.query(), url.fragment()].into_iter().flatten().any(|part| part.contains('@')) {
            return Err(refuse("an `@` stands behind the host; a `/` in a login is written `%2F`".to_owned()));
        }
        // Both calls fail for URLs without a host alone, which were refused above.
        let _ = url.set_password(None).and_then(|()| url.set_username(""));
        let server = ServerAddr::from_url(url).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { server, login })
    }
}

/// Returns `text` without anything up to the last `@`, for error messages.
fn without_login(text: &str) -> String {
    text.rsplit('@').next().unwrap_or_default().to_owned()
}

/// Undoes the `%XX` escapes of a login inside a URL; anything else stays.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { rest.get(3..).unwrap_or_default() } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.server.as_url_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_a_url_is_taken_out_of_it() {
        let address: Address = "nats://ann:p%40ss@host:4333".parse().unwrap();
        assert_eq!(address.to_string(), "nats://host:4333");
        assert!(address.login == Some(Login::Password { user: "ann".to_owned(), password: "p@ss".into() }));
        assert!("t0k@[::1]".parse::<Address>().unwrap().login == Some(Login::Token("t0k".into())));
        assert!("host".parse::<Address>().unwrap().login.is_none());
        for refused in ["http://host", "nats://", "", "nats://a b"] {
            assert!(refused.parse::<Address>().is_err(), "`{refused}`");
        }
        assert_eq!(unescape("100%zz%4"), "100%zz%4");
    }

    #[test]
    fn a_login_with_a_slash_is_no_path_that_is_shown() {
        for text in
            ["nats://a//ann:secret@host", "nats://host/?ann:secret@x", "wss://a/ann:secret@host#b", "a/b:secret@c"]
        {
            let why = text.parse::<Address>().map(|_| ()).unwrap_err().to_string();
            assert!(!why.contains("secret") && why.contains("%2F"), "{why}");
        }
        assert_eq!("wss://bus/path?x=1".parse::<Address>().unwrap().to_string(), "wss://bus/path?x=1");
    }
}
