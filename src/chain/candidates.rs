//! The candidates of a decision on its way, with the set of their slots beside the ordered list.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::lost::LostNodes;
use crate::model::{Candidate, Cluster, LostReason, SlotIndex};

use super::eligibility_index::EligibilityIndex;
use super::suspended::ShownCandidates;

/// Which slots a list of candidates holds, and where.
pub struct Places(Vec<u32>);

const NOWHERE: u32 = u32::MAX;

impl Places {
    /// The places of `candidates`.
    #[must_use]
    pub fn of(candidates: &[Candidate]) -> Self {
        let size = candidates.iter().map(|candidate| candidate.slot.index() + 1).max().unwrap_or_default();
        let mut places = vec![NOWHERE; size];
        for (candidate, position) in candidates.iter().zip(0..) {
            if let Some(place) = places.get_mut(candidate.slot.index()) {
                *place = position;
            }
        }
        Self(places)
    }

    /// Where the node in `slot` stands.
    #[must_use]
    pub fn find(&self, slot: SlotIndex) -> Option<usize> {
        self.0.get(slot.index()).filter(|place| **place != NOWHERE).map(|place| *place as usize)
    }

    /// Takes the node in `slot` out; whether it was in.
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

/// Who may still be chosen; the list is made when a step looks at it.
#[derive(Debug)]
pub(super) struct Remaining {
    narrowed: bool,
    list: OnceCell<Arc<[Candidate]>>,
}

impl Remaining {
    /// Every node that can take the request.
    pub(super) fn eligible() -> Self {
        Self { narrowed: false, list: OnceCell::new() }
    }

    /// These alone.
    pub(super) fn narrowed(list: Vec<Candidate>) -> Self {
        Self { narrowed: true, list: OnceCell::from(Arc::from(list)) }
    }

    /// The candidates in order; `eligibility_index` is that of the chain over `cluster`.
    pub(super) fn list(&self, cluster: &Cluster, roll: &EligibilityIndex) -> &[Candidate] {
        self.list.get_or_init(|| roll.eligible(cluster))
    }

    /// How many there are.
    pub(super) fn len(&self, cluster: &Cluster, roll: &EligibilityIndex) -> usize {
        if self.narrowed { self.list(cluster, roll).len() } else { roll.admitted(cluster) }
    }

    /// The same for a program.
    pub(super) fn shown(&self, cluster: &Cluster, roll: &EligibilityIndex) -> ShownCandidates {
        if !self.narrowed {
            return ShownCandidates::Eligible;
        }
        let held = self
            .list(cluster, roll)
            .iter()
            .filter_map(|candidate| SuspendedCandidate::from_candidate(candidate, cluster));
        ShownCandidates::Listed(held.collect())
    }
}

/// Notes the nodes that are in `before` and not in `after` as not returned.
pub fn note_lost(before: &[Candidate], after: &[Candidate], cluster: &Cluster, lost: &mut LostNodes) {
    let places = Places::of(after);
    for candidate in before.iter().filter(|candidate| places.find(candidate.slot).is_none()) {
        if let Some(node) = cluster.node(candidate.slot) {
            lost.add(LostReason::NotReturned, node.id());
        }
    }
}

/// A candidate while its decision is suspended: by id, because slots may change hands meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspendedCandidate {
    /// The node's id.
    pub node: Arc<str>,
    /// Its overlay as JSON, where it has one.
    pub overlay: Option<String>,
}

impl SuspendedCandidate {
    /// `candidate` by id; absent where its node has gone.
    #[must_use]
    pub fn from_candidate(candidate: &Candidate, cluster: &Cluster) -> Option<Self> {
        let node = Arc::clone(cluster.node(candidate.slot)?.id());
        let overlay = candidate.overlay.as_deref().and_then(|overlay| serde_json::to_string(overlay).ok());
        Some(Self { node, overlay })
    }

    /// The candidate again; absent where its node has gone.
    #[must_use]
    pub fn to_candidate(&self, cluster: &Cluster) -> Option<Candidate> {
        let slot = cluster.find(&self.node)?;
        let overlay = self.overlay.as_deref().and_then(|overlay| serde_json::from_str(overlay).ok()).map(Arc::new);
        Some(Candidate { slot, overlay })
    }
}
