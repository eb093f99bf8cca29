//! The task that keeps the mirror up to date: reads the buckets, and starts again from nothing where something is
//! wrong.
//!
//! Nothing is repaired in place. A lost connection, a gap, a silence, a bucket that was deleted or made anew all lead
//! to the same round: make the missing buckets, read everything, then follow. The cluster stays unchanged meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::assignments::Assignment;
use super::facts::{Fact, FactEntry};
use super::feed::{BucketFeed, Delivery, FeedError};
use super::guarded_bucket::{GuardedBucket, guard};
use super::journal::Journal;
use super::marks::MarkBook;
use super::mirror::{BucketEntry, ClusterMirror, Incarnation, LONGEST_SLEEP, Output};
use super::stores::{self, Prepared};
use super::watched_bucket::WatchedBucket;
use super::{RegistryCounters, RegistryEvent, RegistrySettings};
use crate::backoff::Backoff;
use crate::config::Namespace;
use crate::nats::jetstream::{self, JetStreamError};
use crate::nats::{Bus, LinkState};
use crate::system_clock::now;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The time after which the log repeats a failure that lasts.
const REPEAT: Duration = Duration::from_secs(60);

/// The task that keeps the mirror.
#[derive(Debug)]
pub(super) struct RegistryWatch {
    pub(super) bus: Bus,
    pub(super) settings: RegistrySettings,
    pub(super) mirror: ClusterMirror,
    pub(super) marks: MarkBook,
    pub(super) assignments: WatchedBucket<Assignment>,
    pub(super) facts: WatchedBucket<Fact>,
    pub(super) journal: Journal,
    pub(super) figures: Arc<RegistryCounters>,
    pub(super) events: mpsc::Sender<RegistryEvent>,
}

/// The reason why a view is no longer kept.
#[derive(Debug, thiserror::Error)]
enum ViewLost {
    #[error(transparent)]
    JetStream(#[from] JetStreamError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("the connection to NATS was lost")]
    Link,
    #[error("{0}")]
    Bucket(String),
    /// Nobody receives the events any more.
    #[error("nobody listens")]
    Unheard,
}

/// The numbers of the last entries that were read.
#[derive(Debug, Default)]
struct LastEntries {
    nodes: AtomicU64,
    marks: AtomicU64,
    assignments: AtomicU64,
    facts: AtomicU64,
}

/// The feeds of the buckets that make up the view.
struct Feeds {
    marks: BucketFeed,
    assignments: BucketFeed,
    facts: BucketFeed,
    nodes: BucketFeed,
}

impl Feeds {
    async fn open(js: &Context, namespace: &Namespace) -> Result<Self, FeedError> {
        Ok(Self {
            marks: BucketFeed::bucket(js, &namespace.marks_bucket()).await?,
            assignments: BucketFeed::bucket(js, &namespace.assignments_bucket()).await?,
            facts: BucketFeed::bucket(js, &namespace.facts_bucket()).await?,
            nodes: BucketFeed::bucket(js, &namespace.nodes_bucket()).await?,
        })
    }

    /// The latest moment up to which no feed misses anything.
    fn current(&self) -> Instant {
        let changes = self.marks.current().min(self.assignments.current()).min(self.facts.current());
        changes.min(self.nodes.current())
    }
}

/// The last log line about a failure that lasts.
#[derive(Debug, Default)]
struct WatchLog {
    reason: String,
    at: Option<Instant>,
}

impl RegistryWatch {
    /// Runs until `stop`, or until nobody receives the events any more.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut pauses, mut log) = (Backoff::spread(FIRST_PAUSE, LONGEST_PAUSE), WatchLog::default());
        loop {
            let life = async {
                self.bus.connected().await;
                self.keep(&mut pauses, &mut log).await
            };
            let lost = match stop.run_until_cancelled(life).await {
                None | Some(Err(ViewLost::Unheard)) => return,
                Some(Err(lost)) => lost,
                Some(Ok(never)) => match never {},
            };
            self.mirror.lost(&lost.to_string(), now());
            log.log_lost(&lost);
            let after = async {
                self.deliver().await?;
                tokio::time::sleep(pauses.failed()).await;
                Ok::<(), ViewLost>(())
            };
            if !matches!(stop.run_until_cancelled(after).await, Some(Ok(()))) {
                return;
            }
        }
    }

    /// Builds the view and keeps the view up to date until something is wrong.
    async fn keep(&mut self, pauses: &mut Backoff, log: &mut WatchLog) -> Result<std::convert::Infallible, ViewLost> {
        let connects = self.bus.connects();
        let js = jetstream::context(&self.bus);
        let found = stores::prepare(&js, &self.settings).await?;
        let namespace = &self.settings.namespace;
        let mut feeds = Feeds::open(&js, namespace).await?;
        let seen = LastEntries::default();
        let figures = Arc::clone(&self.figures);
        let guarded = [
            GuardedBucket::new(&namespace.nodes_bucket(), &found.nodes, Some(&seen.nodes)),
            GuardedBucket::new(&namespace.marks_bucket(), &found.marks, Some(&seen.marks)),
            GuardedBucket::new(&namespace.assignments_bucket(), &found.assignments, Some(&seen.assignments)),
            GuardedBucket::new(&namespace.facts_bucket(), &found.facts, Some(&seen.facts)),
            // Nobody reads the claims as a feed, but a replica that takes a place needs their bucket.
            GuardedBucket::new(&namespace.claims_bucket(), &found.claims, None),
        ];
        let guard = guard(&js, guarded, &figures);
        tokio::pin!(guard);

        self.read_whole(&mut feeds, &found, &seen).await?;
        // The marks were whole before the nodes were read.
        figures.freshness.prove(feeds.marks.current());
        pauses.succeeded();
        log.well();

        let mut link = self.bus.link();
        loop {
            if self.bus.connects() != connects || link.borrow_and_update().state != LinkState::Connected {
                return Err(ViewLost::Link);
            }
            let idle = self.mirror.idle_for(now()).unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
            tokio::select! {
                changed = link.changed() => changed.map_err(|_closed| ViewLost::Link)?,
                delivery = feeds.marks.next() => {
                    match delivery? {
                        Delivery::Entry(entry) => self.take_mark(entry, &seen).await?,
                        Delivery::Whole | Delivery::Heartbeat => self.tick().await?,
                    }
                }
                delivery = feeds.assignments.next() => {
                    match delivery? {
                        Delivery::Entry(entry) => self.take_assignment(entry, &seen).await?,
                        Delivery::Whole | Delivery::Heartbeat => self.tick().await?,
                    }
                }
                delivery = feeds.facts.next() => {
                    match delivery? {
                        Delivery::Entry(entry) => self.take_fact(entry, &seen).await?,
                        Delivery::Whole | Delivery::Heartbeat => self.tick().await?,
                    }
                }
                delivery = feeds.nodes.next() => {
                    match delivery? {
                        Delivery::Entry(entry) => self.take_node(entry, &seen).await?,
                        Delivery::Whole | Delivery::Heartbeat => self.tick().await?,
                    }
                }
                wrong = &mut guard => return Err(ViewLost::Bucket(wrong)),
                () = tokio::time::sleep(idle) => self.tick().await?,
                () = self.events.closed() => return Err(ViewLost::Unheard),
            }
            figures.freshness.prove(feeds.current());
        }
    }

    /// Reads all that the buckets have, which were `found` so. Marks come first: no node is offered before its cordon is
    /// known.
    async fn read_whole(&mut self, feeds: &mut Feeds, found: &Prepared, seen: &LastEntries) -> Result<(), ViewLost> {
        let Prepared { nodes, marks, assignments, facts, .. } = found;
        self.figures.rebuilds.fetch_add(1, Ordering::Relaxed);
        self.mirror
            .begin(Incarnation { nodes: nodes.created.as_str().into(), marks: marks.created.as_str().into() }, now());
        while let Delivery::Entry(entry) = feeds.marks.next().await? {
            self.take_mark(entry, seen).await?;
        }
        // And no user is placed before the user's assignment is known.
        self.assignments.begin(assignments.created.clone());
        while let Delivery::Entry(entry) = feeds.assignments.next().await? {
            seen.assignments.fetch_max(entry.revision, Ordering::Relaxed);
            drop(self.assignments.entry(entry));
        }
        let whole = self.assignments.complete().iter();
        let whole = whole.map(|(user, (_, assignment))| (Arc::clone(user), assignment.clone()));
        let whole = RegistryEvent::Assignments(whole.collect());
        self.events.send(whole).await.map_err(|_closed| ViewLost::Unheard)?;
        // Nor before it is known what licences are left.
        self.facts.begin(facts.created.clone());
        while let Delivery::Entry(entry) = feeds.facts.next().await? {
            seen.facts.fetch_max(entry.revision, Ordering::Relaxed);
            drop(self.facts.entry(entry));
        }
        let whole = self.facts.complete().iter().map(|(name, (revision, fact))| {
            (Arc::clone(name), FactEntry { revision: *revision, fact: Some(fact.clone()) })
        });
        let whole = RegistryEvent::Facts(whole.collect());
        self.events.send(whole).await.map_err(|_closed| ViewLost::Unheard)?;
        while let Delivery::Entry(entry) = feeds.nodes.next().await? {
            self.take_node(entry, seen).await?;
        }
        // Entries that expired before they were read have numbers too.
        seen.nodes.fetch_max(nodes.last_sequence, Ordering::Relaxed);
        seen.marks.fetch_max(marks.last_sequence, Ordering::Relaxed);
        seen.assignments.fetch_max(assignments.last_sequence, Ordering::Relaxed);
        seen.facts.fetch_max(facts.last_sequence, Ordering::Relaxed);
        self.mirror.complete(now());
        self.deliver().await
    }

    /// Lets the mirror handle the passing of time. Called on each heartbeat, so that the mirror knows that this process
    /// runs.
    async fn tick(&mut self) -> Result<(), ViewLost> {
        self.mirror.tick(now());
        self.deliver().await
    }

    async fn take_node(&mut self, entry: BucketEntry, seen: &LastEntries) -> Result<(), ViewLost> {
        seen.nodes.fetch_max(entry.revision, Ordering::Relaxed);
        self.mirror.node_entry(entry, now());
        self.deliver().await
    }

    async fn take_mark(&mut self, entry: BucketEntry, seen: &LastEntries) -> Result<(), ViewLost> {
        seen.marks.fetch_max(entry.revision, Ordering::Relaxed);
        self.mirror.mark_entry(entry, now());
        self.deliver().await
    }

    async fn take_assignment(&mut self, entry: BucketEntry, seen: &LastEntries) -> Result<(), ViewLost> {
        seen.assignments.fetch_max(entry.revision, Ordering::Relaxed);
        let Some((user, assignment)) = self.assignments.entry(entry) else { return Ok(()) };
        let event = RegistryEvent::Assigned(user, assignment);
        self.events.send(event).await.map_err(|_closed| ViewLost::Unheard)
    }

    async fn take_fact(&mut self, entry: BucketEntry, seen: &LastEntries) -> Result<(), ViewLost> {
        seen.facts.fetch_max(entry.revision, Ordering::Relaxed);
        let revision = entry.revision;
        let Some((name, fact)) = self.facts.entry(entry) else { return Ok(()) };
        let event = RegistryEvent::Fact(name, FactEntry { revision, fact });
        self.events.send(event).await.map_err(|_closed| ViewLost::Unheard)
    }

    /// Sends the mirror's outputs on. The channel is bounded: a front that does not keep up slows the reading down, and
    /// at last the feed reports a gap.
    async fn deliver(&mut self) -> Result<(), ViewLost> {
        self.figures.refused.store(self.mirror.refused(), Ordering::Relaxed);
        for output in self.mirror.take_outputs() {
            match output {
                Output::Event(event) => self.events.send(event).await.map_err(|_closed| ViewLost::Unheard)?,
                Output::Note(record) => self.journal.note(record),
                Output::Restore(node, mark) => {
                    let marks = self.marks.clone();
                    tokio::spawn(async move {
                        match marks.restore(&node, &mark).await {
                            Ok(_) => {
                                warn!(node = %node, "the mark of node `{node}` was lost with its bucket; written again")
                            }
                            Err(error) => {
                                error!(node = %node, "the mark of node `{node}` was lost with its bucket: {error}")
                            }
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

impl WatchLog {
    fn log_lost(&mut self, lost: &ViewLost) {
        let reason = lost.to_string();
        if self.reason == reason && self.at.is_some_and(|at| at.elapsed() < REPEAT) {
            return;
        }
        match lost {
            // The reporter of the link logs that by itself.
            ViewLost::Link | ViewLost::Unheard => {}
            ViewLost::JetStream(_) => error!("there is no view of the cluster: {reason}; trying again until there is"),
            ViewLost::Feed(_) | ViewLost::Bucket(_) => warn!("the view of the cluster is built anew: {reason}"),
        }
        *self = Self { reason, at: Some(Instant::now()) };
    }

    fn well(&mut self) {
        *self = Self::default();
    }
}
