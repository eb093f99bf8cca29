//! What components answer, and what it means: the semantics of chains as data.

use serde_json::{Value, json};
use whither::model::{FailureName, StepVerdict};

use super::stand::{Stand, builtin, equal, failed, login, node, outcome, said, start};
use super::{fresh, step};

/// Who asks, and the outcome: a node, or the name of the failure and words of its message.
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("first", "n1", ""),
    ("pass", "n1", ""),
    ("reverse", "n3", ""),
    ("none", "no-node", "no node is left"),
    ("twice", "n2", ""),
    ("nowhere", "bad-verdict", "the row 4000000000, where no node is"),
    ("list-nowhere", "bad-verdict", "the returned list holds the row 4000000000"),
    ("error", "script-error", "All GPU servers are in use"),
    ("log", "n1", ""),
    ("most-memory", "n2", ""),
    ("fewest-sessions", "n3", ""),
    ("stranger", "script-error", "nobody told this component what to do for stranger"),
];

fn nodes() -> Vec<Value> {
    let of = |id: &str, sessions: u64, free: u64| json!({"id": id, "sessions": sessions, "freemem": free});
    vec![of("n1", 2, 5), of("n2", 3, 9), of("n3", 1, 7)]
}

#[test]
fn every_answer_means_what_it_means_in_other_languages() {
    for isolated in [step, fresh] {
        let mut stand = Stand::new(vec![login(vec![isolated("answers"), builtin("round-robin")])], &nodes());
        for (who, expected, words) in CASES {
            // `round-robin` would go on where it was: each case has its own chain of choices.
            let mut stand_of_its_own =
                Stand::new(vec![login(vec![isolated("answers"), builtin("round-robin")])], &nodes());
            let decision = stand_of_its_own.decide(json!({"action": "user/login", "user": {"login": who}}));
            assert_eq!(outcome(&decision), *expected, "{who}: {decision:?}");
            if !words.is_empty() {
                failed(&decision, name_of(expected), words);
            }
            // Whatever it answered, the same instance answers the next one.
            let next = stand.decide(json!({"action": "user/login", "user": {"login": who}}));
            assert_eq!(said(&decision).first(), said(&next).first(), "{who}");
        }
    }
}

fn name_of(name: &str) -> FailureName {
    match name {
        "no-node" => FailureName::NoNode,
        "bad-verdict" => FailureName::BadVerdict,
        _ => FailureName::ScriptError,
    }
}

#[test]
fn a_list_keeps_its_order_and_names_a_node_once() {
    let mut stand = Stand::new(vec![login(vec![step("answers"), builtin("round-robin")])], &nodes());
    let decision = stand.decide(json!({"action": "user/login", "user": {"login": "twice"}}));
    assert_eq!(said(&decision), [StepVerdict::Narrow(2), StepVerdict::Select("n2".into())]);
}

#[test]
fn what_it_logs_is_in_the_diagnosis() {
    let mut stand = Stand::new(vec![login(vec![step("answers")])], &nodes());
    let decision = stand.decide(json!({"action": "user/login", "user": {"login": "log"}}));
    let log: Vec<_> = decision.diagnosis.steps[0].log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(log, ["looking", "not found"]);
}

#[test]
fn it_sees_the_request_and_may_ask_for_documents() {
    let mut stand = Stand::new(vec![login(vec![step("answers")])], &nodes());
    let mut message = |request: Value| {
        let decision = stand.decide(request);
        super::stand::failure(&decision).message.clone()
    };
    let request = message(json!({
        "action": "user/login", "user": {"login": "request"}, "userGroups": ["cad", "gpu"], "isAdmin": true,
        "data": {"name": "Maya"}
    }));
    for words in [
        "action: \"user/login\"",
        "login: \"request\"",
        r#"groups: "cad\ngpu""#,
        "is-admin: true",
        "is-manager: false",
        "session-name: \"Maya\"",
        "now-ms: 1795195800000",
        "hour: 17, minute: 30, weekday: 5",
        "sequence: 1",
    ] {
        assert!(request.contains(words), "{words}: {request}");
    }
    let documents = message(json!({
        "action": "user/login", "user": {"login": "documents"}, "params": {"jwt": "secret"}, "own": {"field": [1]}
    }));
    assert!(documents.contains(r#"{"id":"n1","serverId":"n1""#), "{documents}");
    assert!(documents.contains(r#""own":{"field":[1]}"#) && documents.contains(r#""jwt":null"#), "{documents}");
}

#[test]
fn memory_outlives_a_request_unless_the_step_is_isolated() {
    for (isolated, expected) in [(step as fn(&str) -> _, ["1", "2", "3"]), (fresh, ["1", "1", "1"])] {
        let mut stand = Stand::new(vec![login(vec![isolated("answers")])], &nodes());
        for times in expected {
            let decision = stand.decide(json!({"action": "user/login", "user": {"login": "count"}}));
            failed(&decision, FailureName::ScriptError, &format!("asked {times} times"));
        }
    }
}

#[test]
fn a_filter_and_a_score_are_asked_about_each_node() {
    for isolated in [step, fresh] {
        let nodes = [node("a1", 3), node("a2", 2), node("a3", 9), node("b1", 0)];
        let mut stand = Stand::new(vec![login(vec![isolated("by-request")])], &nodes);
        let mut ask = |who: &str| stand.decide(json!({"action": "user/login", "user": {"login": who}}));
        let decision = ask("a");
        assert_eq!(outcome(&decision), "a2");
        let lost = &decision.diagnosis.steps[0].lost;
        assert_eq!(lost.total(), 2, "one is filtered and one fails: {lost:?}");
        assert_eq!(outcome(&ask("b")), "b1", "the request is told anew");
        assert_eq!(outcome(&ask("c")), "no-node");
        failed(&ask("nobody"), FailureName::ScriptError, "nobody may not log in");
        failed(&ask("a3"), FailureName::ScriptError, "9 sessions are too many");
        stand.report(node("z1", 0));
        let decision = stand.decide(json!({"action": "user/login", "user": {"login": "z"}}));
        failed(&decision, FailureName::ScriptError, "no scores for z");
    }
}

#[test]
fn static_data_decides_once_for_each_state_of_a_node() {
    let of = |id: &str, static_data: Value| json!({"id": id, "sessions": 1, "staticData": static_data});
    let nodes = [
        of("big", json!({"gpu": true, "weight": 8})),
        of("none", json!({"weight": 900})),
        of("small", json!({"gpu": true, "weight": 2})),
        of("unknown", json!({"gpu": true})),
    ];
    let mut stand = Stand::new(vec![login(vec![step("gpu-weight")])], &nodes);
    assert_eq!(stand.place_as("user/login"), "big");
    stand.report(of("small", json!({"gpu": true, "weight": 16})));
    assert_eq!(stand.place_as("user/login"), "small");
    stand.report(json!({"id": "big", "sessions": 0, "staticData": {"gpu": true, "weight": 10}}));
    assert_eq!(stand.place_as("user/login"), "big");
}

#[test]
fn a_component_sees_reservations_as_sessions() {
    let mut stand = Stand::new(vec![start(vec![step("fewest-sessions")])], &equal(3));
    let places = stand.places(9);
    let on = |id: &str| places.iter().filter(|place| *place == id).count();
    assert_eq!((on("n1"), on("n2"), on("n3")), (3, 3, 3), "{places:?}");
}
