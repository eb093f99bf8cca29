//! One decision in process by a component over 10 to 10,000 nodes: with nothing changed since the last one, and with one
//! node changed.
//!
//! The same is measured twice: the engine alone, which is told of changes and asked; and the whole decision, with
//! eligibility, verdict and diagnosis, beside the built-in of the same choice in one run.

#[path = "../tests/support/components.rs"]
mod components;
#[path = "support/decision.rs"]
#[allow(dead_code, reason = "this bench uses its own part")]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{SIZES, decide, evaluator, question};
use jiff::tz::TimeZone;
use nodes::nodes;
use serde_json::Value;
use whither::chain::StepSource;
use whither::clock::{Moment, Silent};
use whither::engine::{LANGUAGES, Settings};
use whither::model::{Arrangement, Candidate, Change, Cluster, Report};
use whither::script::{
    Answer, Asked, Call, Content, Isolation, LogBook, Returned, Scene, Script, ScriptLimits, Source,
};

fn content() -> Content {
    Content::Binary(components::component("fewest-sessions").into())
}

fn report(node: &Value) -> Change {
    Change::Report(Arc::new(Report::from_value(node.clone()).unwrap()))
}

/// The component, compiled.
fn script() -> Box<dyn Script> {
    let language = LANGUAGES.iter().find(|language| language.extension == "wasm").unwrap();
    let settings = Settings { limits: ScriptLimits::default(), zone: TimeZone::UTC, alarm: Rc::new(Silent) };
    let source = Source { file: "fewest-sessions.wasm".into(), content: content(), isolation: Isolation::Warm };
    (language.engine)(&settings).load(&source).unwrap()
}

/// The engine alone.
fn engine(criterion: &mut Criterion) {
    let (script, limits, question) = (script(), ScriptLimits::default(), question());
    let (moment, log) = (Moment::at(question.ask.now_ms, &TimeZone::UTC), LogBook::new(limits));
    let request = &question.ask.request;
    let asked = Asked { request, passes_jwt: false, moment: &moment, seed: 7, sequence: 0 };
    let mut group = criterion.benchmark_group("wasm-engine");
    for size in SIZES {
        let nodes = nodes(size);
        let mut cluster = Cluster::new(Arrangement::ById);
        nodes.iter().for_each(|node| cluster.apply(report(node)));
        let candidates: Vec<_> = cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect();
        let ask = |cluster: &Cluster| {
            let mut run = script.open(Scene { cluster, asked: Some(asked), step: 0, log: &log }).unwrap();
            match run.call(Call::Balance(&candidates)).unwrap() {
                Answer::Returned(returned @ Returned::Id(_)) => drop(black_box(returned)),
                other => panic!("{other:?}"),
            }
        };
        group.bench_function(BenchmarkId::new("unchanged", size), |bencher| bencher.iter(|| ask(&cluster)));
        group.bench_function(BenchmarkId::new("one-changed", size), |bencher| {
            bencher.iter_custom(|times| {
                let one = |time: u64| report(&nodes[time as usize * 7 % size]);
                (0..times)
                    .map(|time| {
                        cluster.apply(one(time));
                        timed(|| ask(&cluster))
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

/// How long `what` takes. A clock is read twice, which is a fiftieth of a microsecond.
fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

/// The whole decision, and that of the built-in.
fn whole(criterion: &mut Criterion) {
    let component = || StepSource::script("wasm", content());
    let builtin = || StepSource::Builtin("fewest-sessions".to_owned());
    for (name, source) in [("wasm-decision", component as fn() -> StepSource), ("builtin-decision", builtin)] {
        let mut group = criterion.benchmark_group(name);
        for size in SIZES {
            let nodes = nodes(size);
            let (mut evaluator, question) = (evaluator(source(), &nodes), question());
            group.bench_function(BenchmarkId::new("unchanged", size), |bencher| {
                bencher.iter(|| decide(&mut evaluator, &question));
            });
            group.bench_function(BenchmarkId::new("one-changed", size), |bencher| {
                bencher.iter_custom(|times| {
                    (0..times)
                        .map(|time| {
                            evaluator.apply(report(&nodes[time as usize * 7 % size]));
                            timed(|| decide(&mut evaluator, &question))
                        })
                        .sum()
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = engine, whole
}
criterion_main!(benches);
