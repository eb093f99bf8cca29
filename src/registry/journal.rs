//! What happened to nodes, kept for whoever asks later: a bounded stream, written beside the work and never before it.
//!
//! Every replica sees a node come and go; the same record carries the same identity from each, so the stream keeps one.
//! A record that finds the queue full is dropped and counted: history is worth less than a decision.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::documents::StoreError;
use crate::backoff::Backoff;

/// So many records wait at most.
const QUEUE: usize = 1024;
const ATTEMPTS: u32 = 5;
/// The most records that one question brings back.
pub const MAX_HISTORY: usize = 200;

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEvent {
    /// It reported for the first time, or again after it had left.
    Joined,
    /// It said that it leaves, or was silent for too long.
    Left,
    /// What it says of itself changed, beyond sessions and health.
    Changed,
    /// Somebody took it out of service.
    Cordoned,
    /// Somebody took it out of service to empty it.
    Draining,
    /// Somebody put it back.
    Uncordoned,
}

/// One line of a node's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The node.
    pub node: Arc<str>,
    /// What happened.
    pub event: NodeEvent,
    /// Who did it, where somebody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The same on every replica that sees it happen.
    #[serde(skip)]
    pub identity: String,
}

/// A record as it was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptRecord {
    /// When it was kept, in Unix milliseconds UTC by the store's clock.
    pub at_ms: i64,
    /// What was kept.
    #[serde(flatten)]
    pub record: HistoryRecord,
}

/// Where records are kept, oldest first, bounded by age and size.
pub trait EventStore: Send + Sync + Debug {
    /// Keeps `record`, unless one of the same identity was kept a short while ago.
    fn append<'a>(&'a self, record: &'a HistoryRecord) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The last `limit` records of `node`, the newest last.
    fn read<'a>(&'a self, node: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<KeptRecord>, StoreError>>;
}

/// Writes records in the background and reads them back.
#[derive(Clone, Debug)]
pub struct Journal {
    queue: mpsc::Sender<HistoryRecord>,
    store: Arc<dyn EventStore>,
    dropped: Arc<AtomicU64>,
}

impl Journal {
    /// A journal in `store`, written by a task that ends with `stop`, and with the last clone of the journal.
    #[must_use]
    pub fn start(store: Arc<dyn EventStore>, stop: CancellationToken) -> Self {
        let (queue, records) = mpsc::channel(QUEUE);
        let journal = Self { queue, store: Arc::clone(&store), dropped: Arc::default() };
        let write = write(store, records, Arc::clone(&journal.dropped));
        tokio::spawn(async move { stop.run_until_cancelled(write).await });
        journal
    }

    /// Puts `record` down when there is time; never waits.
    pub fn note(&self, record: HistoryRecord) {
        if self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The last records of `node`, at most `limit` of them, the newest last.
    ///
    /// # Errors
    /// What the store says where it cannot be read.
    pub async fn history(&self, node: &str, limit: usize) -> Result<Vec<KeptRecord>, StoreError> {
        self.store.read(node, limit.min(MAX_HISTORY)).await
    }

    /// How many records were lost because they came faster than they could be kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn write(store: Arc<dyn EventStore>, mut records: mpsc::Receiver<HistoryRecord>, dropped: Arc<AtomicU64>) {
    let mut well = true;
    while let Some(record) = records.recv().await {
        match keep(&*store, &record).await {
            Ok(()) => well = true,
            Err(error) => {
                dropped.fetch_add(1, Ordering::Relaxed);
                // Said once per outage; how many were lost is a metric.
                if std::mem::replace(&mut well, false) {
                    warn!("the history of nodes is not kept: {error}");
                }
            }
        }
    }
}

async fn keep(store: &dyn EventStore, record: &HistoryRecord) -> Result<(), StoreError> {
    let mut pauses = Backoff::spread(Duration::from_millis(100), Duration::from_secs(2));
    let mut attempt = 1;
    loop {
        match store.append(record).await {
            Err(error) if attempt < ATTEMPTS => {
                debug!(node = %record.node, attempt, "a record was not kept: {error}");
                attempt += 1;
                tokio::time::sleep(pauses.failed()).await;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::memory::MemoryStore;

    fn record(node: &str, event: NodeEvent, identity: &str) -> HistoryRecord {
        HistoryRecord {
            node: node.into(),
            event,
            by: String::new(),
            reason: String::new(),
            identity: identity.to_owned(),
        }
    }

    #[tokio::test]
    async fn history_is_per_node_newest_last_and_without_doubles() {
        let journal = Journal::start(Arc::new(MemoryStore::default()), CancellationToken::new());
        for (node, event, identity) in [
            ("a", NodeEvent::Joined, "1"),
            ("b", NodeEvent::Joined, "2"),
            ("a", NodeEvent::Joined, "1"),
            ("a", NodeEvent::Changed, "3"),
            ("a", NodeEvent::Left, "4"),
        ] {
            journal.note(record(node, event, identity));
        }
        let history = loop {
            let history = journal.history("a", 2).await.unwrap();
            if history.last().is_some_and(|kept| kept.record.event == NodeEvent::Left) {
                break history;
            }
            tokio::task::yield_now().await;
        };
        let events: Vec<_> = history.iter().map(|kept| kept.record.event).collect();
        assert_eq!(events, [NodeEvent::Changed, NodeEvent::Left]);
        assert_eq!(journal.history("a", 100).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let journal = Journal::start(Arc::new(MemoryStore::default()), CancellationToken::new());
        for number in 0..QUEUE + 10 {
            journal.note(record("a", NodeEvent::Changed, &number.to_string()));
        }
        assert_eq!(journal.dropped(), 10, "the writer had no chance to run yet");
    }

    #[test]
    fn the_kept_form_is_flat() {
        let kept = KeptRecord { at_ms: 5, record: record("a", NodeEvent::Joined, "x") };
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(text, r#"{"at_ms":5,"node":"a","event":"joined"}"#);
    }
}
