//! The registry without NATS: the same mirror, the same events and the same calls, driven by hand.
//!
//! For tests and the simulator. Time stands still until the handle moves the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::assignments::AssignmentBook;
use super::claims::ClaimBook;
use super::documents::{DocumentStore, StoreError, Stored, WriteOutcome};
use super::facts::FactBook;
use super::journal::{EventStore, HistoryRecord, Journal, KeptRecord};
use super::liveness::{LIMIT, Liveness, RETENTION};
use super::marks::MarkBook;
use super::mirror::{BucketEntry, ClusterMirror, Incarnation, LONGEST_SLEEP, Output};
use super::{Registry, RegistryEvent};
use crate::clock::Now;
use crate::nats::subjects::encode_key;

/// Marks and events in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    buckets: Mutex<MemoryBuckets>,
}

#[derive(Debug, Default)]
struct MemoryBuckets {
    marks: BTreeMap<String, Stored>,
    revision: u64,
    events: Vec<(String, KeptRecord)>,
    now_ms: i64,
}

/// The other end of a registry in memory: acts as the nodes and as the clock.
#[derive(Debug)]
pub struct MemoryRegistryHandle {
    mirror: ClusterMirror,
    marks: MarkBook,
    journal: Journal,
    pub(super) store: Arc<MemoryStore>,
    events: mpsc::UnboundedSender<RegistryEvent>,
    revision: u64,
    bucket: u64,
    marks_bucket: u64,
    marks_seen: u64,
    now: Now,
}

impl Registry {
    /// Creates a registry in memory, with a view that is whole and empty, and the handle that drives it. Must be called
    /// where tokio runs.
    #[must_use]
    pub fn in_memory() -> (Self, MemoryRegistryHandle, mpsc::UnboundedReceiver<RegistryEvent>) {
        let store = Arc::new(MemoryStore::default());
        let marks = MarkBook::new(Arc::clone(&store) as Arc<dyn DocumentStore>);
        let journal = Journal::start(Arc::clone(&store) as Arc<dyn EventStore>, CancellationToken::new());
        let claims = ClaimBook::new(Arc::new(MemoryStore::default()));
        let assignments = AssignmentBook::new(Arc::new(MemoryStore::default()));
        let facts = FactBook::new(Arc::new(MemoryStore::default()));
        let registry = Self::with(marks.clone(), claims, assignments, facts, journal.clone());
        let (events, receiver) = mpsc::unbounded_channel();
        let mut mirror = registry.mirror(Liveness::new(LIMIT, RETENTION).sharing(Arc::clone(&registry.check_ins)));
        let now = Now { instant: Instant::now(), unix_ms: 0 };
        mirror.begin(Incarnation { nodes: "0".into(), marks: "0".into() }, now);
        mirror.complete(now);
        let (revision, bucket, marks_bucket, marks_seen) = (0, 0, 0, 0);
        let mut handle = MemoryRegistryHandle {
            mirror,
            marks,
            journal,
            store,
            events,
            revision,
            bucket,
            marks_bucket,
            marks_seen,
            now,
        };
        handle.deliver();
        (registry, handle, receiver)
    }
}

impl MemoryRegistryHandle {
    /// Reports `document`, which may be any bytes, as the node `id`.
    pub fn report(&mut self, id: &str, document: &[u8]) {
        self.put(encode_key(id), Some(Bytes::copy_from_slice(document)));
    }

    /// Puts `document` under `key` unchanged, a node's key or not.
    pub fn put(&mut self, key: String, document: Option<Bytes>) {
        self.revision += 1;
        let entry = BucketEntry { key, value: document, revision: self.revision, stored_ms: self.now.unix_ms };
        self.mirror.node_entry(entry, self.now);
        self.deliver();
    }

    /// Reports that the node `id` leaves.
    pub fn leave(&mut self, id: &str) {
        self.put(encode_key(id), None);
    }

    /// Moves the clock on by `time`; marks that were written meanwhile are read first.
    pub fn forward(&mut self, time: Duration) {
        self.see_marks();
        let mut left = time;
        while !left.is_zero() {
            // A single leap would look as if this process had not run.
            let step = left.min(LONGEST_SLEEP);
            left -= step;
            self.leap(step);
        }
    }

    /// Moves the clock on by `time`, in which this process does not run.
    pub fn leap(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms = self.now.unix_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.store.buckets().now_ms = self.now.unix_ms;
        self.mirror.tick(self.now);
        self.deliver();
    }

    /// Loses the connection: nothing is received until [`MemoryRegistryHandle::recover`].
    pub fn lose(&mut self, reason: &str) {
        self.mirror.lost(reason, self.now);
        self.deliver();
    }

    /// Restores the connection to a bucket of nodes that was made anew and holds `documents`, by id.
    pub fn recover<'a>(&mut self, documents: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        self.bucket += 1;
        self.resume(documents);
    }

    /// Restores the connection to the same bucket of nodes, which holds `documents`, by id.
    pub fn resume<'a>(&mut self, documents: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        self.mirror.begin(
            Incarnation { nodes: self.bucket.to_string().into(), marks: self.marks_bucket.to_string().into() },
            self.now,
        );
        self.marks_seen = 0;
        self.see_marks();
        for (id, document) in documents {
            self.report(id, document);
        }
        self.mirror.complete(self.now);
        self.deliver();
    }

    /// Loses the bucket of marks, made anew and empty: noticed with the next [`MemoryRegistryHandle::resume`].
    pub fn forget_marks(&mut self) {
        self.marks_bucket += 1;
        self.store.buckets().marks.clear();
    }

    /// Delivers every mark that was written since the last call.
    pub fn see_marks(&mut self) {
        let buckets = self.store.buckets();
        let mut new: Vec<_> = buckets.marks.iter().filter(|(_, stored)| stored.revision > self.marks_seen).collect();
        new.sort_by_key(|(_, stored)| stored.revision);
        let entries: Vec<BucketEntry> = new
            .into_iter()
            .map(|(key, stored)| BucketEntry {
                key: key.clone(),
                value: stored.value.clone(),
                revision: stored.revision,
                stored_ms: buckets.now_ms,
            })
            .collect();
        drop(buckets);
        for entry in entries {
            self.marks_seen = entry.revision;
            self.mirror.mark_entry(entry, self.now);
        }
        self.deliver();
    }

    /// The number of documents that were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.mirror.refused()
    }

    fn deliver(&mut self) {
        for output in self.mirror.take_outputs() {
            match output {
                // A receiver that is gone wants no more events.
                Output::Event(event) => drop(self.events.send(event)),
                Output::Note(record) => self.journal.note(record),
                Output::Restore(node, mark) => {
                    let marks = self.marks.clone();
                    tokio::spawn(async move { marks.restore(&node, &mark).await });
                }
            }
        }
    }
}

impl MemoryStore {
    fn buckets(&self) -> MutexGuard<'_, MemoryBuckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DocumentStore for MemoryStore {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move {
            // Two edits at once must be able to cross, as they do over a network.
            tokio::task::yield_now().await;
            Ok(self.buckets().marks.get(key).cloned().unwrap_or_default())
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        revision: u64,
        value: Option<Bytes>,
    ) -> BoxFuture<'a, Result<WriteOutcome, StoreError>> {
        Box::pin(async move {
            let mut buckets = self.buckets();
            if buckets.marks.get(key).map_or(0, |stored| stored.revision) != revision {
                return Ok(WriteOutcome::Conflict);
            }
            buckets.revision += 1;
            let revision = buckets.revision;
            buckets.marks.insert(key.to_owned(), Stored { revision, value });
            Ok(WriteOutcome::At(revision))
        })
    }
}

impl EventStore for MemoryStore {
    fn append<'a>(&'a self, record: &'a HistoryRecord) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut buckets = self.buckets();
            let is_new = buckets.events.iter().all(|(identity, _)| *identity != record.identity);
            if is_new {
                let kept = KeptRecord { at_ms: buckets.now_ms, record: record.clone() };
                buckets.events.push((record.identity.clone(), kept));
            }
            Ok(is_new)
        })
    }

    fn read<'a>(&'a self, node: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<KeptRecord>, StoreError>> {
        Box::pin(async move {
            let buckets = self.buckets();
            let of_node = buckets.events.iter().filter(|(_, kept)| &*kept.record.node == node);
            let mut last: Vec<KeptRecord> = of_node.rev().take(limit).map(|(_, kept)| kept.clone()).collect();
            last.reverse();
            Ok(last)
        })
    }
}
