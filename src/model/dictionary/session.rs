//! The fields of a session.

use super::{FieldDoc, Holds, Side};

const fn field(path: &'static str, about: &'static str) -> FieldDoc {
    FieldDoc::new(path, Holds::Text, about)
}

/// The fields of a session, those of the document first.
pub const SESSION: [FieldDoc; 8] = [
    field("id", "the session's id"),
    field("user", "the login of the session's user"),
    field("name", "the name of what was started"),
    field("state", "the session's state; `\"pending\"` where the session is placed and not reported yet"),
    field("reservation", "the reservation that the session was started under, where that is known").optional(),
    field("sessionId", "the session's id, as FastX 4 calls it"),
    field("login", "the login of the session's user, as FastX 4 calls it"),
    field("serverId", "the id of the session's node").only(Side::Seen),
];
