//! Documents that are read, edited and written back only if nobody wrote in between: the storage of marks, claims,
//! assignments and facts.

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::future::BoxFuture;

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
