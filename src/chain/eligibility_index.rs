//! The eligibility index of a chain: the nodes that cannot take the chain's requests, with the reasons, updated at each
//! change of a node.
//!
//! A request that goes straight to a program, which knows the nodes already, must not look at each node first. So
//! eligibility is decided when a node changes and not when a request comes; the rule itself is in [`eligibility`].
//!
//! [`eligibility`]: super::eligibility

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::lost::LostNodes;
use crate::model::{Candidate, Cluster, LostReason, SlotIndex};

use super::candidates::Places;
use super::eligibility::reason_against;
use super::spec::ChainSpec;

/// The nodes that a chain leaves out before its first step.
#[derive(Clone, Debug, Default)]
pub struct EligibilityIndex {
    by_id: BTreeMap<Arc<str>, LostReason>,
    by_reason: BTreeMap<LostReason, BTreeSet<Arc<str>>>,
    /// The list of the nodes that are left: most requests find the same list.
    left: RefCell<Option<EligibleList>>,
}

/// The nodes that are left, in order, of a cluster with unchanged membership.
///
/// A node that fills up costs a change of a flag here, and the next request walks the flags, but looks up no node ids.
#[derive(Clone, Debug)]
struct EligibleList {
    /// The cluster's membership number.
    membership: u64,
    /// All nodes in order, with whether each is left.
    nodes: Vec<(SlotIndex, bool)>,
    /// The places in `nodes` by slot.
    places: Places,
    /// The nodes that are left; `None` until the first request after a change.
    list: Option<Arc<[Candidate]>>,
}

impl EligibleList {
    fn of(cluster: &Cluster, admits: impl Fn(&str) -> bool) -> Self {
        let nodes: Vec<_> = cluster.nodes().map(|(slot, node)| (slot, admits(node.id()))).collect();
        let places = Places::of_slots(nodes.iter().map(|(slot, _)| *slot));
        Self { membership: cluster.membership(), nodes, places, list: None }
    }

    /// Notes whether the node in `slot` is left.
    fn note(&mut self, slot: SlotIndex, is_left: bool) {
        if let Some((_, own)) = self.places.find(slot).and_then(|place| self.nodes.get_mut(place))
            && *own != is_left
        {
            *own = is_left;
            self.list = None;
        }
    }

    fn list(&mut self) -> &Arc<[Candidate]> {
        let nodes = &self.nodes;
        self.list.get_or_insert_with(|| {
            let left = nodes.iter().filter(|(_, is_left)| *is_left);
            left.map(|(slot, _)| Candidate::plain(*slot)).collect()
        })
    }
}

impl EligibilityIndex {
    /// Builds the index of the chain `spec` over `cluster`, looking at every node.
    #[must_use]
    pub fn of(spec: &ChainSpec, cluster: &Cluster) -> Self {
        let mut index = Self::default();
        cluster.nodes().for_each(|(_, node)| index.look(spec, cluster, node.id()));
        index
    }

    /// Updates the entry of the node `id`, which changed, came or left.
    pub fn look(&mut self, spec: &ChainSpec, cluster: &Cluster, id: &Arc<str>) {
        let reason = cluster.get(id).and_then(|node| reason_against(node, spec));
        let before = match reason {
            Some(reason) => self.by_id.insert(Arc::clone(id), reason),
            None => self.by_id.remove(id),
        };
        if before == reason {
            return;
        }
        let left = self.left.get_mut();
        match (left.as_mut().filter(|left| left.membership == cluster.membership()), cluster.find(id)) {
            (Some(left), Some(slot)) => left.note(slot, reason.is_none()),
            _ => *left = None,
        }
        if let Some(nodes) = before.and_then(|before| self.by_reason.get_mut(&before)) {
            nodes.remove(id);
        }
        if let Some(reason) = reason {
            self.by_reason.entry(reason).or_default().insert(Arc::clone(id));
        }
    }

    /// Whether the node `id`, which is in the cluster, can take the chain's requests.
    #[must_use]
    pub fn admits(&self, id: &str) -> bool {
        !self.by_id.contains_key(id)
    }

    /// Returns the nodes of `cluster` that can take the chain's requests, in order.
    #[must_use]
    pub fn eligible(&self, cluster: &Cluster) -> Arc<[Candidate]> {
        let mut left = self.left.borrow_mut();
        if left.as_ref().is_some_and(|left| left.membership != cluster.membership()) {
            *left = None;
        }
        Arc::clone(left.get_or_insert_with(|| EligibleList::of(cluster, |id| self.admits(id))).list())
    }

    /// Returns the number of nodes of `cluster` that can take the chain's requests.
    #[must_use]
    pub fn admitted(&self, cluster: &Cluster) -> usize {
        cluster.len().saturating_sub(self.by_id.len())
    }

    /// Returns the nodes left out as a diagnosis records them, with the outcome of `watched`.
    #[must_use]
    pub fn left_out(&self, watched: Option<&Arc<str>>) -> LostNodes {
        let mut lost = LostNodes::watching(watched);
        self.by_reason.iter().for_each(|(reason, nodes)| lost.add_all(*reason, nodes));
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arrangement, Change, Marks, Report, Reservation};
    use serde_json::json;

    fn spec() -> ChainSpec {
        ChainSpec::new("session/start", Vec::new())
    }

    /// After any change, the updated index equals an index that is built anew.
    #[test]
    fn kept_or_called_anew_it_is_the_same() {
        let (mut cluster, mut index) = (Cluster::new(Arrangement::ById), EligibilityIndex::default());
        let report = |id: &str, max: u64| {
            Change::Report(Arc::new(Report::from_value(json!({"id": id, "sessions": 1, "maxSessions": max})).unwrap()))
        };
        let reservation = |id: &str, node: &str| {
            let (user, name) = ("ann".into(), "".into());
            Change::Reserve(Reservation { id: id.into(), node: node.into(), user, name })
        };
        let cordoned = Marks { cordoned: true, cooling_down: false };
        let changes = [
            (report("a", 2), None),
            (report("b", 1), Some(("b", LostReason::Full))),
            (reservation("r", "a"), Some(("a", LostReason::Full))),
            (reservation("r", "b"), None),
            (Change::Mark("a".into(), cordoned), Some(("a", LostReason::Cordoned))),
            (Change::Mark("a".into(), Marks::default()), None),
            (Change::Stale("a".into()), Some(("a", LostReason::Stale))),
            (report("a", 9), None),
            (Change::Release("r".into()), None),
            (Change::Remove("b".into()), None),
            (Change::Release("none".into()), None),
        ];
        for (change, expected) in changes {
            let touched: Vec<_> = cluster.apply(change.clone()).into_iter().collect();
            touched.iter().for_each(|id| index.look(&spec(), &cluster, id));
            let anew = EligibilityIndex::of(&spec(), &cluster);
            assert_eq!(index.by_id, anew.by_id, "{change:?}");
            assert_eq!(index.left_out(None), anew.left_out(None), "{change:?}");
            assert_eq!(index.eligible(&cluster), anew.eligible(&cluster), "{change:?}");
            assert_eq!(index.eligible(&cluster).len(), index.admitted(&cluster), "{change:?}");
            if let Some((id, reason)) = expected {
                assert!(!index.admits(id), "{change:?}");
                assert_eq!(index.left_out(Some(&id.into())).watched_reason(), Some(reason), "{change:?}");
            }
        }
        assert_eq!(index.admitted(&cluster), 1);
    }
}
