//! A reservation: a session that was placed but not reported by the node yet.
//!
//! A reservation counts from the moment of the decision, so that a storm of requests between two reports does not all
//! go to the node that looked emptiest in the last report (docs/src/internals/facts.md: load figures are old).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shared;

/// A place held on a node for a session that is being started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The id, unique among all replicas, and equal to the id of the decision that made the reservation.
    #[serde(deserialize_with = "shared::string")]
    pub id: Arc<str>,
    /// The id of the node on which the reservation counts.
    #[serde(deserialize_with = "shared::string")]
    pub node: Arc<str>,
    /// The login of the session's user; may be empty.
    #[serde(deserialize_with = "shared::string")]
    pub user: Arc<str>,
    /// The name of the session, where the request gave a name; may be empty.
    #[serde(deserialize_with = "shared::string")]
    pub name: Arc<str>,
}

impl Reservation {
    /// Returns the fields of the pending session that scripts see for the reservation.
    #[must_use]
    pub fn session_fields(&self) -> Map<String, Value> {
        let text = |value: &Arc<str>| Value::String(value.to_string());
        Map::from_iter([
            ("id".to_owned(), text(&self.id)),
            ("sessionId".to_owned(), text(&self.id)),
            ("user".to_owned(), text(&self.user)),
            ("login".to_owned(), text(&self.user)),
            ("name".to_owned(), text(&self.name)),
            ("state".to_owned(), Value::String("pending".to_owned())),
            ("reservation".to_owned(), text(&self.id)),
            ("serverId".to_owned(), text(&self.node)),
        ])
    }
}
