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
    /// Returns the rank `number`; NaN comes last.
    pub(super) fn new(number: f64) -> Self {
        // Adding zero turns -0.0 into 0.0, so that both zeros rank equally.
        Self(if number.is_nan() { f64::INFINITY } else { number + 0.0 })
    }

    /// Returns the rank of a score: the highest score is best.
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

/// A node in order: by rank; then the node that the chain chose longest ago; then in the order of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RankedNode {
    rank: Rank,
    recency: u64,
    standing: u64,
    id: Arc<str>,
    slot: SlotIndex,
}

impl RankedNode {
    /// Returns the place of `node`, which is in `slot` of `cluster`; `recency` holds the chain's past choices.
    pub(super) fn new(rank: Rank, slot: SlotIndex, node: &Node, cluster: &Cluster, recency: &Recency) -> Self {
        let (recency, standing) = (recency.of(slot), cluster.standing(node));
        Self { rank, recency, standing, id: Arc::clone(node.id()), slot }
    }

    /// Returns the slot of the node.
    pub(super) fn slot(&self) -> SlotIndex {
        self.slot
    }
}

/// Nodes in order, changed node by node.
#[derive(Debug, Default)]
pub(super) struct RankedNodes {
    best_first: BTreeSet<RankedNode>,
    by_slot: Vec<Option<RankedNode>>,
}

impl RankedNodes {
    /// Moves the node in `slot` to the place `entry`, or removes the node where there is none; returns the former
    /// place.
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

    /// Returns the new place of the node in `slot` after the chain chose the node, with the new `recency`; `None` where
    /// the node has no place.
    pub(super) fn chosen(&self, slot: SlotIndex, recency: &Recency) -> Option<RankedNode> {
        let entry = self.by_slot.get(slot.index())?.clone()?;
        Some(RankedNode { recency: recency.of(slot), ..entry })
    }

    /// Returns the nodes behind `bound`, best first; all nodes where there is no bound.
    pub(super) fn behind(&self, bound: Option<&RankedNode>) -> impl Iterator<Item = &RankedNode> + Clone {
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
