//! The passing of time: what expires, who is silent for too long, and what is looked at now and then.

use std::time::Duration;

use crate::model::{Change, Reservation};
use crate::registry::peers::ReservationEnd;

use super::events::Tick;
use super::task::Front;

/// The number of ticks between two walks over the whole cluster for the metrics.
const TICKS_A_SHOW: u64 = 10;
/// The silence of a busy worker that is always accepted, and the time for each node that refreshing the caches may take
/// on top. A worker that reads changes of nodes is not silent: the worker sends a sign of life, by the bytes
/// (`worker/outbox.rs`).
const LEAST_SILENCE: Duration = Duration::from_secs(1);
const READING_US: u64 = 200;
/// The memory of a worker for a byte of a node's document, as a factor, and for a reservation in bytes: the mirror and
/// the caches of engines.
const DOCUMENT_FACTOR: u64 = 8;
pub(super) const RESERVATION_BYTES: u64 = 4 << 10;

impl Front {
    /// Handles the passing of time.
    pub(super) fn tick(&mut self, Tick { passed, is_drained }: Tick) {
        let now_ms = self.now_ms();
        let expired = self.ledger.expire(now_ms);
        if let Some(first) = expired.first() {
            let Reservation { id, node, .. } = &first.reservation;
            tracing::info!(count = expired.len(), first = %id, at = %node, "reservations expired");
        }
        self.metrics.expired_reservations.inc_by(expired.len() as u64);
        for entry in expired {
            self.end_claim(&entry, ReservationEnd::Expired, false);
            self.change(Change::Release(entry.reservation.id));
        }
        self.write_off_lingering();
        self.look_at_holds();
        if self.failures.expire(now_ms) {
            self.note_freed();
        }
        let free = self.quarantine.release(now_ms);
        self.set_free(free);
        let nodes = self.cluster.len() as u64;
        let limits = self.workers.setup().birth.limits;
        let reading = Duration::from_micros(READING_US * nodes);
        let slowest = |chain: &_| limits.chain_wall(chain, nodes).max(LEAST_SILENCE) + reading;
        for limit in self.workers.kill_silent(passed, slowest) {
            tracing::warn!("a worker has said nothing for {limit:?}: killing it");
        }
        if self.runner.kill_if_silent(passed) {
            tracing::warn!("the runner has said nothing for longer than any program may take: killing it");
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_A_SHOW) {
            self.workers.tire(self.mirror_bytes());
            self.look_at_view();
            self.look_at_clocks();
            self.look_at_pings();
            self.look_at_room();
            self.show();
        }
        self.go_on_with_time(is_drained);
    }

    /// Returns the memory in bytes that the present cluster may take in a worker.
    fn mirror_bytes(&self) -> u64 {
        let documents: u64 = self.cluster.nodes().map(|(_, node)| node.report().text.len() as u64).sum();
        let reservations = self.ledger.len() as u64;
        documents.saturating_mul(DOCUMENT_FACTOR).saturating_add(reservations.saturating_mul(RESERVATION_BYTES))
    }
}
