//! The candidates of a decision under way, with the set of their slots beside the ordered list.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::lost::LostNodes;
use crate::model::{Candidate, Cluster, LostReason, SlotIndex};

use super::eligibility_index::EligibilityIndex;
use super::suspended::ShownCandidates;

/// The slots that a list of candidates holds, and the position of each slot in the list.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<u32>);

const NOWHERE: u32 = u32::MAX;

impl Places {
    /// Returns the places of `candidates`.
    #[must_use]
    pub fn of(candidates: &[Candidate]) -> Self {
        Self::of_slots(candidates.iter().map(|candidate| candidate.slot))
    }

    /// Returns the places of `slots`.
    #[must_use]
    pub fn of_slots(slots: impl Iterator<Item = SlotIndex> + Clone) -> Self {
        let size = slots.clone().map(|slot| slot.index() + 1).max().unwrap_or_default();
        let mut places = vec![NOWHERE; size];
        for (slot, position) in slots.zip(0..) {
            if let Some(place) = places.get_mut(slot.index()) {
                *place = position;
            }
        }
        Self(places)
    }

    /// Returns the position of the node in `slot`, or `None` where the list does not hold the node.
    #[must_use]
    pub fn find(&self, slot: SlotIndex) -> Option<usize> {
        self.of_index(slot.index()).map(|place| place as usize)
    }

    /// Returns the position of the node in the slot of this index.
    #[must_use]
    pub fn of_index(&self, index: usize) -> Option<u32> {
        self.0.get(index).copied().filter(|place| *place != NOWHERE)
    }

    /// Removes the node in `slot`; returns whether the list held the node.
    pub fn take(&mut self, slot: SlotIndex) -> bool {
        match self.0.get_mut(slot.index()) {
            Some(place) if *place != NOWHERE => {
                *place = NOWHERE;
                true
            }
            _ => false,
        }
    }
}

/// The nodes that may still be chosen; the list is made when a step looks at the list.
#[derive(Debug)]
pub(super) struct Remaining {
    narrowed: bool,
    list: OnceCell<Arc<[Candidate]>>,
}

impl Remaining {
    /// Returns every node that can take the request.
    pub(super) fn eligible() -> Self {
        Self { narrowed: false, list: OnceCell::new() }
    }

    /// Returns the candidates of `list` alone.
    pub(super) fn narrowed(list: Vec<Candidate>) -> Self {
        Self { narrowed: true, list: OnceCell::from(Arc::from(list)) }
    }

    /// Returns the candidates in order; `index` is the eligibility index of the chain over `cluster`.
    pub(super) fn list(&self, cluster: &Cluster, index: &EligibilityIndex) -> &Arc<[Candidate]> {
        self.list.get_or_init(|| index.eligible(cluster))
    }

    /// Returns the number of candidates.
    pub(super) fn len(&self, cluster: &Cluster, index: &EligibilityIndex) -> usize {
        if self.narrowed { self.list(cluster, index).len() } else { index.admitted(cluster) }
    }

    /// Returns the candidates as a program is shown them.
    pub(super) fn shown(&self, cluster: &Cluster, index: &EligibilityIndex) -> ShownCandidates {
        if !self.narrowed {
            return ShownCandidates::Eligible;
        }
        let held = self
            .list(cluster, index)
            .iter()
            .filter_map(|candidate| SuspendedCandidate::from_candidate(candidate, cluster));
        ShownCandidates::Listed(held.collect())
    }
}

/// Records the nodes that are in `before` and not in `after` as not returned.
pub fn note_lost(before: &[Candidate], after: &[Candidate], cluster: &Cluster, lost: &mut LostNodes) {
    let places = Places::of(after);
    let gone = before.iter().map(|candidate| candidate.slot).filter(|slot| places.find(*slot).is_none());
    lost.add_each(LostReason::NotReturned, gone, |slot| cluster.node(slot).map(|node| Arc::clone(node.id())));
}

/// A candidate of a suspended decision: by id, because a slot may get another node meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspendedCandidate {
    /// The id of the node.
    pub node: Arc<str>,
    /// The overlay of the node as JSON, where the node has an overlay.
    pub overlay: Option<String>,
}

impl SuspendedCandidate {
    /// Returns `candidate` by id, or `None` where the node has left the cluster.
    #[must_use]
    pub fn from_candidate(candidate: &Candidate, cluster: &Cluster) -> Option<Self> {
        let node = Arc::clone(cluster.node(candidate.slot)?.id());
        let overlay = candidate.overlay.as_deref().and_then(|overlay| serde_json::to_string(overlay).ok());
        Some(Self { node, overlay })
    }

    /// Returns the candidate by slot, or `None` where the node has left the cluster.
    #[must_use]
    pub fn to_candidate(&self, cluster: &Cluster) -> Option<Candidate> {
        let slot = cluster.find(&self.node)?;
        let overlay = self.overlay.as_deref().and_then(|overlay| serde_json::from_str(overlay).ok()).map(Arc::new);
        Some(Candidate { slot, overlay })
    }
}
