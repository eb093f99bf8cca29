//! The book of marks: the marks of all nodes in the bucket, kept apart from the nodes' own reports.
//!
//! A mark is read, edited and written back only if nobody wrote in between, so that two replicas never undo each
//! other's changes. Fields of a later release that this release does not know stay as they are. Rejected: marks inside
//! node documents, which agents overwrite every few seconds.

use std::fmt::Debug;
use std::sync::{Arc, PoisonError};

use crate::model::json::JsonError;
use crate::model::report;
use crate::nats::subjects::encode_key;

use super::documents::{DocumentEdit, DocumentStore, EditRetry, StoreError, WriteOutcome, bounded_text, edit_document};
use super::liveness::CheckIns;
use super::mark::{CoolDown, MAX_MARK_BYTES, MOST_DOUBLED, Mark, MarkAuthor};
use super::mirror::SharedMarks;

/// The most nodes that do not report and have a mark: nodes may be accepted before their agents are started.
pub const MAX_ABSENT_MARKS: usize = 10_000;

/// Why a mark could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The id is too short, too long, or has control characters: no node can have that id.
    #[error("a node id has 1 to {} bytes without control characters", report::MAX_ID_BYTES)]
    BadId,
    /// As many nodes have marks that do not report as may have.
    #[error("{MAX_ABSENT_MARKS} nodes that do not report are accepted or forgotten already, which is the most")]
    Full,
    /// The stored text is no mark.
    #[error("the mark of node `{node}` cannot be read: {reason}")]
    Damaged {
        /// The node.
        node: String,
        /// The fault in the mark.
        reason: String,
    },
    /// The store could not be read or written, or others wrote the same mark during every attempt.
    #[error("the mark of node `{node}` could not be written: {reason}")]
    Store {
        /// The node.
        node: String,
        /// The store's error.
        reason: StoreError,
    },
}

/// Reads and writes marks by node.
#[derive(Clone, Debug)]
pub struct MarkBook {
    store: Arc<dyn DocumentStore>,
}

/// The outcome of editing a mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The mark as stored now.
    pub mark: Mark,
    /// The revision under which the mark was written; absent where the edit changed nothing.
    pub revision: Option<u64>,
}

impl MarkBook {
    /// Creates a book of the marks in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn DocumentStore>) -> Self {
        Self { store }
    }

    /// Takes `node` out of service for new sessions; a node that is out of service already keeps its first author.
    ///
    /// # Errors
    /// [`MarkError`] where the mark could not be written.
    pub async fn cordon(&self, node: &str, author: MarkAuthor) -> Result<Edited, MarkError> {
        let author = author.bounded();
        self.edit(node, true, |mark| author.put(&mut mark.cordoned)).await
    }

    /// Takes `node` out of service and marks the node as being emptied; a node that is out already keeps its first
    /// authors.
    ///
    /// # Errors
    /// As [`MarkBook::cordon`].
    pub async fn drain(&self, node: &str, author: MarkAuthor) -> Result<Edited, MarkError> {
        let author = author.bounded();
        self.edit(node, true, |mark| {
            // A drain with a lifted cordon is over, though the mark may still hold its author.
            if !mark.is_draining() {
                mark.draining = None;
            }
            author.put(&mut mark.draining);
            author.put(&mut mark.cordoned);
        })
        .await
    }

    /// Puts `node` back into service; removes a cordon, a drain and a cool-down.
    ///
    /// # Errors
    /// As [`MarkBook::cordon`].
    pub async fn uncordon(&self, node: &str) -> Result<Edited, MarkError> {
        self.edit(node, true, |mark| (mark.cordoned, mark.draining, mark.cooling_down) = (None, None, None)).await
    }

    /// Accepts `node`, which may not have reported yet.
    ///
    /// # Errors
    /// As [`MarkBook::cordon`].
    pub async fn accept(&self, node: &str, author: MarkAuthor) -> Result<Edited, MarkError> {
        let author = author.bounded();
        self.edit(node, true, |mark| {
            mark.forgotten = None;
            author.put(&mut mark.accepted);
        })
        .await
    }

    /// Removes all marks of `node`, its acceptance with them, and marks the node as forgotten.
    ///
    /// # Errors
    /// As [`MarkBook::cordon`].
    pub async fn forget(&self, node: &str, author: MarkAuthor) -> Result<Edited, MarkError> {
        let author = author.bounded();
        self.edit(node, true, |mark| {
            let other = std::mem::take(&mut mark.other);
            *mark = Mark { forgotten: Some(author.clone()), other, ..Mark::default() };
        })
        .await
    }

    /// Lets `node` cool down from the time in `author` on: for `pause_ms` after the first failed start, for twice as
    /// long after each further failure, doubled [`MOST_DOUBLED`] times at most. Failures during a cool-down count once,
    /// and a node that had no failure for as long as its last cool-down begins anew.
    ///
    /// # Errors
    /// As [`MarkBook::cordon`].
    pub async fn cool_down(&self, node: &str, pause_ms: u64, author: MarkAuthor) -> Result<Edited, MarkError> {
        let author = author.bounded();
        self.edit(node, false, |mark| {
            let longer = |failures: u32| pause_ms.saturating_mul(1 << failures.saturating_sub(1).min(MOST_DOUBLED));
            let failures = match &mark.cooling_down {
                Some(before) if before.runs_at(author.at_ms) => return,
                Some(before) if before.until_ms.saturating_add_unsigned(longer(before.failures)) > author.at_ms => {
                    before.failures.saturating_add(1)
                }
                _ => 1,
            };
            let pause_ms = longer(failures);
            let until_ms = author.at_ms.saturating_add_unsigned(pause_ms);
            mark.cooling_down = Some(CoolDown { until_ms, pause_ms: Some(pause_ms), failures, word: author.clone() });
        })
        .await
    }

    /// Writes a mark that the store lost, unless the mark was written since.
    pub(super) async fn restore(&self, node: &str, mark: &Mark) -> Result<WriteOutcome, StoreError> {
        let value = serde_json::to_vec(mark).map_err(|error| StoreError(error.to_string()))?;
        self.store.write(&encode_key(node), 0, Some(value.into())).await
    }

    /// Applies `edit` to the mark of `node`. A mark that cannot be read is replaced `by_hand` alone: an administrator
    /// decides anew, and nothing else may lift a cordon in passing.
    async fn edit(&self, node: &str, by_hand: bool, edit: impl Fn(&mut Mark)) -> Result<Edited, MarkError> {
        if node.is_empty() || node.len() > report::MAX_ID_BYTES || node.chars().any(char::is_control) {
            return Err(MarkError::BadId);
        }
        let key = encode_key(node);
        let edited = edit_document(&*self.store, &key, "it", EditRetry::RARE, |text| {
            let before = match text.map(Mark::parse) {
                None => Some(Mark::default()),
                Some(Ok(mark)) => Some(mark),
                Some(Err(error)) if by_hand => {
                    tracing::warn!(node, %error, "the mark of the node cannot be read: it is replaced");
                    None
                }
                Some(Err(error)) => return Ok((DocumentEdit::Keep, Err(damaged(node, &error)))),
            };
            let mut mark = before.clone().unwrap_or_default();
            edit(&mut mark);
            if before.as_ref() == Some(&mark) {
                return Ok((DocumentEdit::Keep, Ok(mark)));
            }
            let text = bounded_text(&mark, "it", MAX_MARK_BYTES)?;
            Ok((DocumentEdit::Write((!mark.is_empty()).then_some(text)), Ok(mark)))
        });
        let edited = edited.await.map_err(|reason| MarkError::Store { node: node.to_owned(), reason })?;
        Ok(Edited { mark: edited.value?, revision: edited.is_written.then_some(edited.revision) })
    }
}

/// Makes sure that another mark may be kept, for `node`. Marks of nodes that report are bounded by the number of these
/// nodes, and other marks by [`MAX_ABSENT_MARKS`].
pub(super) fn admit(node: &str, marks: &SharedMarks, check_ins: &CheckIns) -> Result<(), MarkError> {
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
    let check_ins = check_ins.lock().unwrap_or_else(PoisonError::into_inner);
    if marks.contains_key(node) || check_ins.contains_key(node) || marks.len() < MAX_ABSENT_MARKS {
        return Ok(());
    }
    let absent = marks.keys().filter(|node| !check_ins.contains_key(*node)).count();
    if absent < MAX_ABSENT_MARKS { Ok(()) } else { Err(MarkError::Full) }
}

fn damaged(node: &str, error: &JsonError) -> MarkError {
    MarkError::Damaged { node: node.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::documents::Stored;
    use crate::registry::mark::longest_pause_ms;
    use crate::registry::memory::MemoryStore;
    use serde_json::{Value, json};

    fn author(by: &str) -> MarkAuthor {
        MarkAuthor { by: by.to_owned(), at_ms: 7, reason: "kernel".to_owned() }
    }

    #[tokio::test]
    async fn marks_come_and_go() {
        let store = Arc::new(MemoryStore::default());
        let book = MarkBook::new(store.clone());
        assert_eq!(book.cordon("a b", author("ann")).await.unwrap().revision, Some(1));
        assert_eq!(
            book.cordon("a b", author("bob")).await.unwrap(),
            Edited { mark: Mark { cordoned: Some(author("ann")), ..Mark::default() }, revision: None }
        );
        assert_eq!(book.cool_down("a b", 83, author("s")).await.unwrap().revision, Some(2));
        assert_eq!(book.cool_down("a b", 80, author("s")).await.unwrap().revision, None);
        let mark = book.cordon("a b", author("bob")).await.unwrap().mark;
        let cool_down = mark.cooling_down.unwrap();
        assert_eq!((cool_down.until_ms, cool_down.pause_ms), (90, Some(83)));
        assert_eq!((cool_down.left_ms(89), cool_down.left_ms(90)), (1, 0));
        assert_eq!(book.uncordon("a b").await.unwrap().mark, Mark::default(), "back in service means for everything");
        assert_eq!(book.uncordon("never").await.unwrap().revision, None);
        assert!(matches!(book.cordon("", author("ann")).await, Err(MarkError::BadId)));
    }

    #[tokio::test]
    async fn each_failed_start_leaves_a_node_alone_for_longer() {
        let book = MarkBook::new(Arc::new(MemoryStore::default()));
        let mut at_ms = 0;
        for pause in [10, 20, 40, 80, 160, 320, 640, 640] {
            let cooled = book.cool_down("a", 10, MarkAuthor { at_ms, ..author("s") }).await.unwrap().mark;
            assert_eq!(cooled.cooling_down.unwrap().left_ms(at_ms), pause);
            at_ms += i64::try_from(pause).unwrap();
        }
        assert_eq!(longest_pause_ms(10), 640);
        let cooled = book.cool_down("a", 10, MarkAuthor { at_ms: at_ms + 640, ..author("s") }).await.unwrap().mark;
        assert_eq!(cooled.cooling_down.unwrap().until_ms, at_ms + 650, "it did well for long enough");
    }

    #[tokio::test]
    async fn a_failure_counts_where_another_replica_wrote_by_a_clock_that_is_ahead() {
        let book = MarkBook::new(Arc::new(MemoryStore::default()));
        book.cool_down("a", 10, MarkAuthor { at_ms: 1_000_000, ..author("ahead") }).await.unwrap();
        let cooled = book.cool_down("a", 10, MarkAuthor { at_ms: 500, ..author("right") }).await.unwrap().mark;
        assert_eq!(cooled.cooling_down.unwrap().left_ms(500), 20);
        assert_eq!(book.cool_down("a", 10, MarkAuthor { at_ms: 501, ..author("right") }).await.unwrap().revision, None);
    }

    #[tokio::test]
    async fn an_empty_mark_is_deleted_and_a_strangers_field_stays() {
        let store = Arc::new(MemoryStore::default());
        let book = MarkBook::new(store.clone());
        book.cordon("a", author("ann")).await.unwrap();
        book.uncordon("a").await.unwrap();
        assert_eq!(store.read("a").await.unwrap(), Stored { revision: 2, value: None });
        store.write("b", 0, Some(r#"{"haunted":{"x":1}}"#.into())).await.unwrap();
        book.cordon("b", author("ann")).await.unwrap();
        let text = store.read("b").await.unwrap().value.unwrap();
        let mark: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(mark, json!({"haunted": {"x": 1}, "cordoned": {"by": "ann", "at_ms": 7, "reason": "kernel"}}));
    }

    #[tokio::test]
    async fn a_drain_is_a_cordon_that_ends_with_it() {
        let book = MarkBook::new(Arc::new(MemoryStore::default()));
        let drained = book.drain("a", author("ann")).await.unwrap().mark;
        assert_eq!((drained.cordoned.clone(), drained.draining.clone()), (Some(author("ann")), Some(author("ann"))));
        assert!(drained.is_draining());
        assert_eq!(book.drain("a", author("bob")).await.unwrap(), Edited { mark: drained, revision: None });
        assert!(book.cordon("a", author("bob")).await.unwrap().mark.is_draining(), "a cordon does not end a drain");
        assert_eq!(book.uncordon("a").await.unwrap().mark, Mark::default());
        book.cordon("a", author("ann")).await.unwrap();
        let both = book.drain("a", author("bob")).await.unwrap().mark;
        assert_eq!((both.cordoned, both.draining), (Some(author("ann")), Some(author("bob"))));
        let left_by_another_release = Mark { draining: Some(author("ann")), ..Mark::default() };
        assert!(!left_by_another_release.is_draining());
    }

    #[tokio::test]
    async fn concurrent_edits_all_count() {
        let book = MarkBook::new(Arc::new(MemoryStore::default()));
        let (cordoned, cooled) = tokio::join!(book.cordon("a", author("ann")), book.cool_down("a", 2, author("s")));
        cordoned.unwrap();
        cooled.unwrap();
        let mark = book.cordon("a", author("bob")).await.unwrap().mark;
        assert!(mark.cordoned.is_some() && mark.cooling_down.is_some());
    }

    #[tokio::test]
    async fn a_mark_that_could_not_be_read_again_is_not_written() {
        let store = Arc::new(MemoryStore::default());
        let strange = format!(r#"{{"haunted":"{}"}}"#, "x".repeat(MAX_MARK_BYTES - 20));
        store.write("a", 0, Some(strange.clone().into())).await.unwrap();
        let book = MarkBook::new(store.clone());
        let error = book.cordon("a", author("ann")).await.unwrap_err().to_string();
        assert!(error.contains("bytes, at most 16384"), "{error}");
        assert_eq!(store.read("a").await.unwrap().value.unwrap(), strange);
        assert_eq!(book.uncordon("a").await.unwrap().revision, None, "it can still be read");
    }

    #[tokio::test]
    async fn a_damaged_mark_is_overwritten_by_hand_alone() {
        let store = Arc::new(MemoryStore::default());
        store.write("a", 0, Some("[[".into())).await.unwrap();
        let book = MarkBook::new(store.clone());
        let error = book.cool_down("a", 1000, author("ann")).await.unwrap_err().to_string();
        assert!(error.starts_with("the mark of node `a` cannot be read"), "{error}");
        assert!(book.cordon("a", author("ann")).await.unwrap().mark.cordoned.is_some());
        store.write("b", 0, Some("null".into())).await.unwrap();
        assert!(book.uncordon("b").await.unwrap().revision.is_some());
        assert_eq!(store.read("b").await.unwrap().value, None);
    }
}
