//! What is not run any more: scripts in quarantine, nodes that a script hangs on, steps that passed a limit before.

use serde_json::json;
use whither::chain::{LimitRecord, OnFailure, StepSpec, Subject};
use whither::model::{FailureName, LimitKind, LostReason, StepVerdict};

use super::stand::{Stand, builtin, decided, equal, failed, js, outcome, said, start};

fn hung() -> LimitRecord {
    LimitRecord { kind: LimitKind::Time, message: "it hung".into() }
}

fn quarantined(script: &str, node: Option<&str>) -> Subject {
    Subject { script: script.into(), node: node.map(Into::into) }
}

#[test]
fn a_script_in_quarantine_is_not_run_and_follows_its_on_limit() {
    for (on_limit, expected) in [(OnFailure::Stop, "script-limit"), (OnFailure::Skip, "n1")] {
        let step = StepSpec { on_limit, ..js("bad.js", "i => { console.log('ran'); return 'n2' }") };
        let mut stand = Stand::new(vec![start(vec![step, builtin("fewest-sessions")])], &equal(2));
        stand.evaluator.quarantine(quarantined("bad.js", None), Some(hung()));
        let decision = stand.decide(json!({}));
        assert_eq!(outcome(&decision), expected);
        assert!(decision.diagnosis.steps[0].log.is_empty(), "it did not run");
        assert_eq!(said(&decision)[0], StepVerdict::Failed(FailureName::ScriptLimit, "it hung".to_owned()));
        stand.evaluator.quarantine(quarantined("bad.js", None), None);
        assert_eq!(stand.place(), "n2", "it runs again");
    }
}

#[test]
fn a_step_that_passed_a_limit_on_a_question_is_not_run_for_that_one() {
    let step = StepSpec { on_limit: OnFailure::Skip, ..js("bad.js", "i => 'n2'") };
    let mut stand = Stand::new(vec![start(vec![step, builtin("fewest-sessions")])], &equal(2));
    let mut question = stand.question(json!({}));
    question.ask.limited.push(("bad.js".into(), hung()));
    assert_eq!(outcome(&decided(stand.evaluator.decide(&question))), "n1");
    assert_eq!(stand.place(), "n2", "for others it is");
}

#[test]
fn a_node_in_quarantine_costs_that_node_at_that_script() {
    let score = js("score.js", "function score(node) { return node.id === 'n2' ? 9 : 1 }");
    let mut stand = Stand::new(vec![start(vec![score])], &equal(2));
    assert_eq!(stand.place(), "n2");
    stand.evaluator.quarantine(quarantined("score.js", Some("n2")), Some(hung()));
    assert_eq!(stand.place(), "n1");
    let decision = stand.explain(json!({}), None);
    assert_eq!(outcome(&decision), "n1");
    let lost = &decision.diagnosis.steps[0].lost.by_reason[&LostReason::ScriptLimit];
    assert_eq!((lost.nodes.as_slice(), lost.message.as_deref()), (&["n2".into()][..], Some("it hung")));
    stand.evaluator.quarantine(quarantined("score.js", Some("n1")), Some(hung()));
    failed(&stand.decide(json!({})), FailureName::ScriptLimit, "it hung");
}
