//! What a placement reply says.

use serde_json::{Value, json};

use super::*;

fn reply() -> PlacementReply {
    PlacementReply {
        node: "a".into(),
        report: None,
        decision: "me-1".into(),
        generation: 7,
        drawn: Some(Drawn { seed: u64::MAX, now_ms: 1_800_000_000_000 }),
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
        "node": "a", "decision": "me-1", "generation": 7, "seed": "18446744073709551615", "now": 1_800_000_000_000_u64,
        "decided_by": "pick.js", "chain": "session/start", "reservation": "me-1", "expires_in_ms": 60_000,
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
    assert_eq!((&body["node"], &body["reservation"], &body["generation"]), (&"a".into(), &"other-1".into(), &0.into()));
    assert_eq!((body.get("seed"), body.get("now"), &body["decided_by"]), (None, None, &Value::Null));
}
