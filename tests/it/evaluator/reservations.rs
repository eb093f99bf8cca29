//! A placement counts for the next question, before anybody commits it.

use serde_json::json;
use whither::evaluator::reservation;
use whither::model::{Change, FailureName, Outcome, Reservation};

use super::stand::{Stand, builtin, equal, failed, js, login, node, outcome, start};

#[test]
fn a_placement_counts_for_the_next_question() {
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &[node("a", 0), node("b", 2)]);
    assert_eq!(stand.places(5), ["a", "a", "b", "a", "b"], "a is filled up to b, then ties go by recency");
    assert_eq!((stand.pending("a"), stand.pending("b")), (3, 2));
}

#[test]
fn a_reservation_is_a_session_that_scripts_see() {
    let sees = "function(input) {\n\
        var mine = input.user.sessions;\n\
        if (mine.length === 0) return input.nodes[1].id;\n\
        var s = mine[0], listed = input.nodes[1].nodeData.sessions[0];\n\
        return s.state === 'pending' && s.user === 'ann' && s.login === 'ann' && s.name === 'maya' && s.id === 'd1' &&\n\
            s.reservation === 'd1' && s.serverId === 'n2' && listed.id === 'd1' && input.nodes[1].sessions === 1 &&\n\
            input.nodes[1].loggedInUsers === 1 ? 'n3' : 'n1';\n}";
    let mut stand = Stand::new(vec![start(vec![js("sees.js", sees)])], &equal(3));
    let request = json!({"user": {"login": "ann"}, "data": {"name": "maya"}});
    assert_eq!(outcome(&stand.decide(request)), "n2");
    assert_eq!(stand.place_for("ann"), "n3");
    assert_eq!(stand.place_for("bob"), "n2", "it is ann's");
    let held: Vec<_> = stand.evaluator.cluster().reservations().cloned().collect();
    let expected = Reservation { id: "d1".into(), node: "n2".into(), user: "ann".into(), name: "maya".into() };
    assert!(held.contains(&expected), "{held:?}");
    assert_eq!(held.len(), 3);
}

#[test]
fn a_user_sticks_to_a_session_that_is_only_reserved() {
    let chain = start(vec![builtin("sticky-user"), builtin("fewest-sessions")]);
    let mut stand = Stand::new(vec![chain], &equal(3));
    assert_eq!(stand.place_for("ann"), "n1");
    assert_eq!(stand.place_for("bob"), "n2");
    assert_eq!([stand.place_for("ann"), stand.place_for("ann"), stand.place_for("bob")], ["n1", "n1", "n2"]);
    assert_eq!(stand.place(), "n3", "who has no name has no sessions");
    assert_eq!(stand.place(), "n3", "the nameless session there counts as one of three");
}

#[test]
fn capacity_is_kept_and_given_back() {
    let nodes =
        [json!({"id": "a", "maxSessions": 2, "sessions": 1}), json!({"id": "b", "maxSessions": 1, "sessions": 0})];
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &nodes);
    assert_eq!(stand.places(2), ["b", "a"]);
    let full = stand.decide(json!({}));
    failed(&full, FailureName::NoNode, "2 full");
    stand.apply(Change::Release("d1".into()));
    assert_eq!(stand.places(2), ["b", "no-node"]);
    stand.apply(Change::Release("no such reservation".into()));
    assert_eq!(stand.place(), "no-node");
    stand.report(json!({"id": "a", "maxSessions": 3, "sessions": 1}));
    assert_eq!(stand.places(2), ["a", "no-node"], "a report ends no reservation by itself");
}

#[test]
fn a_node_of_unknown_sessions_is_full_by_its_reservations() {
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &[json!({"id": "dark", "maxSessions": 2})]);
    assert_eq!(stand.places(3), ["dark", "dark", "no-node"]);
}

#[test]
fn a_chain_that_reserves_nothing_leaves_no_trace_in_the_cluster() {
    let mut unreserved = start(vec![builtin("fewest-sessions")]);
    unreserved.reserve = false;
    let mut stand =
        Stand::new(vec![unreserved, login(vec![builtin("fewest-sessions")])], &[node("a", 0), node("b", 2)]);
    let generation = stand.evaluator.cluster().generation();
    assert_eq!(stand.places(3), ["a", "a", "a"]);
    assert_eq!([stand.place_as("user/login"), stand.place_as("user/login")], ["a", "a"]);
    assert_eq!((stand.pending("a"), stand.evaluator.cluster().generation()), (0, generation));
}

#[test]
fn a_failed_decision_reserves_nothing() {
    let chain = start(vec![js("throws.js", "i => { throw new Error('in use') }")]);
    let mut stand = Stand::new(vec![chain], &equal(2));
    let generation = stand.evaluator.cluster().generation();
    assert_eq!(stand.places(2), ["script-error", "script-error"]);
    assert_eq!(stand.evaluator.cluster().generation(), generation);
}

#[test]
fn a_decision_names_the_generation_that_it_saw() {
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &equal(2));
    let seen = stand.evaluator.cluster().generation();
    assert_eq!(stand.decide(json!({})).generation, seen);
    assert_eq!(stand.decide(json!({})).generation, seen + 1, "the first placement changed the cluster");
    stand.report(node("n1", 4));
    assert_eq!(stand.decide(json!({})).generation, seen + 3);
}

#[test]
fn asking_again_under_one_id_moves_its_reservation() {
    let mut stand = Stand::new(vec![start(vec![builtin("round-robin")])], &equal(2));
    let question = stand.question(json!({"user": {"login": "ann"}}));
    for expected in ["n1", "n2"] {
        let decision = super::stand::decided(stand.evaluator.decide(&question));
        let Outcome::Placed(node) = &decision.outcome else { panic!("{decision:?}") };
        assert_eq!(&**node, expected);
        let held: Vec<_> = stand.evaluator.cluster().reservations().cloned().collect();
        assert_eq!(held, [reservation(&question, node)]);
    }
    assert_eq!((stand.pending("n1"), stand.pending("n2")), (0, 1));
    assert_eq!(stand.evaluator.cluster().sessions_of("ann").count(), 1);
}

#[test]
fn a_reservation_outlives_its_nodes_absence() {
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &[node("a", 0)]);
    assert_eq!(stand.place_for("ann"), "a");
    stand.apply(Change::Remove("a".into()));
    assert_eq!(stand.place(), "no-node");
    assert_eq!(stand.evaluator.cluster().sessions_of("ann").count(), 0);
    stand.report(node("a", 0));
    assert_eq!((stand.pending("a"), stand.evaluator.cluster().sessions_of("ann").count()), (1, 1));
    stand.apply(Change::Release("d1".into()));
    assert_eq!(stand.pending("a"), 0);
}
