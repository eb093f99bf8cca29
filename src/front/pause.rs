//! The catching up of the front after a time in which the process did not run or NATS was not connected.
//!
//! A stopped process and a suspended machine miss the messages of the other replicas, and wake with an old state:
//! places that are long free look taken, others look free that are not, and requests that another replica has answered
//! wait in a buffer. So the front sends the others all reservations that it holds, asks them for all that they hold,
//! and drops the reservations that their lists lack. The front holds requests back meanwhile, for no longer than
//! [`LONGEST_CATCH_UP`]: then the front goes on with the state that is known. After a time without NATS the front does
//! so where capacity is strict.

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

/// The longest time for which a process may stand still without having missed something.
pub const PAUSE: Duration = Duration::from_secs(1);
/// The least time between two requests for lists after pauses no longer than [`SURELY_KEPT`], over which NATS has kept
/// all messages for this replica: reading the lists is work too, and must not look like a pause.
const BETWEEN: Duration = Duration::from_secs(10);
/// The longest time for which requests are held back after a pause, even if replicas have not answered.
const LONGEST_CATCH_UP: Duration = Duration::from_secs(3);
/// The most requests that are held back, and the most bytes of them; more are refused.
const HELD_BACK: usize = 4096;
const HELD_BACK_BYTES: usize = 64 << 20;

/// The state of catching up.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    /// The time when lists were last asked for.
    asked: Option<Instant>,
    /// The time since which requests are held back.
    since: Option<Instant>,
    /// The requests that wait for the end of that, and their bytes.
    requests: VecDeque<Incoming>,
    bytes: usize,
    /// The requests that were decided before, and are to be decided again.
    decided: Vec<Ticket>,
    /// The reservations that are over according to another replica, with the time of that message: they count here
    /// until the view of the cluster is known to be newer than the message, because the sessions may not be in the view
    /// yet.
    doubts: BTreeMap<Arc<str>, Instant>,
    /// The time when the last list of another replica was received, or the pause ended: the view has to be newer.
    news: Option<Instant>,
    /// The last time at which the registry is known to have read all changes.
    read: Option<Instant>,
    /// The last time at which this front is known to have handled all changes.
    current: Option<Instant>,
}

impl CatchUp {
    /// Whether requests are held back.
    pub(super) fn is_under_way(&self) -> bool {
        self.since.is_some()
    }

    /// The number of requests that were not looked at yet.
    pub(super) fn unread(&self) -> usize {
        self.requests.len()
    }

    /// The number of requests that are held back, before or after their decision.
    fn held(&self) -> usize {
        self.requests.len() + self.decided.len()
    }

    /// Returns the number of reservations of `replica` that are over according to others, and still count here.
    pub(super) fn doubts_of(&self, replica: &str) -> usize {
        self.doubts.keys().filter(|id| owner(id) == replica).count()
    }
}

impl Front {
    /// Catches up after this process, or the process's clock, stood still for `gap`.
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

    /// Asks the others for all reservations that they hold, and sends them all that this replica holds.
    fn request_missed(&mut self) {
        let now_ms = self.now_ms();
        self.catch_up.asked = Some(self.now.instant);
        self.want_lists(now_ms);
        self.wait_for_news();
    }

    /// Returns `incoming` where the request may be decided at once; holds the request back, or refuses the request,
    /// where this replica has yet to catch up.
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

    /// Holds back a decision that the worker in `slot` made before this replica has caught up; the decision is made
    /// again.
    pub(super) fn hold_back(&mut self, slot: usize, pending: Box<PendingRequest>, decided_by: Option<Arc<str>>) {
        self.workers.undo(slot, Change::Release(Arc::clone(&pending.question.decision)));
        self.catch_up.decided.push(pending.question.ticket);
        self.requests.put(pending, PendingStage::HeldBack(decided_by));
    }

    /// From now on, messages of other replicas count for sure once the view of the cluster is newer.
    pub(super) fn wait_for_news(&mut self) {
        self.catch_up.news = Some(self.now.instant);
        self.order(Effect::LookSoon);
    }

    /// Notes that the reservation `id` is over according to another replica, which may have seen a report that is
    /// missing here.
    pub(super) fn doubt(&mut self, id: Arc<str>) {
        let Some(entry) = self.ledger.get(&id) else { return };
        let is_own = entry.own;
        self.catch_up.doubts.entry(id).or_insert(self.now.instant);
        if is_own {
            // Another replica says so only in answer to a list, to a replica that missed the end.
            self.wait_for_news();
        }
    }

    /// Ends the catching up where all lists have come, or where that took too long. `drained` says that no change of
    /// the cluster waits to be handled.
    pub(super) fn go_on_with_time(&mut self, drained: bool) {
        // The changes that the registry had read at the last look have been handled if none waits now.
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
        // Where capacity is not strict, the reports of nodes are not waited for.
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

    /// Decides the requests that were held back.
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
        // Requests that wait for a node were not asked meanwhile.
        self.note_freed();
    }

    /// Ends the reservation `id` here, which is over elsewhere.
    pub(super) fn end_elsewhere(&mut self, id: Arc<str>) {
        let now_ms = self.now_ms();
        if let Some(entry) = self.ledger.fulfil(&id, now_ms) {
            self.end_claim(&entry, ReservationEnd::Reported, true);
            self.change(Change::Release(id));
        }
    }

    /// Answers the requests that were held back unread, when the service stops waiting.
    pub(super) fn answer_held_back(&mut self, failure: &Failure) {
        for incoming in std::mem::take(&mut self.catch_up.requests) {
            self.fail(&incoming, failure);
        }
    }
}

#[cfg(test)]
mod tests;
