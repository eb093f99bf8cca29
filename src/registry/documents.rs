//! Documents that are read, edited and written back only if nobody wrote in between: the storage of marks, claims,
//! assignments and facts.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::backoff::Backoff;

/// The reason why a store of documents or events failed, as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// The present state of a document in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The revision under which the document was written; 0 where nothing was ever written under the key.
    pub revision: u64,
    /// The text of the document; `None` where there is no document, or where the document was deleted.
    pub value: Option<Bytes>,
}

/// Whether a conditional write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The document was written, under this revision.
    At(u64),
    /// Another write came first.
    Conflict,
}

/// A store of documents by key, each with a revision.
pub trait DocumentStore: Send + Sync + Debug {
    /// Returns the document under `key`.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>>;

    /// Writes `value` under `key`, or deletes the document where there is no `value`, if the document still has the
    /// given `revision`.
    fn write<'a>(
        &'a self,
        key: &'a str,
        revision: u64,
        value: Option<Bytes>,
    ) -> BoxFuture<'a, Result<WriteOutcome, StoreError>>;
}

/// How often an edit is tried that other writers forestall, and the pauses between the attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct EditRetry {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
}

/// What becomes of a document that was read for an edit.
#[derive(Debug)]
pub(super) enum DocumentEdit {
    /// The document stays as it is.
    Keep,
    /// The document is replaced by this text, or deleted.
    Write(Option<Bytes>),
}

/// The outcome of an edit of a document.
#[derive(Debug)]
pub(super) struct EditedDocument<T> {
    /// The value that the edit returned with the document that counts.
    pub(super) value: T,
    /// The revision of the document now.
    pub(super) revision: u64,
    /// Whether the document was written, rather than kept.
    pub(super) is_written: bool,
}

impl EditRetry {
    /// For documents that administrators write, or a failed start: two writers at once are rare.
    pub(super) const RARE: Self =
        Self { attempts: 12, first_pause: Duration::from_millis(5), longest_pause: Duration::from_millis(200) };
    /// For documents that placements write; each attempt that fails means that another replica's write succeeded.
    pub(super) const BUSY: Self =
        Self { attempts: 64, first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(50) };
}

/// Applies `edit` to the document under `key` and writes the document back, anew each time that another writer came
/// first. `edit` is handed the text of the document, and may be called for each attempt; `name` is the document in an
/// error.
///
/// # Errors
/// [`StoreError`] where the store fails, where `edit` does, or where others wrote the document during every attempt.
pub(super) async fn edit_document<T>(
    store: &dyn DocumentStore,
    key: &str,
    name: &str,
    retry: EditRetry,
    mut edit: impl FnMut(Option<&[u8]>) -> Result<(DocumentEdit, T), StoreError>,
) -> Result<EditedDocument<T>, StoreError> {
    let EditRetry { attempts, first_pause, longest_pause } = retry;
    let mut pauses = Backoff::spread(first_pause, longest_pause);
    for _attempt in 0..attempts {
        let stored = store.read(key).await?;
        let (written, value) = match edit(stored.value.as_deref())? {
            (DocumentEdit::Keep, value) => {
                return Ok(EditedDocument { value, revision: stored.revision, is_written: false });
            }
            (DocumentEdit::Write(written), value) => (written, value),
        };
        match store.write(key, stored.revision, written).await? {
            WriteOutcome::At(revision) => return Ok(EditedDocument { value, revision, is_written: true }),
            WriteOutcome::Conflict => tokio::time::sleep(pauses.failed()).await,
        }
    }
    Err(StoreError(format!("others wrote {name} during each of {attempts} attempts")))
}

/// Returns `document` as text of at most `most` bytes, because nobody could mend a document that is too large to be
/// read again; `name` is the document in an error.
pub(super) fn bounded_text(document: &impl Serialize, name: &str, most: usize) -> Result<Bytes, StoreError> {
    let text = serde_json::to_vec(document).map_err(|error| StoreError(error.to_string()))?;
    match text.len() > most {
        true => Err(StoreError(format!("{name} would have {} bytes, at most {most}", text.len()))),
        false => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A store in which another writer comes first, so many times.
    #[derive(Debug)]
    struct BusyStore {
        forestalled: AtomicU32,
    }

    impl DocumentStore for BusyStore {
        fn read<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>> {
            Box::pin(async { Ok(Stored { revision: 7, value: Some("old".into()) }) })
        }

        fn write<'a>(
            &'a self,
            _key: &'a str,
            revision: u64,
            _value: Option<Bytes>,
        ) -> BoxFuture<'a, Result<WriteOutcome, StoreError>> {
            let left = self.forestalled.fetch_sub(1, Ordering::Relaxed);
            Box::pin(async move { Ok(if left > 0 { WriteOutcome::Conflict } else { WriteOutcome::At(revision + 1) }) })
        }
    }

    async fn edited(forestalled: u32) -> (Result<EditedDocument<()>, StoreError>, u32) {
        let (store, mut edits) = (BusyStore { forestalled: forestalled.into() }, 0);
        let retry = EditRetry { attempts: 3, first_pause: Duration::ZERO, longest_pause: Duration::ZERO };
        let edited = edit_document(&store, "k", "the mark", retry, |text| {
            assert_eq!(text, Some(&b"old"[..]));
            edits += 1;
            Ok((DocumentEdit::Write(None), ()))
        });
        (edited.await, edits)
    }

    #[tokio::test]
    async fn an_edit_is_tried_again_until_the_limit() {
        let (written, edits) = edited(2).await;
        let written = written.unwrap();
        assert_eq!((written.revision, written.is_written, edits), (8, true, 3));
        let (refused, edits) = edited(3).await;
        assert_eq!(refused.unwrap_err().to_string(), "others wrote the mark during each of 3 attempts");
        assert_eq!(edits, 3);
    }

    #[tokio::test]
    async fn a_document_that_is_kept_is_not_written() {
        let store = BusyStore { forestalled: 0.into() };
        let kept = edit_document(&store, "k", "it", EditRetry::RARE, |_| Ok((DocumentEdit::Keep, 5))).await.unwrap();
        assert_eq!((kept.value, kept.revision, kept.is_written), (5, 7, false));
        let failed = edit_document(&store, "k", "it", EditRetry::RARE, |_| {
            bounded_text(&"four", "it", 5).map(|text| (DocumentEdit::Write(Some(text)), ()))
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "it would have 6 bytes, at most 5");
    }
}
