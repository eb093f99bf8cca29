//! One decision in process by Rhai scripts of both shapes over 10 to 10,000 nodes, beside raw Rhai.
//!
//! The floor is Rhai itself over custom types that share the same nodes, written as its book has it: handles that it
//! already holds, no limit but Rhai's own, no input to build, no verdict to check. What we cost on top is the ratio of the
//! two in one run.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{SIZES, decide, evaluator, question, script};
use nodes::nodes;
use rhai::{AST, Array, Dynamic, Engine, Map, Scope};
use whither::model::{Node, Report};

/// s1 of the literature: the node with the fewest sessions, by a loop.
const WHOLE_LIST: &str = "fn balance(input) {
  let best = input.servers[0];
  for server in input.servers {
    if server.nodeData.sessions.len() < best.nodeData.sessions.len() { best = server; }
  }
  best.id
}";
/// The same by a closure.
const CLOSURE: &str = "fn balance(input) {
  input.servers.reduce(|best, server| if best == () || server.nodeData.sessions.len() < best.nodeData.sessions.len() {
    server
  } else {
    best
  }).id
}";
/// The same choice as a function of one node.
const PER_NODE: &str = "fn score(node) { -node.nodeData.sessions.len() }";

fn ours(criterion: &mut Criterion) {
    for (name, text) in [("rhai-list", WHOLE_LIST), ("rhai-closure", CLOSURE), ("rhai-node", PER_NODE)] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for size in SIZES {
            let (mut evaluator, question) = (evaluator(script("rhai", text), &nodes(size)), question());
            decide(&mut evaluator, &question);
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| decide(&mut evaluator, &question));
            });
        }
        group.finish();
    }
}

/// A node as a custom type, and its parts.
#[derive(Clone)]
struct Shared(Rc<Node>);
#[derive(Clone)]
struct Data(Rc<Node>);
#[derive(Clone)]
struct Sessions(Rc<Node>);

fn raw() -> Engine {
    let mut engine = Engine::new();
    engine.register_get("id", |node: &mut Shared| node.0.id().to_string());
    engine.register_get("nodeData", |node: &mut Shared| Data(Rc::clone(&node.0)));
    engine.register_get("sessions", |data: &mut Data| Sessions(Rc::clone(&data.0)));
    engine.register_fn("len", |sessions: Sessions| sessions.0.sessions().count() as i64);
    engine
}

fn handles(size: usize) -> Array {
    let reports = nodes(size).into_iter().map(|node| Arc::new(Report::from_value(node).unwrap()));
    reports.map(|report| Dynamic::from(Shared(Rc::new(Node::new(report, 0))))).collect()
}

fn raw_list(criterion: &mut Criterion) {
    for (name, text) in [("raw-rhai-list", WHOLE_LIST), ("raw-rhai-closure", CLOSURE)] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for size in SIZES {
            let (engine, servers) = (raw(), handles(size));
            let ast = engine.compile(text).unwrap();
            let input = Map::from_iter([("servers".into(), servers.into())]);
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| black_box(call(&engine, &ast, "balance", input.clone().into())));
            });
        }
        group.finish();
    }
}

/// The best of all scores, as a host would find it.
fn raw_node(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("raw-rhai-node");
    group.sample_size(20);
    for size in SIZES {
        let (engine, servers) = (raw(), handles(size));
        let ast = engine.compile(PER_NODE).unwrap();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let score = |node: &Dynamic| call(&engine, &ast, "score", node.clone()).as_int().unwrap();
                black_box(servers.iter().map(score).max())
            });
        });
    }
    group.finish();
}

fn call(engine: &Engine, ast: &AST, function: &str, argument: Dynamic) -> Dynamic {
    engine.call_fn(&mut Scope::new(), ast, function, (argument,)).unwrap()
}

criterion_group!(benches, ours, raw_list, raw_node);
criterion_main!(benches);
