//! Manual assignments: the node that an administrator assigned a user to, kept in a bucket of their own.
//!
//! An assignment is read and written back only if nobody wrote in between, as marks are, so that two replicas never undo
//! each other's changes. Every replica reads the bucket, so that all of them place a user alike. Fields of a later
//! release stay as they are. Rejected: assignments in the config, which an administrator would have to distribute and
//! reload for each user.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::head::MAX_CARRIED_BYTES;
use crate::model::json::{self, JsonError, JsonLimits};
use crate::nats::subjects::encode_key;

use super::documents::{DocumentEdit, DocumentStore, EditRetry, StoreError, bounded_text, edit_document};
use super::mark::MarkAuthor;
use super::watched_bucket::WatchedDocument;

/// The largest assignment in bytes.
pub const MAX_ASSIGNMENT_BYTES: usize = 8 * 1024;
/// The most assignments of a cluster.
pub const MAX_ASSIGNMENTS: usize = 10_000;

/// The assignment of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The login, as the administrator wrote it.
    pub user: String,
    /// The id of the node.
    pub node: String,
    /// The author, the time and the reason.
    #[serde(flatten)]
    pub author: MarkAuthor,
    /// The fields that another release keeps here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The assignments, by the names of users as names are compared.
pub type Assignments = BTreeMap<Arc<str>, Assignment>;

/// Why an assignment could not be written.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    /// The name is empty or too long.
    #[error("the name of a user has 1 to {MAX_CARRIED_BYTES} bytes without control characters")]
    BadUser,
    /// The store could not be read or written, or others wrote the same assignment during every attempt.
    #[error("the assignment of `{user}` could not be written: {reason}")]
    Store {
        /// The user.
        user: String,
        /// The store's error.
        reason: StoreError,
    },
}

/// Reads and writes assignments by user.
#[derive(Clone, Debug)]
pub struct AssignmentBook {
    store: Arc<dyn DocumentStore>,
}

impl Assignment {
    /// Reads an assignment from untrusted `text`.
    ///
    /// # Errors
    /// [`JsonError`] where the text is no assignment.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        json::parse_as(text, JsonLimits::bytes(MAX_ASSIGNMENT_BYTES))
    }

    fn text(&self) -> Result<bytes::Bytes, StoreError> {
        bounded_text(self, "it", MAX_ASSIGNMENT_BYTES)
    }
}

impl WatchedDocument for Assignment {
    const MOST: usize = MAX_ASSIGNMENTS;

    fn is_name(_name: &str) -> bool {
        true
    }

    fn called(name: &str) -> String {
        format!("the assignment of `{name}`")
    }

    fn parse(text: &[u8]) -> Result<Self, JsonError> {
        Self::parse(text)
    }

    fn to_text(&self, _name: &str) -> Result<bytes::Bytes, StoreError> {
        self.text()
    }
}

impl AssignmentBook {
    /// Creates a book of the assignments in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn DocumentStore>) -> Self {
        Self { store }
    }

    /// Writes the `assignment` of the user whose name is compared as `user`, or removes the assignment with `None`;
    /// returns the assignment before.
    ///
    /// # Errors
    /// [`AssignmentError`] where the assignment could not be written.
    pub async fn write(
        &self,
        user: &str,
        assignment: Option<&Assignment>,
    ) -> Result<Option<Assignment>, AssignmentError> {
        if user.is_empty() || user.len() > MAX_CARRIED_BYTES || user.chars().any(char::is_control) {
            return Err(AssignmentError::BadUser);
        }
        let key = encode_key(user);
        let edited = edit_document(&*self.store, &key, "it", EditRetry::RARE, |text| {
            // An administrator decides anew about an assignment that cannot be read.
            let before = text.and_then(|text| Assignment::parse(text).ok());
            if text.is_none() && assignment.is_none() {
                return Ok((DocumentEdit::Keep, None));
            }
            let value = assignment.map(|assignment| {
                let other = before.as_ref().map(|before| before.other.clone()).unwrap_or_default();
                let (user, node) = (assignment.user.clone(), assignment.node.clone());
                let author = assignment.author.clone().bounded();
                Assignment { user, node, author, other }.text()
            });
            Ok((DocumentEdit::Write(value.transpose()?), before))
        });
        let edited = edited.await.map_err(|reason| AssignmentError::Store { user: user.to_owned(), reason })?;
        Ok(edited.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::memory::MemoryStore;
    use serde_json::json;

    fn assignment(node: &str) -> Assignment {
        let author = MarkAuthor { by: "eve".to_owned(), at_ms: 7, reason: "quiet".to_owned() };
        Assignment { user: "Ann".to_owned(), node: node.to_owned(), author, ..Assignment::default() }
    }

    #[tokio::test]
    async fn assignments_come_change_and_go() {
        let store = Arc::new(MemoryStore::default());
        let book = AssignmentBook::new(store.clone());
        assert_eq!(book.write("ann", None).await.unwrap(), None);
        assert_eq!(store.read("ann").await.unwrap().revision, 0, "nothing was written");
        assert_eq!(book.write("ann", Some(&assignment("a"))).await.unwrap(), None);
        assert_eq!(book.write("ann", Some(&assignment("b"))).await.unwrap(), Some(assignment("a")));
        let stored: Value = serde_json::from_slice(&store.read("ann").await.unwrap().value.unwrap()).unwrap();
        assert_eq!(stored, json!({"user": "Ann", "node": "b", "by": "eve", "at_ms": 7, "reason": "quiet"}));
        assert_eq!(book.write("ann", None).await.unwrap(), Some(assignment("b")));
        assert_eq!(store.read("ann").await.unwrap().value, None);
        for name in ["", "a\nb", &"x".repeat(MAX_CARRIED_BYTES + 1)] {
            assert!(matches!(book.write(name, None).await, Err(AssignmentError::BadUser)), "{name:.10}");
        }
    }

    #[tokio::test]
    async fn a_strangers_field_stays_and_what_cannot_be_read_is_replaced() {
        let store = Arc::new(MemoryStore::default());
        store.write("ann", 0, Some(r#"{"user":"ann","node":"a","site":"x"}"#.into())).await.unwrap();
        store.write("bob", 0, Some("[".into())).await.unwrap();
        let book = AssignmentBook::new(store.clone());
        book.write("ann", Some(&assignment("b"))).await.unwrap();
        let text = store.read("ann").await.unwrap().value.unwrap();
        let kept = Assignment::parse(&text).unwrap();
        assert_eq!((kept.node.as_str(), &kept.other["site"]), ("b", &json!("x")));
        assert_eq!(book.write("bob", Some(&assignment("b"))).await.unwrap(), None);
        assert_eq!(book.write("bob", None).await.unwrap(), Some(assignment("b")));
    }

    #[tokio::test]
    async fn concurrent_writes_all_count() {
        let book = AssignmentBook::new(Arc::new(MemoryStore::default()));
        let (first, second) = (assignment("a"), assignment("b"));
        let (one, two) = tokio::join!(book.write("ann", Some(&first)), book.write("ann", Some(&second)));
        let before: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
        assert_eq!(before.len(), 1, "the later one saw the earlier");
    }
}
