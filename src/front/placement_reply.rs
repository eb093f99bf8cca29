//! A placement reply: the answer about a placement, which is sent again where the request is repeated.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::Report;
use crate::nats::wire::{self, Placed};
use crate::registry::peers::DecisionSeed;

/// The usual size of a reply in bytes.
const USUAL_BODY_BYTES: usize = 384;

/// The answer to a requester about a placement, kept to be sent again.
#[derive(Clone, Debug)]
pub(super) struct PlacementReply {
    pub(super) node: Arc<str>,
    /// The node's report when the node was chosen, for the addresses; absent where only another replica knew the node.
    pub(super) report: Option<Arc<Report>>,
    pub(super) decision: Arc<str>,
    pub(super) generation: u64,
    /// The random bits and the time of the decision, where they are known here.
    pub(super) drawn: Option<DecisionSeed>,
    pub(super) decided_by: Option<Arc<str>>,
    pub(super) chain: Arc<str>,
    pub(super) reserved: bool,
}

impl PlacementReply {
    /// Returns the reply about a placement of which only another replica's claim is known.
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

    /// Whether only another replica's claim is known of the placement.
    pub(super) fn is_adopted(&self) -> bool {
        self.chain.is_empty()
    }

    /// Returns the body of the reply; `expires_in_ms` is the remaining lifetime of the reservation, where there is a
    /// reservation.
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
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reply() -> PlacementReply {
        PlacementReply {
            node: "a".into(),
            report: None,
            decision: "me-1".into(),
            generation: 7,
            drawn: Some(DecisionSeed { seed: u64::MAX, now_ms: 1_800_000_000_000 }),
            decided_by: Some("pick.js".into()),
            chain: "session/start".into(),
            reserved: true,
        }
    }

    fn body(reply: &PlacementReply, expires_in_ms: u64) -> Value {
        serde_json::from_slice(&reply.body(expires_in_ms)).unwrap()
    }

    #[test]
    fn a_placement_names_its_node_its_decision_and_its_reservation() {
        let expected = json!({
            "node": "a", "decision": "me-1", "generation": 7, "seed": "18446744073709551615",
            "now": 1_800_000_000_000_u64, "decided_by": "pick.js", "chain": "session/start", "reservation": "me-1", "expires_in_ms": 60_000,
        });
        assert_eq!(body(&reply(), 60_000), expected);
    }

    #[test]
    fn a_placement_that_reserves_nothing_names_no_reservation() {
        let body = body(&PlacementReply { reserved: false, ..reply() }, 60_000);
        assert_eq!((body.get("reservation"), body.get("expires_in_ms")), (None, None));
        assert_eq!(body["decision"], "me-1");
    }

    #[test]
    fn the_addresses_are_those_that_the_node_reported() {
        let document = json!({"id": "a", "hostname": "a.site.example", "urls": ["https://a.site.example:3300"]});
        let report = Arc::new(Report::from_value(document).unwrap());
        let body = body(&PlacementReply { report: Some(report), ..reply() }, 0);
        assert_eq!(body["hostname"], "a.site.example");
        assert_eq!(body["urls"], json!(["https://a.site.example:3300"]));
    }

    #[test]
    fn of_a_claim_alone_is_told_what_is_known() {
        let adopted = PlacementReply::adopted(&"a".into(), None, &"other-1".into());
        assert!(adopted.is_adopted() && !reply().is_adopted());
        let body = body(&adopted, 5);
        assert_eq!(
            (&body["node"], &body["reservation"], &body["generation"]),
            (&"a".into(), &"other-1".into(), &0.into())
        );
        assert_eq!((body.get("seed"), body.get("now"), &body["decided_by"]), (None, None, &Value::Null));
    }
}
