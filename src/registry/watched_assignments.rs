//! The assignments as the bucket has them, read entry by entry; what a lost bucket had is written again.

use std::sync::Arc;

use tracing::{error, warn};

use crate::nats::subjects::decode_key;

use super::assignments::{Assignment, AssignmentBook, Assignments, MAX_ASSIGNMENTS};
use super::mirror::BucketEntry;

/// The assignments that were read so far.
#[derive(Debug)]
pub(super) struct WatchedAssignments {
    book: AssignmentBook,
    /// The creation time of the bucket that is being read; empty before the first.
    created: String,
    /// The assignments of the bucket that was read before, where that was another bucket.
    lost: Assignments,
    known: Assignments,
}

impl WatchedAssignments {
    pub(super) fn new(book: AssignmentBook) -> Self {
        Self { book, created: String::new(), lost: Assignments::new(), known: Assignments::new() }
    }

    /// Begins to read the bucket that was created at `created`, from its first entry.
    pub(super) fn begin(&mut self, created: String) {
        let known = std::mem::take(&mut self.known);
        if !self.created.is_empty() && self.created != created {
            self.lost.extend(known);
        }
        self.created = created;
    }

    /// Takes an entry; returns the user and the user's assignment, or `None` for an entry that cannot be read.
    pub(super) fn entry(&mut self, entry: BucketEntry) -> Option<(Arc<str>, Option<Assignment>)> {
        let user: Arc<str> = match decode_key(&entry.key) {
            Ok(user) => user.into(),
            Err(error) => {
                warn!("an assignment under the key `{}` is passed over: {error}", entry.key);
                return None;
            }
        };
        // What was written or removed since the bucket was lost counts more than what was lost.
        self.lost.remove(&user);
        let assignment = match entry.value.as_deref().map(Assignment::parse) {
            None => None,
            Some(Ok(assignment)) => Some(assignment),
            Some(Err(error)) => {
                warn!(user = %user, "the assignment of `{user}` cannot be read and counts for nothing: {error}");
                None
            }
        };
        match &assignment {
            // Replicas that write at the same time may pass the limit by a few.
            Some(assignment) if self.known.len() < 2 * MAX_ASSIGNMENTS => {
                self.known.insert(Arc::clone(&user), assignment.clone());
            }
            Some(_) => return None,
            None => drop(self.known.remove(&user)),
        }
        Some((user, assignment))
    }

    /// Returns all assignments, once each entry was read. Those of a lost bucket are among them, and written again.
    pub(super) fn complete(&mut self) -> Assignments {
        for (user, assignment) in std::mem::take(&mut self.lost) {
            let book = self.book.clone();
            self.known.insert(Arc::clone(&user), assignment.clone());
            tokio::spawn(async move {
                match book.restore(&user, &assignment).await {
                    Ok(_) => warn!(user = %user, "the assignment of `{user}` was lost with its bucket; written again"),
                    Err(error) => error!(user = %user, "the assignment of `{user}` was lost with its bucket: {error}"),
                }
            });
        }
        self.known.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::registry::documents::DocumentStore;
    use crate::registry::memory::MemoryStore;

    fn entry(key: &str, value: Option<&str>) -> BucketEntry {
        BucketEntry {
            key: key.to_owned(),
            value: value.map(|value| value.to_owned().into()),
            revision: 1,
            stored_ms: 0,
        }
    }

    #[tokio::test]
    async fn entries_are_read_and_a_lost_bucket_is_filled_again() {
        let store = Arc::new(MemoryStore::default());
        let mut watched = WatchedAssignments::new(AssignmentBook::new(store.clone()));
        watched.begin("1".to_owned());
        assert!(watched.entry(entry("a=40b", Some(r#"{"user":"a@b","node":"n"}"#))).is_some());
        assert!(watched.entry(entry("bob", Some(r#"{"user":"bob","node":"n"}"#))).is_some());
        assert_eq!(watched.entry(entry("eve", Some("["))), Some(("eve".into(), None)));
        assert_eq!(watched.entry(entry("a.b", None)), None);
        assert_eq!(watched.complete().into_keys().collect::<Vec<_>>(), ["a@b".into(), "bob".into()]);
        watched.begin("1".to_owned());
        assert!(watched.complete().is_empty(), "the same bucket without them: they were removed");
        watched.entry(entry("ann", Some(r#"{"user":"ann","node":"n"}"#)));
        watched.entry(entry("bob", Some(r#"{"user":"bob","node":"n"}"#)));
        watched.begin("2".to_owned());
        watched.entry(entry("bob", Some(r#"{"user":"bob","node":"m"}"#)));
        let whole = watched.complete();
        assert_eq!((whole["ann"].node.as_str(), whole["bob"].node.as_str()), ("n", "m"));
        while store.read("ann").await.unwrap().value.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(store.read("bob").await.unwrap().value.is_none(), "it is there already");
    }
}
