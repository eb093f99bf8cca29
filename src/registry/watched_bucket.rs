//! The documents of a bucket as the bucket has them, read entry by entry; what a lost bucket had is written again.
//!
//! Assignments and countable facts are read so. Rejected: marks too. A mark counts before its bucket is whole, and the
//! mirror of the cluster knows which nodes have one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tracing::{error, warn};

use crate::model::json::JsonError;
use crate::nats::subjects::{decode_key, encode_key};

use super::documents::{DocumentStore, StoreError};
use super::mirror::BucketEntry;

/// A document that a bucket has under a name.
pub(super) trait WatchedDocument: Clone + Send + 'static {
    /// The most documents that replicas write into the bucket.
    const MOST: usize;

    /// Returns whether a document can have `name`.
    fn is_name(name: &str) -> bool;

    /// Returns the document of `name` as log lines call it.
    fn called(name: &str) -> String;

    /// Reads a document from untrusted `text`.
    fn parse(text: &[u8]) -> Result<Self, JsonError>;

    /// Returns the document of `name` as text that can be read again.
    fn to_text(&self, name: &str) -> Result<Bytes, StoreError>;
}

/// Documents by name, each with the revision under which it was written.
pub(super) type WatchedDocuments<D> = BTreeMap<Arc<str>, (u64, D)>;

/// The documents of a bucket that were read so far.
#[derive(Debug)]
pub(super) struct WatchedBucket<D> {
    store: Arc<dyn DocumentStore>,
    /// The creation time of the bucket that is being read; empty before the first.
    created: String,
    /// The documents of the bucket that was read before, where that was another bucket.
    lost: WatchedDocuments<D>,
    known: WatchedDocuments<D>,
}

impl<D: WatchedDocument> WatchedBucket<D> {
    pub(super) fn new(store: Arc<dyn DocumentStore>) -> Self {
        Self { store, created: String::new(), lost: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// Begins to read the bucket that was created at `created`, from its first entry.
    pub(super) fn begin(&mut self, created: String) {
        let known = std::mem::take(&mut self.known);
        if !self.created.is_empty() && self.created != created {
            self.lost.extend(known);
        }
        self.created = created;
    }

    /// Takes an entry; returns the name and the document that the bucket has under the name now, or `None` for an entry
    /// that counts for nothing.
    pub(super) fn entry(&mut self, entry: BucketEntry) -> Option<(Arc<str>, Option<D>)> {
        let Some(name) = decode_key(&entry.key).ok().filter(|name| D::is_name(name)) else {
            warn!("{} is passed over: nothing can have that name", D::called(&entry.key));
            return None;
        };
        let name: Arc<str> = name.into();
        // What was written or deleted since the bucket was lost counts more than what was lost.
        self.lost.remove(&name);
        let document = match entry.value.as_deref().map(D::parse) {
            None => None,
            Some(Ok(document)) => Some(document),
            Some(Err(error)) => {
                warn!("{} cannot be read and counts as none: {error}", D::called(&name));
                None
            }
        };
        // Replicas that write at the same time may pass the limit by a few.
        if document.is_some() && !self.known.contains_key(&name) && self.known.len() >= 2 * D::MOST {
            return None;
        }
        match &document {
            Some(document) => drop(self.known.insert(Arc::clone(&name), (entry.revision, document.clone()))),
            None => drop(self.known.remove(&name)),
        }
        Some((name, document))
    }

    /// Returns all documents, once each entry was read. Those of a lost bucket are among them, and written again.
    pub(super) fn complete(&mut self) -> &WatchedDocuments<D> {
        for (name, (_, document)) in std::mem::take(&mut self.lost) {
            let (store, text) = (Arc::clone(&self.store), document.to_text(&name));
            // Whatever the new bucket says of the name is newer.
            self.known.insert(Arc::clone(&name), (0, document));
            tokio::spawn(async move {
                let written = async { store.write(&encode_key(&name), 0, Some(text?)).await };
                match written.await {
                    Ok(_) => warn!("{} was lost with its bucket; written again", D::called(&name)),
                    Err(error) => error!("{} was lost with its bucket: {error}", D::called(&name)),
                }
            });
        }
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::assignments::Assignment;
    use crate::registry::facts::{Fact, MAX_FACTS};
    use crate::registry::memory::MemoryStore;

    fn entry(key: &str, value: Option<&str>) -> BucketEntry {
        let value = value.map(|value| value.to_owned().into());
        BucketEntry { key: key.to_owned(), value, revision: 1, stored_ms: 0 }
    }

    /// Checks that entries of a document `text` under `key` are read, and that a lost bucket is filled again with what
    /// it had, unless that was written since.
    async fn check<D: WatchedDocument + PartialEq + std::fmt::Debug>(text: &str, (key, name): (&str, &str), bad: &str) {
        let store = Arc::new(MemoryStore::default());
        let mut watched = WatchedBucket::<D>::new(store.clone());
        let document = D::parse(text.as_bytes()).unwrap();
        watched.begin("1".to_owned());
        for key in [key, "seats", "tokens"] {
            assert!(watched.entry(entry(key, Some(text))).is_some());
        }
        assert_eq!(watched.entry(entry("odd", Some("["))), Some(("odd".into(), None)));
        assert_eq!(watched.entry(entry(bad, Some(text))), None, "`{bad}` is no key");
        assert_eq!(watched.complete()[name], (1, document.clone()));
        assert_eq!(watched.complete().len(), 3);

        store.write("tokens", 0, Some("{}".into())).await.unwrap();
        watched.begin("2".to_owned());
        watched.entry(BucketEntry { revision: 5, ..entry("seats", Some(text)) });
        let revisions: Vec<_> = watched.complete().iter().map(|(name, (revision, _))| (&**name, *revision)).collect();
        assert_eq!(revisions, [(name, 0), ("seats", 5), ("tokens", 0)]);
        while store.read(key).await.unwrap().value.is_none() {
            tokio::task::yield_now().await;
        }
        let restored = store.read(key).await.unwrap().value.unwrap();
        assert_eq!(D::parse(&restored).unwrap(), document);
        assert!(store.read("seats").await.unwrap().value.is_none(), "it is there already");
        assert_eq!(store.read("tokens").await.unwrap().value.unwrap(), "{}", "it was written since");

        watched.begin("2".to_owned());
        assert!(watched.complete().is_empty(), "the same bucket without them: they were deleted");
    }

    #[tokio::test]
    async fn entries_are_read_and_a_lost_bucket_is_filled_again() {
        check::<Fact>(r#"{"count":3}"#, ("mat=2Elab", "mat.lab"), "a=20b").await;
        check::<Assignment>(r#"{"user":"a@b","node":"n"}"#, ("a=40b", "a@b"), "a.b").await;
    }

    #[test]
    fn more_documents_than_allowed_are_passed_over() {
        let mut watched = WatchedBucket::<Fact>::new(Arc::new(MemoryStore::default()));
        let taken = (0..3 * MAX_FACTS).filter_map(|n| watched.entry(entry(&n.to_string(), Some(r#"{"count":1}"#))));
        assert_eq!(taken.count(), 2 * MAX_FACTS);
        assert!(watched.entry(entry("0", Some(r#"{"count":2}"#))).is_some(), "one that is known already may change");
    }
}
