//! Tests of manual assignments: what is ordered, what is refused, and what a placement is told.

use serde_json::{Value, json};

use super::*;
use crate::chain::ChainSpec;
use crate::model::Outcome;

use super::super::events::FrontEvent;
use super::super::testing::{Harness, chain, report, request, setup, setup_of};

fn assignment(node: &str) -> Assignment {
    Assignment { user: "ann".to_owned(), node: node.to_owned(), ..Assignment::default() }
}

/// Removes the orders that were to be carried out.
fn orders(harness: &mut Harness) -> Vec<(String, Option<Assignment>, Vec<String>)> {
    harness.take(|effect| match effect {
        Effect::Assign(order) => Some((order.user.to_string(), order.assignment.clone(), order.warnings.clone())),
        _ => None,
    })
}

fn know(harness: &mut Harness, node: &str) {
    harness.tell(FrontEvent::Registry(RegistryEvent::Assigned("ann".into(), Some(assignment(node)))));
}

#[test]
fn an_assignment_is_ordered_with_its_author_and_the_sessions_elsewhere() {
    let sessions = [json!({"id": "s1", "user": "ann"})];
    let nodes = [report("a", None, &[]), report("b", None, &sessions)];
    let mut harness = Harness::with_nodes(setup(), nodes);
    harness.send(Verb::Assign, &json!({"user": "Ann", "node": "a", "reason": "dongle", "by": "eve"}));
    let (user, ordered, warnings) = orders(&mut harness).remove(0);
    let ordered = ordered.unwrap();
    assert_eq!((user.as_str(), ordered.user.as_str(), ordered.node.as_str()), ("ann", "Ann", "a"));
    assert_eq!((ordered.author.by.as_str(), ordered.author.reason.as_str()), ("eve", "dongle"));
    assert_eq!(warnings, ["Ann has sessions on b"]);
    harness.send(Verb::Unassign, &json!({"user": "ANN"}));
    assert_eq!(orders(&mut harness), [("ann".to_owned(), None, Vec::new())]);
}

#[test]
fn a_node_that_never_was_is_refused_unless_it_is_forced() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.send(Verb::Assign, &json!({"user": "ann", "node": "x"}));
    let (name, message) = harness.failure(number);
    assert!(name == "unknown-node" && message.contains("the cluster has no node `x`; `force`"), "{name}: {message}");
    harness.send(Verb::Assign, &json!({"user": "ann", "node": "x", "force": true}));
    assert_eq!(orders(&mut harness)[0].2, ["the cluster has no node `x` at the moment"]);
    for body in [json!({"user": "ann"}), json!({"user": "ann", "node": "a", "nod": 1}), json!([1])] {
        let number = harness.send(Verb::Assign, &body);
        assert_eq!(harness.failure(number).0, "bad-request", "{body}");
    }
}

#[test]
fn there_are_so_many_assignments_and_no_more() {
    let mut harness = Harness::new(setup(), &["a"]);
    let all = (0..MAX_ASSIGNMENTS).map(|user| (format!("u{user:05}").into(), assignment("a")));
    harness.tell(FrontEvent::Registry(RegistryEvent::Assignments(all.collect())));
    let number = harness.send(Verb::Assign, &json!({"user": "one more", "node": "a"}));
    assert_eq!(harness.failure(number).0, "overloaded");
    harness.send(Verb::Assign, &json!({"user": "u00001", "node": "a"}));
    assert_eq!(orders(&mut harness).len(), 1, "one that is there may change");
    let number = harness.send(Verb::Assignments, &json!({"limit": 2, "after": "u00001"}));
    let page = harness.reply(number);
    assert_eq!((&page["next"], &page["total"]), (&json!("u00003"), &json!(MAX_ASSIGNMENTS)));
    assert_eq!(page["assignments"].as_array().unwrap().len(), 2);
}

#[test]
fn assignments_are_listed_with_the_state_of_their_nodes() {
    let sessions = [json!({"id": "s1", "user": "ann"})];
    let mut harness = Harness::with_nodes(setup(), [report("a", None, &[]), report("b", None, &sessions)]);
    let list = |harness: &mut Harness| {
        let number = harness.send(Verb::Assignments, &json!({"user": "Ann"}));
        harness.reply(number)["assignments"].clone()
    };
    assert_eq!(list(&mut harness), json!([]));
    know(&mut harness, "a");
    let shown = list(&mut harness);
    assert_eq!((&shown[0]["node"], &shown[0]["state"]), (&json!("a"), &json!("ready")));
    assert_eq!(shown[0]["warnings"], json!(["ann has sessions on b"]));
    know(&mut harness, "x");
    assert_eq!(list(&mut harness)[0]["state"], "gone");
    harness.tell(FrontEvent::Registry(RegistryEvent::Assigned("ann".into(), None)));
    assert_eq!(list(&mut harness), json!([]));
}

#[test]
fn a_question_carries_the_assignment_of_its_user_and_the_answer_the_warnings() {
    let sessions = [json!({"id": "s1", "user": "ann"})];
    let mut harness = Harness::with_nodes(setup(), [report("a", None, &[]), report("b", None, &sessions)]);
    know(&mut harness, "a");
    let (_, of_bob) = harness.place_asked(&request("bob"));
    assert_eq!(of_bob.question.assigned, None);
    harness.choose(&of_bob, "b");
    let (number, asked) = harness.place_asked(&request("ANN"));
    assert_eq!(asked.question.assigned.as_deref(), Some("a"));
    harness.decide_by(&asked, ASSIGNMENT, Outcome::Placed("a".into()));
    let reply = harness.reply(number);
    assert_eq!((&reply["node"], &reply["decided_by"]), (&json!("a"), &json!("assignment")));
    assert_eq!(reply["warnings"], json!(["ANN has sessions on b"]));
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.choose(&asked, "b");
    let reply = harness.reply(number);
    assert_eq!(reply["warnings"], json!(["ann is assigned to a, which is ready"]), "{reply}");
}

#[test]
fn a_chain_that_reserves_nothing_warns_of_nothing() {
    let mut harness = Harness::new(setup_of(vec![ChainSpec { reserve: false, ..chain("session/start") }]), &["a", "b"]);
    know(&mut harness, "a");
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.choose(&asked, "b");
    assert_eq!(harness.reply(number).get("warnings"), None::<&Value>);
}
