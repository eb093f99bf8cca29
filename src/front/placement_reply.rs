//! A placement reply: what a requester was told of a placement, which is told again where the request is repeated.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::Report;
use crate::nats::wire::{self, Placed};
use crate::registry::peers::Drawn;

/// What a reply usually takes.
const USUAL_BODY_BYTES: usize = 384;

/// What a requester was told of a placement, to be told again.
#[derive(Clone, Debug)]
pub(super) struct PlacementReply {
    pub(super) node: Arc<str>,
    /// The node's report when it was chosen, for its addresses; absent where only another replica knew the node.
    pub(super) report: Option<Arc<Report>>,
    pub(super) decision: Arc<str>,
    pub(super) generation: u64,
    /// The random bits and the time of the decision, where they are known here.
    pub(super) drawn: Option<Drawn>,
    pub(super) decided_by: Option<Arc<str>>,
    pub(super) chain: Arc<str>,
    pub(super) reserved: bool,
}

impl PlacementReply {
    /// What is told of a placement of which another replica's claim is all that is known.
    pub(super) fn adopted(node: &Arc<str>, report: Option<Arc<Report>>, id: &Arc<str>) -> Self {
        Self {
            node: Arc::clone(node),
            report,
            decision: Arc::clone(id),
            generation: 0,
            drawn: None,
            decided_by: None,
            chain: "".into(),
            reserved: true,
        }
    }

    /// Whether it is that.
    pub(super) fn is_adopted(&self) -> bool {
        self.chain.is_empty()
    }

    /// The reply's body; `expires_in_ms` is how long the reservation, where there is one, still lives.
    pub(super) fn body(&self, expires_in_ms: u64) -> Bytes {
        let (hostname, urls) = self.report.as_deref().map(wire::address).unwrap_or_default();
        let placed = Placed {
            node: &self.node,
            hostname,
            urls,
            decision: &self.decision,
            generation: self.generation,
            seed: self.drawn.map(|drawn| drawn.seed),
            now: self.drawn.map(|drawn| drawn.now_ms),
            decided_by: self.decided_by.as_deref(),
            chain: &self.chain,
            reservation: self.reserved.then_some(&self.decision),
            expires_in_ms: self.reserved.then_some(expires_in_ms),
        };
        // Strings, numbers and JSON values can always be written.
        let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
        drop(serde_json::to_writer(&mut body, &placed));
        body.into()
    }
}

#[cfg(test)]
mod tests;
