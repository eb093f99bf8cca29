//! A session: something running on a node, as a script sees it.
//!
//! FastX 3 and FastX 4 name the same things differently (`id`/`sessionId`, `user`/`login`); every session has both names.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::{Reservation, json};

/// One session of a node, with the fields scripts read in both generations' names.
#[derive(Clone, Debug)]
pub struct Session {
    user: Arc<str>,
    reservation: Option<Arc<str>>,
    /// What a pending session is built from when somebody looks at it: most are gone before anybody does.
    held: Option<Reservation>,
    fields: OnceLock<Map<String, Value>>,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        json::are_identical(self.fields(), other.fields())
    }
}

impl Session {
    /// The session that `reported` describes on node `node`; a bare string is its id.
    ///
    /// # Errors
    /// What the element is, where it is neither an object nor a string.
    pub fn from_report(reported: &Value, node: &str) -> Result<Self, &'static str> {
        let own = match reported {
            Value::Object(own) => own.clone(),
            Value::String(id) => Map::from_iter([("id".to_owned(), Value::String(id.clone()))]),
            other => return Err(json::kind(other)),
        };
        Ok(Self::normalised(own, node))
    }

    /// The session with `own` fields on `node`, each missing name filled from its other generation's.
    #[must_use]
    pub fn normalised(own: Map<String, Value>, node: &str) -> Self {
        let first = |names: [&str; 3]| {
            names.iter().find_map(|name| own.get(*name).and_then(Value::as_str)).unwrap_or_default().to_owned()
        };
        let id = first(["id", "sessionId", "sessionID"]);
        let user = first(["user", "login", "username"]);
        let reservation = own.get("reservation").and_then(Value::as_str).map(Arc::from);
        let defaults = [
            ("id", id.clone()),
            ("sessionId", id),
            ("user", user.clone()),
            ("login", user.clone()),
            ("name", String::new()),
            ("state", "running".to_owned()),
            ("serverId", node.to_owned()),
        ];
        let mut fields = own;
        for (name, value) in defaults {
            if !fields.contains_key(name) {
                fields.insert(name.to_owned(), Value::String(value));
            }
        }
        Self { user: user.into(), reservation, held: None, fields: OnceLock::from(fields) }
    }

    /// The session that scripts see for a reservation until the node reports the real one.
    #[must_use]
    pub fn pending(reservation: Reservation) -> Self {
        let (user, id) = (Arc::clone(&reservation.user), Arc::clone(&reservation.id));
        Self { user, reservation: Some(id), held: Some(reservation), fields: OnceLock::new() }
    }

    /// The session's id; empty where the node did not say.
    #[must_use]
    pub fn id(&self) -> &str {
        self.fields().get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The login of its user; empty where the node did not say.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// The reservation that it was started under, where the launcher handed that down.
    #[must_use]
    pub fn reservation(&self) -> Option<&Arc<str>> {
        self.reservation.as_ref()
    }

    /// Everything that a script sees of it.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        self.fields.get_or_init(|| self.held.as_ref().map(Reservation::session_fields).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_generations_names_are_there() {
        let old = Session::from_report(&json!({"sessionId": "s1", "login": "ann"}), "a").unwrap();
        assert_eq!((old.id(), &**old.user()), ("s1", "ann"));
        assert_eq!(old.fields().get("user"), Some(&json!("ann")));
        assert_eq!(old.fields().get("serverId"), Some(&json!("a")));
        assert_eq!(Session::from_report(&json!("s2"), "a").unwrap().id(), "s2");
        assert_eq!(Session::from_report(&json!(7), "a"), Err("a number"));
    }
}
