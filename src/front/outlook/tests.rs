//! Tests of what would be left without a node.

use serde_json::{Value, json};

use crate::model::{Change, Report};
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::facts::{Fact, FactEntry, FactHold};
use std::sync::Arc;

use super::super::events::FrontEvent;
use super::super::testing::{Harness, setup};

fn node(id: &str, group: &str, most: u64, users: &[&str]) -> Change {
    let sessions: Vec<_> = users.iter().map(|user| json!({"id": user, "user": user})).collect();
    let document = json!({"id": id, "serverPool": group, "maxSessions": most, "nodeData": {"sessions": sessions}});
    Change::Report(Arc::new(Report::from_value(document).unwrap()))
}

fn outlook(harness: &mut Harness, id: &str) -> Value {
    let number = harness.send(Verb::Cordon, &json!({"node": id, "dry_run": true}));
    harness.reply(number)
}

#[test]
fn an_outlook_tells_what_would_be_left_and_changes_nothing() {
    let nodes = [node("a", "gpu", 5, &["ann", "ann", "bob"]), node("b", "gpu", 4, &[]), node("c", "cad", 3, &["eve"])];
    let mut harness = Harness::with_nodes(setup(), nodes);
    let hold = |node: &str| FactHold { n: 2, node: node.into(), life_ms: 1 };
    let held = [("r-1".into(), hold("a")), ("r-2".into(), hold("b"))].into();
    let entry = FactEntry { revision: 1, fact: Some(Fact { count: 6, held, ..Fact::default() }) };
    harness.tell(FrontEvent::Registry(RegistryEvent::Fact("m".into(), entry)));
    let told = outlook(&mut harness, "a");
    let both = |now: u64, after: u64| json!({"now": now, "after": after});
    let expected = json!({
        "node": "a", "dry_run": true, "state": "ready", "sessions": 3, "reservations": 0, "users": {"ann": 2, "bob": 1},
        "assigned": 0, "placeable": both(3, 2), "left": both(8, 6),
        "group": {"group": "gpu", "placeable": both(2, 1), "left": both(6, 4), "unlimited": both(0, 0)},
        "facts": [{"fact": "m", "count": 6, "held": 4, "free": 2, "held_there": 2}], "warnings": [],
    });
    assert_eq!(told, expected);
    assert!(harness.take(|effect| matches!(effect, super::super::Effect::Mark(_)).then_some(())).is_empty());
}

#[test]
fn a_last_node_is_warned_of() {
    let mut harness = Harness::with_nodes(setup(), [node("a", "gpu", 5, &[]), node("c", "cad", 1, &["eve"])]);
    assert_eq!(outlook(&mut harness, "a")["warnings"], json!(["no node would be left that may be chosen"]));
    harness.change(node("b", "cad", 5, &[]));
    let expected = json!(["no node of the group gpu would be left that may be chosen"]);
    assert_eq!(outlook(&mut harness, "a")["warnings"], expected);
    harness.change(Change::Stale("a".into()));
    assert_eq!(outlook(&mut harness, "a")["warnings"], json!(["the node is stale and takes no new sessions now"]));
}

#[test]
fn an_outlook_needs_a_node_and_goes_with_a_cordon() {
    let mut harness = Harness::with_nodes(setup(), [node("a", "", 5, &[])]);
    let number = harness.send(Verb::Cordon, &json!({"node": "x", "dry_run": true}));
    assert_eq!(harness.failure(number), ("unknown-node".to_owned(), "the cluster has no node `x`".to_owned()));
    let number = harness.send(Verb::Uncordon, &json!({"node": "a", "dry_run": true}));
    assert_eq!(harness.failure(number).0, "bad-request");
}
