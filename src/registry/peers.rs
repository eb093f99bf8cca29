//! The other replicas: which are there, which chains they run, and which of their reservations are not known here.
//!
//! Pure: messages and moments are handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use super::peer_message::{
    DecisionSeed, GossipItem, MESSAGE_BYTES, Message, PeerReservation, ReservationEnd, WORDS_AT_ONCE, owner,
};
use super::transit::{Delay, Transit};

/// The time between two messages of a replica that has nothing to report, in milliseconds.
pub const HELLO_MS: u64 = 1000;
/// The silence after which a replica counts as gone, in milliseconds.
pub const SILENCE_MS: u64 = 5000;
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
    use crate::registry::peer_message::testing::{held, message};

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
}
