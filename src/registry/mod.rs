//! The registry: the truth about the cluster, as nodes report it and as administrators mark it.
//!
//! The front gets it as a stream of [`RegistryEvent`]s: changes for its cluster, and word of whether the view is whole.
//! Behind that stand NATS buckets ([`Registry::start`]) or, in tests and the simulator, memory ([`Registry::in_memory`]).
//! The registry does not know chains, decisions or reservations.

pub mod claims;
mod cooling;
pub mod documents;
mod feed;
mod freshness;
pub mod ids;
pub mod journal;
mod known;
pub mod ledger;
pub mod liveness;
pub mod marks;
pub mod memory;
mod mirror;
pub mod peers;
mod refusals;
mod stores;
mod streams;
#[cfg(test)]
mod tests;
pub mod transit;
mod watch;

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
use claims::ClaimBook;
use documents::StoreError;
use freshness::Freshness;
use journal::{EventStore, HistoryRecord, Journal, KeptRecord, NodeEvent};
use liveness::Liveness;
use marks::{Edited, Mark, MarkAuthor, MarkBook, MarkError};
use mirror::{ClusterMirror, LongestPause, SharedMarks};
use stores::{JetStreamDocuments, JetStreamEvents};
use watch::RegistryWatch;

/// The first pause after a failed start, in milliseconds, until somebody says otherwise.
const USUAL_PAUSE_MS: u64 = 60_000;
/// So many events wait for the front at most.
const EVENTS: usize = 4096;

/// One thing that the front hears of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistryEvent {
    /// The cluster changed.
    Change(Change),
    /// With the changes up to now the view is whole; from here on it follows.
    Ready {
        /// How many nodes are known, stale ones included.
        nodes: usize,
    },
    /// The view is not kept at the moment; it is as it was, and is being built anew.
    Lost {
        /// Why.
        reason: String,
    },
    /// A document was refused; nothing but its node is affected, and that keeps its last good report.
    Refused {
        /// The node whose document it is; absent where the key names none.
        node: Option<Arc<str>>,
        /// The key under which it stands.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// How the registry is kept.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The prefix of all names.
    pub namespace: Namespace,
    /// How long a node may be silent before it is stale.
    pub liveness: Duration,
    /// How long a stale node stays known.
    pub retention: Duration,
    /// How buckets that are missing are made.
    pub keeping: Keeping,
}

/// Counts of what the registry did.
#[derive(Debug, Default)]
pub struct RegistryCounters {
    refused: AtomicU64,
    rebuilds: AtomicU64,
    freshness: Freshness,
    /// The last look at the buckets that found nothing more in them: no proof that was late on its way.
    looked: Freshness,
    /// That such a look is wanted soon.
    hurry: Notify,
}

/// The calls on the registry; clones share it.
#[derive(Clone, Debug)]
pub struct Registry {
    book: MarkBook,
    claims: ClaimBook,
    journal: Journal,
    marks: SharedMarks,
    longest_pause: LongestPause,
    figures: Arc<RegistryCounters>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            namespace: Namespace::default(),
            liveness: liveness::LIMIT,
            retention: liveness::RETENTION,
            keeping: Keeping::default(),
        }
    }
}

/// What happened to `node`, read straight from the bus: for a command, which keeps no view of the cluster.
///
/// # Errors
/// What the store says where it cannot be read.
pub async fn history(
    bus: &Bus,
    namespace: &Namespace,
    node: &str,
    limit: usize,
) -> Result<Vec<KeptRecord>, StoreError> {
    let store = JetStreamEvents::new(jetstream::context(bus), namespace.clone());
    EventStore::read(&store, node, limit).await
}

impl Registry {
    /// The registry of the cluster on `bus`, kept by a task until `stop` or until the receiver is dropped. Must be called
    /// where tokio runs.
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
        let events = Arc::new(JetStreamEvents::new(js.clone(), namespace.clone()));
        let registry = Self::with(book, claims, Journal::start(events, stop.child_token()));
        let (events, receiver) = mpsc::channel(EVENTS);
        let watch = RegistryWatch {
            bus: bus.clone(),
            mirror: registry.mirror(Liveness::new(settings.liveness, settings.retention)),
            settings,
            marks: registry.book.clone(),
            journal: registry.journal.clone(),
            figures: Arc::clone(&registry.figures),
            events,
        };
        tokio::spawn(watch.run(stop));
        (registry, receiver)
    }

    /// Lets no cool-down last longer here than the longest that follows from a first pause of `pause_ms`, whoever wrote it.
    /// Those that run already end as they were to.
    pub fn bound_cool_downs(&self, pause_ms: u64) {
        self.longest_pause.store(marks::longest_pause_ms(pause_ms), Ordering::Relaxed);
    }

    /// Takes `node` out of service for new sessions. The change comes through the events too; whoever answers the
    /// administrator may apply it at once.
    ///
    /// # Errors
    /// [`MarkError`] where it could not be written.
    pub async fn cordon(&self, node: &str, word: MarkAuthor) -> Result<Mark, MarkError> {
        let edited = self.book.cordon(node, word.clone()).await?;
        Ok(self.noted(node, edited, NodeEvent::Cordoned, word))
    }

    /// Takes `node` out of service for new sessions and says that it is to be emptied.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn drain(&self, node: &str, word: MarkAuthor) -> Result<Mark, MarkError> {
        let edited = self.book.drain(node, word.clone()).await?;
        Ok(self.noted(node, edited, NodeEvent::Draining, word))
    }

    /// Puts `node` back into service; who said so and why goes into its history.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn uncordon(&self, node: &str, word: MarkAuthor) -> Result<Mark, MarkError> {
        let edited = self.book.uncordon(node).await?;
        Ok(self.noted(node, edited, NodeEvent::Uncordoned, word))
    }

    /// Leaves `node` alone after a start that failed there, as [`MarkBook::cool_down`] says.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn cool_down(&self, node: &str, pause_ms: u64, word: MarkAuthor) -> Result<Edited, MarkError> {
        self.book.cool_down(node, pause_ms, word).await
    }

    /// The places that are claimed in the bus.
    #[must_use]
    pub fn claims(&self) -> &ClaimBook {
        &self.claims
    }

    /// What happened to `node`, at most `limit` records, the newest last.
    ///
    /// # Errors
    /// What the store says where it cannot be read.
    pub async fn history(&self, node: &str, limit: usize) -> Result<Vec<KeptRecord>, StoreError> {
        self.journal.history(node, limit).await
    }

    /// What is held against `node`, with who, when and why.
    #[must_use]
    pub fn mark(&self, node: &str) -> Option<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    /// Every mark, by node.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<Arc<str>, Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many documents were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.figures.refused.load(Ordering::Relaxed)
    }

    /// How often the view was built.
    #[must_use]
    pub fn rebuilds(&self) -> u64 {
        self.figures.rebuilds.load(Ordering::Relaxed)
    }

    /// How long before `now` it was last proven that the view has all that is in the buckets; nothing where it never was
    /// whole.
    #[must_use]
    pub fn view_age(&self, now: Instant) -> Option<Duration> {
        self.figures.freshness.age(now)
    }

    /// When the buckets were last asked before `now`, and had nothing that had not been read before the answer was taken in;
    /// nothing where they never were. All changes up to then were handed on as events before this says so. Unlike
    /// [`Registry::view_age`] it is not fooled by a heartbeat that waited in a buffer.
    #[must_use]
    pub fn looked(&self, now: Instant) -> Option<Instant> {
        self.figures.looked.age(now).and_then(|age| now.checked_sub(age))
    }

    /// Lets the buckets be asked soon, for [`Registry::looked`].
    pub fn look_soon(&self) {
        self.figures.hurry.notify_one();
    }

    /// How many lines of history were lost because they came faster than they could be kept.
    #[must_use]
    pub fn history_dropped(&self) -> u64 {
        self.journal.dropped()
    }

    fn with(book: MarkBook, claims: ClaimBook, journal: Journal) -> Self {
        let longest_pause = Arc::new(AtomicU64::new(marks::longest_pause_ms(USUAL_PAUSE_MS)));
        Self { book, claims, journal, marks: SharedMarks::default(), longest_pause, figures: Arc::default() }
    }

    /// A mirror that shares its marks with this registry.
    fn mirror(&self, liveness: Liveness) -> ClusterMirror {
        ClusterMirror::new(liveness, Arc::clone(&self.marks), Arc::clone(&self.longest_pause))
    }

    fn noted(&self, node: &str, edited: Edited, event: NodeEvent, word: MarkAuthor) -> Mark {
        if let Some(revision) = edited.revision {
            let MarkAuthor { by, reason, at_ms } = word.bounded();
            let identity = format!("mark.{revision}.{at_ms}.{event:?}.{node}");
            self.journal.note(HistoryRecord { node: node.into(), event, by, reason, identity });
        }
        edited.mark
    }
}
