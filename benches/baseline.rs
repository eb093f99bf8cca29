//! The engines without us: raw Boa and raw Rhai over objects that they already hold, and components without an evaluator.
//!
//! Boa and Rhai run the functions that `engines` measures: no input to build, no verdict to check, no isolation, no limit
//! but their own. What we cost on top shows as the ratio of the two in one run. A node is in Boa a plain object, and in
//! Rhai a custom type as its book has it, which shares what it is of. Components are told of nodes by our engine, and
//! asked through it: raw wasmtime would need bindings of its own for the same calls.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/policies.rs"]
mod policies;

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use boa_engine::{Context, JsObject, JsValue, Source, js_string};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{SIZES, question, report};
use jiff::tz::TimeZone;
use nodes::nodes;
use policies::{JAVASCRIPT_LIST, JAVASCRIPT_NODE, RHAI_CLOSURE, RHAI_LIST, RHAI_NODE, component};
use rhai::{AST, Array, Dynamic, Engine, Map, Scope};
use serde_json::Value;
use whither::clock::{Moment, Silent};
use whither::engine::{LANGUAGES, Settings};
use whither::model::{Arrangement, Candidate, Change, Cluster, Node};
use whither::script::{
    Call, CallAnswer, CallContext, Isolation, LogBook, ReturnedValue, Script, ScriptLimits, ScriptRequest,
};

fn boa(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("baseline/fewest-sessions/javascript-list");
    for size in SIZES {
        group.bench_function(BenchmarkId::new("raw", size), |bencher| {
            let mut context = Context::default();
            let (_, servers) = objects(size, &mut context);
            let input = context.eval(Source::from_bytes("({})")).unwrap();
            input.as_object().unwrap().set(js_string!("servers"), servers, false, &mut context).unwrap();
            let function = function(JAVASCRIPT_LIST, &mut context);
            bencher.iter(|| {
                black_box(function.call(&JsValue::undefined(), std::slice::from_ref(&input), &mut context).unwrap())
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("baseline/fewest-sessions/javascript-node");
    for size in SIZES {
        group.bench_function(BenchmarkId::new("raw", size), |bencher| {
            let mut context = Context::default();
            let (nodes, _) = objects(size, &mut context);
            let function = function(JAVASCRIPT_NODE, &mut context);
            bencher.iter(|| {
                let mut score = |node| {
                    let score = function.call(&JsValue::undefined(), std::slice::from_ref(node), &mut context);
                    score.unwrap().as_number().unwrap()
                };
                // The best of all scores, as a host would find it.
                black_box(nodes.iter().map(&mut score).fold(f64::NEG_INFINITY, f64::max))
            });
        });
    }
    group.finish();
}

/// `count` nodes as objects, and the list of them.
fn objects(count: usize, context: &mut Context) -> (Vec<JsValue>, JsValue) {
    let list = JsValue::from_json(&Value::Array(nodes(count)), context).unwrap();
    let array = list.as_object().unwrap();
    let nodes = (0..count).map(|place| array.get(place, context).unwrap()).collect();
    (nodes, list.clone())
}

fn function(text: &str, context: &mut Context) -> JsObject {
    let function = context.eval(Source::from_bytes(&format!("({text})"))).unwrap();
    function.as_callable().unwrap().clone()
}

/// A node as a custom type, and its parts.
#[derive(Clone)]
struct Shared(Rc<Node>);
#[derive(Clone)]
struct Data(Rc<Node>);
#[derive(Clone)]
struct Sessions(Rc<Node>);

fn rhai(criterion: &mut Criterion) {
    for (name, text) in [("list", RHAI_LIST), ("closure", RHAI_CLOSURE)] {
        let mut group = criterion.benchmark_group(format!("baseline/fewest-sessions/rhai-{name}"));
        for size in SIZES {
            group.bench_function(BenchmarkId::new("raw", size), |bencher| {
                let (engine, servers) = (raw(), handles(size));
                let ast = engine.compile(text).unwrap();
                let input = Map::from_iter([("servers".into(), servers.into())]);
                bencher.iter(|| black_box(call(&engine, &ast, "balance", input.clone().into())));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("baseline/fewest-sessions/rhai-node");
    for size in SIZES {
        group.bench_function(BenchmarkId::new("raw", size), |bencher| {
            let (engine, servers) = (raw(), handles(size));
            let ast = engine.compile(RHAI_NODE).unwrap();
            bencher.iter(|| {
                let score = |node: &Dynamic| call(&engine, &ast, "score", node.clone()).as_int().unwrap();
                black_box(servers.iter().map(score).max())
            });
        });
    }
    group.finish();
}

fn raw() -> Engine {
    let mut engine = Engine::new();
    engine.register_get("id", |node: &mut Shared| node.0.id().to_string());
    engine.register_get("nodeData", |node: &mut Shared| Data(Rc::clone(&node.0)));
    engine.register_get("sessions", |data: &mut Data| Sessions(Rc::clone(&data.0)));
    engine.register_fn("len", |sessions: Sessions| sessions.0.sessions().count() as i64);
    engine
}

fn handles(count: usize) -> Array {
    nodes(count).iter().map(|node| Dynamic::from(Shared(Rc::new(Node::new(report(node), 0))))).collect()
}

fn call(engine: &Engine, ast: &AST, function: &str, argument: Dynamic) -> Dynamic {
    engine.call_fn(&mut Scope::new(), ast, function, (argument,)).unwrap()
}

/// The engine of components, without an evaluator: no eligibility, no verdict, no diagnosis.
fn wasm(criterion: &mut Criterion) {
    let (script, limits, question) = (compiled(), ScriptLimits::default(), question());
    let (moment, log) = (Moment::at(question.ask.now_ms, &TimeZone::UTC), LogBook::new(limits));
    let request = &question.ask.request;
    let asked = ScriptRequest { request, passes_jwt: false, moment: &moment, seed: 7, sequence: 0 };
    let mut group = criterion.benchmark_group("baseline/fewest-sessions/wasm-list");
    for size in SIZES {
        group.bench_function(BenchmarkId::new("raw", size), |bencher| {
            let mut cluster = Cluster::new(Arrangement::ById);
            nodes(size).iter().for_each(|node| drop(cluster.apply(Change::Report(report(node)))));
            let candidates: Arc<[_]> = cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect();
            bencher.iter(|| {
                let mut run =
                    script.open(CallContext { cluster: &cluster, asked: Some(asked), step: 0, log: &log }).unwrap();
                match run.call(Call::Balance(&candidates)).unwrap() {
                    CallAnswer::Returned(returned @ ReturnedValue::Id(_)) => drop(black_box(returned)),
                    other => panic!("{other:?}"),
                }
            });
        });
    }
    group.finish();
}

/// The component of the same choice.
fn compiled() -> Box<dyn Script> {
    let language = LANGUAGES.iter().find(|language| language.extension == "wasm").unwrap();
    let settings = Settings { limits: ScriptLimits::default(), zone: TimeZone::UTC, alarm: Rc::new(Silent) };
    let (file, content) = ("fewest-sessions.wasm".into(), component("fewest-sessions"));
    (language.engine)(&settings)
        .load(&whither::script::ScriptSource { file, content, isolation: Isolation::Warm })
        .unwrap()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = boa, rhai, wasm
}
criterion_main!(benches);
