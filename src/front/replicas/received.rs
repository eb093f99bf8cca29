//! The handling of the messages of other replicas.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::front::pause::PAUSE;
use crate::front::placement_reply::PlacementReply;
use crate::front::task::Front;
use crate::model::Change;
use crate::registry::ledger::LedgerEntry;
use crate::registry::peers::{GossipItem, Message, PeerReservation, ReservationEnd};

/// The number of arrivals and changes of replicas that are logged; after that, those whose number is a power of two.
const CHANGES_LOGGED: u64 = 64;

impl Front {
    /// Handles a message of another replica, of any kind.
    pub(in crate::front) fn receive_peer(&mut self, text: &[u8]) {
        // NATS delivers this replica's own messages too.
        if text.starts_with(&self.replicas.own_start) {
            return;
        }
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(error) => {
                self.replicas.strange += 1;
                // A flood on the bus must not flood the log.
                if self.replicas.strange.is_power_of_two() {
                    let count = self.replicas.strange;
                    tracing::warn!(count, %error, "another replica said what this one does not understand");
                }
                return;
            }
        };
        let now_ms = self.now_ms();
        let Some(received) = self.replicas.peers.receive(&message, now_ms) else { return };
        self.replicas.has_met_others |= received.is_new;
        if received.has_changed {
            self.replicas.changes += 1;
        }
        // A flood on the bus must not flood the log.
        if received.has_changed && (self.replicas.changes <= CHANGES_LOGGED || self.replicas.changes.is_power_of_two())
        {
            let own = &self.workers.setup().digest;
            match *message.chains == **own {
                true => tracing::info!(replica = %message.from, "another replica, with the same chains"),
                false => tracing::warn!(replica = %message.from, theirs = %message.chains, %own,
                    "another replica runs other chains or other `[tokens]`"),
            }
            self.show();
        }
        let paused = Duration::from_millis(received.delay.early_ms);
        if paused > PAUSE && !self.catch_up.is_under_way() {
            self.was_paused(paused);
        }
        if message.is_hello() && self.is_list_missed(&message, now_ms) {
            let hello = self.hello();
            self.replicas.publish(&Message { tell_all: true, ..hello });
        }
        self.replicas.all_wanted |= message.tell_all;
        let (is_list, late_ms) = (message.list.is_some(), received.delay.late_ms);
        for item in message.words() {
            match item {
                GossipItem::Held(held) if is_list && self.ledger.over_since(&held.reservation.id).is_some() => {
                    // The owner missed the end: that the session was reported is the end that is believed with the most
                    // care.
                    self.queue_over(&held.reservation.id, ReservationEnd::Reported);
                }
                item => self.handle_item(item, now_ms, late_ms),
            }
        }
        if let Some(listed) = self.replicas.peers.listed(&message, received.delay) {
            self.drop_unlisted(&message.from, &listed);
        }
    }

    /// Whether the sender of `message` holds more reservations than are known here, or fewer than surely count here,
    /// and is to be asked for the list.
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

    /// Ends the reservations of `replica` that are missing in the replica's whole list. A reservation that is known by
    /// a claim alone may be newer than the list. Where capacity is strict, an end makes no room before the report
    /// behind the end is seen.
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

    /// Applies an item of another replica's message; the message was `late_ms` on the way.
    fn handle_item(&mut self, item: GossipItem, now_ms: u64, late_ms: u64) {
        match item {
            GossipItem::Held(held) => self.copy(*held, now_ms, late_ms),
            GossipItem::Confirmed(id) => drop(self.ledger.confirm(&id)),
            GossipItem::Uncordoned(node) => {
                self.failures.forget(&node);
                self.note_freed();
            }
            // Where capacity is strict, an end makes room once this replica's view is as new as the other's.
            GossipItem::Over(id, ReservationEnd::Reported) if self.workers.setup().is_strict => self.doubt(id),
            GossipItem::Over(id, end) => {
                let entry = match end {
                    ReservationEnd::Reported => self.ledger.fulfil(&id, now_ms),
                    _ => self.ledger.release(&id, now_ms),
                };
                if let Some(entry) = entry {
                    if end == ReservationEnd::Failed {
                        // The mark is written by the replica that was told of the failure.
                        self.note_failure(&entry.reservation);
                    }
                    self.end_claim(&entry, end, true);
                    self.change(Change::Release(id));
                }
            }
        }
    }

    /// Copies another replica's reservation, unless the session is listed already. The message was `late_ms` on the
    /// way, by which the reservation has less time left.
    fn copy(&mut self, held: PeerReservation, now_ms: u64, late_ms: u64) {
        let PeerReservation { reservation, left_ms, confirmed, chain, decided_by, generation, drawn, request } = held;
        // A clock that runs fast elsewhere extends no lifetime past the longest that is allowed here.
        let left_ms = left_ms.min(self.workers.setup().longest_reservation_ms).saturating_sub(late_ms);
        if left_ms == 0 {
            return;
        }
        if let Some(entry) = self.ledger.get(&reservation.id) {
            if entry.own || !entry.answer.is_adopted() {
                if confirmed && !entry.confirmed {
                    self.ledger.confirm(&reservation.id);
                }
                // Where the reservation was renewed, this or the other replica received the renewal.
                self.ledger.extend(&reservation.id, now_ms.saturating_add(left_ms));
                return;
            }
            // So far only the claim was known.
            self.ledger.take_out(&reservation.id);
            self.change(Change::Release(Arc::clone(&reservation.id)));
        }
        if self.is_listed(&reservation.node, &reservation.id) {
            // The report came before the message.
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
}
