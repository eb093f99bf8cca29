//! The other replicas: which are there, which chains they run, and the messages by which all share their reservations.
//!
//! Pure: messages and moments are handed in. Every message names its sender, the sender's chains, and the number of the
//! sender's own reservations; so a lost message shows at the next message, and the whole list is sent again. Rejected:
//! a stream that keeps every message, which costs a write to disk for reservations that are over in two minutes anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::{Reservation, shared};

use super::ledger::RequestKey;
use super::transit::{Delay, Transit};

/// The time between two messages of a replica that has nothing to report, in milliseconds.
pub const HELLO_MS: u64 = 1000;
/// The silence after which a replica counts as gone, in milliseconds.
pub const SILENCE_MS: u64 = 5000;
/// The most items in a message.
pub const WORDS_AT_ONCE: usize = 512;
/// The largest message that is read, in bytes.
pub const MESSAGE_BYTES: usize = 1 << 20;
/// The most replicas that are known; messages of more replicas are dropped.
const PEERS: usize = 256;
/// The longest name of a replica and the longest digest of its chains, in bytes; ours have 8 and 16. Both are shown and
/// logged.
const NAME_BYTES: usize = 128;
/// The delay from which on a list does not count as the answer to a request after a pause, in milliseconds.
const LATE_MS: u64 = 1000;
/// The most reservations that are collected from the list of a replica; a longer list is not compared.
const LISTED: usize = 1 << 18;
/// The shortest time between two requests to the same replica for the whole list, in milliseconds.
const ASK_AGAIN_MS: u64 = 10_000;

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

/// The facts that follow from a message, apart from the news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Whether the replica was not known.
    pub is_new: bool,
    /// Whether the replica decides by other chains than before, or is new.
    pub has_changed: bool,
    /// The time that the message was on its way.
    pub delay: Delay,
}

/// The other replicas that are alive.
#[derive(Debug)]
pub struct Peers {
    own: Arc<str>,
    others: BTreeMap<Arc<str>, Peer>,
}

#[derive(Debug)]
struct Peer {
    last_message_ms: u64,
    chains: Arc<str>,
    /// Whether the last message named another number of reservations than this replica holds copies of.
    differs: bool,
    asked_ms: Option<u64>,
    transit: Transit,
    /// The time of sending, by the other replica's clock, and the number of the newest list or message about
    /// reservations.
    newest: Option<(u64, u64)>,
    /// The number of the list that is being received, and the reservations of the parts so far.
    list: (u64, BTreeSet<Arc<str>>),
    /// Whether this replica's list was asked for after a pause, and has not come yet.
    is_list_wanted: bool,
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
    fn order(&self) -> Option<(u64, u64)> {
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

impl Peers {
    /// Creates an empty list; `own` is this replica.
    #[must_use]
    pub fn new(own: Arc<str>) -> Self {
        Self { own, others: BTreeMap::new() }
    }

    /// Takes in the sender of a message at `now_ms`; returns `None` where the sender is this replica, has too long a
    /// name, or exceeds `PEERS`.
    pub fn receive(&mut self, message: &Message, now_ms: u64) -> Option<Received> {
        let is_known = self.others.contains_key(&message.from);
        if message.from.len().max(message.chains.len()) > NAME_BYTES {
            return None;
        }
        if message.from == self.own || (!is_known && self.others.len() >= PEERS) {
            return None;
        }
        if message.leaving {
            self.others.remove(&message.from);
            return Some(Received::default());
        }
        let chains = Arc::clone(&message.chains);
        let peer = self.others.entry(Arc::clone(&message.from)).or_insert_with(|| Peer::new(now_ms));
        let before = std::mem::replace(&mut peer.chains, chains);
        peer.last_message_ms = now_ms;
        if message.list.is_some() || !message.held.is_empty() {
            peer.newest = peer.newest.max(message.order());
        }
        let delay = message.sent_ms.map(|sent_ms| peer.transit.take(sent_ms, now_ms)).unwrap_or_default();
        Some(Received { is_new: !is_known, has_changed: before != peer.chains, delay })
    }

    /// Takes in the part of a list that `message` is, which was on its way for `delay`; returns the reservations of the
    /// whole list where this was its last part. A list that was overtaken by the message of a newer reservation, or by
    /// a newer list, would lack those reservations, and is ignored.
    pub fn listed(&mut self, message: &Message, delay: Delay) -> Option<BTreeSet<Arc<str>>> {
        let (number, peer) = (message.list?, self.others.get_mut(&message.from)?);
        if peer.list.0 != number {
            peer.list = (number, BTreeSet::new());
        }
        if message.order().is_some_and(|own| peer.newest.is_some_and(|newest| own < newest)) {
            return None;
        }
        peer.list.1.extend(message.held.iter().map(|held| Arc::clone(&held.reservation.id)).take(LISTED));
        if message.holds > LISTED || peer.list.1.len() != message.holds {
            return None;
        }
        peer.is_list_wanted &= delay.late_ms > LATE_MS;
        Some(std::mem::take(&mut peer.list).1)
    }

    /// Forgives all silence up to `now_ms` after a pause of this process, and asks for every replica's list.
    pub fn want_lists(&mut self, now_ms: u64) {
        for peer in self.others.values_mut() {
            peer.last_message_ms = now_ms;
            peer.is_list_wanted = true;
        }
    }

    /// Whether a list of some replica is still missing.
    #[must_use]
    pub fn is_list_wanted(&self) -> bool {
        self.others.values().any(|peer| peer.is_list_wanted)
    }

    /// Whether `replica` is to be asked for its whole list. `differs` says that the number of its reservations is not
    /// the number known here: a number may differ once, because replicas receive the same ends in another order.
    pub fn is_to_be_asked(&mut self, replica: &str, differs: bool, now_ms: u64) -> bool {
        let Some(peer) = self.others.get_mut(replica) else { return false };
        let differed = std::mem::replace(&mut peer.differs, differs);
        let lately = peer.asked_ms.is_some_and(|asked_ms| asked_ms.saturating_add(ASK_AGAIN_MS) > now_ms);
        let ask = differed && peer.differs && !lately;
        if ask {
            peer.asked_ms = Some(now_ms);
        }
        ask
    }

    /// Removes the replicas that were silent for too long by `now_ms`; returns their names.
    pub fn lapse(&mut self, now_ms: u64) -> Vec<Arc<str>> {
        let silent = |peer: &Peer| peer.last_message_ms.saturating_add(SILENCE_MS) < now_ms;
        self.others.extract_if(.., |_, peer| silent(peer)).map(|(replica, _)| replica).collect()
    }

    /// Whether `replica` is another replica that is alive.
    #[must_use]
    pub fn is_there(&self, replica: &str) -> bool {
        self.others.contains_key(replica)
    }

    /// The number of other replicas that are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.others.len()
    }

    /// Whether no other replica is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// The other replicas that decide by other chains than `chains`, each with the digest of the other's chains.
    pub fn differing<'a>(&'a self, chains: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> {
        let others = self.others.iter().map(|(replica, peer)| (replica, &peer.chains));
        others.filter(move |(_, theirs)| &***theirs != chains)
    }
}

impl Peer {
    fn new(now_ms: u64) -> Self {
        Self {
            last_message_ms: now_ms,
            chains: "".into(),
            differs: false,
            asked_ms: None,
            transit: Transit::default(),
            newest: None,
            list: Default::default(),
            is_list_wanted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(from: &str, chains: &str) -> Message {
        Message { from: from.into(), chains: chains.into(), ..Message::default() }
    }

    fn held(id: &str) -> PeerReservation {
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

    #[test]
    fn who_is_there_and_what_they_run() {
        let mut peers = Peers::new("me".into());
        assert_eq!(peers.receive(&message("me", "x"), 0), None);
        let new = Received { is_new: true, has_changed: true, ..Received::default() };
        assert_eq!(peers.receive(&message("a", "x"), 0), Some(new));
        assert_eq!(peers.receive(&message("a", "x"), 10), Some(Received::default()));
        assert_eq!(peers.receive(&message("b", "y"), 10), Some(new));
        assert_eq!(peers.differing("x").map(|(replica, _)| &**replica).collect::<Vec<_>>(), ["b"]);
        assert_eq!(peers.lapse(10 + SILENCE_MS), [] as [Arc<str>; 0]);
        peers.receive(&message("b", "x"), 20 + SILENCE_MS);
        assert_eq!(peers.lapse(20 + SILENCE_MS), [Arc::from("a")]);
        peers.receive(&Message { leaving: true, ..message("b", "x") }, 20 + SILENCE_MS);
        assert!(peers.is_empty() && !peers.is_there("b"));
    }

    #[test]
    fn what_was_lost_is_asked_for_but_not_at_once_and_not_always() {
        let mut peers = Peers::new("me".into());
        peers.receive(&message("a", "x"), 0);
        assert!(!peers.is_to_be_asked("a", true, 0), "it may be on its way");
        assert!(peers.is_to_be_asked("a", true, 1000));
        assert!(!peers.is_to_be_asked("a", true, 2000), "it was asked");
        assert!(peers.is_to_be_asked("a", true, 2000 + ASK_AGAIN_MS));
        assert!(!peers.is_to_be_asked("a", false, 90_000) && !peers.is_to_be_asked("a", true, 91_000));
    }

    #[test]
    fn a_list_is_whole_where_all_of_its_parts_came_and_an_answer_where_it_is_fresh() {
        let mut peers = Peers::new("me".into());
        peers.receive(&message("a", "x"), 0);
        peers.want_lists(0);
        let part = |list, ids: &[&str]| {
            let held = ids.iter().map(|id| held(id)).collect();
            Message { holds: 3, list: Some(list), held, ..message("a", "x") }
        };
        let (late, soon) = (Delay { late_ms: 15_000, early_ms: 0 }, Delay::default());
        let whole = BTreeSet::from(["a-1", "a-2", "a-3"].map(Arc::from));
        assert_eq!(peers.listed(&part(1, &["a-1", "a-2"]), late), None);
        assert_eq!(peers.listed(&part(1, &["a-3"]), late), Some(whole.clone()));
        assert!(peers.is_list_wanted(), "it was told before it was asked for");
        assert_eq!(peers.listed(&part(2, &["a-1", "a-2"]), soon), None);
        assert_eq!(peers.listed(&part(3, &["a-3"]), soon), None, "a part of the second one was lost");
        assert_eq!(peers.listed(&part(3, &["a-1", "a-2"]), soon), Some(whole));
        assert!(!peers.is_list_wanted());
        let nothing = Message { list: Some(4), ..message("a", "x") };
        assert_eq!(peers.listed(&nothing, soon), Some(BTreeSet::new()));
        assert!(!nothing.is_hello());
    }

    #[test]
    fn a_list_that_was_overtaken_says_nothing_of_what_overtook_it() {
        let mut peers = Peers::new("me".into());
        let sent = |sent_ms, list| Message { sent_ms: Some(sent_ms), list, ..message("a", "x") };
        let news = Message { held: vec![held("a-2")], holds: 2, ..sent(20, None) };
        let list = |sent_ms| Message { held: vec![held("a-1")], holds: 1, ..sent(sent_ms, Some(sent_ms)) };
        let mut listed = |message: Message| {
            peers.receive(&message, 40);
            peers.listed(&message, Delay::default())
        };
        let whole = Some(BTreeSet::from(["a-1".into()]));
        assert_eq!((listed(news), listed(list(10))), (None, None));
        assert_eq!((listed(sent(30, None)), listed(list(20))), (None, whole.clone()));
        assert_eq!((listed(list(40)), listed(list(30)), listed(list(40))), (whole.clone(), None, whole.clone()));
        let numbered = |number| Message { number: Some(number), ..list(50) };
        assert_eq!((listed(numbered(9)), listed(numbered(8)), listed(numbered(9))), (whole.clone(), None, whole));
    }

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
