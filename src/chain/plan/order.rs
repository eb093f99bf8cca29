//! The nodes that a plan may choose, best first.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::chain::Recency;
use crate::model::{Cluster, Node, SlotIndex};

/// A rank that can be ordered: the lowest is best.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank(f64);

impl Rank {
    /// The rank `number`; what is no number comes last.
    pub(super) fn new(number: f64) -> Self {
        // Adding zero makes the two zeros one.
        Self(if number.is_nan() { f64::INFINITY } else { number + 0.0 })
    }

    /// The rank of what has this score: the highest is best.
    pub(super) fn of_score(score: f64) -> Self {
        Self::new(-score)
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

/// A node in its place: by rank; then the one that the chain chose longest ago; then as the nodes stand in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RankedNode {
    rank: Rank,
    recency: u64,
    standing: u64,
    id: Arc<str>,
    slot: SlotIndex,
}

impl RankedNode {
    /// The place of `node`, which lies in `slot` of `cluster`, among those of which the chain last chose whom `recency` says.
    pub(super) fn new(rank: Rank, slot: SlotIndex, node: &Node, cluster: &Cluster, recency: &Recency) -> Self {
        let (recency, standing) = (recency.of(slot), cluster.standing(node));
        Self { rank, recency, standing, id: Arc::clone(node.id()), slot }
    }

    /// Where the node lies.
    pub(super) fn slot(&self) -> SlotIndex {
        self.slot
    }
}

/// Nodes in order, changed one at a time.
#[derive(Debug, Default)]
pub(super) struct RankedNodes {
    best_first: BTreeSet<RankedNode>,
    by_slot: Vec<Option<RankedNode>>,
}

impl RankedNodes {
    /// Gives the node in `slot` its place, or takes it out where there is none; the place that it had.
    pub(super) fn put(&mut self, slot: SlotIndex, entry: Option<RankedNode>) -> Option<RankedNode> {
        if self.by_slot.len() <= slot.index() {
            self.by_slot.resize(slot.index() + 1, None);
        }
        let place = self.by_slot.get_mut(slot.index())?;
        if *place == entry {
            return entry;
        }
        let before = std::mem::replace(place, entry.clone());
        if let Some(before) = &before {
            self.best_first.remove(before);
        }
        self.best_first.extend(entry);
        before
    }

    /// The place that the node in `slot` has after it was chosen, as `recency` says; absent where it has none.
    pub(super) fn chosen(&self, slot: SlotIndex, recency: &Recency) -> Option<RankedNode> {
        let entry = self.by_slot.get(slot.index())?.clone()?;
        Some(RankedNode { recency: recency.of(slot), ..entry })
    }

    /// The nodes behind `bound`, best first; all of them where there is none.
    pub(super) fn behind(&self, bound: Option<&RankedNode>) -> impl Iterator<Item = &RankedNode> {
        let from = bound.map_or(Bound::Unbounded, Bound::Excluded);
        self.best_first.range((from, Bound::Unbounded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_order_as_evaluation_compares_them() {
        assert_eq!(Rank::new(0.0), Rank::new(-0.0));
        assert_eq!(Rank::of_score(0.0), Rank::of_score(-0.0));
        assert_eq!(Rank::new(f64::NAN), Rank::new(f64::INFINITY));
        assert!(Rank::of_score(f64::INFINITY) < Rank::of_score(1e300));
        assert!(Rank::of_score(2.0) < Rank::of_score(1.0));
        assert!(Rank::new(-1.0) < Rank::new(0.0));
    }
}
