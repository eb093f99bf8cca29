//! Equal candidates take turns: the one that the chain chose longest ago, never-chosen ones first, then their order.

use serde_json::json;
use whither::model::Change;

use super::stand::{Stand, builtin, equal, js, login, node, start};

#[test]
fn round_robin_goes_round_in_order() {
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &equal(3));
    assert_eq!(stand.places(7), ["n1", "n2", "n3", "n1", "n2", "n3", "n1"]);
}

#[test]
fn the_order_is_the_ids_whatever_came_first() {
    let nodes = [node("c", 0), node("a", 0), node("b", 0)];
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &nodes);
    assert_eq!(stand.places(4), ["a", "b", "c", "a"]);
    stand.report(node("aa", 0));
    assert_eq!(stand.places(4), ["aa", "b", "c", "a"], "who was never chosen comes first");
}

#[test]
fn scores_and_built_ins_break_ties_the_same_way() {
    for step in [
        js("one.js", "function score(node) { return 1 }"),
        js("two.js", "function score(node, request) { return 1 }"),
        js("key.js", "function key(r) { return 1 } function score(node, key) { return 1 }"),
        builtin("most-memory"),
        builtin("least-load"),
        builtin("round-robin"),
    ] {
        let mut stand = Stand::new(vec![start(vec![step.clone()])], &equal(3));
        assert_eq!(stand.places(4), ["n1", "n2", "n3", "n1"], "{}", step.name);
    }
}

#[test]
fn ties_are_broken_among_the_best_alone() {
    let nodes = [node("a", 1), node("b", 0), node("c", 0), json!({"id": "dark"})];
    let mut chain = start(vec![builtin("fewest-sessions")]);
    chain.reserve = false;
    let mut stand = Stand::new(vec![chain], &nodes);
    assert_eq!(stand.places(5), ["b", "c", "b", "c", "b"]);
    ["b", "c"].iter().for_each(|id| stand.apply(Change::Remove((*id).into())));
    assert_eq!(stand.places(2), ["a", "a"]);
    stand.apply(Change::Remove("a".into()));
    assert_eq!(stand.places(2), ["dark", "dark"], "a node without the figure comes last, and not never");
}

#[test]
fn each_chain_has_its_own_turns() {
    let chains = vec![start(vec![builtin("round-robin")]), login(vec![builtin("round-robin")])];
    let mut stand = Stand::new(chains, &equal(2));
    assert_eq!(stand.places(1), ["n1"]);
    assert_eq!([stand.place_as("user/login"), stand.place_as("user/login")], ["n1", "n2"]);
    assert_eq!(stand.places(2), ["n2", "n1"]);
}

#[test]
fn a_choice_by_name_takes_its_turn_too() {
    let named = js("named.js", "i => i.user.login === 'ann' ? 'n1' : undefined");
    let mut stand = Stand::new(vec![start(vec![named, builtin("round-robin")])], &equal(3));
    assert_eq!(stand.place_for("ann"), "n1");
    assert_eq!(stand.places(3), ["n2", "n3", "n1"]);
}

#[test]
fn explaining_takes_no_turn() {
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &equal(3));
    for _ in 0..4 {
        assert_eq!(super::stand::outcome(&stand.explain(json!({}), None)), "n1");
    }
    assert_eq!(stand.places(2), ["n1", "n2"]);
}

#[test]
fn choices_of_an_earlier_life_are_recalled() {
    let chains = || vec![start(vec![builtin("round-robin")]), login(vec![builtin("round-robin")])];
    let mut stand = Stand::new(chains(), &equal(3));
    for node in ["n2", "n1", "n2"] {
        stand.evaluator.recall("session/start", node);
    }
    stand.evaluator.recall("session/start", "gone");
    stand.evaluator.recall("no/such", "n3");
    assert_eq!(stand.places(4), ["n3", "n1", "n2", "n3"]);
    assert_eq!(stand.place_as("user/login"), "n1", "the other chain chose nothing");
    assert_eq!(stand.evaluator.cluster().reservations().count(), 4, "recalling reserves nothing");
}

#[test]
fn a_node_that_returns_was_never_chosen() {
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &equal(3));
    assert_eq!(stand.places(3), ["n1", "n2", "n3"]);
    stand.apply(Change::Remove("n3".into()));
    stand.report(node("n4", 0));
    assert_eq!(stand.places(3), ["n4", "n1", "n2"], "n4 does not inherit the place in which n3 lay");
    stand.report(node("n3", 0));
    assert_eq!(stand.places(2), ["n3", "n4"]);
}

#[test]
fn a_report_changes_no_turn() {
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &equal(3));
    assert_eq!(stand.places(1), ["n1"]);
    stand.report(node("n1", 7));
    stand.apply(Change::Stale("n1".into()));
    stand.report(node("n1", 7));
    assert_eq!(stand.places(3), ["n2", "n3", "n1"]);
}
