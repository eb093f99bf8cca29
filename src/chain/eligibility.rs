//! Which nodes can take a request at all, decided before the first step and again when a step names a node.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{LostReason, Node};

use super::ChainSpec;

/// What becomes of nodes that cool down after a failed start, for one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cooling {
    /// They are left out, and so are these, where a start of the same user failed.
    Out(Vec<Arc<str>>),
    /// They can be chosen: no other node is left.
    LastResort,
}

impl Default for Cooling {
    fn default() -> Self {
        Self::Out(Vec::new())
    }
}

impl Cooling {
    /// Whether the question is decided as any other, by what hangs on nodes alone.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        matches!(self, Self::Out(nodes) if nodes.is_empty())
    }

    /// Why `node` cannot take this request of `chain`; absent where it can.
    #[must_use]
    pub fn reason_against(&self, node: &Node, chain: &ChainSpec) -> Option<LostReason> {
        match (reason_against(node, chain), self) {
            (Some(LostReason::CoolingDown), Self::LastResort) => None,
            (None, Self::Out(nodes)) if nodes.contains(node.id()) => Some(LostReason::CoolingDown),
            (reason, _) => reason,
        }
    }
}

/// Whether as many sessions start on `node` as may at one time: by its own figure, else by the service's.
fn is_starting(node: &Node, chain: &ChainSpec) -> bool {
    let most = node.report().figures().max_pending.or(chain.max_pending);
    most.is_some_and(|most| node.pending().len() as u64 >= most)
}

/// Why `node` cannot take a request of `chain`; absent where it can. The first reason in the contract's order is given.
#[must_use]
pub fn reason_against(node: &Node, chain: &ChainSpec) -> Option<LostReason> {
    let runs = |service: &String| node.report().runs(service);
    if node.is_stale() {
        Some(LostReason::Stale)
    } else if !chain.require_services.iter().all(runs) {
        Some(LostReason::MissingService)
    } else if !chain.reserve {
        None
    } else if node.is_cordoned() {
        Some(LostReason::Cordoned)
    } else if node.is_full() || (chain.strict && node.is_uncounted()) {
        Some(LostReason::Full)
    } else if is_starting(node, chain) {
        Some(LostReason::Starting)
    } else if node.marks().cooling_down {
        Some(LostReason::CoolingDown)
    } else {
        None
    }
}
