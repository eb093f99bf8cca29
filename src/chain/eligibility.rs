//! The rule of eligibility: which nodes can take a request at all, decided before the first step and again when a step
//! names a node.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{LostReason, Node};

use super::ChainSpec;

/// The treatment of nodes that cool down after a failed start, for a single question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoolingPolicy {
    /// Cooling nodes are left out, and so are these nodes, where a start of the same user failed.
    Out(Vec<Arc<str>>),
    /// Cooling nodes can be chosen: no other node is left.
    LastResort,
}

impl Default for CoolingPolicy {
    fn default() -> Self {
        Self::Out(Vec::new())
    }
}

impl CoolingPolicy {
    /// Whether no node is left out for this user alone, so that eligibility depends on nodes alone.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        matches!(self, Self::Out(nodes) if nodes.is_empty())
    }

    /// Returns the first reason why `node` cannot take this request of `chain`, or `None` where the node can.
    #[must_use]
    pub fn reason_against(&self, node: &Node, chain: &ChainSpec) -> Option<LostReason> {
        self.reasons_against(node, chain).next()
    }

    /// Returns all reasons why `node` cannot take this request of `chain`, in the contract's order.
    pub fn reasons_against(&self, node: &Node, chain: &ChainSpec) -> impl Iterator<Item = LostReason> {
        let is_cooling = match self {
            Self::Out(nodes) => chain.reserve && (node.marks().cooling_down || nodes.contains(node.id())),
            Self::LastResort => false,
        };
        let others = reasons_against(node, chain).filter(|reason| *reason != LostReason::CoolingDown);
        others.chain(is_cooling.then_some(LostReason::CoolingDown))
    }
}

/// Whether as many sessions start on `node` as may at a time: by the node's own figure, else by the service's.
fn is_starting(node: &Node, chain: &ChainSpec) -> bool {
    let most = node.report().figures().max_pending.or(chain.max_pending);
    most.is_some_and(|most| node.pending().len() as u64 >= most)
}

/// A test of a node that says whether the chain must not choose the node.
type Check = fn(&Node, &ChainSpec) -> bool;

/// The reasons against a node with their tests, in the contract's order.
const CHECKS: [(LostReason, Check); 6] = [
    (LostReason::Stale, |node, _| node.is_stale()),
    (LostReason::MissingService, |node, chain| {
        !chain.require_services.iter().all(|service| node.report().runs(service))
    }),
    (LostReason::Cordoned, |node, chain| chain.reserve && node.is_cordoned()),
    (LostReason::Full, |node, chain| chain.reserve && (node.is_full() || (chain.strict && node.is_uncounted()))),
    (LostReason::Starting, |node, chain| chain.reserve && is_starting(node, chain)),
    (LostReason::CoolingDown, |node, chain| chain.reserve && node.marks().cooling_down),
];

/// Returns the first reason, in the contract's order, why `node` cannot take a request of `chain`; `None` where the
/// node can.
#[must_use]
pub fn reason_against(node: &Node, chain: &ChainSpec) -> Option<LostReason> {
    reasons_against(node, chain).next()
}

fn reasons_against(node: &Node, chain: &ChainSpec) -> impl Iterator<Item = LostReason> {
    CHECKS.iter().filter(|(_, is_against)| is_against(node, chain)).map(|(reason, _)| *reason)
}
