//! One decision in process: a built-in and JavaScript of both shapes over 10 to 10,000 nodes, beside raw Boa.
//!
//! The floor is Boa itself, running the same function over plain objects that it already holds: no input to build, no
//! verdict to check, no isolation. What we cost on top shows as the ratio of the two in one run.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;

use std::hint::black_box;

use boa_engine::{Context, JsValue, Source, js_string};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{SIZES, decide, evaluator, question, script};
use nodes::nodes;
use serde_json::Value;
use whither::chain::StepSource;

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

fn ours(criterion: &mut Criterion) {
    let kinds = [
        ("builtin", StepSource::Builtin("fewest-sessions".to_owned())),
        ("javascript-list", script("js", WHOLE_LIST)),
        ("javascript-node", script("js", PER_NODE)),
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
