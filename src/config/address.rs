//! The address of a NATS server, checked before anything connects to the server.

use std::fmt;

use super::problem::quoted;

/// The schemes that the client supports.
pub(super) const SCHEMES: [&str; 4] = ["nats", "tls", "ws", "wss"];

/// The address of a NATS server. Printed without the name and password that the address may hold.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    full: String,
    shown: String,
}

impl ServerUrl {
    /// Parses an address such as `nats://127.0.0.1:4222`; the scheme is `nats` where none is given.
    ///
    /// # Errors
    /// A message about the fault in the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        // All text up to the last `@` may be a password, also a password with unescaped slashes; and so may the text in
        // the place of a scheme, where that is no scheme.
        let host = rest.rsplit('@').next().unwrap_or_default();
        let is_public = SCHEMES.contains(&scheme) || !text.contains('@');
        let shown = if is_public { format!("{scheme}://{host}") } else { host.to_owned() };
        check(scheme, rest).map_err(|why| format!("{} is no server address: {why}", quoted(&shown)))?;
        Ok(Self { full: format!("{scheme}://{rest}"), shown })
    }

    /// The address with the name and password that the address may hold, for the client alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.full
    }

    /// Whether the address holds a name and password.
    #[must_use]
    pub fn has_login(&self) -> bool {
        self.full != self.shown
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({})", self.shown)
    }
}

fn check(scheme: &str, rest: &str) -> Result<(), &'static str> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, host) = authority.rsplit_once('@').map_or((None, authority), |(login, host)| (Some(login), host));
    if !SCHEMES.contains(&scheme) {
        return Err("expected `nats://`, `tls://`, `ws://` or `wss://`");
    }
    if host.contains(',') {
        return Err("several addresses are a list of strings");
    }
    if rest.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err("it has blanks or control characters");
    }
    if login.is_some_and(str::is_empty) {
        return Err("the login before the `@` is empty");
    }
    if matches!(scheme, "nats" | "tls") && !matches!(path, "" | "/") {
        return Err("nothing may follow the port");
    }
    check_host(host)
}

fn check_host(authority: &str) -> Result<(), &'static str> {
    let (host, port) = match authority.strip_prefix('[').map(|inside| inside.split_once(']')) {
        Some(Some((host, after))) if host.parse::<core::net::Ipv6Addr>().is_ok() => (host, after.strip_prefix(':')),
        Some(_) => return Err("what stands in brackets is no IPv6 address"),
        None => authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let named = authority.starts_with('[')
        || host.chars().all(|character| character.is_alphanumeric() || matches!(character, '.' | '-' | '_'));
    match port.map(str::parse::<u16>) {
        _ if host.is_empty() => Err("it has no host"),
        _ if !named => Err("the host has characters that no host has"),
        Some(Err(_) | Ok(0)) => Err("the port is no number from 1 to 65535"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_client() {
        for (text, full) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("bus.example.org", "nats://bus.example.org"),
            ("localhost:4222", "nats://localhost:4222"),
            ("tls://[2001:db8::1]:4222", "tls://[2001:db8::1]:4222"),
            ("nats://bus/", "nats://bus/"),
            ("wss://bus/path/to?x=1", "wss://bus/path/to?x=1"),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!((url.reveal(), url.has_login()), (full, false), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_says_why() {
        for (text, why) in [
            ("http://bus:4222", "expected `nats://`"),
            ("nats://", "no host"),
            ("nats://:4222", "no host"),
            ("nats://bus:", "port"),
            ("nats://bus:0", "port"),
            ("nats://bus:70000", "port"),
            ("nats://bus:4222/x", "nothing may follow"),
            ("nats://a:4222,nats://b:4222", "a list"),
            ("nats://a, nats://b", "a list"),
            ("nats://b us", "blanks"),
            ("nats://@bus", "login before"),
            ("nats://b*s", "characters"),
            ("nats://[::g]:4222", "IPv6"),
            ("nats://[::1", "IPv6"),
        ] {
            let error = ServerUrl::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_login_in_an_address_is_not_shown() {
        let url = ServerUrl::parse("nats://ann:s3cret@bus:4222").unwrap();
        assert!(url.has_login());
        assert_eq!(format!("{url} {url:?}"), "nats://bus:4222 ServerUrl(nats://bus:4222)");
        for text in
            ["nats://ann:s3cret@bus:x", "nats://ann:s3/s3cret@bus", "ann:s3cret@b us", "ann:s3://x@bus", "s3@bus://x"]
        {
            assert!(!ServerUrl::parse(text).unwrap_err().contains("s3"), "{text}");
        }
    }
}
