//! The marks that the service keeps about a node, with author, time and reason; kept apart from the node's own report.
//!
//! A mark is read, edited and written back only if nobody wrote in between, so that two replicas never undo each
//! other's changes. Fields of a later release that this release does not know stay as they are. Rejected: marks inside
//! node documents, which agents overwrite every few seconds.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::backoff::Backoff;
use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::report;
use crate::nats::subjects::encode_key;

use super::documents::{DocumentStore, StoreError, WriteOutcome};

/// The largest mark document in bytes.
pub const MAX_MARK_BYTES: usize = 16 * 1024;
/// The longest reason in bytes; the rest is cut off.
pub const MAX_REASON_BYTES: usize = 1024;
/// The most times that the pause after a failed start is doubled: an hour, where the first pause is a minute.
pub const MOST_DOUBLED: u32 = 6;
const ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The marks that the service keeps about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The cordon: the node takes no new sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<MarkAuthor>,
    /// The drain: the node is being emptied, and somebody waits until the node is empty. Counts beside a cordon alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<MarkAuthor>,
    /// The cool-down: a start failed on the node a short while ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling_down: Option<CoolDown>,
    /// The acceptance: where new nodes are held, a node without it takes no sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<MarkAuthor>,
    /// The end of the node's membership: every replica that hears nothing of the node drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<MarkAuthor>,
    /// The fields that another release keeps here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The author, time and reason of a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkAuthor {
    /// The author's name; may be empty.
    #[serde(default)]
    pub by: String,
    /// The time of writing, in Unix milliseconds UTC by the clock of the replica that wrote the mark.
    #[serde(default)]
    pub at_ms: i64,
    /// The reason; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// A node that gets no sessions for a while. The length of the pause counts, from the moment at which a reader sees the
/// mark being written: the writer's clock may be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    /// The end, in Unix milliseconds UTC by the writer's clock.
    pub until_ms: i64,
    /// The length of the pause from the writing on, in milliseconds; absent in marks of the first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u64>,
    /// The number of starts that failed on the node, each soon after the one before.
    #[serde(default)]
    pub failures: u32,
    /// The author, time and reason.
    #[serde(flatten)]
    pub word: MarkAuthor,
}

/// Why a mark could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The id is too short, too long, or has control characters: no node can have that id.
    #[error("a node id has 1 to {} bytes without control characters", report::MAX_ID_BYTES)]
    BadId,
    /// The stored text is no mark.
    #[error("the mark of node `{node}` cannot be read: {reason}")]
    Damaged {
        /// The node.
        node: String,
        /// The fault in the mark.
        reason: String,
    },
    /// Others wrote the same mark during every attempt.
    #[error("the mark of node `{0}` changed under every attempt to write it")]
    Contended(String),
    /// The store could not be read or written.
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

impl Mark {
    /// Reads a mark from untrusted `text`.
    ///
    /// # Errors
    /// [`JsonError`] where the text is no mark.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        json::parse_as(text, JsonLimits::bytes(MAX_MARK_BYTES))
    }

    /// Whether the node is being emptied. Lifting the cordon ends the drain too, also by a release that knows no
    /// drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.cordoned.is_some() && self.draining.is_some()
    }

    /// Whether the node takes no new sessions; `holds` says that nodes are held that nobody accepted.
    #[must_use]
    pub fn keeps_out(&self, holds: bool) -> bool {
        self.cordoned.is_some() || (holds && self.accepted.is_none())
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CoolDown {
    /// The time that the node is left alone from now on, in milliseconds, for a reader that sees the mark being
    /// written.
    #[must_use]
    pub fn from_now_ms(&self, now_ms: i64) -> u64 {
        self.whole_ms().unwrap_or_else(|| self.ahead_ms(now_ms))
    }

    /// The time that the node is still left alone at Unix time `now_ms`, in milliseconds, for a reader that finds the
    /// mark written: by both clocks, and no longer than the whole pause.
    #[must_use]
    pub fn left_ms(&self, now_ms: i64) -> u64 {
        self.ahead_ms(now_ms).min(self.whole_ms().unwrap_or(u64::MAX))
    }

    /// The whole length of the pause in milliseconds: `pause_ms`, or else the difference of two moments of the writer's
    /// clock.
    fn whole_ms(&self) -> Option<u64> {
        let by_moments = || (self.word.at_ms > 0).then(|| self.ahead_ms(self.word.at_ms));
        self.pause_ms.or_else(by_moments)
    }

    /// The time from `now_ms` to the end in milliseconds, if both are read from the same clock.
    fn ahead_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(self.until_ms.saturating_sub(now_ms)).unwrap_or_default()
    }

    /// Whether the node still cools down at Unix time `now_ms`. An end that is further off than the length of the pause
    /// was written by a clock that is ahead, and proves nothing.
    fn runs_at(&self, now_ms: i64) -> bool {
        let ahead_ms = self.ahead_ms(now_ms);
        ahead_ms > 0 && self.whole_ms().is_none_or(|whole_ms| ahead_ms <= whole_ms)
    }
}

/// Returns the longest pause that can follow a first pause of `pause_ms`, both in milliseconds.
#[must_use]
pub fn longest_pause_ms(pause_ms: u64) -> u64 {
    pause_ms.saturating_mul(1 << MOST_DOUBLED)
}

impl MarkAuthor {
    /// Returns the same author with name and reason cut to [`MAX_REASON_BYTES`].
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.by, &mut self.reason] {
            text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
        }
        self
    }

    /// Stores the author in `kept` if `kept` is empty or gives another reason; a repeat for the same reason changes
    /// nothing.
    fn put(&self, kept: &mut Option<Self>) {
        let is_news = |kept: &Self| !self.reason.is_empty() && kept.reason != self.reason;
        if kept.as_ref().is_none_or(is_news) {
            *kept = Some(self.clone());
        }
    }
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
        let (key, mut pauses) = (encode_key(node), Backoff::spread(FIRST_PAUSE, LONGEST_PAUSE));
        let failed = |reason| MarkError::Store { node: node.to_owned(), reason };
        for _attempt in 0..ATTEMPTS {
            let stored = self.store.read(&key).await.map_err(failed)?;
            let before = match stored.value.as_deref().map(Mark::parse) {
                None => Some(Mark::default()),
                Some(Ok(mark)) => Some(mark),
                Some(Err(error)) if by_hand => {
                    tracing::warn!(node, %error, "the mark of the node cannot be read: it is replaced");
                    None
                }
                Some(Err(error)) => return Err(damaged(node, &error)),
            };
            let mut mark = before.clone().unwrap_or_default();
            edit(&mut mark);
            if before.as_ref() == Some(&mark) {
                return Ok(Edited { mark, revision: None });
            }
            let text = serde_json::to_vec(&mark).map_err(|error| failed(StoreError(error.to_string())))?;
            // Nobody could lift a mark that is too large to be read again.
            if text.len() > MAX_MARK_BYTES {
                return Err(failed(StoreError(format!(
                    "it would have {} bytes, at most {MAX_MARK_BYTES}",
                    text.len()
                ))));
            }
            let value = (!mark.is_empty()).then(|| text.into());
            if let WriteOutcome::At(revision) = self.store.write(&key, stored.revision, value).await.map_err(failed)? {
                return Ok(Edited { mark, revision: Some(revision) });
            }
            tokio::time::sleep(pauses.failed()).await;
        }
        Err(MarkError::Contended(node.to_owned()))
    }
}

fn damaged(node: &str, error: &JsonError) -> MarkError {
    MarkError::Damaged { node: node.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::documents::Stored;
    use crate::registry::memory::MemoryStore;
    use serde_json::json;

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

    #[test]
    fn a_clock_that_is_wrong_lengthens_no_pause() {
        const DAY: i64 = 86_400_000;
        let cool_down = |until_ms, pause_ms, at_ms| {
            let author = MarkAuthor { at_ms, ..author("s") };
            CoolDown { until_ms, pause_ms, failures: 1, word: author }
        };
        let now = 20_000 * DAY;
        for ahead in [-DAY, -1000, 0, 1000, DAY, 400 * DAY] {
            for said in [Some(60_000), None] {
                let written = cool_down(now + ahead + 60_000, said, now + ahead);
                assert_eq!(written.from_now_ms(now), 60_000, "{ahead} {said:?}");
                assert_eq!(written.left_ms(now), u64::try_from(60_000 + ahead).unwrap_or(0).min(60_000), "{ahead}");
                assert_eq!(written.runs_at(now), (-60_000..=0).contains(&ahead), "{ahead}");
            }
        }
        let bare = cool_down(now + 5000, None, 0);
        assert_eq!((bare.from_now_ms(now), bare.left_ms(now)), (5000, 5000), "where nothing else is known");
        for nonsense in [i64::MIN, -1, 0] {
            assert_eq!(cool_down(nonsense, None, 0).from_now_ms(now), 0);
            assert_eq!(cool_down(nonsense, None, i64::MAX).left_ms(i64::MIN), 0, "{nonsense}");
        }
        assert_eq!(cool_down(i64::MAX, None, i64::MIN).left_ms(now), (i64::MAX - now).unsigned_abs());
    }

    #[tokio::test]
    async fn a_failure_counts_where_another_replica_wrote_by_a_clock_that_is_ahead() {
        let book = MarkBook::new(Arc::new(MemoryStore::default()));
        book.cool_down("a", 10, MarkAuthor { at_ms: 1_000_000, ..author("ahead") }).await.unwrap();
        let cooled = book.cool_down("a", 10, MarkAuthor { at_ms: 500, ..author("right") }).await.unwrap().mark;
        assert_eq!(cooled.cooling_down.unwrap().left_ms(500), 20);
        assert_eq!(book.cool_down("a", 10, MarkAuthor { at_ms: 501, ..author("right") }).await.unwrap().revision, None);
    }

    #[test]
    fn documents_of_the_first_release_are_read_and_a_pause_is_said() {
        let old = br#"{"cooling_down":{"until_ms":61000,"failures":1,"by":"r","at_ms":1000,"reason":"x"}}"#;
        let mark = Mark::parse(old).unwrap();
        assert_eq!(mark.cooling_down.as_ref().unwrap().from_now_ms(0), 60_000);
        assert_eq!(serde_json::to_vec(&mark).unwrap(), old);
        let mut cool_down = mark.cooling_down.unwrap();
        cool_down.pause_ms = Some(7);
        assert!(serde_json::to_string(&cool_down).unwrap().contains(r#""pause_ms":7"#));
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

    #[test]
    fn words_are_bounded() {
        let author = MarkAuthor { reason: "ü".repeat(5000), ..MarkAuthor::default() }.bounded();
        assert_eq!(author.reason.len(), MAX_REASON_BYTES);
    }
}
