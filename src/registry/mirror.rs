//! The mirror of the cluster: turns the entries of the buckets into changes of the cluster. No I/O, no clock of the
//! mirror's own.
//!
//! A view is built in rounds. A round begins when both buckets are read from the start and ends when every entry that
//! was stored then has been read; from then on single entries follow. The nodes and marks known before a round stay
//! until the round ends, so that placements go on while the view is rebuilt. A document that cannot be read affects its
//! own node and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{info, warn};

mod lapses;
mod marking;

use super::RegistryEvent;
use super::cooling::CoolingNodes;
use super::journal::{HistoryRecord, NodeEvent};
use super::known::Known;
use super::liveness::{Liveness, Reported};
use super::mark::Mark;
use super::refusals::Refusals;
use crate::clock::Now;
use crate::model::{Change, Report};
use crate::nats::subjects::decode_key;

/// The longest time between two calls of the mirror. A gap of more than [`FROZEN`] means that this process did not run,
/// and now reads the reports that came meanwhile.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_secs(10);
const FROZEN: Duration = Duration::from_secs(30);

/// The marks of all nodes, shared with the callers that list them.
pub(super) type SharedMarks = Arc<Mutex<BTreeMap<Arc<str>, Mark>>>;

/// The longest cool-down that this replica would write, in milliseconds, shared with the code that knows the
/// configuration.
pub(super) type LongestPause = Arc<AtomicU64>;

/// An entry of a bucket.
#[derive(Clone, Debug)]
pub(super) struct BucketEntry {
    /// The key of the entry, still encoded.
    pub(super) key: String,
    /// The document; `None` where the entry was deleted.
    pub(super) value: Option<Bytes>,
    /// The revision of the entry in the bucket.
    pub(super) revision: u64,
    /// The time at which the broker stored the entry, in Unix milliseconds by the broker's clock.
    pub(super) stored_ms: i64,
}

/// The incarnation of the buckets that a round reads; another incarnation starts empty and numbers from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Incarnation {
    pub(super) nodes: Arc<str>,
    pub(super) marks: Arc<str>,
}

/// An effect of the entries that were read.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    /// An event for the front.
    Event(RegistryEvent),
    /// A record for the history.
    Note(HistoryRecord),
    /// A mark to be written again: the store lost the mark together with the bucket.
    Restore(Arc<str>, Box<Mark>),
}

/// The cluster as read from the buckets.
#[derive(Debug)]
pub(super) struct ClusterMirror {
    liveness: Liveness,
    nodes: BTreeMap<Arc<str>, Known>,
    marks: SharedMarks,
    /// The nodes with a mark that the present bucket of marks has not held yet: the mark was lost with a former bucket.
    lost_marks: BTreeSet<Arc<str>>,
    cooling: CoolingNodes,
    longest_pause: LongestPause,
    /// Whether nodes are held that nobody accepted.
    holds: bool,
    refusals: Refusals,
    incarnation: Option<Incarnation>,
    round: Option<MirrorRound>,
    called: Option<Instant>,
    lost: Option<String>,
    outputs: Vec<Output>,
}

/// The entries that a round has read so far.
#[derive(Debug, Default)]
struct MirrorRound {
    incarnation: Incarnation,
    /// The time at which the broker stored each node's report, in Unix milliseconds.
    nodes: BTreeMap<Arc<str>, i64>,
    /// The time between two reports of each node, where its agent tells that.
    intervals: BTreeMap<Arc<str>, Option<Duration>>,
    marks: BTreeSet<Arc<str>>,
    joined: Vec<Arc<str>>,
    /// The nodes with a document that cannot be read: that is no sign of life, and none of absence.
    refused: BTreeSet<Arc<str>>,
}

impl ClusterMirror {
    pub(super) fn new(liveness: Liveness, marks: SharedMarks, longest_pause: LongestPause) -> Self {
        Self {
            liveness,
            nodes: BTreeMap::new(),
            marks,
            lost_marks: BTreeSet::new(),
            cooling: CoolingNodes::default(),
            longest_pause,
            holds: false,
            refusals: Refusals::default(),
            incarnation: None,
            round: None,
            called: None,
            lost: None,
            outputs: Vec::new(),
        }
    }

    /// Sets whether nodes are held that nobody accepted.
    pub(super) fn holding(mut self, holds: bool) -> Self {
        self.holds = holds;
        self
    }

    /// Begins a round: both buckets, in the given incarnation, are read from the start.
    pub(super) fn begin(&mut self, incarnation: Incarnation, now: Now) {
        self.abandon(now);
        self.liveness.pause(now.instant);
        self.round = Some(MirrorRound { incarnation, ..MirrorRound::default() });
    }

    /// Ends a round: every entry that was stored in the buckets has been read.
    pub(super) fn complete(&mut self, now: Now) {
        let Some(round) = self.round.take() else { return };
        self.liveness.listen(now.instant);
        self.called = Some(now.instant);
        self.lost = None;
        // The broker's own clock tells how old each report is compared with the newest: no clock of this host takes
        // part.
        let newest_ms = round.nodes.values().copied().max().unwrap_or_default();
        for (id, stored_ms) in &round.nodes {
            let age = Duration::from_millis(newest_ms.saturating_sub(*stored_ms).unsigned_abs());
            if self.liveness.reported(id, now.instant, age) == Reported::Returned {
                self.note_of(id, NodeEvent::Joined, String::new());
            }
            self.liveness.expect(id, round.intervals.get(id).copied().flatten());
        }
        let before = self.incarnation.replace(round.incarnation.clone());
        self.settle_nodes(&round, now);
        self.settle_marks(&round, before.as_ref(), now);
        if before.is_some() {
            for id in &round.joined {
                self.note_of(id, NodeEvent::Joined, String::new());
            }
        }
        self.tick(now);
        let nodes = self.nodes.len();
        info!(nodes, "the view of the cluster is whole: {nodes} nodes");
        self.event(RegistryEvent::Ready { nodes });
    }

    /// Records that the buckets are no longer read, for `reason`.
    pub(super) fn lost(&mut self, reason: &str, now: Now) {
        self.abandon(now);
        self.liveness.pause(now.instant);
        // Every attempt fails again while the reason lasts.
        if self.lost.as_deref() != Some(reason) {
            self.lost = Some(reason.to_owned());
            self.event(RegistryEvent::Lost { reason: reason.to_owned() });
        }
    }

    /// Takes in an entry of the bucket of nodes.
    pub(super) fn node_entry(&mut self, entry: BucketEntry, now: Now) {
        self.note_report(now);
        let id = match decode_key(&entry.key) {
            Ok(id) => Arc::<str>::from(id),
            // No node was taken in under such a key, so no node leaves with it.
            Err(_) if entry.value.is_none() => return,
            Err(error) => return self.refuse(None, entry.key, &error, now),
        };
        let Some(text) = &entry.value else { return self.node_left(&id) };
        match Report::parse(text) {
            Ok(report) if report.id == id => self.node_reported(&id, report, &entry, now),
            Ok(report) => {
                let reason = format!("its id is `{}`, which is not the id of its key", report.id);
                self.refuse(Some(id), entry.key, &reason, now);
            }
            Err(error) => self.refuse(Some(id), entry.key, &error, now),
        }
    }

    /// Takes in an entry of the bucket of marks.
    pub(super) fn mark_entry(&mut self, entry: BucketEntry, now: Now) {
        let id = match decode_key(&entry.key) {
            Ok(id) => Arc::<str>::from(id),
            Err(_) if entry.value.is_none() => return,
            Err(error) => return self.refuse(None, format!("mark {}", entry.key), &error, now),
        };
        self.lost_marks.remove(&id);
        let mark = match entry.value.as_deref().map(Mark::parse).transpose() {
            Ok(mark) => mark.unwrap_or_default(),
            Err(error) => {
                // A mark that cannot be read does not lift a cordon.
                if let Some(round) = &mut self.round {
                    round.marks.insert(Arc::clone(&id));
                }
                return self.refuse(Some(id), format!("mark {}", entry.key), &error, now);
            }
        };
        self.refusals.cured(&format!("mark {}", entry.key));
        if let Some(round) = &mut self.round {
            round.marks.insert(Arc::clone(&id));
        }
        self.set_mark(&id, mark, now);
    }

    /// Handles the passing of time: nodes that were silent for too long, cool-downs that are over.
    pub(super) fn tick(&mut self, now: Now) {
        self.note_report(now);
        for lapse in self.liveness.lapsed(now.instant) {
            self.lapse(lapse);
        }
        while let Some(id) = self.cooling.pop_over(now.instant) {
            let in_force = self.in_force(&id, &self.mark_of(&id));
            self.event(RegistryEvent::Change(Change::Mark(id, in_force)));
        }
    }

    /// The time until [`ClusterMirror::tick`] has something to do, if nothing else happens.
    pub(super) fn idle_for(&self, now: Now) -> Option<Duration> {
        let silence = self.liveness.next(now.instant).map(|at| at.saturating_duration_since(now.instant));
        let cooling = self.cooling.next().map(|end| end.saturating_duration_since(now.instant));
        silence.into_iter().chain(cooling).min()
    }

    /// Returns the effects since the last call, in order.
    pub(super) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The number of documents that were refused so far.
    pub(super) fn refused(&self) -> u64 {
        self.refusals.total()
    }

    /// Notes a call. After a pause of this process (a machine that was suspended, say) every node seems silent for
    /// long: that silence is not held against the nodes.
    fn note_report(&mut self, now: Now) {
        let before = self.called.replace(now.instant);
        // While the buckets cannot be read nobody has to call, and no silence counts.
        let before = before.filter(|_| self.lost.is_none());
        let gap = before.map(|before| now.instant.saturating_duration_since(before)).unwrap_or_default();
        if gap > FROZEN {
            warn!("this process did not run for {} s; no node's silence is held against it", gap.as_secs());
            self.liveness.forgive(now.instant, gap);
        }
    }

    /// Ends a round early: the reports that the round read count, a missing entry says nothing.
    fn abandon(&mut self, now: Now) {
        for id in self.round.take().into_iter().flat_map(|round| round.nodes.into_keys()) {
            self.liveness.reported(&id, now.instant, Duration::ZERO);
        }
    }

    fn node_reported(&mut self, id: &Arc<str>, report: Report, entry: &BucketEntry, now: Now) {
        if self.refusals.cured(&entry.key) {
            info!(node = %id, "the document of node `{id}` can be read again");
        }
        let report = Arc::new(report);
        let before = self.nodes.remove(id);
        if before.as_ref().is_none_or(|before| before.report.notes() != report.notes()) {
            report.notes().iter().for_each(|note| warn!(node = %id, "node `{id}`: {note}"));
        }
        let place = (self.bucket(), entry.revision);
        let known = Known::new(Arc::clone(&report), place, before.as_ref(), now.instant);
        let changed = before.as_ref().map(|before| known.differences(before)).unwrap_or_default();
        self.nodes.insert(Arc::clone(id), known);
        let interval = report.agent().interval_ms.map(Duration::from_millis);
        if before.is_none() && self.holds {
            // First: no node is offered before it is known to be held.
            let in_force = self.in_force(id, &self.mark_of(id));
            self.event(RegistryEvent::Change(Change::Mark(Arc::clone(id), in_force)));
        }
        self.event(RegistryEvent::Change(Change::Report(report)));
        if !changed.is_empty() {
            self.note_of(id, NodeEvent::Changed, changed.join(", "));
        }
        if let Some(round) = &mut self.round {
            round.nodes.insert(Arc::clone(id), entry.stored_ms);
            round.intervals.insert(Arc::clone(id), interval);
            if before.is_none() {
                round.joined.push(Arc::clone(id));
            }
            return;
        }
        let reported = self.liveness.reported(id, now.instant, Duration::ZERO);
        self.liveness.expect(id, interval);
        let happened = match reported {
            Reported::Joined => "node joined",
            Reported::Returned => "node is back",
            Reported::Resumed => return self.resumed(id),
            Reported::Stayed => return,
        };
        let address = self.nodes.get(id).map(Known::address).unwrap_or_default();
        let held = self.holds && self.mark_of(id).accepted.is_none();
        let waits = if held { "held: `whither nodes accept` lets it take sessions" } else { "" };
        info!(node = %id, address, waits, "{happened}: `{id}`");
        self.note_of(id, NodeEvent::Joined, waits.to_owned());
    }

    fn node_left(&mut self, id: &Arc<str>) {
        self.liveness.left(id);
        if let Some(round) = &mut self.round {
            round.nodes.remove(id);
        }
        if let Some(known) = self.nodes.get(id) {
            info!(node = %id, address = known.address(), "node left: `{id}` said so");
            self.note_of(id, NodeEvent::Left, "its agent was stopped".to_owned());
            self.nodes.remove(id);
            self.event(RegistryEvent::Change(Change::Remove(Arc::clone(id))));
        }
    }

    /// Settles the nodes that a round did not see. Where the bucket of the round held their reports, those expired. A
    /// bucket that was made since then never held those reports, however often the bucket is read, so the nodes keep
    /// the time that they have left.
    fn settle_nodes(&mut self, round: &MirrorRound, now: Now) {
        let seen = |id: &Arc<str>| round.nodes.contains_key(id) || round.refused.contains(id);
        let held = |id: &Arc<str>| self.nodes.get(id).is_some_and(|known| known.bucket == round.incarnation.nodes);
        let vanished: Vec<_> = self.liveness.live().filter(|id| held(id) && !seen(id)).cloned().collect();
        for id in vanished {
            if let Some(lapse) = self.liveness.vanished(&id, now.instant) {
                self.lapse(lapse);
            }
        }
    }

    fn refuse(&mut self, node: Option<Arc<str>>, key: String, reason: &dyn std::fmt::Display, now: Now) {
        let reason = reason.to_string();
        if let (Some(round), Some(node)) = (&mut self.round, &node) {
            round.refused.insert(Arc::clone(node));
        }
        if let Some(quiet) = self.refusals.count(&key, now.instant) {
            let more = if quiet > 0 { format!("; {quiet} more like it were not logged") } else { String::new() };
            warn!(key, node = node.as_deref().unwrap_or_default(), "document `{key}` refused: {reason}{more}");
        }
        self.event(RegistryEvent::Refused { node, key, reason });
    }

    /// The incarnation of the bucket of nodes that is being read.
    fn bucket(&self) -> Arc<str> {
        let reading = self.round.as_ref().map(|round| &round.incarnation).or(self.incarnation.as_ref());
        reading.map(|incarnation| Arc::clone(&incarnation.nodes)).unwrap_or_default()
    }

    fn note_of(&mut self, id: &Arc<str>, event: NodeEvent, reason: String) {
        let revision = self.nodes.get(id).map(|known| known.revision).unwrap_or_default();
        let bucket = self.incarnation.as_ref().map(|incarnation| &*incarnation.nodes).unwrap_or_default();
        let identity = format!("{bucket}.{revision}.{event:?}.{id}");
        self.outputs.push(Output::Note(HistoryRecord {
            user: String::new(),
            node: Arc::clone(id),
            event,
            by: String::new(),
            reason,
            identity,
        }));
    }

    fn event(&mut self, event: RegistryEvent) {
        self.outputs.push(Output::Event(event));
    }
}
