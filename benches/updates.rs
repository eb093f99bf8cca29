//! What one node report costs an evaluator, and the decision after it.
//!
//! A reservation and its end are measured by the sessions that the node has already: that must make no difference.
//!
//! A report has three parts: the document is read (`parse`), which the front and each worker do once; the change is let happen
//! (`apply`); and the next decision brings up to date what is kept (`decide` has the change in it). Beside it the decision
//! where nothing changed (`still`). A report of which the health alone is new, as most are, is measured beside one in which
//! everything is: what is kept of a function that reads no health outlives the former.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/policies.rs"]
mod policies;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{decide, over, question, report};
use nodes::nodes;
use policies::{Form, JAVASCRIPT_NODE, RHAI_NODE, fewest_sessions, gpu_weight, with_gpus};
use serde_json::{Value, json};
use whither::chain::StepSource;
use whither::evaluator::Evaluator;
use whither::model::{Change, Report, Reservation};

const SIZES: [usize; 2] = [100, 10_000];
/// How many nodes report, in turn.
const REPORTING: usize = 64;
/// Sessions on each node before a reservation is made there, and how many nodes there are then.
const SESSIONS: [usize; 3] = [0, 100, 1_000];
const RESERVED_ON: usize = 20;
/// The fewest sessions by the count, as FastX 3 scripts choose.
const JAVASCRIPT_COUNTS: &str = "function (input) { var best = null, low = Infinity;
  input.servers.forEach(function (s) { if (s.sessions < low) { low = s.sessions; best = s.serverId } });
  return best }";

/// What is new in a report.
#[derive(Clone, Copy)]
enum New {
    Health,
    Everything,
}

impl New {
    const ALL: [Self; 2] = [Self::Health, Self::Everything];

    fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Everything => "everything",
        }
    }

    /// `node` with that in it.
    fn in_node(self, node: &Value) -> Value {
        let mut node = node.clone();
        node["nodeData"]["health"]["cpu"] =
            json!({"load1": 2.5, "load5": 1.5, "load15": 1.2, "cores": 16, "utilization": 37});
        node["nodeData"]["health"]["mem"]["free"] = json!(2_000_000_000_u64);
        if let Self::Everything = self {
            node["nodeData"]["services"] = json!(["launcher", "vnc"]);
            node["nodeData"]["sessions"].as_array_mut().unwrap().push(json!({"id": "new", "user": "ann"}));
            node["metadata"] = json!({"group": "new"});
            node["staticData"]["weight"] = json!(3);
            node["urls"] = json!(["https://new.example.org"]);
        }
        node
    }
}

/// Reports in turn: of each node what is new, and then what was there before.
struct Feed {
    reports: Vec<Arc<Report>>,
    turn: usize,
}

impl Feed {
    fn new(nodes: &[Value], new: New) -> Self {
        let reporting = &nodes[..REPORTING];
        let changed = reporting.iter().map(|node| report(&new.in_node(node)));
        Self { reports: changed.chain(reporting.iter().map(report)).collect(), turn: 0 }
    }

    fn next(&mut self) -> Change {
        self.turn = (self.turn + 1) % self.reports.len();
        Change::Report(Arc::clone(&self.reports[self.turn]))
    }
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("updates/parse");
    let node = with_gpus(nodes(8)).remove(7);
    for new in New::ALL {
        let text = new.in_node(&node).to_string();
        group.bench_function(BenchmarkId::new(new.name(), text.len()), |bencher| {
            bencher.iter(|| black_box(Report::parse(text.as_bytes()).unwrap()));
        });
    }
    group.finish();
}

fn updates(criterion: &mut Criterion) {
    let gpu = gpu_weight().into_iter().filter(|form| form.name == "wasm-node");
    let forms = fewest_sessions().into_iter().filter(|form| form.name != "rhai-closure").chain(gpu);
    for form in forms {
        for size in SIZES {
            one(criterion, &form, size);
        }
    }
}

fn one(criterion: &mut Criterion, form: &Form, size: usize) {
    let mut group = criterion.benchmark_group(format!("updates/{}", form.name));
    let mut site = None;
    let made = || {
        let nodes = with_gpus(nodes(size));
        let reports: Vec<_> = nodes.iter().map(report).collect();
        (over(form.step.clone(), &reports), nodes)
    };
    let asked = question();
    group.bench_function(BenchmarkId::new("still", size), |bencher| {
        let (evaluator, _): &mut (Evaluator, _) = site.get_or_insert_with(made);
        bencher.iter(|| decide(evaluator, &asked));
    });
    for new in New::ALL {
        group.bench_function(BenchmarkId::new(format!("apply-{}", new.name()), size), |bencher| {
            let (evaluator, nodes) = site.get_or_insert_with(made);
            let mut feed = Feed::new(nodes, new);
            bencher.iter(|| evaluator.apply(feed.next()));
        });
        group.bench_function(BenchmarkId::new(format!("decide-{}", new.name()), size), |bencher| {
            let (evaluator, nodes) = site.get_or_insert_with(made);
            let mut feed = Feed::new(nodes, new);
            // What was let happen without a decision is not to be caught up on in this one's time.
            decide(evaluator, &asked);
            bencher.iter(|| {
                evaluator.apply(feed.next());
                decide(evaluator, &asked);
            });
        });
    }
    group.finish();
}

/// What a reservation and its end cost the mirror, and with them two decisions, by the sessions that a node has already.
/// The scripts read the count; with `listed` they read the list.
fn reservations(criterion: &mut Criterion) {
    let steps: [(&str, StepSource); 6] = [
        ("builtin", StepSource::Builtin("fewest-sessions".to_owned())),
        ("javascript-node", StepSource::script("js", "function score(n) { return -n.sessions }")),
        ("javascript-node-listed", StepSource::script("js", JAVASCRIPT_NODE)),
        ("javascript-list", StepSource::script("js", JAVASCRIPT_COUNTS)),
        ("rhai-node", StepSource::script("rhai", "fn score(n) { -n.sessions }")),
        ("rhai-node-listed", StepSource::script("rhai", RHAI_NODE)),
    ];
    for (name, source) in steps {
        let mut group = criterion.benchmark_group(format!("updates/reservation/{name}"));
        for sessions in SESSIONS {
            let reports: Vec<_> = (0..RESERVED_ON).map(|node| report(&crowded(node, sessions))).collect();
            let mut evaluator = over(source.clone(), &reports);
            let (asked, mut number) = (question(), 0_u64);
            let mut turn = |evaluator: &mut Evaluator, decides: bool| {
                number += 1;
                let id: Arc<str> = format!("bench-{number}").into();
                let node = format!("n{:03}", number as usize % RESERVED_ON).into();
                let held = Reservation { id: Arc::clone(&id), node, user: "ann".into(), name: "".into() };
                for change in [Change::Reserve(held), Change::Release(id)] {
                    evaluator.apply(change);
                    if decides {
                        decide(evaluator, &asked);
                    }
                }
            };
            group.bench_function(BenchmarkId::new("apply", sessions), |bencher| {
                bencher.iter(|| turn(&mut evaluator, false));
            });
            group.bench_function(BenchmarkId::new("decide", sessions), |bencher| {
                bencher.iter(|| turn(&mut evaluator, true));
            });
        }
        group.finish();
    }
}

/// A node with so many sessions, of users of their own.
fn crowded(node: usize, sessions: usize) -> Value {
    let listed: Vec<_> =
        (0..sessions).map(|k| json!({"id": format!("s{k}"), "user": format!("u{node}-{k}")})).collect();
    json!({"id": format!("n{node:03}"), "nodeData": {"sessions": listed}})
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = parse, updates, reservations
}
criterion_main!(benches);
