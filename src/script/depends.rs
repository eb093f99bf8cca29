//! What of a request decides what a function says of a node, where an engine can tell.

use serde_json::{Value, json};

use crate::model::Request;

/// A way into a request, by the names of fields from the outside in: `["data", "pool"]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestPath(pub Vec<String>);

impl RequestPath {
    /// Whether what lies there comes with the request alone: not from the clock, the cluster or chance, and it is no
    /// secret.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let names: Vec<_> = self.0.iter().map(String::as_str).collect();
        match *names.as_slice() {
            [] | ["now" | "time" | "sequence" | "nodes" | "servers", ..] => false,
            // Whole, they hold the user's sessions or the token.
            ["user" | "params"] | ["user", "sessions", ..] => false,
            ["params", "me"] | ["params", "me", "sessions", ..] | ["params", "jwt", ..] => false,
            _ => true,
        }
    }
}

/// The key of `request` for functions that read these `paths`: equal for requests that they cannot tell apart.
#[must_use]
pub fn key(paths: &[RequestPath], request: &Request) -> Value {
    paths.iter().map(|path| request.find(&path.0).map_or_else(|| json!([]), |value| json!([value]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &str) -> RequestPath {
        RequestPath(names.split('.').map(str::to_owned).collect())
    }

    #[test]
    fn a_key_is_what_the_paths_find() {
        let request = json!({"data": {"pool": "a", "tags": ["x"], "none": null}, "userGroups": ["g"], "extra": "text"});
        let request = Request::from_value(request, "").unwrap();
        for (names, expected) in [
            ("data.pool", json!([["a"]])),
            ("data.pool.length", json!([["a"]])),
            ("data.tags.length", json!([[["x"]]])),
            ("data.none", json!([[null]])),
            ("data.none.x", json!([[null]])),
            ("data.missing", json!([[]])),
            ("missing.x", json!([[]])),
            ("userGroups", json!([[["g"]]])),
            ("extra", json!([["text"]])),
            ("user.login", json!([[""]])),
        ] {
            assert_eq!(key(&[path(names)], &request), expected, "{names}");
        }
        assert_eq!(key(&[path("data.pool"), path("extra")], &request), json!([["a"], ["text"]]));
    }

    #[test]
    fn what_is_not_the_requests_own_is_told() {
        for names in ["now", "time.hour", "sequence", "user", "user.sessions.length", "params.me", "params.jwt"] {
            assert!(!path(names).is_given(), "{names}");
        }
        for names in ["user.login", "userGroups", "data", "params.start.command", "params.me.login", "isAdmin"] {
            assert!(path(names).is_given(), "{names}");
        }
    }
}
