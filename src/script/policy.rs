//! A built-in policy: a rank per node, so that choosing among ranks, and breaking ties, is written once.

use crate::model::{Cluster, Node, Request};

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
    /// The rank of `node` for `request`: the lowest is chosen. Absent where the node lacks the figure.
    fn rank(&self, node: &Node, request: &Request, cluster: &Cluster) -> Option<f64>;

    /// What happens to nodes without a rank.
    fn absent(&self) -> Absent {
        Absent::Last
    }
}
