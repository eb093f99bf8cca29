//! A verdict: the answer of a single step of a chain, checked against the cluster.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::cluster::SlotIndex;

/// Top-level properties that a script gave a node, seen by the next steps and by nobody else.
pub type Overlay = Arc<Map<String, Value>>;

/// A node that a step may still choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The slot of the node in the cluster.
    pub slot: SlotIndex,
    /// The properties that earlier steps gave the node.
    pub overlay: Option<Overlay>,
}

impl Candidate {
    /// Returns a candidate without an overlay.
    #[must_use]
    pub fn plain(slot: SlotIndex) -> Self {
        Self { slot, overlay: None }
    }
}

/// The verdict of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The chain ends with this node.
    Select(SlotIndex),
    /// The next step chooses among these candidates, in this order.
    Narrow(Vec<Candidate>),
    /// The next step gets the same candidates as this step.
    Pass,
}
