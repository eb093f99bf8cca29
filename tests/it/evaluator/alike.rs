//! Requests that scripts can tell apart are not answered alike, whatever is kept of the one before.

use serde_json::{Value, json};
use whither::chain::{LimitRecord, StepSource, StepSpec, Subject};
use whither::model::{Change, LimitKind};

use super::stand::{Stand, builtin, decided, equal, js, node, outcome, question, start};

fn rhai(name: &str, text: &str) -> StepSpec {
    StepSpec::new(name, StepSource::script("rhai", text))
}

/// Asks each of `requests` twice, with and without what is kept.
#[track_caller]
fn agrees(step: &StepSpec, nodes: &[Value], requests: &[Value]) {
    let chain = || vec![start(vec![step.clone(), builtin("fewest-sessions")])];
    let (mut planned, mut reference) = (Stand::new(chain(), nodes), Stand::new(chain(), nodes));
    for (number, request) in requests.iter().chain(requests).enumerate() {
        let [kept, anew] = [(&mut planned, false), (&mut reference, true)].map(|(stand, anew)| {
            let mut question = question(&format!("d{number}"), number as u64, request.clone());
            question.ask.anew = anew;
            outcome(&decided(stand.evaluator.decide(&question)))
        });
        assert_eq!(kept, anew, "{request} to {step:?}");
    }
}

#[test]
fn what_is_missing_is_told_from_what_it_is_missing_in() {
    let looks = [
        js("a.js", "function filter(node, request) { return !request.extra.a }"),
        js("a.js", "function filter(node, request) { return request.extra.a !== 1 }"),
        js("a.js", "function filter(node, {extra: {a}}) { return !a }"),
        rhai("a.rhai", "fn filter(node, request) { request.extra.a == () }"),
        rhai("a.rhai", "fn filter(node, request) { request.extra?.a != 1 }"),
    ];
    let mut requests = vec![json!({})];
    requests.extend(
        [json!(null), json!(1), json!({}), json!({"a": null}), json!({"a": 1}), json!([1])]
            .map(|extra| json!({"extra": extra})),
    );
    let reversed: Vec<_> = requests.iter().rev().cloned().collect();
    for step in &looks {
        agrees(step, &equal(3), &requests);
        agrees(step, &equal(3), &reversed);
    }
}

#[test]
fn a_helper_that_sees_its_callers_variables_reads_them() {
    let step =
        rhai("a.rhai", "fn filter(node, request) { help!() }\nfn help() { request.data.pool == node.metadata.pool }");
    let mut nodes = equal(3);
    for (node, pool) in nodes.iter_mut().zip(["a", "b", "c"]) {
        node["metadata"] = json!({ "pool": pool });
    }
    agrees(&step, &nodes, &["a", "b", "d", "c"].map(|pool| json!({"data": {"pool": pool}})));
}

#[test]
fn a_node_in_the_place_of_one_in_quarantine_is_asked_about() {
    let steps = || {
        let text = "function key(request) { return 'a' }\nfunction filter(node, key) { return key === 'a' }";
        vec![start(vec![js("a.js", text), builtin("fewest-sessions")])]
    };
    let mut stand = Stand::new(steps(), &[node("n1", 0), node("n2", 1)]);
    let limited = LimitRecord { kind: LimitKind::Time, message: "it hung".into() };
    stand.evaluator.quarantine(Subject { script: "a.js".into(), node: Some("n1".into()) }, Some(limited));
    assert_eq!(stand.place(), "n2");
    stand.apply(Change::Remove("n1".into()));
    stand.report(node("n9", 0));
    assert_eq!(stand.place(), "n9");
}
