//! The gossip of this replica with others: the items that wait, and the messages that are sent.

mod received;

use std::sync::Arc;

use crate::nats::message::Incoming;
use crate::nats::peers::PeerMessage;
use crate::registry::ledger::LedgerEntry;
use crate::registry::peers::{
    GossipItem, HELLO_MS, Message, PeerReservation, Peers, ReservationEnd, WORDS_AT_ONCE, owner,
};

use super::effects::Effect;
use super::placement_reply::PlacementReply;
use super::task::Front;

/// The most items that wait to be sent; past that items are dropped, and the others ask for the whole list.
const ITEMS_WAITING: usize = 100_000;
/// The size in bytes above which a message is split where possible: well below the limit of NATS servers.
const LARGEST_MESSAGE: usize = 512 * 1024;
/// The longest reservation id that is forwarded, in bytes; ids of this release have 35.
const MOST_ID_BYTES: usize = 128;
/// The most replicas with other chains that the notes name.
const MAX_DIFFERING_SHOWN: usize = 5;
/// The other replicas, and the items that wait to be sent to them.
pub(super) struct Replicas {
    own: Arc<str>,
    /// The first bytes of every message of this replica.
    own_start: Vec<u8>,
    peers: Peers,
    items: Vec<GossipItem>,
    /// Whether another replica asked for the whole list of this replica's reservations.
    all_wanted: bool,
    /// The messages to be published.
    pub(super) outgoing: Vec<Effect>,
    /// Whether another replica was there since the start.
    has_met_others: bool,
    /// The number of whole lists that were sent.
    lists: u64,
    /// The number of messages about reservations that were sent, a list counted as a single message.
    messages_told: u64,
    /// The time of the last hello, in monotonic milliseconds.
    hello_ms: Option<u64>,
    /// The number of messages that could not be parsed.
    strange: u64,
    /// The number of times that a replica came, or came to run other chains.
    changes: u64,
}

impl Replicas {
    pub(super) fn new(own: Arc<str>) -> Self {
        Self {
            peers: Peers::new(Arc::clone(&own)),
            own_start: start_of(&own),
            own,
            items: Vec::new(),
            all_wanted: false,
            has_met_others: false,
            lists: 0,
            messages_told: 0,
            outgoing: Vec::new(),
            hello_ms: None,
            strange: 0,
            changes: 0,
        }
    }

    /// Queues `item` for the next message, where there are other replicas.
    fn queue_item(&mut self, item: impl FnOnce() -> GossipItem) {
        if !self.peers.is_empty() && self.items.len() < ITEMS_WAITING {
            self.items.push(item());
        }
    }

    fn publish(&mut self, message: &Message) {
        self.send(serde_json::to_vec(message).unwrap_or_default());
    }

    /// Publishes `items` together with `hello`, in as many messages as the size requires.
    fn publish_items(&mut self, hello: &Message, items: &[GossipItem]) {
        let mut message = hello.clone();
        items.iter().cloned().for_each(|item| message.add(item));
        let text = serde_json::to_vec(&message).unwrap_or_default();
        if text.len() <= LARGEST_MESSAGE || items.len() < 2 {
            return self.send(text);
        }
        let (first, rest) = items.split_at(items.len() / 2);
        self.publish_items(hello, first);
        self.publish_items(hello, rest);
    }

    fn send(&mut self, text: Vec<u8>) {
        self.outgoing.push(Effect::Gossip(PeerMessage::All(text.into())));
    }

    /// Returns the number of other replicas.
    pub(super) fn others(&self) -> usize {
        self.peers.len()
    }

    /// Whether `replica` is another replica that is alive.
    pub(super) fn is_there(&self, replica: &str) -> bool {
        self.peers.is_there(replica)
    }

    /// Whether another replica was there since the start.
    pub(super) fn has_met_others(&self) -> bool {
        self.has_met_others
    }

    /// Whether others have yet to send their lists, after a pause.
    pub(super) fn is_list_wanted(&self) -> bool {
        self.peers.is_list_wanted()
    }

    /// Returns notes about the replicas that decide otherwise than by the configuration with the digest `chains`.
    pub(super) fn differing(&self, chains: &str) -> Vec<String> {
        let differing = self.peers.differing(chains).take(MAX_DIFFERING_SHOWN);
        differing
            .map(|(replica, theirs)| {
                format!("replica {replica} runs other chains or other `[tokens]` (digest {theirs})")
            })
            .collect()
    }
}

impl Front {
    /// Returns a message that says only that this replica is there.
    fn hello(&self) -> Message {
        let (from, chains) = (Arc::clone(&self.replicas.own), Arc::clone(&self.workers.setup().digest));
        let (holds, leaving, sent_ms) = (self.ledger.own_count(), self.stopping.is_some(), Some(self.now_ms()));
        Message { from, chains, holds, leaving, sent_ms, ..Message::default() }
    }

    /// Returns the beginning of a message about reservations, with the next number.
    fn numbered_hello(&mut self) -> Message {
        self.replicas.messages_told += 1;
        Message { number: Some(self.replicas.messages_told), ..self.hello() }
    }

    /// Queues the reservation `id`, which was just made, for the others.
    pub(super) fn queue_held(&mut self, id: &str) {
        let now_ms = self.now_ms();
        if let Some(entry) = self.ledger.get(id) {
            self.replicas.queue_item(|| GossipItem::Held(Box::new(held(entry, now_ms))));
        }
    }

    /// Queues that the launcher confirmed `id`.
    pub(super) fn queue_confirmed(&mut self, id: &str) {
        self.replicas.queue_item(|| GossipItem::Confirmed(id.into()));
    }

    /// Queues that an administrator put `node` back into service: a user's cool-down is in no mark.
    pub(super) fn queue_uncordoned(&mut self, node: &Arc<str>) {
        self.replicas.queue_item(|| GossipItem::Uncordoned(Arc::clone(node)));
    }

    /// Queues that the reservation `id` is over.
    pub(super) fn queue_over(&mut self, id: &Arc<str>, end: ReservationEnd) {
        self.replicas.queue_item(|| GossipItem::Over(Arc::clone(id), end));
    }

    /// Forwards a message about the reservation `id`, which is unknown here, to the replica that made the reservation;
    /// returns whether that replica is there.
    pub(super) fn forward(&mut self, id: &str, incoming: &Incoming) -> bool {
        let replica = owner(id);
        if id.len() > MOST_ID_BYTES || !self.replicas.peers.is_there(replica) {
            return false;
        }
        self.order(Effect::Gossip(PeerMessage::One(replica.into(), incoming.clone())));
        true
    }

    /// Publishes the queued items; now and then also a hello. The first hello asks for the whole lists of the others,
    /// and so does the first after a time without NATS.
    pub(super) fn publish_due(&mut self, time: bool) {
        let items = std::mem::take(&mut self.replicas.items);
        if std::mem::take(&mut self.replicas.all_wanted) {
            // Before the items, which may hold later ends.
            self.publish_list();
        }
        if !items.is_empty() {
            let hello = self.numbered_hello();
            items.chunks(WORDS_AT_ONCE).for_each(|items| self.replicas.publish_items(&hello, items));
        }
        if !time {
            return;
        }
        let now_ms = self.now_ms();
        let gone = self.replicas.peers.lapse(now_ms);
        if !gone.is_empty() {
            tracing::warn!(replicas = ?gone, "other replicas are not heard any more; what they placed still counts");
            self.show();
        }
        if self.replicas.hello_ms.is_none_or(|hello_ms| hello_ms + HELLO_MS <= now_ms) {
            let first = self.replicas.hello_ms.replace(now_ms).is_none();
            let tell_all = first || self.catch_up.is_under_way();
            let hello = self.hello();
            self.replicas.publish(&Message { tell_all, ..hello });
        }
    }

    /// Publishes all reservations that this replica holds, as a list that others can check to be complete.
    fn publish_list(&mut self) {
        self.replicas.lists += 1;
        let hello = Message { list: Some(self.replicas.lists), ..self.numbered_hello() };
        let now_ms = self.now_ms();
        let all: Vec<_> = self.ledger.own().map(|entry| GossipItem::Held(Box::new(held(entry, now_ms)))).collect();
        if all.is_empty() {
            return self.replicas.publish(&hello);
        }
        all.chunks(WORDS_AT_ONCE).for_each(|items| self.replicas.publish_items(&hello, items));
    }

    /// Requests the whole lists of the others, and the publication of this replica's list, after a time until `now_ms`
    /// without any messages.
    pub(super) fn want_lists(&mut self, now_ms: u64) {
        self.replicas.peers.want_lists(now_ms);
        self.replicas.hello_ms = None;
        self.replicas.all_wanted = true;
    }

    /// Publishes that this replica leaves, so that nothing is forwarded to this replica any more.
    pub(super) fn take_leave(&mut self) {
        let hello = self.hello();
        self.replicas.publish(&hello);
    }
}

/// Returns the first bytes of every message of `replica`.
fn start_of(replica: &str) -> Vec<u8> {
    format!("{{\"from\":{}", serde_json::Value::from(replica)).into_bytes()
}

fn held(entry: &LedgerEntry<PlacementReply>, now_ms: u64) -> PeerReservation {
    PeerReservation {
        reservation: entry.reservation.clone(),
        left_ms: entry.expires_ms.saturating_sub(now_ms),
        confirmed: entry.confirmed,
        chain: Arc::clone(&entry.answer.chain),
        decided_by: entry.answer.decided_by.clone(),
        generation: entry.answer.generation,
        drawn: entry.answer.drawn,
        request: entry.request.clone(),
    }
}

#[cfg(test)]
mod tests;
