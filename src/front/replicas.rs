//! This replica among others: what it tells them, and what it makes of what they say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Change;
use crate::nats::message::Incoming;
use crate::nats::peers::PeerMessage;
use crate::registry::ledger::LedgerEntry;
use crate::registry::peers::{
    GossipItem, HELLO_MS, Message, PeerReservation, Peers, ReservationEnd, WORDS_AT_ONCE, owner,
};

use super::effects::Effect;
use super::pause::PAUSE;
use super::placement_reply::PlacementReply;
use super::task::Front;

/// Words that may wait to be told; beyond that they are dropped, and the others ask for all.
const WORDS_WAITING: usize = 100_000;
/// The largest message that is sent where it can be cut, in bytes: well below what NATS servers take.
const LARGEST_SAYING: usize = 512 * 1024;
/// The longest reservation id that is handed on, in bytes; ids of this release have 35.
const MOST_ID_BYTES: usize = 128;
/// Replicas with other chains that the notes name.
const MAX_DIFFERING_SHOWN: usize = 5;
/// So many comings and changes of replicas are in the log; after that the numbers that are powers of two.
const CHANGES_LOGGED: u64 = 64;

/// The other replicas, and what they are to be told.
pub(super) struct Replicas {
    own: Arc<str>,
    /// The first bytes of every message of this replica.
    own_start: Vec<u8>,
    peers: Peers,
    words: Vec<GossipItem>,
    /// Whether somebody asked for all that this replica holds.
    all_wanted: bool,
    /// What is said and was not taken up yet.
    pub(super) said: Vec<Effect>,
    /// Whether there ever was another one.
    has_met_others: bool,
    /// How many lists of all that this replica holds were told.
    lists: u64,
    /// How many messages told of reservations, a list as one.
    told: u64,
    /// When it last said hello, in monotonic milliseconds.
    hello_ms: Option<u64>,
    /// Messages that were not understood.
    strange: u64,
    /// How often a replica came, or came to run other chains.
    changes: u64,
}

impl Replicas {
    pub(super) fn new(own: Arc<str>) -> Self {
        Self {
            peers: Peers::new(Arc::clone(&own)),
            own_start: start_of(&own),
            own,
            words: Vec::new(),
            all_wanted: false,
            has_met_others: false,
            lists: 0,
            told: 0,
            said: Vec::new(),
            hello_ms: None,
            strange: 0,
            changes: 0,
        }
    }

    /// Tells the others `word` with the next message, where there are others.
    fn queue_item(&mut self, word: impl FnOnce() -> GossipItem) {
        if !self.peers.is_empty() && self.words.len() < WORDS_WAITING {
            self.words.push(word());
        }
    }

    fn publish(&mut self, message: &Message) {
        self.send(serde_json::to_vec(message).unwrap_or_default());
    }

    /// Says `words` beside `hello`, in so many messages that none is too large.
    fn publish_items(&mut self, hello: &Message, words: &[GossipItem]) {
        let mut message = hello.clone();
        words.iter().cloned().for_each(|word| message.add(word));
        let text = serde_json::to_vec(&message).unwrap_or_default();
        if text.len() <= LARGEST_SAYING || words.len() < 2 {
            return self.send(text);
        }
        let (first, rest) = words.split_at(words.len() / 2);
        self.publish_items(hello, first);
        self.publish_items(hello, rest);
    }

    fn send(&mut self, text: Vec<u8>) {
        self.said.push(Effect::Gossip(PeerMessage::All(text.into())));
    }

    /// How many others are there.
    pub(super) fn others(&self) -> usize {
        self.peers.len()
    }

    /// Whether others were there since the start.
    pub(super) fn has_met_others(&self) -> bool {
        self.has_met_others
    }

    /// Whether others have yet to tell what they hold, after a pause.
    pub(super) fn is_list_wanted(&self) -> bool {
        self.peers.is_list_wanted()
    }

    /// Who decides by other chains than `chains`.
    pub(super) fn differing(&self, chains: &str) -> Vec<String> {
        let differing = self.peers.differing(chains).take(MAX_DIFFERING_SHOWN);
        differing.map(|(replica, theirs)| format!("replica {replica} runs other chains (digest {theirs})")).collect()
    }
}

impl Front {
    /// Takes in what another replica says, in whatever words.
    pub(super) fn receive_peer(&mut self, text: &[u8]) {
        // NATS hands each of our own messages back to us.
        if text.starts_with(&self.replicas.own_start) {
            return;
        }
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(error) => {
                self.replicas.strange += 1;
                // Whoever floods the bus does not flood the log.
                if self.replicas.strange.is_power_of_two() {
                    let count = self.replicas.strange;
                    tracing::warn!(count, %error, "another replica said what this one does not understand");
                }
                return;
            }
        };
        let now_ms = self.now_ms();
        let Some(heard) = self.replicas.peers.receive(&message, now_ms) else { return };
        self.replicas.has_met_others |= heard.is_new;
        if heard.has_changed {
            self.replicas.changes += 1;
        }
        // Whoever floods the bus does not flood the log.
        if heard.has_changed && (self.replicas.changes <= CHANGES_LOGGED || self.replicas.changes.is_power_of_two()) {
            let own = &self.workers.setup().digest;
            match *message.chains == **own {
                true => tracing::info!(replica = %message.from, "another replica, with the same chains"),
                false => tracing::warn!(replica = %message.from, theirs = %message.chains, %own,
                    "another replica runs other chains"),
            }
            self.show();
        }
        let paused = Duration::from_millis(heard.delay.early_ms);
        if paused > PAUSE && !self.catch_up.is_under_way() {
            self.was_paused(paused);
        }
        if message.is_hello() && self.is_list_missed(&message, now_ms) {
            let hello = self.hello();
            self.replicas.publish(&Message { tell_all: true, ..hello });
        }
        self.replicas.all_wanted |= message.tell_all;
        let (is_list, late_ms) = (message.list.is_some(), heard.delay.late_ms);
        for word in message.words() {
            match word {
                GossipItem::Held(held) if is_list && self.ledger.over_since(&held.reservation.id).is_some() => {
                    // Its owner missed the end: that it was reported is the end that is believed with the most care.
                    self.queue_over(&held.reservation.id, ReservationEnd::Reported);
                }
                word => self.take_word(word, now_ms, late_ms),
            }
        }
        if let Some(listed) = self.replicas.peers.listed(&message, heard.delay) {
            self.drop_unlisted(&message.from, &listed);
        }
    }

    /// Whether the speaker of `message` holds more than is known here, or less than surely counts here, and is to be asked.
    fn is_list_missed(&mut self, message: &Message, now_ms: u64) -> bool {
        let (mut known, mut sure) = (0, 0);
        for entry in self.ledger.copies_of(&message.from) {
            known += 1;
            sure += usize::from(!entry.answer.is_adopted());
        }
        let sure = sure.saturating_sub(self.catch_up.doubts_of(&message.from));
        let differs = message.holds > known || message.holds < sure;
        self.replicas.peers.is_to_be_asked(&message.from, differs, now_ms)
    }

    /// Ends what `replica` made and no longer holds, by its list of all that it holds. What is known by its claim alone may
    /// be newer than the list. Where capacity is strict, an end makes no room before a report that led to it is seen.
    fn drop_unlisted(&mut self, replica: &str, listed: &BTreeSet<Arc<str>>) {
        let copies = self.ledger.copies_of(replica).filter(|entry| !entry.answer.is_adopted());
        let ids = copies.map(|entry| &entry.reservation.id).filter(|id| !listed.contains(*id));
        let unlisted: Vec<_> = ids.cloned().collect();
        if !unlisted.is_empty() {
            tracing::info!(%replica, count = unlisted.len(), "another replica holds fewer reservations than were known");
        }
        for id in unlisted {
            match self.workers.setup().is_strict {
                true => self.doubt(id),
                false => self.end_elsewhere(id),
            }
        }
        self.wait_for_news();
    }

    fn take_word(&mut self, word: GossipItem, now_ms: u64, late_ms: u64) {
        match word {
            GossipItem::Held(held) => self.copy(*held, now_ms, late_ms),
            GossipItem::Confirmed(id) => drop(self.ledger.confirm(&id)),
            GossipItem::Uncordoned(node) => {
                self.failures.forget(&node);
                self.note_freed();
            }
            // Where capacity is strict, an end makes room once this replica's view is as new as the other's.
            GossipItem::Over(id, ReservationEnd::Reported) if self.workers.setup().is_strict => self.doubt(id),
            GossipItem::Over(id, end) => {
                if let Some(entry) = self.ledger.release(&id, now_ms) {
                    if end == ReservationEnd::Failed {
                        // Whoever was told of it writes the mark down.
                        self.note_failure(&entry.reservation);
                    }
                    self.end_claim(&entry, end, true);
                    self.change(Change::Release(id));
                }
            }
        }
    }

    /// A message that says no more than that this replica is there.
    fn hello(&self) -> Message {
        let (from, chains) = (Arc::clone(&self.replicas.own), Arc::clone(&self.workers.setup().digest));
        let (holds, leaving, sent_ms) = (self.ledger.own_count(), self.stopping.is_some(), Some(self.now_ms()));
        Message { from, chains, holds, leaving, sent_ms, ..Message::default() }
    }

    /// The beginning of a message that tells of reservations.
    fn numbered_hello(&mut self) -> Message {
        self.replicas.told += 1;
        Message { number: Some(self.replicas.told), ..self.hello() }
    }

    /// Lets another replica's reservation count here, unless its session is in the list already. The word of it was `late_ms`
    /// on its way, by which the reservation has less to live.
    fn copy(&mut self, held: PeerReservation, now_ms: u64, late_ms: u64) {
        let PeerReservation { reservation, left_ms, confirmed, chain, decided_by, generation, drawn, request } = held;
        // A clock that runs fast elsewhere lets nothing live longer here than anything does.
        let left_ms = left_ms.min(self.workers.setup().longest_reservation_ms).saturating_sub(late_ms);
        if left_ms == 0 {
            return;
        }
        if let Some(entry) = self.ledger.get(&reservation.id) {
            if entry.own || !entry.answer.is_adopted() {
                if confirmed && !entry.confirmed {
                    self.ledger.confirm(&reservation.id);
                }
                // Where it was renewed, this or that replica heard of that.
                self.ledger.extend(&reservation.id, now_ms.saturating_add(left_ms));
                return;
            }
            // So far only its claim was known.
            self.ledger.take_out(&reservation.id);
            self.change(Change::Release(Arc::clone(&reservation.id)));
        }
        if self.is_listed(&reservation.node, &reservation.id) {
            // The report was faster than the word.
            return self.note_listed(&reservation.node, &reservation.id);
        }
        let report = self.cluster.get(&reservation.node).map(|node| Arc::clone(node.report()));
        let decision = Arc::clone(&reservation.id);
        let node = Arc::clone(&reservation.node);
        let answer = PlacementReply { node, report, decision, generation, drawn, decided_by, chain, reserved: true };
        let expires_ms = now_ms.saturating_add(left_ms);
        let change = Change::Reserve(reservation.clone());
        if self.ledger.copy(LedgerEntry { reservation, expires_ms, confirmed, own: false, answer, request }) {
            self.change(change);
        }
    }

    /// Tells the others of the reservation `id`, which was just made.
    pub(super) fn queue_held(&mut self, id: &str) {
        let now_ms = self.now_ms();
        if let Some(entry) = self.ledger.get(id) {
            self.replicas.queue_item(|| GossipItem::Held(Box::new(held(entry, now_ms))));
        }
    }

    /// Tells the others that the launcher confirmed `id`.
    pub(super) fn queue_confirmed(&mut self, id: &str) {
        self.replicas.queue_item(|| GossipItem::Confirmed(id.into()));
    }

    /// Tells the others that an administrator put `node` back into service: a user's cool-down stands in no mark.
    pub(super) fn queue_uncordoned(&mut self, node: &Arc<str>) {
        self.replicas.queue_item(|| GossipItem::Uncordoned(Arc::clone(node)));
    }

    /// Tells the others that the reservation `id` is over.
    pub(super) fn queue_over(&mut self, id: &Arc<str>, end: ReservationEnd) {
        self.replicas.queue_item(|| GossipItem::Over(Arc::clone(id), end));
    }

    /// Hands a message about the reservation `id`, which is not known here, on to the replica that made it; whether that
    /// is there.
    pub(super) fn forward(&mut self, id: &str, incoming: &Incoming) -> bool {
        let replica = owner(id);
        if id.len() > MOST_ID_BYTES || !self.replicas.peers.is_there(replica) {
            return false;
        }
        self.order(Effect::Gossip(PeerMessage::One(replica.into(), incoming.clone())));
        true
    }

    /// Says what there is to say; every now and then that this replica is here. Its first word asks for all that others
    /// hold, and so does the first one after a time without NATS.
    pub(super) fn publish_due(&mut self, time: bool) {
        let words = std::mem::take(&mut self.replicas.words);
        if std::mem::take(&mut self.replicas.all_wanted) {
            // Before the words, whose ends came later.
            self.publish_list();
        }
        if !words.is_empty() {
            let hello = self.numbered_hello();
            words.chunks(WORDS_AT_ONCE).for_each(|words| self.replicas.publish_items(&hello, words));
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

    /// Tells all that this replica holds, as a list that others can tell to be whole.
    fn publish_list(&mut self) {
        self.replicas.lists += 1;
        let hello = Message { list: Some(self.replicas.lists), ..self.numbered_hello() };
        let now_ms = self.now_ms();
        let all: Vec<_> = self.ledger.own().map(|entry| GossipItem::Held(Box::new(held(entry, now_ms)))).collect();
        if all.is_empty() {
            return self.replicas.publish(&hello);
        }
        all.chunks(WORDS_AT_ONCE).for_each(|words| self.replicas.publish_items(&hello, words));
    }

    /// Asks the others for all that they hold, and tells them all that this replica holds, after a time until `now_ms` in
    /// which nobody heard anybody.
    pub(super) fn want_lists(&mut self, now_ms: u64) {
        self.replicas.peers.want_lists(now_ms);
        self.replicas.hello_ms = None;
        self.replicas.all_wanted = true;
    }

    /// Tells the others that this replica leaves, so that nothing is handed on to it.
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
