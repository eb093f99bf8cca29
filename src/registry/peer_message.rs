//! The messages by which replicas share their reservations.
//!
//! Every message names its sender, the sender's chains, and the number of the sender's own reservations; so a lost message
//! shows at the next message, and the whole list is sent again. Rejected: a stream that keeps every message, which costs
//! a write to disk for reservations that are over in two minutes anyway.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::{Reservation, shared};

use super::ledger::RequestKey;

/// The most items in a message.
pub const WORDS_AT_ONCE: usize = 512;
/// The largest message that is read, in bytes.
pub const MESSAGE_BYTES: usize = 1 << 20;

/// A message of a replica to all others. A later release may send more fields: unknown fields are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// The name of the replica that sends the message.
    pub from: Arc<str>,
    /// The digest of the chains that the sender decides by, and of the rules by which the sender verifies tokens.
    pub chains: Arc<str>,
    /// The number of the sender's own reservations, those of this message included.
    pub holds: usize,
    /// Whether every other replica is to send a whole list.
    pub tell_all: bool,
    /// The time of sending, in milliseconds of the sender's monotonic clock; absent in an earlier release.
    pub sent_ms: Option<u64>,
    /// The number of the sender's list of all its reservations, of which the message is a part: a list is whole where
    /// its parts name as many reservations as `holds` says.
    pub list: Option<u64>,
    /// The number of this message among the sender's messages about reservations; the parts of a list share a number.
    /// Orders two such messages that leave in the same millisecond. Absent in an earlier release.
    pub number: Option<u64>,
    /// Whether the sender leaves; the sender's reservations stay in force.
    pub leaving: bool,
    /// The reservations that the sender holds.
    pub held: Vec<PeerReservation>,
    /// The reservations that were confirmed.
    pub confirmed: Vec<Arc<str>>,
    /// The reservations with sessions that their nodes have reported.
    pub reported: Vec<Arc<str>>,
    /// The reservations that launchers gave back.
    pub released: Vec<Arc<str>>,
    /// The reservations among `released` with a session that did not start; an earlier release ignores this field.
    pub failed: Vec<Arc<str>>,
    /// The nodes that an administrator put back into service: failures on them count no more. An earlier release
    /// ignores this field too.
    pub uncordoned: Vec<Arc<str>>,
}

/// A single piece of news that a replica sends to the others.
#[derive(Clone, Debug, PartialEq)]
pub enum GossipItem {
    /// The sender holds this reservation.
    Held(Box<PeerReservation>),
    /// This reservation was confirmed.
    Confirmed(Arc<str>),
    /// This reservation is over.
    Over(Arc<str>, ReservationEnd),
    /// This node was put back into service.
    Uncordoned(Arc<str>),
}

/// The way a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationEnd {
    /// The node reported the session.
    Reported,
    /// A launcher gave the reservation back.
    Released,
    /// A launcher gave the reservation back because the session did not start.
    Failed,
    /// A launcher gave the reservation back because a job will start the session later.
    Deferred,
    /// The reservation's time ran out without any news.
    Expired,
}

/// A reservation with all facts that another replica needs to answer for that reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerReservation {
    /// The reservation that counts.
    pub reservation: Reservation,
    /// The time that the reservation still lives, in milliseconds.
    pub left_ms: u64,
    /// Whether the launcher confirmed that the session has started.
    #[serde(default)]
    pub confirmed: bool,
    /// The chain that placed the session.
    #[serde(deserialize_with = "shared::string")]
    pub chain: Arc<str>,
    /// The step that chose the node.
    #[serde(default)]
    pub decided_by: Option<Arc<str>>,
    /// The generation that the decision saw, by the count of the replica that decided.
    pub generation: u64,
    /// The inputs of the decision that are not in the request; an earlier release does not send them.
    #[serde(default)]
    pub drawn: Option<DecisionSeed>,
    /// The request that the reservation answers, where the request has an id.
    #[serde(default)]
    pub request: Option<RequestKey>,
}

/// The inputs of a decision that are not in its request: with them the decision can be taken again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionSeed {
    /// The random bits.
    pub seed: u64,
    /// The time of the decision, in Unix milliseconds.
    pub now_ms: i64,
}

impl Message {
    /// Reads a message from untrusted `text`.
    ///
    /// # Errors
    /// [`JsonError`] where the text is no message.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        json::parse_as(text, JsonLimits::bytes(MESSAGE_BYTES))
    }

    /// The key that orders the messages of a sender: the time of sending, and the number.
    pub(super) fn order(&self) -> Option<(u64, u64)> {
        Some((self.sent_ms?, self.number.unwrap_or_default()))
    }

    /// Adds `item` to the message. Expiry is not sent, because every replica sees that end by itself.
    pub fn add(&mut self, item: GossipItem) {
        match item {
            GossipItem::Held(held) => self.held.push(*held),
            GossipItem::Confirmed(id) => self.confirmed.push(id),
            GossipItem::Over(id, ReservationEnd::Reported) => self.reported.push(id),
            // Elsewhere a deferred start is no more than a free place.
            GossipItem::Over(id, ReservationEnd::Released | ReservationEnd::Deferred) => self.released.push(id),
            GossipItem::Over(id, ReservationEnd::Failed) => {
                self.released.push(Arc::clone(&id));
                self.failed.push(id);
            }
            GossipItem::Over(_, ReservationEnd::Expired) => {}
            GossipItem::Uncordoned(node) => self.uncordoned.push(node),
        }
    }

    /// Whether the message says no more than that the sender is alive.
    #[must_use]
    pub fn is_hello(&self) -> bool {
        !self.tell_all && self.list.is_none() && self.words().next().is_none()
    }

    /// Returns the items of the message: that a reservation is held before that the reservation is over.
    pub fn words(&self) -> impl Iterator<Item = GossipItem> {
        let held = self.held.iter().map(|held| GossipItem::Held(Box::new(held.clone())));
        let confirmed = self.confirmed.iter().map(|id| GossipItem::Confirmed(Arc::clone(id)));
        let reported = self.reported.iter().map(|id| GossipItem::Over(Arc::clone(id), ReservationEnd::Reported));
        let failed: BTreeSet<_> = self.failed.iter().collect();
        let end = move |id| if failed.contains(id) { ReservationEnd::Failed } else { ReservationEnd::Released };
        let released = self.released.iter().map(move |id| GossipItem::Over(Arc::clone(id), end(id)));
        let uncordoned = self.uncordoned.iter().map(|node| GossipItem::Uncordoned(Arc::clone(node)));
        held.chain(confirmed).chain(reported).chain(released).chain(uncordoned)
    }
}

/// Returns the replica that made the reservation or decision `id`.
#[must_use]
pub fn owner(id: &str) -> &str {
    id.rsplit_once('-').map_or("", |(replica, _number)| replica)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(in crate::registry) fn message(from: &str, chains: &str) -> Message {
        Message { from: from.into(), chains: chains.into(), ..Message::default() }
    }

    pub(in crate::registry) fn held(id: &str) -> PeerReservation {
        PeerReservation {
            reservation: Reservation { id: id.into(), node: "n".into(), user: "ann".into(), name: "".into() },
            left_ms: 7,
            confirmed: false,
            chain: "session/start".into(),
            decided_by: Some("gpu.js".into()),
            generation: 3,
            drawn: Some(DecisionSeed { seed: u64::MAX, now_ms: 7 }),
            request: Some(RequestKey { id: "q".into(), action: "session/start".into(), login: "ann".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{held, message};
    use super::*;

    #[test]
    fn messages_read_as_they_are_written_and_strange_words_are_passed_over() {
        let held = held("a-1");
        let mut sent = message("a", "x");
        let words = [
            GossipItem::Held(Box::new(held)),
            GossipItem::Confirmed("a-1".into()),
            GossipItem::Over("a-2".into(), ReservationEnd::Released),
        ];
        words.iter().for_each(|word| sent.add(word.clone()));
        let read = Message::parse(&serde_json::to_vec(&sent).unwrap()).unwrap();
        assert_eq!((&read, read.words().collect::<Vec<_>>()), (&sent, words.to_vec()));
        let later = br#"{"from": "a", "chains": "x", "sung": [{"a": 1}], "released": ["r"]}"#;
        let later = Message::parse(later).unwrap();
        assert_eq!(later.words().collect::<Vec<_>>(), [GossipItem::Over("r".into(), ReservationEnd::Released)]);
        assert!(message("a", "x").is_hello() && !later.is_hello());
        assert!(Message::parse(&b"[".repeat(100_000)).is_err());
        assert_eq!((owner("1234abcd-17"), owner("x")), ("1234abcd", ""));
    }
}
