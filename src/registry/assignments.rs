//! Manual assignments: the node that an administrator assigned a user to, kept in a bucket of their own.
//!
//! An assignment is read and written back only if nobody wrote in between, as marks are, so that two replicas never undo
//! each other's changes. Every replica reads the bucket, so that all of them place a user alike. Fields of a later
//! release stay as they are. Rejected: assignments in the config, which an administrator would have to distribute and
//! reload for each user.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::backoff::Backoff;
use crate::model::head::MAX_CARRIED_BYTES;
use crate::model::json::{self, JsonError, JsonLimits};
use crate::nats::subjects::encode_key;

use super::documents::{DocumentStore, StoreError, WriteOutcome};
use super::mark::MarkAuthor;

/// The largest assignment in bytes.
pub const MAX_ASSIGNMENT_BYTES: usize = 8 * 1024;
/// The most assignments of a cluster.
pub const MAX_ASSIGNMENTS: usize = 10_000;
const ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

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
    /// Others wrote the same assignment during every attempt.
    #[error("the assignment of `{0}` changed under every attempt to write it")]
    Contended(String),
    /// The store could not be read or written.
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
        let (key, mut pauses) = (encode_key(user), Backoff::spread(FIRST_PAUSE, LONGEST_PAUSE));
        let failed = |reason| AssignmentError::Store { user: user.to_owned(), reason };
        for _attempt in 0..ATTEMPTS {
            let stored = self.store.read(&key).await.map_err(failed)?;
            // An administrator decides anew about an assignment that cannot be read.
            let before = stored.value.as_deref().and_then(|text| Assignment::parse(text).ok());
            if stored.value.is_none() && assignment.is_none() {
                return Ok(None);
            }
            let value = assignment.map(|assignment| {
                let other = before.as_ref().map(|before| before.other.clone()).unwrap_or_default();
                let (user, node) = (assignment.user.clone(), assignment.node.clone());
                text(&Assignment { user, node, author: assignment.author.clone().bounded(), other })
            });
            let value = value.transpose().map_err(failed)?;
            match self.store.write(&key, stored.revision, value).await.map_err(failed)? {
                WriteOutcome::At(_) => return Ok(before),
                WriteOutcome::Conflict => tokio::time::sleep(pauses.failed()).await,
            }
        }
        Err(AssignmentError::Contended(user.to_owned()))
    }

    /// Writes an assignment that the store lost, unless the assignment was written since.
    pub(super) async fn restore(&self, user: &str, assignment: &Assignment) -> Result<WriteOutcome, StoreError> {
        self.store.write(&encode_key(user), 0, Some(text(assignment)?)).await
    }
}

fn text(assignment: &Assignment) -> Result<bytes::Bytes, StoreError> {
    let text = serde_json::to_vec(assignment).map_err(|error| StoreError(error.to_string()))?;
    match text.len() > MAX_ASSIGNMENT_BYTES {
        true => Err(StoreError(format!("it would have {} bytes, at most {MAX_ASSIGNMENT_BYTES}", text.len()))),
        false => Ok(text.into()),
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

    #[tokio::test]
    async fn a_lost_assignment_is_written_again_unless_it_was_written_since() {
        let store = Arc::new(MemoryStore::default());
        let book = AssignmentBook::new(store.clone());
        assert_eq!(book.restore("ann", &assignment("a")).await.unwrap(), WriteOutcome::At(1));
        assert_eq!(book.restore("ann", &assignment("b")).await.unwrap(), WriteOutcome::Conflict);
    }
}
