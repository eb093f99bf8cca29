//! The record of a decision: what each step said, who was lost why, and what an explanation costs nobody.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;
use whither::chain::{ChainSet, OnFailure, StepObserver};
use whither::clock::{Silent, Stopwatch};
use whither::evaluator::{Evaluator, EvaluatorHost};
use whither::model::lost::MAX_NAMED;
use whither::model::{Arrangement, Decision, FailureName, LostReason, Marks, StepVerdict};

use super::stand::{
    NOW_MS, Stand, builtin, cordoned, decided, equal, failed, js, node, outcome, program, question, report, said, start,
};

#[test]
fn each_step_says_what_it_saw_and_did() {
    let chain = start(vec![
        js("pass.js", "i => { console.warn('nothing') }"),
        js("list.js", "i => i.nodes.slice(1)"),
        js(
            "filter.js",
            "function filter(node) { if (node.id === 'n2') throw new Error('no figures'); return node.id !== 'n4' }",
        ),
        builtin("fewest-sessions"),
        js("never.js", "i => 'n1'"),
    ]);
    let decision = Stand::new(vec![chain], &equal(5)).decide(json!({}));
    assert_eq!(outcome(&decision), "n3");
    assert_eq!(decision.decided_by.as_deref(), Some("builtin:fewest-sessions"));
    assert_eq!(
        said(&decision),
        [
            StepVerdict::Pass,
            StepVerdict::Narrow(4),
            StepVerdict::Narrow(2),
            StepVerdict::Select("n3".into()),
            StepVerdict::NotReached
        ]
    );
    let steps = &decision.diagnosis.steps;
    let figures: Vec<_> = steps.iter().map(|step| (&*step.step, step.candidates, step.calls)).collect();
    assert_eq!(figures[..3], [("pass.js", 5, 1), ("list.js", 5, 1), ("filter.js", 4, 4)]);
    assert_eq!(figures[3..], [("builtin:fewest-sessions", 2, 0), ("never.js", 0, 0)]);
    assert_eq!(steps[0].log[0].text, "nothing");
    assert_eq!(steps[1].lost.by_reason[&LostReason::NotReturned].nodes, ["n1".into()]);
    let lost = &steps[2].lost.by_reason;
    assert_eq!(lost[&LostReason::Filtered].nodes, ["n4".into()]);
    assert_eq!(lost[&LostReason::ScriptError].nodes, ["n2".into()]);
    assert_eq!(lost[&LostReason::ScriptError].message.as_deref(), Some("no figures"));
    assert_eq!((decision.diagnosis.now_ms, decision.diagnosis.seed, decision.diagnosis.nodes), (NOW_MS, 1, 5));
}

#[test]
fn thousands_of_lost_nodes_are_counted_and_a_few_are_named() {
    let nodes: Vec<_> = (0..500).map(|number| node(&format!("n{number:03}"), 0)).collect();
    let mut stand =
        Stand::new(vec![start(vec![js("last.js", "i => i.nodes.slice(-1)"), builtin("round-robin")])], &nodes);
    let decision = stand.decide(json!({}));
    let lost = &decision.diagnosis.steps[0].lost.by_reason[&LostReason::NotReturned];
    assert_eq!((lost.count, lost.nodes.len(), &*lost.nodes[0]), (499, MAX_NAMED, "n000"));
    let explained = stand.explain(json!({}), Some("n400"));
    let fate = explained.diagnosis.asked_fate.unwrap();
    assert_eq!(fate, "last.js left it out", "it is none of those named");
}

#[test]
fn why_no_node_is_said_in_order_of_the_search() {
    let fewest = || start(vec![builtin("fewest-sessions")]);
    failed(&Stand::new(vec![fewest()], &[]).decide(json!({})), FailureName::NoNode, "no nodes");
    let mut stand = Stand::new(vec![fewest()], &equal(2));
    stand.mark("n1", cordoned());
    stand.mark("n2", cordoned());
    failed(&stand.decide(json!({})), FailureName::NoNode, "no node can take the request: 2 cordoned");
    let mut stand = Stand::new(vec![start(vec![js("none.js", "function filter(node) { return false }")])], &equal(2));
    failed(&stand.decide(json!({})), FailureName::NoNode, "no node is left: 2 filtered out by none.js");
    let mut stand = Stand::new(vec![start(vec![js("pass.js", "i => null")])], &equal(2));
    failed(&stand.decide(json!({})), FailureName::NoNode, "2 candidates and no choice");
    let mut stand = Stand::new(vec![start(vec![js("pass.js", "i => null")])], &equal(1));
    failed(&stand.decide(json!({})), FailureName::NoNode, "1 candidate and no choice; end the chain with a built-in");
}

#[test]
fn explaining_changes_nothing_and_runs_no_program() {
    let first = js("first.js", "i => i.nodes.slice(0, 2)");
    let mut stand = Stand::new(vec![start(vec![first, program("./ask"), builtin("fewest-sessions")])], &equal(3));
    let generation = stand.evaluator.cluster().generation();
    let one = stand.explain(json!({}), None);
    assert_eq!(said(&one), [StepVerdict::Narrow(2), StepVerdict::NotRun, StepVerdict::Select("n1".into())]);
    assert_eq!(outcome(&stand.explain(json!({}), None)), "n1");
    assert_eq!((stand.pending("n1"), stand.evaluator.cluster().generation()), (0, generation));
}

#[test]
fn what_became_of_a_node_is_told() {
    let chain = || start(vec![js("list.js", "i => i.nodes.filter(n => n.id !== 'b')"), builtin("fewest-sessions")]);
    let nodes = [node("a", 4), node("b", 0), node("c", 1), node("d", 2)];
    let mut stand = Stand::new(vec![chain()], &nodes);
    stand.mark("d", cordoned());
    for (asked, fate) in [
        ("a", "builtin:fewest-sessions chose c: 1 session against 4"),
        ("b", "list.js left it out"),
        ("c", "builtin:fewest-sessions chose it"),
        ("d", "it cannot take the request: cordoned"),
        ("e", "it is not in the cluster"),
    ] {
        let diagnosis = stand.explain(json!({}), Some(asked)).diagnosis;
        assert_eq!(diagnosis.asked_node.as_deref(), Some(asked));
        assert_eq!(diagnosis.asked_fate.as_deref(), Some(fate));
    }
    let mut stand = Stand::new(vec![start(vec![js("pass.js", "i => null")])], &nodes);
    let diagnosis = stand.explain(json!({}), Some("a")).diagnosis;
    assert_eq!(diagnosis.asked_fate.as_deref(), Some("it was a candidate to the end, and no step chose a node"));
    assert_eq!(stand.explain(json!({}), None).diagnosis.asked_fate, None);
}

#[test]
fn all_that_stands_against_a_node_is_told_and_not_the_first_alone() {
    let filter = |name: &str, test: &str| js(name, &format!("function filter(node) {{ return {test} }}"));
    let first = filter("first.js", "node.id !== 'b'");
    let second = filter("second.js", "node.id !== 'b' && node.id !== 'd'");
    let broken =
        js("broken.js", "function filter(node) { if (node.id === 'b') throw new Error('no figures'); return true }");
    let score = js("score.js", "function score(node) { return {a: 41, b: 90, c: 74, d: 99}[node.id] }");
    let last = filter("last.js", "node.id !== 'b'");
    let nodes = [node("a", 4), node("b", 0), node("c", 1), node("d", 2)];
    let mut stand = Stand::new(vec![start(vec![first, second, broken, score, last])], &nodes);
    stand.mark("d", Marks { cooling_down: true, ..cordoned() });
    for (asked, fate) in [
        ("a", "score.js chose c: 74 against 41"),
        ("b", "first.js filtered it out; second.js filtered it out; broken.js failed on it: no figures"),
        ("d", "it cannot take the request: cordoned, cooling down after a failed start; second.js filtered it out"),
    ] {
        let diagnosis = stand.explain(json!({}), Some(asked)).diagnosis;
        assert_eq!(diagnosis.asked_fate.as_deref(), Some(fate));
    }
    // A placement asks nobody about a node that it would not have asked about.
    let mut question = stand.question(json!({"explain": true}));
    question.ask.about = Some("b".into());
    let diagnosis = decided(stand.evaluator.decide(&question)).diagnosis;
    assert_eq!(diagnosis.asked_fate.as_deref(), Some("first.js filtered it out"));
    let none = filter("none.js", "node.sessions > 1");
    let mut stand = Stand::new(
        vec![start(vec![filter("some.js", "node.id !== 'b'"), none])],
        &[nodes[1].clone(), nodes[2].clone(), nodes[3].clone()],
    );
    stand.mark("d", cordoned());
    let words = "no node is left: 1 cordoned, 1 filtered out by some.js, 1 filtered out by none.js";
    failed(&stand.decide(json!({})), FailureName::NoNode, words);
}

#[test]
fn the_best_scores_are_told_where_somebody_asks() {
    let score = js("score.js", "function score(node) { return 100 - node.sessions }");
    let nodes: Vec<_> = (0..9).map(|number| node(&format!("n{number}"), number)).collect();
    let told = |decision: &Decision| -> Vec<String> {
        let scores = decision.diagnosis.steps.iter().flat_map(|step| &step.scores);
        scores.map(|scored| format!("{} {scored}", scored.node)).collect()
    };
    let mut stand = Stand::new(vec![start(vec![score])], &nodes);
    let explained = told(&stand.explain(json!({}), Some("n8")));
    assert_eq!(
        (explained.len(), &*explained[0], &*explained[8]),
        (9, "n0 100", "n8 92"),
        "an explanation has them all"
    );
    let unasked = stand.decide(json!({}));
    assert_eq!((outcome(&unasked), told(&unasked)), ("n0".to_owned(), vec![]), "nobody asked");
    let asked = stand.decide(json!({"explain": true}));
    assert_eq!((outcome(&asked), told(&asked).len()), ("n1".to_owned(), 5), "n0 has one session more by now");
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &nodes);
    let first = &told(&stand.explain(json!({}), None))[0];
    assert_eq!(first, "n0 0 sessions");
}

/// A clock that goes on by a tick each time that somebody looks.
#[derive(Default)]
struct Ticking(std::cell::Cell<u64>);

impl Stopwatch for Ticking {
    fn micros(&self) -> u64 {
        self.0.set(self.0.get() + 7);
        self.0.get()
    }
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Rc<RefCell<Vec<String>>>);

impl StepObserver for Diary {
    fn step(&self, step: usize) {
        self.0.borrow_mut().push(step.to_string());
    }

    fn node(&self, node: &Arc<str>, _pure: bool) {
        self.0.borrow_mut().push(node.to_string());
    }

    fn alone(&self, step: usize, node: &Arc<str>) {
        self.0.borrow_mut().push(format!("{step} alone about {node}"));
    }

    fn back_to(&self, step: usize) {
        self.0.borrow_mut().push(format!("back to {step}"));
    }

    fn nodes_done(&self) {
        self.0.borrow_mut().push("done".to_owned());
    }
}

/// An evaluator of `set`, and the diary of what it tells; `loading` is told of each step.
fn observed(set: &ChainSet, loading: &mut dyn FnMut(&Arc<str>)) -> (Evaluator, Diary) {
    let diary = Diary::default();
    let senses = EvaluatorHost {
        stopwatch: Box::new(Ticking::default()),
        witness: Box::new(diary.clone()),
        alarm: Rc::new(Silent),
    };
    let evaluator = Evaluator::new(set, Arrangement::ById, senses, loading).unwrap_or_else(|e| panic!("{e:?}"));
    (evaluator, diary)
}

#[test]
fn a_watchdog_is_told_what_runs_and_a_stopwatch_asked_what_it_cost() {
    let set = ChainSet::new(vec![start(vec![
        js("pass.js", "i => null"),
        js("filter.js", "function filter(node) { return true }"),
        builtin("round-robin"),
    ])]);
    let mut loaded = Vec::new();
    let (mut evaluator, diary) = observed(&set, &mut |step| loaded.push(step.to_string()));
    assert_eq!(loaded, ["pass.js", "filter.js", "builtin:round-robin"]);
    equal(2).into_iter().for_each(|node| evaluator.apply(report(node)));
    let decision = decided(evaluator.decide(&question("d", 1, json!({}))));
    assert_eq!(*diary.0.borrow(), ["0", "1", "n1", "n2", "done", "2"]);
    assert!(decision.diagnosis.steps.iter().all(|step| step.cost_us == 7), "{:?}", decision.diagnosis.steps);
}

/// Steps that are asked in turn about one node after another are all named; what is asked for later requests is by itself.
#[test]
fn a_scan_tells_which_step_is_asked_about_which_node() {
    let set = ChainSet::new(vec![start(vec![
        js("first.js", "function filter(node, request) { return request.sequence > 0 }"),
        js("second.js", "function filter(node, request) { return request.sequence > 0 && node.id !== 'n1' }"),
        js("third.js", "function score(node) { return 1 }"),
    ])]);
    let (mut evaluator, diary) = observed(&set, &mut |_step| {});
    equal(3).into_iter().for_each(|node| evaluator.apply(report(node)));
    let decision = decided(evaluator.decide(&question("d", 1, json!({}))));
    let told = diary.0.borrow().join(", ");
    let begin = "2, 2 alone about n1, 2 alone about n2, 2 alone about n3";
    assert_eq!(told, format!("{begin}, 0, n1, back to 1, n1, back to 0, n2, back to 1, n2, done"));
    let steps: Vec<_> = decision.diagnosis.steps.iter().map(|step| (step.said.to_string(), step.calls)).collect();
    let asked = || "asked about 2, best first".to_owned();
    assert_eq!(steps, [(asked(), 2), (asked(), 2), ("select n2".to_owned(), 3)]);
    let search = decision.diagnosis.search;
    assert_eq!((search.plan.as_str(), search.looked_at, search.refreshed), ("index-scan", 2, 3));
}

/// Nodes that are for others stay the emptiest, so requests come by all of them: compiled code leaves them out together.
#[test]
fn nodes_that_a_filter_leaves_out_one_after_another_are_left_out_together() {
    const FILTER: &str = "function filter(node, request) { return node.metadata.users.includes(request.user.login) }\n\
                          function score(node) { return 1 }";
    let set = ChainSet::new(vec![start(vec![js("users.js", FILTER)])]);
    let (mut evaluator, diary) = observed(&set, &mut |_step| {});
    for number in 0..300 {
        let users = if number == 299 { "ann" } else { "bob" };
        let node = json!({"id": format!("n{number:03}"), "metadata": {"users": [users]}, "nodeData": {"sessions": []}});
        evaluator.apply(report(node));
    }
    let decision = decided(evaluator.decide(&question("d", 1, json!({"user": {"login": "ann"}}))));
    let steps: Vec<_> = decision.diagnosis.steps.iter().map(|step| (step.said.to_string(), step.calls)).collect();
    assert_eq!((decision.diagnosis.search.looked_at, steps), (300, vec![("select n299".to_owned(), 600)]));
    let told = diary.0.borrow();
    let named: Vec<_> = told.iter().filter(|word| word.starts_with('n')).collect();
    assert_eq!(named, ["n000", "n299"], "the others need no call of their own");
}

/// What passed over a step is no reason against a node, and figures that are shown alike need not be.
#[test]
fn a_failure_that_is_passed_over_and_a_near_tie_are_told_as_they_are() {
    let mut broken = js("broken.js", "function score(node) { throw new Error('no figures') }");
    broken.on_error = OnFailure::Skip;
    let node = |id: &str, load: f64| json!({"id": id, "nodeData": {"sessions": [], "health": {"cpu": {"load1": load, "cores": 1}}}});
    let nodes = [node("a", 0.1234), node("b", 0.1231)];
    let mut stand = Stand::new(vec![start(vec![broken.clone(), builtin("least-load")])], &nodes);
    let fate = stand.explain(json!({}), Some("a")).diagnosis.asked_fate.unwrap();
    assert_eq!(fate, "builtin:least-load chose b: 0.123 load per core against 0.123");
    let none = js("none.js", "function filter(node) { return false }");
    let mut stand = Stand::new(vec![start(vec![broken, none])], &nodes);
    failed(&stand.decide(json!({})), FailureName::NoNode, "no node is left: 2 filtered out by none.js");
}
