//! What the front does after a time in which it did not run or was without NATS: it hears what it missed.
//!
//! A stopped process and a suspended machine miss what the other replicas say, and wake with what they knew: places that
//! are long free look taken, others look free that are not, and requests that another replica has answered wait in a
//! buffer. So the front tells the others all that it holds, asks them for all that they hold, and drops what their lists
//! lack. It holds requests back meanwhile, for no longer than [`LONGEST_CATCH_UP`]: then it goes on with what it knows.
//! After a time without NATS it does so where capacity is strict.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Change, Failure, FailureName};
use crate::nats::frozen::SURELY_KEPT;
use crate::nats::message::{Incoming, Verb};
use crate::registry::peers::{ReservationEnd, owner};
use crate::worker::Ticket;

use super::effects::Effect;
use super::pending_request::{PendingRequest, PendingStage};
use super::task::Front;

/// A process that did not run for longer than this has missed something.
pub const PAUSE: Duration = Duration::from_secs(1);
/// After a pause that was no longer than [`SURELY_KEPT`], so that NATS has kept all that this replica was told, lists are asked
/// for no sooner than so long after the last time: to hear them is work too, and must not look like a pause.
const BETWEEN: Duration = Duration::from_secs(10);
/// Requests are held back for so long at most after a pause, whoever has not answered.
const LONGEST_CATCH_UP: Duration = Duration::from_secs(3);
/// So many requests are held back at most, of so many bytes; more are refused.
const HELD_BACK: usize = 4096;
const HELD_BACK_BYTES: usize = 64 << 20;

/// What the front has to catch up with.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    /// When lists were last asked for.
    asked: Option<Instant>,
    /// Since when requests are held back.
    since: Option<Instant>,
    /// Requests that wait until that is over, and their bytes.
    requests: VecDeque<Incoming>,
    bytes: usize,
    /// Requests that were decided before, and are to be decided again.
    decided: Vec<Ticket>,
    /// Reservations that are over by the word of others, and when that was heard: they count here until the view of the
    /// cluster is known to be newer than the word, because the sessions may not be in it yet.
    doubts: BTreeMap<Arc<str>, Instant>,
    /// When the last list of another replica was heard, or the pause ended: the view has to be newer.
    news: Option<Instant>,
    /// The last moment of which it is known that the registry had read all that there was.
    read: Option<Instant>,
    /// The last moment of which it is known that this front had taken in all that there was.
    current: Option<Instant>,
}

impl CatchUp {
    /// Whether requests are held back.
    pub(super) fn is_under_way(&self) -> bool {
        self.since.is_some()
    }

    /// The number of requests that nobody has looked at.
    pub(super) fn unread(&self) -> usize {
        self.requests.len()
    }

    /// The number of requests that are held back, before or after their decision.
    fn held(&self) -> usize {
        self.requests.len() + self.decided.len()
    }

    /// How many reservations of `replica` are over by the word of others, and count here still.
    pub(super) fn doubts_of(&self, replica: &str) -> usize {
        self.doubts.keys().filter(|id| owner(id) == replica).count()
    }
}

impl Front {
    /// Catches up after this process, or its clock, stood still for `gap`.
    pub(super) fn was_paused(&mut self, gap: Duration) {
        tracing::warn!(
            ms = gap.as_millis(),
            "this process did not run for {} ms: what it missed it hears from the other replicas",
            gap.as_millis()
        );
        self.metrics.pauses.inc();
        let lately = self.catch_up.asked.is_some_and(|asked| self.since(asked) < BETWEEN.saturating_add(gap));
        if lately && gap <= SURELY_KEPT {
            return;
        }
        self.request_missed();
        self.catch_up.since = Some(self.now.instant);
    }

    /// Catches up after a time without NATS.
    pub(super) fn was_cut_off(&mut self) {
        self.request_missed();
        if self.workers.setup().is_strict && self.nodes_known {
            self.catch_up.since = Some(self.now.instant);
        }
    }

    /// Asks the others for all that they hold, and tells them all that this replica holds.
    fn request_missed(&mut self) {
        let now_ms = self.now_ms();
        self.catch_up.asked = Some(self.now.instant);
        self.want_lists(now_ms);
        self.wait_for_news();
    }

    /// Gives `incoming` back where it may be decided at once; holds it back, or refuses it, where this replica has yet to
    /// catch up.
    pub(super) fn unless_held_back(&mut self, incoming: Incoming) -> Option<Incoming> {
        if !self.catch_up.is_under_way() || incoming.verb != Verb::Place {
            return Some(incoming);
        }
        let bytes = self.catch_up.bytes.saturating_add(incoming.payload.len());
        if self.catch_up.requests.len() < HELD_BACK && bytes <= HELD_BACK_BYTES {
            self.catch_up.bytes = bytes;
            self.catch_up.requests.push_back(incoming);
        } else {
            let message = "this replica did not run for a while and hears what it missed: ask again in a moment";
            self.refuse(&incoming, &Failure::new(FailureName::Overloaded, message));
        }
        None
    }

    /// Holds back a decision that was taken by the worker in `slot` before this replica has caught up; it is taken again.
    pub(super) fn hold_back(&mut self, slot: usize, pending: Box<PendingRequest>, decided_by: Option<Arc<str>>) {
        self.workers.undo(slot, Change::Release(Arc::clone(&pending.question.decision)));
        self.catch_up.decided.push(pending.question.ticket);
        self.requests.put(pending, PendingStage::HeldBack(decided_by));
    }

    /// What is known from now on of other replicas counts for sure once the view of the cluster is newer.
    pub(super) fn wait_for_news(&mut self) {
        self.catch_up.news = Some(self.now.instant);
        self.order(Effect::LookSoon);
    }

    /// The reservation `id` is over by the word of another replica, which may have seen a report that this one has not.
    pub(super) fn doubt(&mut self, id: Arc<str>) {
        let Some(entry) = self.ledger.get(&id) else { return };
        let is_own = entry.own;
        self.catch_up.doubts.entry(id).or_insert(self.now.instant);
        if is_own {
            // That is told in answer to a list alone, to a replica that missed it.
            self.wait_for_news();
        }
    }

    /// Goes on where everything was heard, or where that took too long. `drained` says that no change of the cluster waits
    /// to be taken in.
    pub(super) fn go_on_with_time(&mut self, drained: bool) {
        // What the registry had read at the last look has been taken in if nothing waits now.
        if drained {
            self.catch_up.current = self.catch_up.read;
        }
        self.catch_up.read = self.view.looked(self.now.instant);
        let current = self.catch_up.current;
        let settled = self.catch_up.doubts.extract_if(.., |_, at| Some(*at) < current).collect::<Vec<_>>();
        for (id, _) in settled {
            self.end_elsewhere(id);
        }
        let Some(since) = self.catch_up.since else { return };
        // Where capacity is not strict, nobody waits for what nodes report.
        let is_current = !self.workers.setup().is_strict || current > self.catch_up.news;
        let heard = !self.replicas.is_list_wanted() && is_current;
        if !heard && self.since(since) < LONGEST_CATCH_UP {
            return;
        }
        let (ms, held) = (self.since(since).as_millis(), self.catch_up.held());
        if heard {
            tracing::info!(ms, held, "this replica knows again what the others know");
        } else {
            tracing::warn!(ms, held, "not everything was heard that this replica missed: going on with what it knows");
        }
        self.let_go();
    }

    /// Decides what was held back.
    fn let_go(&mut self) {
        self.catch_up.since = None;
        self.catch_up.bytes = 0;
        for ticket in std::mem::take(&mut self.catch_up.decided) {
            let Some(mut pending) = self.requests.take(ticket) else { continue };
            let decided_by = match std::mem::replace(&mut pending.stage, PendingStage::Queued) {
                PendingStage::HeldBack(decided_by) => decided_by,
                _ => None,
            };
            self.decide_again(pending, decided_by.as_ref());
        }
        for incoming in std::mem::take(&mut self.catch_up.requests) {
            self.ask(incoming);
        }
        // Those who wait for a node were not asked meanwhile.
        self.note_freed();
    }

    /// Ends the reservation `id` here, which is over elsewhere.
    pub(super) fn end_elsewhere(&mut self, id: Arc<str>) {
        let now_ms = self.now_ms();
        if let Some(entry) = self.ledger.release(&id, now_ms) {
            self.end_claim(&entry, ReservationEnd::Reported, true);
            self.change(Change::Release(id));
        }
    }

    /// Answers the requests that were held back before they were looked at, when the service gives up waiting.
    pub(super) fn answer_held_back(&mut self, failure: &Failure) {
        for incoming in std::mem::take(&mut self.catch_up.requests) {
            self.fail(&incoming, failure);
        }
    }
}

#[cfg(test)]
mod tests;
