//! The registry: the state of the cluster, as nodes report it and as administrators mark nodes.
//!
//! The front gets the registry as a stream of [`RegistryEvent`]s: changes for the front's cluster, and whether the view
//! is whole. The storage is NATS buckets ([`Registry::start`]) or, in tests and the simulator, memory
//! ([`Registry::in_memory`]). The registry does not know chains, decisions or reservations.

mod administration;
mod assigned;
pub mod assignments;
pub mod claims;
mod cooling;
pub mod documents;
pub mod facts;
mod feed;
mod freshness;
mod guarded_bucket;
pub mod ids;
pub mod journal;
mod known;
pub mod ledger;
pub mod liveness;
pub mod mark;
pub mod marks;
pub mod memory;
mod mirror;
mod peer_message;
pub mod peers;
mod refusals;
mod stores;
mod streams;
#[cfg(test)]
mod tests;
pub mod transit;
mod watch;
mod watched_bucket;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{Keeping, Namespace};
use crate::model::Change;
use crate::nats::Bus;
use crate::nats::jetstream;
use assignments::{Assignment, AssignmentBook, Assignments};
use claims::ClaimBook;
use documents::StoreError;
use facts::{FactBook, FactEntry, Facts};
use freshness::Freshness;
use journal::{EventStore, HistoryRecord, Journal, KeptRecord};
use liveness::{CheckIn, CheckIns, Liveness};
use mark::Mark;
use marks::MarkBook;
use mirror::{ClusterMirror, LongestPause, SharedMarks};
use stores::{JetStreamDocuments, JetStreamEvents};
use watch::RegistryWatch;
use watched_bucket::WatchedBucket;

/// The first pause after a failed start, in milliseconds, until [`Registry::bound_cool_downs`] sets another.
const USUAL_PAUSE_MS: u64 = 60_000;
/// The most events that wait for the front.
const EVENTS: usize = 4096;

/// An event of the cluster for the front.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistryEvent {
    /// The cluster changed.
    Change(Change),
    /// All assignments, as they are when the view is built.
    Assignments(Assignments),
    /// The assignment of the user, whose name is compared as this, was written or removed.
    Assigned(Arc<str>, Option<Assignment>),
    /// All countable facts, as they are when the view is built.
    Facts(Facts),
    /// The countable fact of this name was written or deleted.
    Fact(Arc<str>, FactEntry),
    /// The view is whole with the changes up to now; from here on the view follows the buckets.
    Ready {
        /// The number of known nodes, stale nodes included.
        nodes: usize,
    },
    /// The view is not kept at the moment; the cluster stays unchanged while the view is built anew.
    Lost {
        /// The reason.
        reason: String,
    },
    /// A document was refused; only the node that the document describes is affected, and that node keeps the last good
    /// report.
    Refused {
        /// The node of the document; `None` where the key names no node.
        node: Option<Arc<str>>,
        /// The key of the document.
        key: String,
        /// The fault in the document.
        reason: String,
    },
}

/// The settings of the registry.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The prefix of all names.
    pub namespace: Namespace,
    /// The time that a node may be silent before the node is stale.
    pub liveness: Duration,
    /// The time that a stale node stays known.
    pub retention: Duration,
    /// The number of reports that a node may miss before the node is out of sync.
    pub max_missed: u32,
    /// Whether nodes are held that nobody accepted.
    pub holds: bool,
    /// Where new records of the history go to, beside the store.
    pub news: Option<mpsc::Sender<HistoryRecord>>,
    /// The storage of buckets that are missing and have to be made.
    pub keeping: Keeping,
}

/// Counters and proofs of freshness of the registry.
#[derive(Debug, Default)]
pub struct RegistryCounters {
    refused: AtomicU64,
    rebuilds: AtomicU64,
    freshness: Freshness,
    /// The last check of the buckets that found nothing more in them: unlike a heartbeat, no proof that was late on its
    /// way.
    looked: Freshness,
    /// Wakes the task that checks the buckets, so that the check comes soon.
    hurry: Notify,
}

/// The calls on the registry; clones share the registry.
#[derive(Clone, Debug)]
pub struct Registry {
    book: MarkBook,
    claims: ClaimBook,
    assignments: AssignmentBook,
    facts: FactBook,
    journal: Journal,
    marks: SharedMarks,
    longest_pause: LongestPause,
    check_ins: CheckIns,
    holds: bool,
    figures: Arc<RegistryCounters>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            namespace: Namespace::default(),
            liveness: liveness::LIMIT,
            retention: liveness::RETENTION,
            max_missed: liveness::MAX_MISSED,
            holds: false,
            news: None,
            keeping: Keeping::default(),
        }
    }
}

/// Reads the history of `node` straight from the bus: for a command, which keeps no view of the cluster.
///
/// # Errors
/// [`StoreError`] where the store cannot be read.
pub async fn history(
    bus: &Bus,
    namespace: &Namespace,
    node: &str,
    limit: usize,
) -> Result<Vec<KeptRecord>, StoreError> {
    let store = JetStreamEvents::new(jetstream::context(bus), namespace.clone());
    EventStore::read(&store, node, limit).await
}

/// Reads the last record of each node's history straight from the bus, for a command.
///
/// # Errors
/// As [`history`].
pub async fn last_records(bus: &Bus, namespace: &Namespace) -> Result<Vec<KeptRecord>, StoreError> {
    JetStreamEvents::new(jetstream::context(bus), namespace.clone()).last_events().await
}

impl Registry {
    /// Starts the registry of the cluster on `bus`, kept by a task until `stop` or until the receiver is dropped. Must
    /// be called where tokio runs.
    #[must_use]
    pub fn start(
        bus: &Bus,
        settings: RegistrySettings,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<RegistryEvent>) {
        let (js, namespace) = (jetstream::context(bus), &settings.namespace);
        let documents = |bucket| Arc::new(JetStreamDocuments::new(js.clone(), bucket));
        let book = MarkBook::new(documents(namespace.marks_bucket()));
        let claims = ClaimBook::new(documents(namespace.claims_bucket()));
        let (assignments, facts) = (documents(namespace.assignments_bucket()), documents(namespace.facts_bucket()));
        let watched = (WatchedBucket::new(assignments.clone()), WatchedBucket::new(facts.clone()));
        let (assignments, facts) = (AssignmentBook::new(assignments), FactBook::new(facts));
        let events = Arc::new(JetStreamEvents::new(js.clone(), namespace.clone()));
        let journal = Journal::start_telling(events, stop.child_token(), settings.news.clone());
        let registry = Self { holds: settings.holds, ..Self::with(book, claims, assignments, facts, journal) };
        let (events, receiver) = mpsc::channel(EVENTS);
        let watch = RegistryWatch {
            bus: bus.clone(),
            mirror: registry.mirror(
                Liveness::new(settings.liveness, settings.retention)
                    .with_max_missed(settings.max_missed)
                    .sharing(Arc::clone(&registry.check_ins)),
            ),
            settings,
            marks: registry.book.clone(),
            assignments: watched.0,
            facts: watched.1,
            journal: registry.journal.clone(),
            figures: Arc::clone(&registry.figures),
            events,
        };
        tokio::spawn(watch.run(stop));
        (registry, receiver)
    }

    /// Bounds every cool-down on this replica by the longest that follows from a first pause of `pause_ms`, whichever
    /// replica wrote the mark. Cool-downs that run already keep their end.
    pub fn bound_cool_downs(&self, pause_ms: u64) {
        self.longest_pause.store(mark::longest_pause_ms(pause_ms), Ordering::Relaxed);
    }

    /// Whether `node` is held: it reports, and waits to be accepted.
    #[must_use]
    pub fn is_held(&self, node: &str) -> bool {
        self.holds && self.mark(node).is_none_or(|mark| mark.accepted.is_none())
    }

    /// Whether a node with `mark` takes no new sessions.
    #[must_use]
    pub fn keeps_out(&self, mark: &Mark) -> bool {
        mark.keeps_out(self.holds)
    }

    /// The claims on nodes, which are kept in the bus.
    #[must_use]
    pub fn claims(&self) -> &ClaimBook {
        &self.claims
    }

    /// The countable facts, which are kept in the bus.
    #[must_use]
    pub fn facts(&self) -> &FactBook {
        &self.facts
    }

    /// Returns the history of `node`, at most `limit` records, the newest last.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub async fn history(&self, node: &str, limit: usize) -> Result<Vec<KeptRecord>, StoreError> {
        self.journal.history(node, limit).await
    }

    /// Returns the mark of `node`.
    #[must_use]
    pub fn mark(&self, node: &str) -> Option<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    /// Returns every mark, by node.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<Arc<str>, Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the last report of `node`, as far as this replica read it.
    #[must_use]
    pub fn check_in(&self, node: &str) -> Option<CheckIn> {
        self.check_ins.lock().unwrap_or_else(PoisonError::into_inner).get(node).copied()
    }

    /// Returns the nodes that are out of sync.
    #[must_use]
    pub fn late(&self) -> Vec<Arc<str>> {
        let check_ins = self.check_ins.lock().unwrap_or_else(PoisonError::into_inner);
        check_ins.iter().filter(|(_, check_in)| check_in.is_late).map(|(node, _)| Arc::clone(node)).collect()
    }

    /// The number of documents that were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.figures.refused.load(Ordering::Relaxed)
    }

    /// The number of times that the view was built.
    #[must_use]
    pub fn rebuilds(&self) -> u64 {
        self.figures.rebuilds.load(Ordering::Relaxed)
    }

    /// The time from the last proof that the view has every entry of the buckets to `now`; `None` where the view was
    /// never whole.
    #[must_use]
    pub fn view_age(&self, now: Instant) -> Option<Duration> {
        self.figures.freshness.age(now)
    }

    /// The last time before `now` at which the buckets were asked for their last entry and that entry had been read or
    /// arrived soon after; `None` where they never were. All changes up to then were sent as events before this time is
    /// returned. Unlike [`Registry::view_age`], not fooled by a heartbeat that waited in a buffer.
    #[must_use]
    pub fn looked(&self, now: Instant) -> Option<Instant> {
        self.figures.looked.age(now).and_then(|age| now.checked_sub(age))
    }

    /// Has the buckets asked soon, for [`Registry::looked`].
    pub fn look_soon(&self) {
        self.figures.hurry.notify_one();
    }

    /// The number of history records that were lost because the queue was full or the store did not take them.
    #[must_use]
    pub fn history_dropped(&self) -> u64 {
        self.journal.dropped()
    }

    fn with(book: MarkBook, claims: ClaimBook, assignments: AssignmentBook, facts: FactBook, journal: Journal) -> Self {
        let longest_pause = Arc::new(AtomicU64::new(mark::longest_pause_ms(USUAL_PAUSE_MS)));
        let (marks, check_ins) = (SharedMarks::default(), CheckIns::default());
        Self {
            book,
            claims,
            assignments,
            facts,
            journal,
            marks,
            longest_pause,
            check_ins,
            holds: false,
            figures: Arc::default(),
        }
    }

    /// Creates a mirror that shares the marks with this registry.
    fn mirror(&self, liveness: Liveness) -> ClusterMirror {
        ClusterMirror::new(liveness, Arc::clone(&self.marks), Arc::clone(&self.longest_pause)).holding(self.holds)
    }
}
