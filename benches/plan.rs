//! Index scans against the evaluation of every candidate, in every language, over up to 100,000 nodes.
//!
//! Requests name one of so many pools, in turn; the nodes of that pool pass, and the one with most free memory is chosen.
//! The floor is the same chain with nothing kept, which makes every call; past 1,000 nodes it is left out.

#[path = "support/decision.rs"]
mod decision;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{decide, evaluator, question, script};
use serde_json::{Value, json};
use whither::chain::StepSource;
use whither::evaluator::{Evaluator, Question};
use whither::model::Request;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// The largest cluster over which every call is made.
const ANEW_AT_MOST: usize = 1_000;
/// Of how many nodes one passes.
const POOLS: [usize; 2] = [2, 100];

const JAVASCRIPT: &str = "function filter(node, request) { return node.metadata.pool === request.data.pool }
function score(node) { return node.freemem }";
/// What hangs on more of the request than an engine can tell is asked at each request.
const ASKED: &str =
    "function filter(node, request) { return node.metadata.pool === request.data.pool && request.sequence >= 0 }
function score(node) { return node.freemem }";
const KEYED: &str = "function key(request) { return request.data.pool }
function filter(node, pool) { return node.metadata.pool === pool }
function score(node) { return node.freemem }";
const PURE: &str = "function filter(node) { return node.metadata.pool !== 'p1' }
function score(node) { return node.freemem }";
const RHAI: &str = "fn filter(node, request) { node.metadata.pool == request.data.pool }
fn score(node) { node.freemem }";

fn nodes(count: usize, pools: usize) -> Vec<Value> {
    let mut state = 7_u64;
    let mut dice = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let node = |number: usize| {
        let (id, free) = (format!("n{number:06}"), dice() % 64_000_000_000);
        // Each pool has its nodes, of which none is better than others.
        let pool = number % pools;
        json!({
            "id": id, "hostname": format!("{id}.example.org"),
            "nodeData": {
                "health": {"cpu": {"load1": 0.5, "cores": 16}, "mem": {"free": free, "total": 64_000_000_000_u64}},
                "services": ["launcher"],
                "sessions": [{"id": format!("{id}-1"), "user": format!("u{}", number % 997)}],
            },
            "metadata": {"pool": format!("p{pool}")},
        })
    };
    (0..count).map(node).collect()
}

/// Requests for one pool after another.
fn questions(pools: usize) -> Vec<Question> {
    let ask = |pool: usize| {
        let request = json!({"action": "user/login", "user": {"login": "ann"}, "data": {"pool": format!("p{pool}")}});
        let mut question = question();
        question.ask.request = Arc::new(Request::from_value(request, "").unwrap());
        question
    };
    (0..pools).map(ask).collect()
}

/// A cluster, and requests to it in turn.
struct Site {
    evaluator: Evaluator,
    questions: Vec<Question>,
    turn: usize,
}

impl Site {
    fn new(step: &StepSource, size: usize, pools: usize) -> Self {
        let mut site =
            Self { evaluator: evaluator(step.clone(), &nodes(size, pools)), questions: questions(pools), turn: 0 };
        (0..2 * pools).for_each(|_| site.next());
        site
    }

    fn next(&mut self) {
        self.turn = (self.turn + 1) % self.questions.len();
        decide(&mut self.evaluator, &self.questions[self.turn]);
    }
}

fn scans(criterion: &mut Criterion) {
    let languages = [
        ("builtin", StepSource::Builtin("most-memory".to_owned())),
        ("javascript", script("js", JAVASCRIPT)),
        ("javascript-asked", script("js", ASKED)),
        ("javascript-keyed", script("js", KEYED)),
        ("javascript-pure", script("js", PURE)),
        ("rhai", script("rhai", RHAI)),
    ];
    for pools in POOLS {
        for (name, step) in &languages {
            let mut group = criterion.benchmark_group(format!("{name}/one of {pools}"));
            group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
            for size in SIZES {
                // Made where it is asked for: a cluster of 100,000 nodes takes its time.
                let mut site = None;
                for (plan, anew) in [("scan", false), ("anew", true)] {
                    if anew && size > ANEW_AT_MOST {
                        continue;
                    }
                    group.bench_function(BenchmarkId::new(plan, size), |bencher| {
                        let site = site.get_or_insert_with(|| Site::new(step, size, pools));
                        site.questions.iter_mut().for_each(|question| question.ask.anew = anew);
                        bencher.iter(|| site.next());
                    });
                }
            }
            group.finish();
        }
    }
}

criterion_group!(benches, scans);
criterion_main!(benches);
