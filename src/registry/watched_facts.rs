//! The facts as the bucket has them, read entry by entry; what a lost bucket had is written again.

use std::sync::Arc;

use tracing::{error, warn};

use crate::model::needs::is_fact_name;
use crate::nats::subjects::decode_key;

use super::facts::{Fact, FactBook, FactEntry, Facts, MAX_FACTS};
use super::mirror::BucketEntry;

/// The facts that were read so far.
#[derive(Debug)]
pub(super) struct WatchedFacts {
    book: FactBook,
    /// The creation time of the bucket that is being read; empty before the first.
    created: String,
    /// The facts of the bucket that was read before, where that was another bucket.
    lost: Facts,
    known: Facts,
}

impl WatchedFacts {
    pub(super) fn new(book: FactBook) -> Self {
        Self { book, created: String::new(), lost: Facts::new(), known: Facts::new() }
    }

    /// Begins to read the bucket that was created at `created`, from its first entry.
    pub(super) fn begin(&mut self, created: String) {
        let known = std::mem::take(&mut self.known);
        if !self.created.is_empty() && self.created != created {
            self.lost.extend(known);
        }
        self.created = created;
    }

    /// Takes an entry; returns the fact's name and the entry, or `None` for an entry that counts for nothing.
    pub(super) fn entry(&mut self, entry: BucketEntry) -> Option<(Arc<str>, FactEntry)> {
        let Some(name) = decode_key(&entry.key).ok().filter(|name| is_fact_name(name)) else {
            warn!("a fact under the key `{}` is passed over: that is no name of a fact", entry.key);
            return None;
        };
        let name: Arc<str> = name.into();
        // What was written or deleted since the bucket was lost counts more than what was lost.
        self.lost.remove(&name);
        let fact = match entry.value.as_deref().map(Fact::parse) {
            None => None,
            Some(Ok(fact)) => Some(fact),
            Some(Err(error)) => {
                warn!(fact = %name, "the fact `{name}` cannot be read and counts as none: {error}");
                None
            }
        };
        // Replicas that write at the same time may pass the limit by a few.
        if fact.is_some() && !self.known.contains_key(&name) && self.known.len() >= 2 * MAX_FACTS {
            return None;
        }
        let entry = FactEntry { revision: entry.revision, fact };
        match &entry.fact {
            Some(_) => drop(self.known.insert(Arc::clone(&name), entry.clone())),
            None => drop(self.known.remove(&name)),
        }
        Some((name, entry))
    }

    /// Returns all facts, once each entry was read. Those of a lost bucket are among them, and written again.
    pub(super) fn complete(&mut self) -> Facts {
        for (name, lost) in std::mem::take(&mut self.lost) {
            let Some(fact) = lost.fact else { continue };
            let book = self.book.clone();
            // Whatever the new bucket says of the fact is newer.
            self.known.insert(Arc::clone(&name), FactEntry { revision: 0, fact: Some(fact.clone()) });
            tokio::spawn(async move {
                match book.restore(&name, &fact).await {
                    Ok(_) => warn!(fact = %name, "the fact `{name}` was lost with its bucket; written again"),
                    Err(error) => error!(fact = %name, "the fact `{name}` was lost with its bucket: {error}"),
                }
            });
        }
        self.known.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::documents::DocumentStore;
    use crate::registry::memory::MemoryStore;

    fn entry(key: &str, value: Option<&str>) -> BucketEntry {
        let value = value.map(|value| value.to_owned().into());
        BucketEntry { key: key.to_owned(), value, revision: 1, stored_ms: 0 }
    }

    #[tokio::test]
    async fn entries_are_read_and_a_lost_bucket_is_filled_again() {
        let store = Arc::new(MemoryStore::default());
        let mut watched = WatchedFacts::new(FactBook::new(store.clone()));
        watched.begin("1".to_owned());
        assert!(watched.entry(entry("mat=2Elab", Some(r#"{"count":3}"#))).is_some());
        assert!(watched.entry(entry("seats", Some(r#"{"count":1}"#))).is_some());
        assert_eq!(watched.entry(entry("odd", Some("["))), Some(("odd".into(), FactEntry { revision: 1, fact: None })));
        assert_eq!(watched.entry(entry("a=20b", Some(r#"{"count":3}"#))), None);
        assert_eq!(watched.complete().into_keys().collect::<Vec<_>>(), ["mat.lab".into(), "seats".into()]);
        watched.begin("2".to_owned());
        watched.entry(entry("seats", Some(r#"{"count":2}"#)));
        let whole = watched.complete();
        let counts: Vec<_> = whole.values().map(|entry| entry.fact.as_ref().unwrap().count).collect();
        assert_eq!(counts, [3, 2]);
        while store.read("mat=2Elab").await.unwrap().value.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(store.read("seats").await.unwrap().value.is_none(), "it is there already");
        watched.begin("2".to_owned());
        assert!(watched.complete().is_empty(), "the same bucket without them: they were deleted");
    }

    #[test]
    fn more_facts_than_allowed_are_passed_over() {
        let mut watched = WatchedFacts::new(FactBook::new(Arc::new(MemoryStore::default())));
        let taken = (0..3 * MAX_FACTS).filter_map(|n| watched.entry(entry(&n.to_string(), Some(r#"{"count":1}"#))));
        assert_eq!(taken.count(), 2 * MAX_FACTS);
    }
}
