//! One decision in process: a built-in and JavaScript of both shapes over 10 to 10,000 nodes, beside raw Boa.
//!
//! The floor is Boa itself, running the same function over plain objects that it already holds: no input to build, no
//! verdict to check, no isolation. What we cost on top shows as the ratio of the two in one run.

#[path = "support/nodes.rs"]
mod nodes;

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::{Context, JsValue, Source, js_string};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nodes::nodes;
use serde_json::{Value, json};
use whither::chain::{Ask, Unwatched};
use whither::chain::{ChainSet, ChainSpec, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Silent, Stopped};
use whither::evaluator::{Evaluator, Question, Senses};
use whither::model::{Arrangement, Change, Outcome, Report, Request};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// s1 of the literature: the node with the fewest sessions, by a loop.
const WHOLE_LIST: &str = "function(input) {
  var best = input.servers[0];
  for (var i = 1; i < input.servers.length; i++) {
    if (input.servers[i].nodeData.sessions.length < best.nodeData.sessions.length) best = input.servers[i];
  }
  return best.id;
}";
/// The same choice as a function of one node.
const PER_NODE: &str = "function score(node) { return -node.nodeData.sessions.length; }";

fn evaluator(step: StepSource, nodes: &[Value]) -> Evaluator {
    // An action that reserves nothing: the cluster stays as it is from one decision to the next.
    let chain = ChainSpec::new("user/login", vec![StepSpec::new("bench.js", step)]);
    let senses = Senses { stopwatch: Box::new(Stopped), witness: Box::new(Unwatched), alarm: Rc::new(Silent) };
    let mut evaluator = Evaluator::new(&ChainSet::new(vec![chain]), Arrangement::ById, senses, &mut |_| ())
        .map_err(|_| "compiles")
        .unwrap();
    for node in nodes {
        evaluator.apply(Change::Report(Arc::new(Report::from_value(node.clone()).unwrap())));
    }
    evaluator
}

fn question() -> Question {
    let request = Request::from_value(json!({"action": "user/login", "user": {"login": "ann"}}), "").unwrap();
    let ask = Ask {
        request: Arc::new(request),
        purpose: Purpose::Place,
        about: None,
        now_ms: 1_795_195_800_000,
        seed: 7,
        sequence: 0,
        limited: Vec::new(),
    };
    Question { decision: "bench".into(), ask }
}

fn script(text: &str) -> StepSource {
    StepSource::Script { extension: "js".to_owned(), text: text.into() }
}

fn decide(evaluator: &mut Evaluator, question: &Question) {
    match evaluator.decide(question) {
        Progress::Decided(decision) if matches!(decision.outcome, Outcome::Placed(_)) => drop(black_box(decision)),
        other => panic!("{other:?}"),
    }
}

fn ours(criterion: &mut Criterion) {
    let kinds = [
        ("builtin", StepSource::Builtin("fewest-sessions".to_owned())),
        ("javascript-list", script(WHOLE_LIST)),
        ("javascript-node", script(PER_NODE)),
    ];
    for (name, step) in kinds {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for size in SIZES {
            let (mut evaluator, question) = (evaluator(step.clone(), &nodes(size)), question());
            decide(&mut evaluator, &question);
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| decide(&mut evaluator, &question));
            });
        }
        group.finish();
    }
}

fn raw_boa(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("raw-boa-list");
    group.sample_size(20);
    for size in SIZES {
        let mut context = Context::default();
        let value = Value::Array(nodes(size));
        let servers = JsValue::from_json(&value, &mut context).unwrap();
        let input = context.eval(Source::from_bytes("({})")).unwrap();
        input.as_object().unwrap().set(js_string!("servers"), servers, false, &mut context).unwrap();
        let function = context.eval(Source::from_bytes(&format!("({WHOLE_LIST})"))).unwrap();
        let function = function.as_callable().unwrap();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                black_box(function.call(&JsValue::undefined(), std::slice::from_ref(&input), &mut context).unwrap())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ours, raw_boa);
criterion_main!(benches);
