//! Documents that are read, edited and written back only if nobody wrote in between: what marks and claims are kept as.

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// What a store of marks or events says where it cannot do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A document as a store holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The number under which it was written; 0 where nothing ever was.
    pub revision: u64,
    /// Its text; absent where there is none, or where it was deleted.
    pub value: Option<Bytes>,
}

/// Whether a conditional write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was, under this revision.
    At(u64),
    /// Something else was written before.
    Conflict,
}

/// Where documents are kept, by key, each with a revision.
pub trait DocumentStore: Send + Sync + Debug {
    /// What stands under `key`.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>>;

    /// Writes `value` (nothing: deletes) under `key` if what stands there still has the given `revision`.
    fn write<'a>(
        &'a self,
        key: &'a str,
        revision: u64,
        value: Option<Bytes>,
    ) -> BoxFuture<'a, Result<WriteOutcome, StoreError>>;
}
