//! A verdict: what one step of a chain said, once it was checked against the cluster.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::cluster::SlotIndex;

/// Top-level properties that a script gave a node, seen by the next steps and by nobody else.
pub type Overlay = Arc<Map<String, Value>>;

/// A node that a step may still choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Where the node lies in the cluster.
    pub slot: SlotIndex,
    /// What earlier steps gave it on top.
    pub overlay: Option<Overlay>,
}

impl Candidate {
    /// A candidate as the cluster has it.
    #[must_use]
    pub fn plain(slot: SlotIndex) -> Self {
        Self { slot, overlay: None }
    }
}

/// What a step said.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The chain ends with this node.
    Select(SlotIndex),
    /// The next step chooses among these, in this order.
    Narrow(Vec<Candidate>),
    /// The next step gets what this one got.
    Pass,
}
