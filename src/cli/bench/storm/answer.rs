//! Answers as launchers read them: only the fields that launchers need are parsed.

use std::borrow::Cow;

use async_nats::{Message, StatusCode};
use serde::Deserialize;

use crate::nats::subjects::HEADER_ERROR_CODE;

/// An answer with a node.
#[derive(Deserialize)]
pub(super) struct StormPlaced<'a> {
    /// The node.
    #[serde(borrow, default)]
    pub(super) node: Cow<'a, str>,
    /// The id of the reservation that holds the place on the node.
    #[serde(borrow, default)]
    pub(super) reservation: Option<Cow<'a, str>>,
}

/// An answer to a confirmation.
#[derive(Deserialize)]
pub(super) struct Reserved<'a> {
    /// The state of the reservation.
    #[serde(borrow, default)]
    pub(super) state: Cow<'a, str>,
}

/// An answer without a node, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StormFailure {
    /// The name of the failure.
    pub(super) name: String,
    /// The message of the failure.
    pub(super) message: String,
}

#[derive(Deserialize, Default)]
struct StormFailed {
    error: Words,
}

#[derive(Deserialize, Default)]
struct Words {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

/// Returns the failure in `message`, or `None` where the answer is none.
pub(super) fn failure(message: &Message) -> Option<StormFailure> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Some(StormFailure { name: "no-responders".to_owned(), message: "nobody listens there".to_owned() });
    }
    message.headers.as_ref()?.get(HEADER_ERROR_CODE)?;
    let StormFailed { error } = serde_json::from_slice(&message.payload).unwrap_or_default();
    Some(StormFailure { name: error.name, message: error.message })
}

/// An answer of the size that the service's have, for an echo that answers nothing else.
pub(super) const SAMPLE: &str = concat!(
    r#"{"node":"n000042","hostname":"n000042.example.org","urls":["https://n000042.example.org:3300"],"#,
    r#""decision":"4f1c2d7a9b3e-000001234","generation":123456,"decided_by":"builtin:fewest-sessions","#,
    r#""chain":"session/start","reservation":"4f1c2d7a9b3e-000001234","expires_in_ms":120000}"#,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_the_node_and_the_reservation_are_read() {
        let placed: StormPlaced<'_> = serde_json::from_str(SAMPLE).unwrap();
        assert!(matches!(placed.node, Cow::Borrowed("n000042")), "{}", placed.node);
        assert_eq!(placed.reservation.as_deref(), Some("4f1c2d7a9b3e-000001234"));
        let reserved: Reserved<'_> = serde_json::from_str(r#"{"reservation":"r","state":"gone"}"#).unwrap();
        assert_eq!(reserved.state, "gone");
    }
}
