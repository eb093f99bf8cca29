//! A built-in policy: a rank per node, so that choosing among ranks, and breaking ties, is written once.

use crate::model::{Cluster, Node, Request, SlotIndex};

/// What a policy does with nodes that it has no rank for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// They come after every ranked node, in the order of ties.
    Last,
    /// They are no choice; where no candidate has a rank, the step passes.
    Pass,
}

/// A built-in way to choose a node.
pub trait Policy {
    /// The rank of `node` by itself: the lowest is chosen. Absent where the node lacks the figure, and where ranks hang on
    /// the request.
    fn node_rank(&self, node: &Node) -> Option<f64>;

    /// The rank of `node` for `request`.
    fn rank(&self, node: &Node, _request: &Request, _cluster: &Cluster) -> Option<f64> {
        self.node_rank(node)
    }

    /// The figure that `rank` stands for, and what the figure counts, e.g. `sessions`.
    fn figure(&self, rank: f64) -> (f64, &'static str) {
        (rank, "")
    }

    /// Whether ranks hang on the request, and only the [`Policy::nominees`] have one.
    fn nominates(&self) -> bool {
        false
    }

    /// The slots of the nodes that alone can have a rank for `request`, where the policy nominates.
    fn nominees(&self, _request: &Request, _cluster: &Cluster) -> Vec<SlotIndex> {
        Vec::new()
    }

    /// What happens to nodes without a rank.
    fn absent(&self) -> Absent {
        Absent::Last
    }
}
