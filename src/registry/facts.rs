//! Countable facts: floating licences, seats, slots of a shared device, with the reservations that hold units of them.
//!
//! A fact is a document in a bucket of its own: the count, who set the count and until when that is to be believed, and
//! the units that each reservation holds. Units are taken as places are claimed: the document is written back only if
//! nobody wrote in between, so replicas never hand out more than there is. The document holds no end of a hold: a hold
//! ends when its reservation is over and no session carries the reservation's id, by the ledger and the view of the
//! replica that looks. Rejected: counting what the ledger of each replica holds, without a document. A session that runs
//! is in no ledger, and two replicas would hand out the last licence at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::{Needs, needs};
use crate::nats::subjects::encode_key;

use super::documents::{
    DocumentEdit, DocumentStore, EditRetry, EditedDocument, StoreError, bounded_text, edit_document,
};
use super::watched_bucket::WatchedDocument;

/// The most facts of a cluster.
pub const MAX_FACTS: usize = 100;
/// The largest document of a fact in bytes: some 4,000 holds.
pub const MAX_FACT_BYTES: usize = 512 * 1024;

/// The units of a fact that a reservation holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactHold {
    /// The number of units.
    pub n: u32,
    /// The node of the reservation.
    pub node: Arc<str>,
    /// The life of the reservation when the hold was made, in milliseconds: how long a replica believes in a reservation
    /// that the replica never heard of.
    pub life_ms: u64,
}

/// A countable fact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The number of units that sessions may hold.
    pub count: u32,
    /// The person, program or node that set the count last.
    #[serde(default)]
    pub by: String,
    /// The time at which the count was set last, in Unix milliseconds.
    #[serde(default)]
    pub at_ms: i64,
    /// The time for which the count is believed, in milliseconds; absent where the count is believed until it is set again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// The units that are held, by reservation.
    #[serde(default)]
    pub held: BTreeMap<Arc<str>, FactHold>,
    /// The fields that another release keeps here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A fact with the revision under which its document was written.
#[derive(Clone, Debug, PartialEq)]
pub struct FactEntry {
    /// The revision.
    pub revision: u64,
    /// The fact; `None` where the fact was deleted.
    pub fact: Option<Fact>,
}

/// All facts, by name.
pub type Facts = BTreeMap<Arc<str>, FactEntry>;

/// What is set of a fact, by an administrator or from the report of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSetting {
    /// The number of units that sessions may hold.
    pub count: u32,
    /// The time for which the count is believed, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// The person, program or node that sets the count.
    pub by: String,
    /// The time, in Unix milliseconds.
    pub at_ms: i64,
}

/// The units that a reservation is to hold.
#[derive(Clone, Debug)]
pub struct FactClaim {
    /// The reservation.
    pub id: Arc<str>,
    /// The node of the reservation.
    pub node: Arc<str>,
    /// The life of the reservation, in milliseconds.
    pub life_ms: u64,
    /// The units, by fact.
    pub needs: Needs,
    /// The reservations that are over by what the asking replica knows, so that their holds can be removed.
    pub over: BTreeSet<Arc<str>>,
}

/// The outcome of a claim on facts.
#[derive(Clone, Debug, PartialEq)]
pub enum FactsTaken {
    /// All units are held; with the documents as they were written.
    Won(Facts),
    /// This fact has too few units left, or is gone; with its document as it was read. Nothing is held.
    Short(Arc<str>, FactEntry),
}

/// Why a fact could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the fact `{name}` could not be written: {reason}")]
pub struct FactError {
    /// The fact.
    pub name: Arc<str>,
    /// The store's error.
    pub reason: StoreError,
}

/// Reads and writes facts by name.
#[derive(Clone, Debug)]
pub struct FactBook {
    store: Arc<dyn DocumentStore>,
}

impl Fact {
    /// Reads a fact from untrusted `text`.
    ///
    /// # Errors
    /// [`JsonError`] where the text is no fact.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        json::parse_as(text, JsonLimits::bytes(MAX_FACT_BYTES))
    }

    /// Returns the figures for an administrator, as JSON.
    #[must_use]
    pub fn figures(&self) -> Value {
        let held = self.held_by_others(&BTreeSet::new());
        json!({"count": self.count, "held": held, "ttl_ms": self.ttl_ms})
    }

    /// The number of units that are held by others than the reservations `but`.
    #[must_use]
    pub fn held_by_others(&self, but: &BTreeSet<Arc<str>>) -> u64 {
        let others = self.held.iter().filter(|(id, _)| !but.contains(*id));
        others.map(|(_, hold)| u64::from(hold.n)).sum()
    }

    /// Holds `need` units for the reservation of `claim`, where so many are left. Returns whether the reservation holds
    /// them now.
    fn hold(&mut self, need: u32, claim: &FactClaim) -> bool {
        self.held.retain(|id, _| !claim.over.contains(id) || *id == claim.id);
        let held = self.held_by_others(&BTreeSet::from([Arc::clone(&claim.id)]));
        let is_free = held + u64::from(need) <= u64::from(self.count);
        if is_free {
            let hold = FactHold { n: need, node: Arc::clone(&claim.node), life_ms: claim.life_ms };
            self.held.insert(Arc::clone(&claim.id), hold);
        }
        is_free
    }
}

impl WatchedDocument for Fact {
    const MOST: usize = MAX_FACTS;

    fn is_name(name: &str) -> bool {
        needs::is_fact_name(name)
    }

    fn called(name: &str) -> String {
        format!("the fact `{name}`")
    }

    fn parse(text: &[u8]) -> Result<Self, JsonError> {
        Self::parse(text)
    }

    fn to_text(&self, name: &str) -> Result<bytes::Bytes, StoreError> {
        let called = format!("{} with its {} holds", Self::called(name), self.held.len());
        bounded_text(self, &called, MAX_FACT_BYTES)
    }
}

impl FactBook {
    /// Creates a book of the facts in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn DocumentStore>) -> Self {
        Self { store }
    }

    /// Sets the count of the fact `name`; what is held of the fact stays held. Returns the fact before, and the fact as it
    /// was written.
    ///
    /// # Errors
    /// [`FactError`] where the fact could not be written.
    pub async fn set(&self, name: &Arc<str>, setting: &FactSetting) -> Result<(Option<Fact>, FactEntry), FactError> {
        let mut before = None;
        let written = self.edit(name, |fact| {
            before.clone_from(fact);
            let FactSetting { count, ttl_ms, by, at_ms } = setting.clone();
            let Fact { held, other, .. } = fact.take().unwrap_or_default();
            *fact = Some(Fact { count, by, at_ms, ttl_ms, held, other });
            true
        });
        let written = written.await.map_err(|reason| FactError { name: Arc::clone(name), reason })?;
        Ok((before, written))
    }

    /// Deletes the fact `name`, with what is held of the fact. Returns the fact before, and the entry as it was written.
    ///
    /// # Errors
    /// As [`FactBook::set`].
    pub async fn delete(&self, name: &Arc<str>) -> Result<(Option<Fact>, FactEntry), FactError> {
        let mut before = None;
        let written = self.edit(name, |fact| {
            before = fact.take();
            before.is_some()
        });
        let written = written.await.map_err(|reason| FactError { name: Arc::clone(name), reason })?;
        Ok((before, written))
    }

    /// Takes the units that `claim` asks for, of all facts or of none.
    ///
    /// # Errors
    /// [`StoreError`] where the outcome is unknown: units may be held all the same, until [`FactBook::give_back`].
    pub async fn take(&self, claim: &FactClaim) -> Result<FactsTaken, StoreError> {
        let mut taken = Facts::new();
        for (name, need) in &claim.needs {
            let mut is_won = false;
            let entry = self.edit(name, |fact| {
                is_won = fact.as_mut().is_some_and(|fact| fact.hold(*need, claim));
                is_won
            });
            let entry = entry.await?;
            if !is_won {
                let own = BTreeSet::from([Arc::clone(&claim.id)]);
                for name in taken.keys() {
                    // What cannot be given back ends as the hold of a reservation that nobody knows.
                    drop(self.give_back(name, &own).await);
                }
                return Ok(FactsTaken::Short(Arc::clone(name), entry));
            }
            taken.insert(Arc::clone(name), entry);
        }
        Ok(FactsTaken::Won(taken))
    }

    /// Removes what the reservations `ids` hold of the fact `name`.
    ///
    /// # Errors
    /// [`StoreError`] where the document could not be written.
    pub async fn give_back(&self, name: &Arc<str>, ids: &BTreeSet<Arc<str>>) -> Result<(), StoreError> {
        let written = self.edit(name, |fact| {
            let Some(fact) = fact else { return false };
            let before = fact.held.len();
            fact.held.retain(|id, _| !ids.contains(id));
            fact.held.len() < before
        });
        written.await.map(drop)
    }

    /// Applies `edit` to the fact `name` and writes the fact back where `edit` returns true; returns the document as it is
    /// then. A document that cannot be read counts as none.
    async fn edit(
        &self,
        name: &Arc<str>,
        mut edit: impl FnMut(&mut Option<Fact>) -> bool,
    ) -> Result<FactEntry, StoreError> {
        let called = Fact::called(name);
        let key = encode_key(name);
        let edited = edit_document(&*self.store, &key, &called, EditRetry::BUSY, |text| {
            let mut fact = text.and_then(|text| match Fact::parse(text) {
                Ok(fact) => Some(fact),
                Err(error) => {
                    tracing::warn!(fact = %name, "the fact `{name}` cannot be read and counts as none: {error}");
                    None
                }
            });
            if !edit(&mut fact) {
                return Ok((DocumentEdit::Keep, fact));
            }
            let value = fact.as_ref().map(|fact| fact.to_text(name)).transpose()?;
            Ok((DocumentEdit::Write(value), fact))
        });
        let EditedDocument { value: fact, revision, .. } = edited.await?;
        Ok(FactEntry { revision, fact })
    }
}

#[cfg(test)]
mod tests;
