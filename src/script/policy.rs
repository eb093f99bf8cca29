//! A built-in policy ranks nodes; choosing among ranks, and breaking ties, is written once for all policies.

use crate::model::{Cluster, Node, Request, SlotIndex};

/// The treatment of nodes for which a policy has no rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nodes without a rank come after every ranked node, in the order of ties.
    Last,
    /// Nodes without a rank cannot be chosen; where no candidate has a rank, the step passes.
    Pass,
}

/// A built-in way to choose a node.
pub trait Policy {
    /// Returns the rank of `node` alone: the lowest rank is chosen. `None` where the node lacks the figure, or where
    /// ranks depend on the request.
    fn node_rank(&self, node: &Node) -> Option<f64>;

    /// Returns the rank of `node` for `request`.
    fn rank(&self, node: &Node, _request: &Request, _cluster: &Cluster) -> Option<f64> {
        self.node_rank(node)
    }

    /// Returns the figure that `rank` stands for, and the unit of the figure, e.g. `sessions`.
    fn figure(&self, rank: f64) -> (f64, &'static str) {
        (rank, "")
    }

    /// Whether ranks depend on the request, and only the [`Policy::nominees`] have a rank.
    fn nominates(&self) -> bool {
        false
    }

    /// Returns the slots of the only nodes that can have a rank for `request`, where the policy nominates.
    fn nominees(&self, _request: &Request, _cluster: &Cluster) -> Vec<SlotIndex> {
        Vec::new()
    }

    /// Returns the treatment of nodes without a rank.
    fn absent(&self) -> Absent {
        Absent::Last
    }
}
