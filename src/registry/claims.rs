//! Claims: places on a node that are taken in the bus itself, so that no two replicas take the last place.
//!
//! For each node there is a document with the ids of all reservations that are placed and that some replica's view
//! may not show yet. A replica reads the document and writes it back with an added id only if no other replica wrote in
//! between. The document holds no time: a claim ends when its reservation is over by the ledger of the replica that
//! reads the document, and a replica that never received a reservation lets the claim live as long as a reservation of
//! its own would. The claim of a session that a report has shown stays in the document for [`LINGER_MS`], for replicas
//! with an older view: those count the claim, and replicas that have read the report count the session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::json::{self, JsonLimits};
use crate::nats::subjects::encode_key;

use super::documents::{DocumentEdit, DocumentStore, EditRetry, StoreError, bounded_text, edit_document};

/// The time that a claim stays in the document after a report has shown the session, in milliseconds.
pub const LINGER_MS: u64 = 30_000;
/// The largest document in bytes: some 25,000 claims of a node.
pub const MAX_CLAIMS_BYTES: usize = 512 * 1024;
/// The age at which a document expires that was not written again: all claims in the document are older than any
/// reservation.
pub const MAX_AGE: Duration = Duration::from_secs(2 * 86_400);

/// The claims on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClaims {
    /// The reservations, by id.
    pub ids: BTreeSet<Arc<str>>,
}

/// A place that is to be claimed, with the facts that the asking replica has about the node.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The node.
    pub node: Arc<str>,
    /// The reservation.
    pub id: Arc<str>,
    /// The number of claims that the node can take beside the sessions that this replica sees.
    pub room: u64,
    /// The reservations on the node that this replica counts, claimed or not.
    pub held: BTreeSet<Arc<str>>,
    /// The reservations on the node that this replica no longer counts; `true` where no replica counts them, so that
    /// their claims can be written off.
    pub over: BTreeMap<Arc<str>, bool>,
}

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The place is taken.
    Won,
    /// The node has no place left; these reservations take all places.
    Full(BTreeSet<Arc<str>>),
}

impl NodeClaims {
    /// Takes the place that `claim` asks for, where the node has a place left and the id of `claim` is not claimed
    /// already.
    pub fn take(&mut self, claim: &Claim) -> Claimed {
        self.ids.retain(|id| claim.over.get(id) != Some(&true));
        let claimed = self.ids.iter().filter(|id| !claim.over.contains_key(*id));
        let full: BTreeSet<_> = claimed.chain(&claim.held).filter(|id| **id != claim.id).cloned().collect();
        let is_won = (full.len() as u64) < claim.room && self.ids.insert(Arc::clone(&claim.id));
        if is_won { Claimed::Won } else { Claimed::Full(full) }
    }

    /// Removes the reservations `ids`. Returns whether any of them was there.
    pub fn write_off(&mut self, ids: &BTreeSet<Arc<str>>) -> bool {
        let before = self.ids.len();
        self.ids.retain(|id| !ids.contains(id));
        self.ids.len() < before
    }
}

/// Reads and writes claims by node.
#[derive(Clone, Debug)]
pub struct ClaimBook {
    store: Arc<dyn DocumentStore>,
}

impl ClaimBook {
    /// Creates a book of the claims in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn DocumentStore>) -> Self {
        Self { store }
    }

    /// Takes the place that `claim` asks for, where the node has a place left.
    ///
    /// # Errors
    /// [`StoreError`] where the outcome is unknown: the place may be taken all the same, until the claim's reservation
    /// would have expired.
    pub async fn take(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let mut claimed = Claimed::Won;
        let edited = self.edit(&claim.node, |claims| {
            claimed = claims.take(claim);
            claimed == Claimed::Won
        });
        edited.await.map(|_| claimed)
    }

    /// Removes the reservations `ids` from the claims on `node`.
    ///
    /// # Errors
    /// [`StoreError`] where the document could not be written; the next replica that claims a place on the node removes
    /// them too.
    pub async fn write_off(&self, node: &str, ids: &BTreeSet<Arc<str>>) -> Result<(), StoreError> {
        self.edit(node, |claims| claims.write_off(ids)).await.map(drop)
    }

    /// Applies `edit` to the claims on `node` and writes them back where `edit` returns true; returns the same answer.
    async fn edit(&self, node: &str, mut edit: impl FnMut(&mut NodeClaims) -> bool) -> Result<bool, StoreError> {
        let called = format!("the claims on `{node}`");
        let key = encode_key(node);
        let edited = edit_document(&*self.store, &key, &called, EditRetry::BUSY, |text| {
            let mut claims = match text {
                None => NodeClaims::default(),
                Some(text) => json::parse_as(text, JsonLimits::bytes(MAX_CLAIMS_BYTES)).unwrap_or_else(|error| {
                    // No replica could remove claims from a document that cannot be read, and the node would take no
                    // more sessions.
                    tracing::warn!(node, %error, "the claims on the node cannot be read: they are replaced");
                    NodeClaims::default()
                }),
            };
            if !edit(&mut claims) {
                return Ok((DocumentEdit::Keep, ()));
            }
            let text = bounded_text(&claims, &called, MAX_CLAIMS_BYTES)?;
            Ok((DocumentEdit::Write((!claims.ids.is_empty()).then_some(text)), ()))
        });
        edited.await.map(|edited| edited.is_written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::memory::MemoryStore;

    fn claim(id: &str, room: u64) -> Claim {
        Claim { node: "a b".into(), id: id.into(), room, held: BTreeSet::new(), over: BTreeMap::new() }
    }

    fn book() -> ClaimBook {
        ClaimBook::new(Arc::new(MemoryStore::default()))
    }

    #[tokio::test]
    async fn the_last_place_goes_to_one_of_many() {
        let book = book();
        let claims: Vec<_> = (0..50).map(|number| claim(&format!("r-{number}"), 3)).collect();
        let taken = futures_util::future::join_all(claims.iter().map(|claim| book.take(claim))).await;
        let won = taken.into_iter().filter(|taken| *taken == Ok(Claimed::Won)).count();
        assert_eq!(won, 3);
    }

    #[tokio::test]
    async fn what_is_over_does_not_count_and_what_is_done_is_written_off() {
        let book = book();
        let set = |id: &str| BTreeSet::from([Arc::from(id)]);
        assert_eq!(book.take(&claim("r-1", 1)).await, Ok(Claimed::Won));
        assert_eq!(book.take(&claim("r-2", 1)).await, Ok(Claimed::Full(set("r-1"))));
        let held = Claim { held: set("r-0"), ..claim("r-2", 2) };
        assert_eq!(book.take(&held).await, Ok(Claimed::Full([Arc::from("r-0"), Arc::from("r-1")].into())));
        let over = |done| BTreeMap::from([(Arc::from("r-1"), done)]);
        let seen = Claim { over: over(false), ..claim("r-2", 1) };
        assert_eq!(book.take(&seen).await, Ok(Claimed::Won), "a session that this replica sees is no claim for it");
        assert_eq!(book.take(&claim("r-3", 2)).await, Ok(Claimed::Full([Arc::from("r-1"), Arc::from("r-2")].into())));
        let later = Claim { over: over(true), ..claim("r-3", 2) };
        assert_eq!(book.take(&later).await, Ok(Claimed::Won));
        book.write_off("a b", &set("r-2")).await.unwrap();
        book.write_off("a b", &set("r-3")).await.unwrap();
        assert_eq!(book.store.read(&encode_key("a b")).await.unwrap().value, None);
    }

    #[tokio::test]
    async fn claims_that_could_not_be_read_again_are_not_written() {
        let store = Arc::new(MemoryStore::default());
        let full = NodeClaims { ids: BTreeSet::from(["x".repeat(MAX_CLAIMS_BYTES - 20).into()]) };
        let text = serde_json::to_string(&full).unwrap();
        store.write(&encode_key("a b"), 0, Some(text.clone().into())).await.unwrap();
        let book = ClaimBook::new(store.clone());
        let error = book.take(&claim("a-claim", 3)).await.unwrap_err().to_string();
        assert!(error.contains("bytes, at most 524288"), "{error}");
        assert_eq!(store.read(&encode_key("a b")).await.unwrap().value.unwrap(), text);
        book.write_off("a b", &full.ids).await.unwrap();
        assert_eq!(book.take(&claim("a-claim", 3)).await, Ok(Claimed::Won));
    }

    #[tokio::test]
    async fn a_damaged_document_is_replaced() {
        let store = Arc::new(MemoryStore::default());
        store.write(&encode_key("a b"), 0, Some("[[".into())).await.unwrap();
        assert_eq!(ClaimBook::new(store).take(&claim("r", 1)).await, Ok(Claimed::Won));
    }
}
