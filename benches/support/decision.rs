//! One decision in process, for benches: an evaluator of one step, a question, and the asking.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use whither::chain::{Ask, ChainSet, ChainSpec, NoObserver, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Silent, Stopped};
use whither::evaluator::{Evaluator, EvaluatorHost, Question};
use whither::model::{Arrangement, Change, Decision, Outcome, Report, Request};

/// How many nodes a decision is taken over.
pub(crate) const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// An evaluator of one step over `nodes`.
pub(crate) fn evaluator(step: StepSource, nodes: &[Value]) -> Evaluator {
    over(step, &nodes.iter().map(report).collect::<Vec<_>>())
}

/// An evaluator of one step over a cluster that reported so.
pub(crate) fn over(step: StepSource, reports: &[Arc<Report>]) -> Evaluator {
    // An action that reserves nothing: the cluster stays as it is from one decision to the next.
    let chain = ChainSpec::new("user/login", vec![StepSpec::new("bench", step)]);
    let senses = EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
    let mut evaluator = Evaluator::new(&ChainSet::new(vec![chain]), Arrangement::ById, senses, &mut |_| ())
        .map_err(|_| "compiles")
        .unwrap();
    reports.iter().for_each(|report| evaluator.apply(Change::Report(Arc::clone(report))));
    evaluator
}

/// What `node` reports.
pub(crate) fn report(node: &Value) -> Arc<Report> {
    Arc::new(Report::from_value(node.clone()).unwrap())
}

/// What a login asks.
pub(crate) fn question() -> Question {
    asking(json!({"action": "user/login", "user": {"login": "ann"}}))
}

/// A question with this request.
pub(crate) fn asking(request: Value) -> Question {
    let request = Request::from_value(request, "").unwrap();
    let ask = Ask {
        request: Arc::new(request),
        purpose: Purpose::Place,
        about: None,
        anew: false,
        now_ms: 1_795_195_800_000,
        seed: 7,
        sequence: 0,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
    };
    Question { decision: "bench".into(), ask }
}

/// The script `text` in the language whose files end with `extension`.
pub(crate) fn script(extension: &str, text: &str) -> StepSource {
    StepSource::script(extension, text)
}

/// Decides `question`, which must find a node.
pub(crate) fn decide(evaluator: &mut Evaluator, question: &Question) {
    drop(black_box(decision(evaluator, question)));
}

/// The same, with what was decided.
pub(crate) fn decision(evaluator: &mut Evaluator, question: &Question) -> Decision {
    match evaluator.decide(question) {
        Progress::Decided(decision) if matches!(decision.outcome, Outcome::Placed(_)) => decision,
        other => panic!("{other:?}"),
    }
}
