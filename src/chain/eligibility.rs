//! Which nodes can take a request at all, decided before the first step and again when a step names a node.

use crate::model::{LostReason, Node};

use super::ChainSpec;

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
    } else if node.marks().cooling_down {
        Some(LostReason::CoolingDown)
    } else {
        None
    }
}
