//! The history of nodes, kept for later questions: a bounded stream, written beside the work and never before the work.
//!
//! Every replica sees a node join and leave; all of them write the same record under the same identity, so the stream
//! keeps a single copy. A record that finds the queue full is dropped and counted: history is worth less than a
//! decision.

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

/// The most records that wait to be written.
const QUEUE: usize = 1024;
const ATTEMPTS: u32 = 5;
/// The most records that a reading returns.
pub const MAX_HISTORY: usize = 200;

/// The kind of an event in the life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEvent {
    /// The node reported for the first time, or again after the node had left.
    Joined,
    /// The node announced its leaving, or was silent for too long.
    Left,
    /// The node's own description changed, beyond sessions and health.
    Changed,
    /// The node missed as many reports as it may.
    OutOfSync,
    /// The node reports again after it was out of sync.
    InSync,
    /// An administrator accepted the node.
    Accepted,
    /// An administrator had the node forgotten.
    Forgotten,
    /// An administrator took the node out of service.
    Cordoned,
    /// An administrator took the node out of service to empty the node.
    Draining,
    /// An administrator put the node back into service.
    Uncordoned,
    /// An administrator assigned a user to the node.
    Assigned,
    /// An administrator took the assignment of a user to the node back, or assigned the user to another node.
    Unassigned,
}

/// A record of a node's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The node.
    pub node: Arc<str>,
    /// The event.
    pub event: NodeEvent,
    /// The person or program that caused the event; empty where nobody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The reason; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The user whose assignment the event is about; empty where the event is about no user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The identity of the event, which is the same on every replica that sees the event.
    #[serde(skip)]
    pub identity: String,
}

/// A record with the time of storing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptRecord {
    /// The time of storing, in Unix milliseconds UTC by the store's clock.
    pub at_ms: i64,
    /// The record.
    #[serde(flatten)]
    pub record: HistoryRecord,
}

/// A store of records, oldest first, bounded by age and size.
pub trait EventStore: Send + Sync + Debug {
    /// Stores `record`, unless a record of the same identity was stored a short while ago; returns whether the record was
    /// stored now.
    fn append<'a>(&'a self, record: &'a HistoryRecord) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Returns the last `limit` records of `node`, the newest last.
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
    /// Starts a journal in `store`, written by a task that ends with `stop`, and with the last clone of the journal.
    #[must_use]
    pub fn start(store: Arc<dyn EventStore>, stop: CancellationToken) -> Self {
        Self::start_telling(store, stop, None)
    }

    /// Starts a journal as [`Journal::start`] does, which passes each record on to `news` that no other replica stored
    /// before: of several replicas a single one tells. A record that finds `news` full is not passed on.
    #[must_use]
    pub fn start_telling(
        store: Arc<dyn EventStore>,
        stop: CancellationToken,
        news: Option<mpsc::Sender<HistoryRecord>>,
    ) -> Self {
        let (queue, records) = mpsc::channel(QUEUE);
        let journal = Self { queue, store: Arc::clone(&store), dropped: Arc::default() };
        let write = write(store, records, Arc::clone(&journal.dropped), news);
        tokio::spawn(async move { stop.run_until_cancelled(write).await });
        journal
    }

    /// Queues `record` to be written in the background; never waits. A record that finds the queue full is dropped and
    /// counted.
    pub fn note(&self, record: HistoryRecord) {
        if self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the last records of `node`, at most `limit` of them and at most [`MAX_HISTORY`], the newest last.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub async fn history(&self, node: &str, limit: usize) -> Result<Vec<KeptRecord>, StoreError> {
        self.store.read(node, limit.min(MAX_HISTORY)).await
    }

    /// The number of records that were lost because the queue was full or the store did not take them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn write(
    store: Arc<dyn EventStore>,
    mut records: mpsc::Receiver<HistoryRecord>,
    dropped: Arc<AtomicU64>,
    news: Option<mpsc::Sender<HistoryRecord>>,
) {
    let mut well = true;
    while let Some(record) = records.recv().await {
        match keep(&*store, &record).await {
            Ok(is_new) => {
                well = true;
                if let Some(news) = news.as_ref().filter(|_| is_new) {
                    let _full = news.try_send(record);
                }
            }
            Err(error) => {
                dropped.fetch_add(1, Ordering::Relaxed);
                // Logged once per outage; the number of lost records is a metric.
                if std::mem::replace(&mut well, false) {
                    warn!("the history of nodes is not kept: {error}");
                }
            }
        }
    }
}

async fn keep(store: &dyn EventStore, record: &HistoryRecord) -> Result<bool, StoreError> {
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
            user: String::new(),
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
