//! The paths into a request that decide the answer of a function, where an engine can tell.

use serde_json::{Value, json};

use crate::model::Request;

/// A way into a request, by the names of fields from the outside in: `["data", "pool"]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestPath(pub Vec<String>);

impl RequestPath {
    /// Whether the value at this path comes with the request alone, not from the clock, the cluster or chance, and is
    /// no secret.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let names: Vec<_> = self.0.iter().map(String::as_str).collect();
        match *names.as_slice() {
            [] | ["now" | "time" | "sequence" | "nodes" | "servers" | "facts", ..] => false,
            // The whole objects hold the user's sessions or the token.
            ["user" | "params"] | ["user", "sessions", ..] => false,
            ["params", "me"] | ["params", "me", "sessions", ..] | ["params", "jwt", ..] => false,
            _ => true,
        }
    }
}

/// Whether functions that read these `paths` see nothing of a request but the login of the user. The login is known
/// without reading the whole request.
#[must_use]
pub fn see_login_alone(paths: &[RequestPath]) -> bool {
    let is_login =
        |path: &RequestPath| matches!(path.0.as_slice(), [user, login, ..] if user == "user" && login == "login");
    !paths.is_empty() && paths.iter().all(is_login)
}

/// Returns the key of `request` for functions that read these `paths`: equal for requests that the functions cannot
/// tell apart.
#[must_use]
pub fn key(paths: &[RequestPath], request: &Request) -> Value {
    let found = paths.iter().map(|path| match request.find(&path.0) {
        (names, Some(value)) => json!([names, value]),
        (names, None) => json!([names]),
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dictionary::{REQUEST, USER};

    fn path(names: &str) -> RequestPath {
        RequestPath(names.split('.').map(str::to_owned).collect())
    }

    #[test]
    fn a_key_is_what_the_paths_find() {
        let request = json!({"data": {"pool": "a", "tags": ["x"], "none": null}, "userGroups": ["g"], "extra": "text"});
        let request = Request::from_value(request, "").unwrap();
        for (names, expected) in [
            ("data.pool", json!([[2, "a"]])),
            ("data.pool.length", json!([[2, "a"]])),
            ("data.tags.length", json!([[2, ["x"]]])),
            ("data.none", json!([[2, null]])),
            ("data.none.x", json!([[2, null]])),
            ("data.missing", json!([[1]])),
            ("data.missing.x", json!([[1]])),
            ("missing.x", json!([[0]])),
            ("userGroups", json!([[1, ["g"]]])),
            ("extra", json!([[1, "text"]])),
            ("extra.x", json!([[1, "text"]])),
            ("user.login", json!([[2, ""]])),
        ] {
            assert_eq!(key(&[path(names)], &request), expected, "{names}");
        }
        assert_eq!(key(&[path("data.pool"), path("extra")], &request), json!([[2, "a"], [1, "text"]]));
    }

    #[test]
    fn the_login_alone_is_seen_where_no_other_path_is_read() {
        assert!(see_login_alone(&[path("user.login"), path("user.login.length")]));
        assert!(!see_login_alone(&[path("user.login"), path("data.pool")]));
        assert!(!see_login_alone(&[path("user")]) && !see_login_alone(&[]));
    }

    #[test]
    fn requests_that_a_script_can_tell_apart_have_different_keys() {
        let keys = [
            json!({}),
            json!({"a": null}),
            json!({"a": 1}),
            json!({"a": {}}),
            json!({"a": {"b": null}}),
            json!({"a": {"b": 1}}),
            json!({"a": {"b": {}}}),
            json!({"a": {"b": {"c": null}}}),
            json!({"a": {"b": {"c": 1}}}),
            json!({"a": {"b": {"c": {}}}}),
        ];
        let keys = keys.map(|extra| key(&[path("a.b.c")], &Request::from_value(extra, "").unwrap()).to_string());
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), keys.len(), "{keys:?}");
    }

    /// A field that whither adds must not be taken for one that the requester sent.
    #[test]
    fn what_whither_adds_is_not_given() {
        for field in REQUEST.iter().filter(|field| !field.is_sent() && field.is_seen()) {
            assert!(!path(field.path).is_given(), "{}", field.path);
        }
        for field in USER.iter().filter(|field| !field.is_sent()) {
            assert!(!path(&format!("user.{}", field.path)).is_given(), "{}", field.path);
        }
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
