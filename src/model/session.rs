//! A session on a node, as a script sees the session.
//!
//! FastX 3 and FastX 4 name the same things differently (`id`/`sessionId`, `user`/`login`); every session has both
//! names. The user and the reservation, which are counted and compared, are at hand; the rest is built when a script
//! reads the session, because most sessions end before that.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Reservation;
use super::members::{self, MemberName, Text};

/// A session of a node, with the fields scripts read in both generations' names.
#[derive(Clone, Debug)]
pub struct Session {
    user: Arc<str>,
    origin: SessionOrigin,
}

/// The source from which a session's fields are built.
#[derive(Clone, Debug)]
enum SessionOrigin {
    /// The document of the session's node.
    Listed { document: Arc<str>, span: Span, node: Arc<str>, reservation: Option<Arc<str>> },
    /// The reservation of a pending session.
    Pending(Reservation),
}

/// A listed session as serialized for another process of whither, beside the session's document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mention<'a> {
    user: &'a str,
    reservation: Option<&'a str>,
    span: Span,
}

/// The names under which a session's text may have the session's id.
#[derive(Deserialize)]
struct Ids {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, rename = "sessionId")]
    session_id: Option<String>,
    #[serde(default, rename = "sessionID")]
    session_id_upper: Option<String>,
}

impl Ids {
    fn first(self) -> String {
        self.id.or(self.session_id).or(self.session_id_upper).unwrap_or_default()
    }
}

/// A piece of a document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        super::json::are_identical(&self.fields(), &other.fields())
    }
}

impl Session {
    /// Returns the session that `raw`, a piece of `document`, describes on `node`; a bare string is the session's id.
    /// `None` where `raw` is neither an object nor a string.
    pub(super) fn listed(raw: &RawValue, document: &Arc<str>, node: &Arc<str>) -> Option<Self> {
        let is_text = raw.get().starts_with('"');
        if !is_text && !members::is_object(raw) {
            return None;
        }
        let own = if is_text { SessionUser::default() } else { serde_json::from_str(raw.get()).unwrap_or_default() };
        let user = own.user.or(own.login).or(own.username).unwrap_or_default();
        let span = Span::of_raw(raw, document)?;
        Some(Self::mentioned(Mention { user: &user, reservation: own.reservation.as_deref(), span }, document, node))
    }

    /// Returns the session that `mention` describes.
    pub(super) fn mentioned(mention: Mention<'_>, document: &Arc<str>, node: &Arc<str>) -> Self {
        let Mention { user, reservation, span } = mention;
        let (document, node) = (Arc::clone(document), Arc::clone(node));
        let origin = SessionOrigin::Listed { document, span, node, reservation: reservation.map(Arc::from) };
        Self { user: user.into(), origin }
    }

    /// Returns the serialized form of a listed session; `None` for a pending session.
    pub(super) fn mention(&self) -> Option<Mention<'_>> {
        match &self.origin {
            SessionOrigin::Listed { span, reservation, .. } => {
                Some(Mention { user: &self.user, reservation: reservation.as_deref(), span: *span })
            }
            SessionOrigin::Pending(_) => None,
        }
    }

    /// Returns the session that scripts see for a reservation until the node reports the real session.
    #[must_use]
    pub fn pending(reservation: Reservation) -> Self {
        Self { user: Arc::clone(&reservation.user), origin: SessionOrigin::Pending(reservation) }
    }

    /// Returns the session's id; empty where the node gave none. The id is read from the session's text at each call.
    #[must_use]
    pub fn id(&self) -> String {
        let plain = self.written().and_then(|text| serde_json::from_str::<Ids>(text).ok());
        // A text with a duplicate name, or that is no object, is read whole.
        plain.map_or_else(|| super::json::text(&self.fields(), "id").unwrap_or_default().to_owned(), Ids::first)
    }

    /// Returns the session's text in the node's document; `None` for a reservation.
    #[must_use]
    pub fn written(&self) -> Option<&str> {
        match &self.origin {
            SessionOrigin::Listed { document, span, .. } => Some(span.of(document)),
            SessionOrigin::Pending(_) => None,
        }
    }

    /// Returns the login of the session's user; empty where the node gave none.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Returns the id of the reservation under which the session was started, where the launcher passed the id on.
    #[must_use]
    pub fn reservation(&self) -> Option<&Arc<str>> {
        match &self.origin {
            SessionOrigin::Listed { reservation, .. } => reservation.as_ref(),
            SessionOrigin::Pending(reservation) => Some(&reservation.id),
        }
    }

    /// Returns all fields that a script sees of the session, built at each call.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        match &self.origin {
            SessionOrigin::Listed { document, span, node, .. } => normalised(span.of(document), node),
            SessionOrigin::Pending(reservation) => reservation.session_fields(),
        }
    }
}

/// The user of a listed session, and the reservation under which the session was started, where the text has these as
/// strings.
#[derive(Debug, Default)]
struct SessionUser<'a> {
    user: Option<Cow<'a, str>>,
    login: Option<Cow<'a, str>>,
    username: Option<Cow<'a, str>>,
    reservation: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for SessionUser<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = SessionUser<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a session")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SessionUser<'de>, A::Error> {
                let mut user = SessionUser::default();
                // Of two members of the same name the last counts.
                while let Some(MemberName(name)) = map.next_key()? {
                    match &*name {
                        "user" => user.user = map.next_value::<Text<'_>>()?.0,
                        "login" => user.login = map.next_value::<Text<'_>>()?.0,
                        "username" => user.username = map.next_value::<Text<'_>>()?.0,
                        "reservation" => user.reservation = map.next_value::<Text<'_>>()?.0,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(user)
            }
        }
        deserializer.deserialize_map(Named)
    }
}

impl Span {
    /// Returns the position of `raw` in `text`; `raw` is a piece of `text`.
    pub(super) fn of_raw(raw: &RawValue, text: &str) -> Option<Self> {
        let start = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let end = start.checked_add(raw.get().len()).filter(|end| *end <= text.len())?;
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    /// Returns the piece of `text`; empty where the span does not fit `text`.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Returns the fields of the session that `text` describes on `node`, each missing name filled from the name of the
/// other generation.
fn normalised(text: &str, node: &str) -> Map<String, Value> {
    let own = match serde_json::from_str(text) {
        Ok(Value::Object(own)) => own,
        Ok(Value::String(id)) => Map::from_iter([("id".to_owned(), Value::String(id))]),
        _ => Map::new(),
    };
    let first = |names: [&str; 3]| {
        names.iter().find_map(|name| own.get(*name).and_then(Value::as_str)).unwrap_or_default().to_owned()
    };
    let id = first(["id", "sessionId", "sessionID"]);
    let user = first(["user", "login", "username"]);
    let defaults = [
        ("id", id.clone()),
        ("sessionId", id),
        ("user", user.clone()),
        ("login", user),
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
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Report;
    use crate::model::report::Sessions;
    use serde_json::json;

    #[test]
    fn both_generations_names_are_there() {
        let listed = |sessions: Value| {
            let report = Report::from_value(json!({"id": "a", "nodeData": {"sessions": sessions}}));
            report.map(|report| match report.sessions {
                Sessions::List(list) => list,
                Sessions::Unknown | Sessions::Count(_) => Vec::new(),
            })
        };
        let sessions = listed(json!([{"sessionId": "s1", "login": "ann"}, "s2"])).unwrap();
        assert_eq!((&*sessions[0].id(), &**sessions[0].user()), ("s1", "ann"));
        assert_eq!(sessions[0].fields().get("user"), Some(&json!("ann")));
        assert_eq!(sessions[0].fields().get("serverId"), Some(&json!("a")));
        assert_eq!(sessions[1].id(), "s2");
        assert!(listed(json!([7])).unwrap_err().to_string().contains("`nodeData.sessions` is 7"));
    }
}
