//! The registry without NATS: the same mirror, the same events and the same calls, driven by hand.
//!
//! For tests and the simulator. Time stands still until it is told to go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::journal::{EventStore, Journal, Kept, Record};
use super::liveness::{LIMIT, Liveness, RETENTION};
use super::marks::{MarkBook, MarkStore, StoreError, Stored, Written};
use super::mirror::{Entry, Incarnation, LONGEST_SLEEP, Mirror, Now, Output};
use super::{Registry, RegistryEvent};
use crate::nats::subjects::encode_key;

/// Marks and events in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    marks: BTreeMap<String, Stored>,
    revision: u64,
    events: Vec<(String, Kept)>,
    now_ms: i64,
}

/// The other end of a registry in memory: whoever holds it is the nodes and the clock.
#[derive(Debug)]
pub struct Hand {
    mirror: Mirror,
    marks: MarkBook,
    journal: Journal,
    store: Arc<MemoryStore>,
    events: mpsc::UnboundedSender<RegistryEvent>,
    revision: u64,
    marks_seen: u64,
    now: Now,
}

impl Registry {
    /// A registry in memory, whose view is whole and empty, with the hand that moves it. Must be called where tokio runs.
    #[must_use]
    pub fn in_memory() -> (Self, Hand, mpsc::UnboundedReceiver<RegistryEvent>) {
        let store = Arc::new(MemoryStore::default());
        let marks = MarkBook::new(Arc::clone(&store) as Arc<dyn MarkStore>);
        let journal = Journal::start(Arc::clone(&store) as Arc<dyn EventStore>, CancellationToken::new());
        let registry = Self::with(marks.clone(), journal.clone());
        let (events, receiver) = mpsc::unbounded_channel();
        let mut mirror = Mirror::new(Liveness::new(LIMIT, RETENTION), registry.shared_marks());
        let now = Now { instant: Instant::now(), unix_ms: 0 };
        mirror.begin(Incarnation::default(), now);
        mirror.complete(now);
        let mut hand = Hand { mirror, marks, journal, store, events, revision: 0, marks_seen: 0, now };
        hand.deliver();
        (registry, hand, receiver)
    }
}

impl Hand {
    /// The node `id` reports `document`, which may be anything.
    pub fn report(&mut self, id: &str, document: &[u8]) {
        self.put(encode_key(id), Some(Bytes::copy_from_slice(document)));
    }

    /// `document` is put under `key` as it stands, be it a node's key or not.
    pub fn put(&mut self, key: String, document: Option<Bytes>) {
        self.revision += 1;
        let entry = Entry { key, value: document, revision: self.revision, stored_ms: self.now.unix_ms };
        self.mirror.node_entry(entry, self.now);
        self.deliver();
    }

    /// The node `id` says that it leaves.
    pub fn leave(&mut self, id: &str) {
        self.put(encode_key(id), None);
    }

    /// Lets time go by; marks that were written meanwhile are seen first.
    pub fn forward(&mut self, time: Duration) {
        self.see_marks();
        let mut left = time;
        while !left.is_zero() {
            // A leap would look as if this process had not run.
            let step = left.min(LONGEST_SLEEP);
            left -= step;
            self.leap(step);
        }
    }

    /// Lets time go by in which this process does not run.
    pub fn leap(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms = self.now.unix_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.store.held().now_ms = self.now.unix_ms;
        self.mirror.tick(self.now);
        self.deliver();
    }

    /// The connection is lost: nothing is heard until [`Hand::recover`].
    pub fn lose(&mut self, reason: &str) {
        self.mirror.lost(reason, self.now);
        self.deliver();
    }

    /// The connection is back, and the bucket of nodes was made anew: it has what `documents` say, by id.
    pub fn recover<'a>(&mut self, documents: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        let incarnation = Incarnation { nodes: self.revision.to_string(), marks: String::new() };
        self.mirror.begin(incarnation, self.now);
        self.marks_seen = 0;
        self.see_marks();
        for (id, document) in documents {
            self.report(id, document);
        }
        self.mirror.complete(self.now);
        self.deliver();
    }

    /// Sees every mark that was written since the last time.
    pub fn see_marks(&mut self) {
        let held = self.store.held();
        let mut new: Vec<_> = held.marks.iter().filter(|(_, stored)| stored.revision > self.marks_seen).collect();
        new.sort_by_key(|(_, stored)| stored.revision);
        let entries: Vec<Entry> = new
            .into_iter()
            .map(|(key, stored)| Entry {
                key: key.clone(),
                value: stored.value.clone(),
                revision: stored.revision,
                stored_ms: held.now_ms,
            })
            .collect();
        drop(held);
        for entry in entries {
            self.marks_seen = entry.revision;
            self.mirror.mark_entry(entry, self.now);
        }
        self.deliver();
    }

    /// How many documents were refused so far.
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
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MarkStore for MemoryStore {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move {
            // Two edits at once must be able to cross, as they do over a network.
            tokio::task::yield_now().await;
            Ok(self.held().marks.get(key).cloned().unwrap_or_default())
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        revision: u64,
        value: Option<Bytes>,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let mut held = self.held();
            if held.marks.get(key).map_or(0, |stored| stored.revision) != revision {
                return Ok(Written::Conflict);
            }
            held.revision += 1;
            let revision = held.revision;
            held.marks.insert(key.to_owned(), Stored { revision, value });
            Ok(Written::At(revision))
        })
    }
}

impl EventStore for MemoryStore {
    fn append<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut held = self.held();
            if held.events.iter().all(|(identity, _)| *identity != record.identity) {
                let kept = Kept { at_ms: held.now_ms, record: record.clone() };
                held.events.push((record.identity.clone(), kept));
            }
            Ok(())
        })
    }

    fn read<'a>(&'a self, node: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Kept>, StoreError>> {
        Box::pin(async move {
            let held = self.held();
            let of_node = held.events.iter().filter(|(_, kept)| &*kept.record.node == node);
            let mut last: Vec<Kept> = of_node.rev().take(limit).map(|(_, kept)| kept.clone()).collect();
            last.reverse();
            Ok(last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Cluster};
    use crate::registry::journal::Happening;
    use crate::registry::marks::Word;
    use serde_json::json;

    /// A front that only keeps the cluster.
    struct Front {
        cluster: Cluster,
        events: mpsc::UnboundedReceiver<RegistryEvent>,
    }

    impl Front {
        /// Takes every event that is there; the ones that change nothing are returned.
        fn hear(&mut self) -> Vec<RegistryEvent> {
            let mut others = Vec::new();
            while let Ok(event) = self.events.try_recv() {
                match event {
                    RegistryEvent::Change(change) => self.cluster.apply(change),
                    other => others.push(other),
                }
            }
            others
        }

        /// The ids of the nodes, stale ones with a `-`, cordoned ones with a `#`, cooling ones with a `~`.
        fn nodes(&mut self) -> String {
            self.hear();
            let shown = self.cluster.nodes().map(|(_, node)| {
                let signs = [(node.is_stale(), "-"), (node.is_cordoned(), "#"), (node.marks().cooling_down, "~")];
                signs.into_iter().filter(|(is, _)| *is).fold(node.id().to_string(), |shown, (_, sign)| shown + sign)
            });
            shown.collect::<Vec<_>>().join(" ")
        }
    }

    fn setup() -> (Registry, Hand, Front) {
        let (registry, hand, events) = Registry::in_memory();
        (registry, hand, Front { cluster: Cluster::default(), events })
    }

    fn document(id: &str) -> Vec<u8> {
        json!({"id": id, "urls": [format!("https://{id}:3300")]}).to_string().into_bytes()
    }

    fn word() -> Word {
        Word { by: "ann".to_owned(), at_ms: 1, reason: "kernel".to_owned() }
    }

    async fn history(registry: &Registry, node: &str, length: usize) -> Vec<(Happening, String)> {
        loop {
            let history = registry.history(node, 100).await.unwrap();
            if history.len() >= length {
                return history.into_iter().map(|kept| (kept.record.event, kept.record.reason)).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_node_comes_goes_stale_comes_back_leaves_and_is_remembered() {
        let (registry, mut hand, mut front) = setup();
        assert_eq!(front.hear(), [RegistryEvent::Ready { nodes: 0 }]);
        hand.report("a", &document("a"));
        hand.report("b", &document("b"));
        assert_eq!(front.nodes(), "a b");
        hand.forward(Duration::from_secs(60));
        hand.report("b", &document("b"));
        hand.forward(Duration::from_secs(30));
        assert_eq!(front.nodes(), "a- b");
        hand.report("a", &document("a"));
        assert_eq!(front.nodes(), "a b");
        hand.leave("a");
        assert_eq!(front.nodes(), "b");
        hand.forward(LIMIT + RETENTION);
        assert_eq!(front.nodes(), "");
        let history = history(&registry, "a", 4).await;
        let silent = "has not reported for 90 s".to_owned();
        assert_eq!(
            history,
            [
                (Happening::Joined, String::new()),
                (Happening::Left, silent),
                (Happening::Joined, String::new()),
                (Happening::Left, "it said so".to_owned()),
            ]
        );
    }

    #[tokio::test]
    async fn a_poisoned_document_costs_its_own_node_alone() {
        let (_registry, mut hand, mut front) = setup();
        hand.report("a", &document("a"));
        hand.report("b", &document("b"));
        let deep = format!(r#"{{"id":"a","x":{}1{}}}"#, "[".repeat(16_000), "]".repeat(16_000));
        let poisons: [&[u8]; 7] = [
            b"",
            b"{\"id\":\"a\",\"freemem\":NaN}",
            b"[1]",
            b"{\"id\":\"b\"}",
            b"{\"id\":\"a\",\"urls\":7}",
            deep.as_bytes(),
            &vec![b' '; 1 << 20],
        ];
        front.hear();
        for poison in poisons {
            hand.report("a", poison);
            let refused = front.hear();
            assert!(matches!(refused.as_slice(), [RegistryEvent::Refused { node: Some(node), .. }] if **node == *"a"));
        }
        hand.put("a..b".to_owned(), Some(document("a..b").into()));
        assert!(matches!(front.hear().as_slice(), [RegistryEvent::Refused { node: None, key, .. }] if key == "a..b"));
        assert_eq!(hand.refused(), 8);
        assert_eq!(front.nodes(), "a b", "the last good report stays");
        hand.forward(Duration::from_secs(80));
        hand.report("a", b"[");
        hand.report("b", &document("b"));
        hand.forward(Duration::from_secs(10));
        assert_eq!(front.nodes(), "a- b", "and is no sign of life");
        hand.report("a", &document("a"));
        assert_eq!(front.nodes(), "a b");
    }

    #[tokio::test]
    async fn odd_ids_are_nodes_like_any_other() {
        let (_registry, mut hand, mut front) = setup();
        for id in ["a..b", "host:7070", "*", "ü", "a b", "a/b"] {
            hand.report(id, &document(id));
        }
        assert_eq!(front.nodes(), "* a b a..b a/b host:7070 ü");
    }

    #[tokio::test]
    async fn marks_reach_the_cluster_and_end_by_themselves() {
        let (registry, mut hand, mut front) = setup();
        hand.report("a", &document("a"));
        registry.cordon("a", word()).await.unwrap();
        registry.cool_down("a", 5_000, word()).await.unwrap();
        hand.see_marks();
        assert_eq!(front.nodes(), "a#~");
        assert_eq!(registry.mark("a").unwrap().cordoned, Some(word()));
        registry.uncordon("a", word()).await.unwrap();
        hand.forward(Duration::from_millis(4_999));
        assert_eq!(front.nodes(), "a~");
        hand.forward(Duration::from_millis(1));
        assert_eq!(front.nodes(), "a");
        hand.leave("a");
        registry.cordon("a", word()).await.unwrap();
        hand.see_marks();
        hand.report("a", &document("a"));
        assert_eq!(front.nodes(), "a#", "a mark outlives its node's absence");
        let events: Vec<_> = history(&registry, "a", 6).await.into_iter().map(|(event, _)| event).collect();
        use Happening::{Cordoned, Joined, Left, Uncordoned};
        assert_eq!(events.len(), 6);
        for (event, times) in [(Joined, 2), (Cordoned, 2), (Uncordoned, 1), (Left, 1)] {
            assert_eq!(events.iter().filter(|other| **other == event).count(), times, "{event:?}");
        }
    }

    #[tokio::test]
    async fn a_mark_that_cannot_be_read_lifts_nothing() {
        let (registry, mut hand, mut front) = setup();
        hand.report("a", &document("a"));
        registry.cordon("a", word()).await.unwrap();
        hand.see_marks();
        hand.store.write("a", 1, Some("{\"cordoned\":7}".into())).await.unwrap();
        hand.see_marks();
        let refused = front.hear();
        assert!(matches!(refused.last(), Some(RegistryEvent::Refused { node: Some(_), key, .. }) if key == "mark a"));
        assert_eq!(front.nodes(), "a#");
    }

    #[tokio::test]
    async fn a_process_that_did_not_run_holds_it_against_nobody() {
        let (_registry, mut hand, mut front) = setup();
        hand.report("a", &document("a"));
        hand.forward(Duration::from_secs(50));
        hand.leap(Duration::from_secs(5_000));
        assert_eq!(front.nodes(), "a");
        hand.forward(Duration::from_secs(39));
        assert_eq!(front.nodes(), "a");
        hand.forward(Duration::from_secs(1));
        assert_eq!(front.nodes(), "a-");
    }

    #[tokio::test]
    async fn a_loss_is_said_once_per_reason() {
        let (_registry, mut hand, mut front) = setup();
        front.hear();
        for reason in ["x", "x", "y"] {
            hand.lose(reason);
        }
        let lost = |reason: &str| RegistryEvent::Lost { reason: reason.to_owned() };
        assert_eq!(front.hear(), [lost("x"), lost("y")]);
        hand.recover([]);
        hand.lose("y");
        assert_eq!(front.hear(), [RegistryEvent::Ready { nodes: 0 }, lost("y")]);
    }

    #[tokio::test]
    async fn a_lost_view_stays_as_it_was_and_a_new_bucket_gives_time() {
        let (_registry, mut hand, mut front) = setup();
        hand.report("a", &document("a"));
        hand.report("b", &document("b"));
        hand.forward(Duration::from_secs(30));
        hand.lose("the broker is away");
        hand.forward(Duration::from_secs(3_000));
        assert_eq!(front.nodes(), "a b", "the silence is ours");
        let a = document("a");
        hand.recover([("a", a.as_slice())]);
        assert_eq!(front.hear(), [RegistryEvent::Ready { nodes: 2 }]);
        hand.forward(Duration::from_secs(59));
        assert_eq!(front.nodes(), "a b");
        hand.forward(Duration::from_secs(1));
        assert_eq!(front.nodes(), "a b-");
    }

    #[tokio::test]
    async fn every_report_is_one_change() {
        let (_registry, mut hand, mut front) = setup();
        front.hear();
        hand.report("a", &document("a"));
        assert!(matches!(front.events.try_recv(), Ok(RegistryEvent::Change(Change::Report(_)))));
        assert!(front.events.try_recv().is_err());
    }
}
