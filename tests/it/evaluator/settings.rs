//! What a chain is set to: who is eligible, what a choice that is not comes to, what an error comes to.

use serde_json::{Value, json};
use whither::chain::{ChainSpec, OnFailure, OnUnplaceable, StepSpec};
use whither::model::{Change, FailureName, LostReason, StepVerdict};

use super::stand::{
    Stand, builtin, cooling_down, cordoned, decided, equal, evaluator, failed, failure, js, login, node, outcome,
    question, said, start,
};

/// A node for each reason against it, and two that are fine.
fn troubled(chain: ChainSpec) -> Stand {
    let mut stand = Stand::new(
        vec![chain],
        &[
            node("stale", 0),
            json!({"id": "serviceless", "nodeData": {"services": [{"name": "webserver"}], "sessions": []}}),
            json!({"id": "closed", "cordoned": true, "nodeData": {"services": ["launcher"], "sessions": []}}),
            node("marked", 0),
            json!({"id": "full", "maxSessions": 2, "nodeData": {"services": ["launcher"], "sessions": ["s1", "s2"]}}),
            node("cooling", 0),
            json!({"id": "fine", "nodeData": {"services": [{"name": "launcher"}], "sessions": ["s1"]}}),
            node("good", 2),
        ],
    );
    stand.apply(Change::Stale("stale".into()));
    stand.mark("marked", cordoned());
    stand.mark("cooling", cooling_down());
    stand
}

/// A chain that chooses what the request names, else the fewest sessions.
fn named(action: &str) -> ChainSpec {
    let mut chain = ChainSpec::new(action, vec![js("named.js", "i => i.data.wanted"), builtin("fewest-sessions")]);
    chain.require_services = vec!["launcher".to_owned()];
    chain
}

fn wanting(node: &str) -> Value {
    json!({"data": {"wanted": node}})
}

const REASONS: [(&str, LostReason); 6] = [
    ("stale", LostReason::Stale),
    ("serviceless", LostReason::MissingService),
    ("closed", LostReason::Cordoned),
    ("marked", LostReason::Cordoned),
    ("full", LostReason::Full),
    ("cooling", LostReason::CoolingDown),
];

#[test]
fn who_cannot_take_a_session_is_left_out_with_the_reason() {
    let decision = troubled(named("session/start")).decide(json!({}));
    assert_eq!(outcome(&decision), "fine");
    let excluded = &decision.diagnosis.excluded.by_reason;
    for (node, reason) in REASONS {
        assert!(excluded[&reason].nodes.contains(&node.into()), "{node}: {excluded:?}");
    }
    assert_eq!(decision.diagnosis.excluded.total(), 6);
    assert_eq!((decision.diagnosis.nodes, decision.diagnosis.steps[0].candidates), (8, 2));
}

#[test]
fn an_action_that_starts_nothing_asks_for_less() {
    let mut stand = troubled(named("user/login"));
    let decision = stand.decide(json!({"action": "user/login"}));
    let lost: Vec<_> = decision.diagnosis.excluded.by_reason.keys().copied().collect();
    assert_eq!(lost, [LostReason::Stale, LostReason::MissingService]);
    for wanted in ["closed", "marked", "full", "cooling"] {
        assert_eq!(outcome(&stand.decide(json!({"action": "user/login", "data": {"wanted": wanted}}))), wanted);
    }
    let mut unrequired = ChainSpec { require_services: vec![], ..named("session/start") };
    unrequired.reserve = true;
    assert_eq!(outcome(&troubled(unrequired).decide(wanting("serviceless"))), "serviceless");
}

#[test]
fn a_choice_that_cannot_take_it_is_an_error_a_pass_or_taken() {
    for (node, reason) in REASONS {
        let decide = |on_unplaceable| {
            let mut stand = troubled(ChainSpec { on_unplaceable, ..named("session/start") });
            let decision = stand.decide(wanting(node));
            let pending = stand.pending(node);
            (decision, pending)
        };
        let (decision, pending) = decide(OnUnplaceable::Error);
        failed(&decision, FailureName::UnplaceableNode, &format!("`{node}`, which is {}", reason.phrase()));
        assert_eq!((failure(&decision).step.as_deref(), pending), (Some("named.js"), 0));

        let (decision, pending) = decide(OnUnplaceable::Skip);
        assert_eq!((outcome(&decision).as_str(), pending), ("fine", 0));
        assert_eq!(said(&decision)[0], StepVerdict::Unplaceable(node.into(), reason));

        let (decision, pending) = decide(OnUnplaceable::Allow);
        assert_eq!((outcome(&decision).as_str(), pending), (node, 1));
        assert_eq!(decision.decided_by.as_deref(), Some("named.js"));
    }
}

#[test]
fn where_capacity_is_strict_a_node_that_does_not_say_what_runs_takes_nobody() {
    let silent = json!({"id": "a", "maxSessions": 3, "nodeData": {"services": ["launcher"]}});
    let decide = |strict, nodes: &[Value]| {
        Stand::new(vec![ChainSpec { strict, ..start(vec![builtin("round-robin")]) }], nodes).decide(json!({}))
    };
    assert_eq!(outcome(&decide(false, std::slice::from_ref(&silent))), "a");
    let decision = decide(true, std::slice::from_ref(&silent));
    failed(&decision, FailureName::NoNode, "1 full; `a` reports no sessions, so with strict capacity it takes none");
    assert_eq!(outcome(&decide(true, &[silent, node("b", 5)])), "b", "others are not in want for it");
}

#[test]
fn a_list_holds_candidates_alone_whatever_is_allowed() {
    let chain = start(vec![js("list.js", "i => ['marked', 'fine']"), builtin("fewest-sessions")]);
    let decision = troubled(ChainSpec { on_unplaceable: OnUnplaceable::Allow, ..chain }).decide(json!({}));
    failed(&decision, FailureName::BadVerdict, "`marked`, which is no candidate here");
}

#[test]
fn a_choice_may_be_a_node_that_was_narrowed_away() {
    let first = js("first.js", "i => i.nodes.slice(0, 1)");
    let mut stand = Stand::new(vec![start(vec![first.clone(), js("other.js", "i => 'n3'")])], &equal(3));
    assert_eq!(stand.place(), "n3");
    let mut stand = Stand::new(vec![start(vec![first, js("other.js", "i => ['n3']")])], &equal(3));
    failed(&stand.decide(json!({})), FailureName::BadVerdict, "`n3`");
}

#[test]
fn who_is_fine_again_is_a_candidate_again() {
    let mut stand = troubled(named("session/start"));
    stand.report(node("stale", 0));
    assert_eq!(outcome(&stand.decide(wanting("stale"))), "stale");
    for node in ["marked", "cooling"] {
        stand.mark(node, Default::default());
        assert_eq!(outcome(&stand.decide(wanting(node))), node);
    }
    stand.report(json!({"id": "full", "maxSessions": 3, "nodeData": {"services": ["launcher"], "sessions": ["s1"]}}));
    assert_eq!(outcome(&stand.decide(wanting("full"))), "full");
}

/// What a mark says outlives reports and absences of its node.
#[test]
fn a_mark_is_kept_for_a_node_that_is_away() {
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &[node("a", 0), node("b", 5)]);
    stand.apply(Change::Remove("a".into()));
    stand.mark("a", cordoned());
    stand.report(node("a", 0));
    assert_eq!(stand.place(), "b");
    stand.report(node("a", 0));
    assert_eq!(stand.place(), "b");
    stand.mark("a", Default::default());
    assert_eq!(stand.place(), "a");
}

fn throwing(on_error: OnFailure) -> StepSpec {
    let text = "i => { console.log('tried'); if (i.user.login === 'bad') throw new TypeError('in use') }";
    StepSpec { on_error, ..js("throws.js", text) }
}

#[test]
fn an_error_stops_passes_or_falls_back() {
    let decide = |on_error| {
        let nodes = [node("a", 3), json!({"id": "b", "freemem": 9, "sessions": 4})];
        let chain = start(vec![throwing(on_error), builtin("fewest-sessions")]);
        Stand::new(vec![chain], &nodes).decide(json!({"user": {"login": "bad"}}))
    };
    let stopped = decide(OnFailure::Stop);
    failed(&stopped, FailureName::ScriptError, "in use");
    let failure = failure(&stopped);
    assert_eq!(failure.thrown.as_ref().map(|thrown| thrown.name.as_str()), Some("TypeError"));
    assert_eq!(failure.position.as_ref().map(|place| (&*place.file, place.line)), Some(("throws.js", 1)));

    let skipped = decide(OnFailure::Skip);
    assert_eq!((outcome(&skipped).as_str(), skipped.decided_by.as_deref()), ("a", Some("builtin:fewest-sessions")));
    let fallen = decide(OnFailure::Fallback("most-memory".to_owned()));
    assert_eq!((outcome(&fallen).as_str(), fallen.decided_by.as_deref()), ("b", Some("fallback:most-memory")));
    for decision in [skipped, fallen] {
        assert_eq!(said(&decision)[0], StepVerdict::Failed(FailureName::ScriptError, "in use".to_owned()));
        assert_eq!(decision.diagnosis.steps[0].log[0].text, "tried");
    }
}

#[test]
fn a_fallback_that_has_no_opinion_passes() {
    let chain = start(vec![throwing(OnFailure::Fallback("sticky-user".to_owned())), builtin("fewest-sessions")]);
    let decision = Stand::new(vec![chain], &equal(2)).decide(json!({"user": {"login": "bad"}}));
    assert_eq!(decision.decided_by.as_deref(), Some("builtin:fewest-sessions"));
}

#[test]
fn every_fault_of_a_step_is_covered_by_its_on_error_and_every_limit_by_its_on_limit() {
    for text in ["i => 7", "i => 'nowhere'", "i => ['nowhere']", "i => Array(1e9)", "function score(n) { throw 1 }"] {
        let limit = text.contains("1e9");
        let decide = |on_error, on_limit| {
            let step = StepSpec { on_error, on_limit, ..js("bad.js", text) };
            Stand::new(vec![start(vec![step, builtin("fewest-sessions")])], &equal(2)).place()
        };
        let stops = |placed: String| placed != "n1";
        assert_eq!(stops(decide(OnFailure::Skip, OnFailure::Stop)), limit, "{text}");
        assert_eq!(stops(decide(OnFailure::Stop, OnFailure::Skip)), !limit, "{text}");
        let fallback = OnFailure::Fallback("round-robin".to_owned());
        assert_eq!(decide(fallback.clone(), fallback), "n1", "{text}");
    }
}

#[test]
fn an_unknown_action_is_told_which_there_are() {
    let chains = vec![start(vec![builtin("round-robin")]), login(vec![builtin("round-robin")])];
    let mut stand = Stand::new(chains, &equal(1));
    let decision = stand.decide(json!({"action": "no/such"}));
    failed(&decision, FailureName::UnknownAction, "`no/such`, there are: session/start, user/login");
    assert_eq!((&*decision.chain, stand.pending("n1")), ("no/such", 0));
}

#[test]
fn a_token_is_shown_to_the_chains_that_ask_for_it() {
    let sees = || vec![js("sees.js", "i => i.params.jwt === 'secret' ? 'n2' : 'n1'")];
    let passing = ChainSpec { pass_jwt: true, ..login(sees()) };
    let mut stand = Stand::new(vec![start(sees()), passing], &equal(2));
    let ask = |action: &str| json!({"action": action, "params": {"jwt": "secret"}});
    assert_eq!(outcome(&stand.decide(ask("session/start"))), "n1");
    assert_eq!(outcome(&stand.decide(ask("user/login"))), "n2");
}

#[test]
fn every_step_that_does_not_compile_is_reported() {
    let chains = vec![
        start(vec![js("one.js", "i => [;"), builtin("magic"), js("fine.js", "i => 1")]),
        login(vec![
            js("two.js", "const x = 1"),
            StepSpec { on_error: OnFailure::Fallback("magic".to_owned()), ..js("three.js", "i => 1") },
        ]),
    ];
    let errors = evaluator(&whither::chain::ChainSet::new(chains)).err().unwrap();
    let told: Vec<_> = errors.iter().map(|error| (&*error.action, &*error.step)).collect();
    let expected = [
        ("session/start", "one.js"),
        ("session/start", "builtin:magic"),
        ("user/login", "two.js"),
        ("user/login", "three.js"),
    ];
    assert_eq!(told, expected);
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for (message, words) in messages.iter().zip(["one.js:1:7: ", "`magic`", "two.js: ", "`magic`"]) {
        assert!(message.contains(words), "{message}");
    }
}

/// Two evaluators of one set share nothing.
#[test]
fn evaluators_do_not_know_each_other() {
    let set = whither::chain::ChainSet::new(vec![start(vec![builtin("round-robin")])]);
    let (mut one, mut other) = (Stand::of(&set, &equal(2)), Stand::of(&set, &equal(2)));
    assert_eq!(one.places(1), ["n1"]);
    assert_eq!(outcome(&decided(other.evaluator.decide(&question("d", 1, json!({}))))), "n1");
}
