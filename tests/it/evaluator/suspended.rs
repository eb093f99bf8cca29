//! A decision that waits for a program: plain data, taken up again on whatever the cluster is by then.

use serde_json::{Value, json};
use whither::chain::{ChainSpec, OnFailure, OnUnplaceable, Progress, ShownCandidates, StepSpec, Suspended};
use whither::model::{Change, Decision, FailureName, LimitKind, LostReason, StepVerdict, Thrown};
use whither::script::{Element, ReturnedValue, ScriptError};

use super::stand::{
    Stand, builtin, cordoned, decided, equal, failed, failure, js, listed, node, outcome, program, said, start,
    suspended,
};

/// A chain that asks a program about the nodes but `n1`, with overlays, and takes the fewest sessions.
fn asking() -> ChainSpec {
    let ranks =
        "i => { console.log('ranked'); return i.nodes.filter(n => n.id !== 'n1').map(n => ({...n, rank: n.id})) }";
    start(vec![js("ranks.js", ranks), program("./ask"), builtin("fewest-sessions")])
}

fn stand() -> Stand {
    Stand::new(vec![asking()], &equal(4))
}

/// Across a process border and back.
fn carried(suspended: &Suspended) -> Suspended {
    let bytes = postcard::to_stdvec(suspended).unwrap();
    let back: Suspended = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(&back, suspended);
    back
}

/// What comes of the program's word, after `meanwhile` happened to the cluster.
fn after(meanwhile: impl FnOnce(&mut Stand), said: Result<ReturnedValue, ScriptError>) -> Decision {
    let mut stand = stand();
    let (question, suspended) = stand.suspend(json!({"user": {"login": "ann"}}));
    let suspended = carried(&suspended);
    meanwhile(&mut stand);
    stand.resume((question, suspended), said)
}

fn id(id: &str) -> Result<ReturnedValue, ScriptError> {
    Ok(ReturnedValue::Id(id.to_owned()))
}

fn ids(ids: &[&str]) -> Result<ReturnedValue, ScriptError> {
    Ok(ReturnedValue::List(ids.iter().map(|id| Element::Id((*id).to_owned())).collect()))
}

fn thrown(message: &str) -> Result<ReturnedValue, ScriptError> {
    let thrown = Thrown { name: "Error".to_owned(), message: message.to_owned() };
    Err(ScriptError::Thrown(thrown, None))
}

fn nothing(_stand: &mut Stand) {}

#[test]
fn a_suspended_decision_holds_what_the_program_is_shown() {
    let mut stand = stand();
    let generation = stand.evaluator.cluster().generation();
    let (_, suspended) = stand.suspend(json!({}));
    let suspended = carried(&suspended);
    assert_eq!((suspended.step, suspended.logged), (1, 1));
    let held: Vec<_> = listed(&suspended).iter().map(|held| (&*held.node, held.overlay.as_deref())).collect();
    let overlays = [r#"{"rank":"n2"}"#, r#"{"rank":"n3"}"#, r#"{"rank":"n4"}"#];
    assert_eq!(held, [("n2", Some(overlays[0])), ("n3", Some(overlays[1])), ("n4", Some(overlays[2]))]);
    assert_eq!(suspended.diagnosis.steps.len(), 1);
    assert_eq!(suspended.diagnosis.steps[0].log[0].text, "ranked");
    assert_eq!(stand.evaluator.cluster().generation(), generation, "nothing is reserved yet");
}

#[test]
fn what_the_program_says_is_a_verdict() {
    for (said, expected) in [
        (Ok(ReturnedValue::Falsy), "n2"),
        (id("n3"), "n3"),
        (id("n1"), "n1"), // also one that was narrowed away
        (ids(&["n4"]), "n4"),
        (ids(&["n4", "n3", "n4"]), "n4"),
        (ids(&[]), "no-node"),
        (ids(&["n1"]), "bad-verdict"),
        (ids(&["nowhere"]), "bad-verdict"),
        (id("nowhere"), "unknown-node"),
        (Ok(ReturnedValue::Node("n2".to_owned())), "bad-verdict"),
        (Ok(ReturnedValue::Other("the number 7".to_owned())), "bad-verdict"),
        (thrown("licence server down"), "script-error"),
        (Err(ScriptError::Limit(LimitKind::Time, "no answer within 10 s".to_owned())), "script-limit"),
    ] {
        let decision = after(nothing, said.clone());
        assert_eq!(outcome(&decision), expected, "{said:?}");
        assert_eq!(decision.diagnosis.steps[1].step.as_ref(), "./ask");
        assert_eq!(decision.diagnosis.steps[0].log.len(), 1, "what came before is kept");
    }
}

#[test]
fn a_failure_names_the_program() {
    let decision = after(nothing, thrown("licence server down"));
    failed(&decision, FailureName::ScriptError, "licence server down");
    assert_eq!(failure(&decision).step.as_deref(), Some("./ask"));
    let decision = after(nothing, Err(ScriptError::Limit(LimitKind::Output, "too much".to_owned())));
    assert_eq!(failure(&decision).limit, Some(LimitKind::Output));
}

#[test]
fn the_placement_is_reserved_when_it_is_made() {
    let mut stand = stand();
    let held = stand.suspend(json!({"user": {"login": "ann"}}));
    assert_eq!(outcome(&stand.resume(held, id("n3"))), "n3");
    assert_eq!((stand.pending("n3"), stand.evaluator.cluster().sessions_on("ann", &"n3".into())), (1, 1));
}

#[test]
fn nodes_that_left_or_closed_meanwhile_are_no_candidates_any_more() {
    let decision = after(
        |stand| {
            stand.apply(Change::Remove("n2".into()));
            stand.mark("n3", cordoned());
        },
        Ok(ReturnedValue::Falsy),
    );
    assert_eq!(outcome(&decision), "n4");
    let excluded = &decision.diagnosis.excluded.by_reason;
    assert_eq!(excluded[&LostReason::Left].nodes, ["n2".into()]);
    assert_eq!(excluded[&LostReason::Cordoned].nodes, ["n3".into()]);
    let decision = after(
        |stand| ["n2", "n3", "n4"].iter().for_each(|id| stand.apply(Change::Stale((*id).into()))),
        Ok(ReturnedValue::Falsy),
    );
    assert_eq!(outcome(&decision), "no-node");
}

/// It was a good choice when the program was shown the nodes.
#[test]
fn a_program_whose_choice_was_taken_meanwhile_makes_another_one() {
    for reason in [LostReason::Left, LostReason::Cordoned, LostReason::Full] {
        let mut stand = stand();
        let (question, held) = stand.suspend(json!({}));
        match reason {
            LostReason::Left => stand.apply(Change::Remove("n3".into())),
            LostReason::Cordoned => stand.mark("n3", cordoned()),
            _ => stand.report(json!({"id": "n3", "maxSessions": 0})),
        }
        let again = suspended(stand.go_on(&question, held, id("n3")));
        assert_eq!((&again.taken, again.step), (&Some(("n3".into(), reason)), 1));
        let shown: Vec<_> = listed(&again).iter().map(|held| &*held.node).collect();
        assert_eq!(shown, ["n2", "n4"]);
        assert_eq!(outcome(&stand.resume((question, carried(&again)), id("n4"))), "n4");
    }
}

#[test]
fn a_program_that_chose_what_it_was_not_shown_is_told_so() {
    let elsewhere = |meanwhile: fn(&mut Stand)| after(meanwhile, id("n1"));
    failed(&elsewhere(|stand| stand.apply(Change::Remove("n1".into()))), FailureName::UnknownNode, "`n1`");
    let closed = elsewhere(|stand| stand.mark("n1", cordoned()));
    failed(&closed, FailureName::UnplaceableNode, "`n1`, which is cordoned");
    assert_eq!(failure(&closed).step.as_deref(), Some("./ask"));
}

#[test]
fn a_chain_may_skip_or_allow_what_cannot_be() {
    for (on_unplaceable, chosen, expected) in
        [(OnUnplaceable::Skip, "n1", "n2"), (OnUnplaceable::Allow, "n1", "n1"), (OnUnplaceable::Allow, "n3", "n3")]
    {
        let mut stand = Stand::new(vec![ChainSpec { on_unplaceable, ..asking() }], &equal(4));
        let held = stand.suspend(json!({}));
        stand.mark(chosen, cordoned());
        assert_eq!(outcome(&stand.resume(held, id(chosen))), expected);
    }
}

#[test]
fn a_failing_program_is_skipped_or_replaced_where_the_step_says_so() {
    for (on_error, expected) in [(OnFailure::Skip, "n2"), (OnFailure::Fallback("most-memory".to_owned()), "n4")] {
        let mut chain = asking();
        chain.steps[1] = StepSpec { on_error, ..program("./ask") };
        let mut nodes = equal(4);
        nodes[3]["freemem"] = json!(9);
        let mut stand = Stand::new(vec![chain], &nodes);
        let held = stand.suspend(json!({}));
        let decision = stand.resume(held, thrown("licence server down"));
        assert_eq!(outcome(&decision), expected);
        assert_eq!(said(&decision)[1], StepVerdict::Failed(FailureName::ScriptError, "licence server down".to_owned()));
    }
}

#[test]
fn the_current_figures_count_after_the_program() {
    let decision = after(
        |stand| {
            stand.report(node("n2", 9));
            stand.report(node("n3", 8));
            stand.report(node("n5", 0));
        },
        Ok(ReturnedValue::Falsy),
    );
    assert_eq!(outcome(&decision), "n4", "and a node that came meanwhile was no candidate");
    let placed_meanwhile = after(|stand| drop(stand.explain(json!({}), None)), Ok(ReturnedValue::Falsy));
    assert_eq!(outcome(&placed_meanwhile), "n2");
}

#[test]
fn other_decisions_are_made_meanwhile() {
    let first = js("first.js", "i => i.user.login === 'ann' ? undefined : 'n2'");
    let mut stand = Stand::new(vec![start(vec![first, program("./ask"), builtin("fewest-sessions")])], &equal(2));
    let held = stand.suspend(json!({"user": {"login": "ann"}}));
    let also = stand.suspend(json!({"user": {"login": "ann"}}));
    assert_eq!(stand.place_for("bob"), "n2");
    assert_eq!(outcome(&stand.resume(also, Ok(ReturnedValue::Falsy))), "n1", "n2 has bob's session");
    assert_eq!(outcome(&stand.resume(held, Ok(ReturnedValue::Falsy))), "n2", "in whatever order they come back");
}

#[test]
fn overlays_cross_the_program_and_come_back_from_it() {
    let sees = js("sees.js", "i => i.nodes.map(n => n.id + n.rank + n.seen).join() === i.data.expected ? 'n1' : 'n4'");
    let mut chain = asking();
    chain.steps[2] = sees;
    let node = |id: &str, fields: Value| Element::Node(id.to_owned(), fields.as_object().unwrap().clone());
    for (said, expected) in [
        (ReturnedValue::Falsy, "n2n2undefined,n3n3undefined,n4n4undefined"),
        (ReturnedValue::List(vec![Element::Id("n4".to_owned())]), "n4n4undefined"),
        (
            ReturnedValue::List(vec![node("n3", json!({"rank": 1, "seen": true})), node("n2", json!({}))]),
            "n31true,n2undefinedundefined",
        ),
    ] {
        let mut stand = Stand::new(vec![chain.clone()], &equal(4));
        let (question, suspended) = stand.suspend(json!({"data": {"expected": expected}}));
        let decision = stand.resume((question, carried(&suspended)), Ok(said.clone()));
        assert_eq!(outcome(&decision), "n1", "{said:?}");
    }
}

#[test]
fn a_chain_may_ask_several_programs() {
    let text = "i => { console.log(i.nodes.length) }";
    let chain = start(vec![
        program("./one"),
        js("logs.js", text),
        program("./two"),
        program("./three"),
        builtin("round-robin"),
    ]);
    let mut stand = Stand::new(vec![chain], &equal(3));
    let (question, first) = stand.suspend(json!({}));
    let second = suspended(stand.go_on(&question, carried(&first), ids(&["n3", "n2"])));
    let second = carried(&second);
    assert_eq!((second.step, second.logged, listed(&second).len()), (2, 1, 2));
    let third = suspended(stand.go_on(&question, second, Ok(ReturnedValue::Falsy)));
    assert_eq!(third.step, 3);
    let decision = decided(stand.go_on(&question, carried(&third), Ok(ReturnedValue::Falsy)));
    assert_eq!(outcome(&decision), "n3");
    let steps: Vec<_> = decision.diagnosis.steps.iter().map(|step| &*step.step).collect();
    assert_eq!(steps, ["./one", "logs.js", "./two", "./three", "builtin:round-robin"]);
}

#[test]
fn the_limit_of_logged_lines_is_the_decisions() {
    let flood = |name| js(name, "i => { for (var n = 0; n < 60; n++) console.log(n) }");
    let chain = start(vec![flood("one.js"), program("./ask"), flood("two.js"), builtin("round-robin")]);
    let mut stand = Stand::new(vec![chain], &equal(1));
    let (question, suspended) = stand.suspend(json!({}));
    let decision = stand.resume((question, carried(&suspended)), Ok(ReturnedValue::Falsy));
    let lines: Vec<_> = decision.diagnosis.steps.iter().map(|step| step.log.len()).collect();
    assert_eq!(lines, [60, 0, 41, 0], "a hundred lines and the word that there were more");
}

#[test]
fn any_evaluator_of_the_same_chains_takes_it_up() {
    let (mut one, mut other) = (stand(), stand());
    let (question, held) = one.suspend(json!({"user": {"login": "ann"}}));
    let elsewhere = decided(other.go_on(&question, carried(&held), ids(&["n4", "n3"])));
    let here = decided(one.go_on(&question, held, ids(&["n4", "n3"])));
    assert_eq!(elsewhere, here);
}

#[test]
fn a_program_at_the_end_decides_or_nobody_does() {
    let mut stand = Stand::new(vec![start(vec![program("./ask")])], &equal(2));
    let held = stand.suspend(json!({}));
    failed(&stand.resume(held, Ok(ReturnedValue::Falsy)), FailureName::NoNode, "2 candidates and no choice");
    let question = stand.question(json!({"action": "no/such"}));
    assert!(matches!(stand.evaluator.decide(&question), Progress::Decided(_)));
}

/// A place in a list is one of the list that the program was shown, whoever left meanwhile.
#[test]
fn a_program_that_every_node_is_shown_to_is_told_no_list() {
    let mut stand = Stand::new(vec![start(vec![program("./ask"), builtin("fewest-sessions")])], &equal(4));
    stand.mark("n1", cordoned());
    let (question, held) = stand.suspend(json!({}));
    assert_eq!((&held.shown, held.diagnosis.excluded.total()), (&ShownCandidates::Eligible, 1));
    assert_eq!(outcome(&stand.resume((question.clone(), carried(&held)), ids(&["n3", "n2"]))), "n3");
    failed(&stand.resume((question, held), ids(&["n9"])), FailureName::BadVerdict, "`n9`");
}

#[test]
fn a_program_whose_node_was_refused_is_asked_about_those_that_are_left() {
    let mut stand = stand();
    let (question, held) = stand.suspend(json!({}));
    stand.mark("n3", cordoned());
    let again = suspended(stand.evaluator.resume(&question, carried(&held), None));
    let shown: Vec<_> = listed(&again).iter().map(|held| &*held.node).collect();
    assert_eq!((shown, again.step, again.logged), (vec!["n2", "n4"], 1, 1));
    assert_eq!(again.diagnosis.steps.len(), 1, "the steps before it are not taken again");
    assert_eq!(outcome(&stand.resume((question, again), id("n4"))), "n4");
}
