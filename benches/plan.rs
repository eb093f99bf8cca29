//! Index scans against the evaluation of every candidate, in every language, over up to 100,000 nodes.
//!
//! Requests name one of so many pools, in turn; the nodes of that pool pass, and the one with most free memory is chosen.
//! The floor is the same chain with nothing kept, which makes every call; past 1,000 nodes it is left out. The hard case is
//! ten nodes that pass, of however many: a scan looks at a tenth of all nodes before it meets the first of them, unless
//! an earlier request of the same key did so. How many calls that is stands beside the times, in lines that begin with
//! `calls`.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/policies.rs"]
mod policies;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{asking, decide, decision, over, report, script};
use policies::component;
use serde_json::{Value, json};
use whither::chain::StepSource;
use whither::evaluator::{Evaluator, Question};
use whither::model::Report;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// The largest cluster over which every call is made.
const ANEW_AT_MOST: usize = 1_000;
/// Which nodes pass, where requests of many kinds are asked.
const POOLS: [Passing; 2] = [Passing::OneOf(2), Passing::OneOf(100)];
/// The hard case too.
const POOLS_AND_FEW: [Passing; 3] = [POOLS[0], POOLS[1], Passing::Few(10)];
/// How many kinds of requests there are where few nodes pass: every other kind begins where these did.
const KINDS_OF_FEW: usize = 4;

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

/// Which nodes pass for a request.
#[derive(Clone, Copy, PartialEq)]
enum Passing {
    /// One of so many.
    OneOf(usize),
    /// So many of all.
    Few(usize),
}

impl Passing {
    /// How many pools there are among `nodes`.
    fn pools(self, nodes: usize) -> usize {
        match self {
            Self::OneOf(pools) => pools,
            Self::Few(few) => nodes / few,
        }
    }

    /// The pools that are asked for, in turn.
    fn asked(self, nodes: usize) -> Vec<usize> {
        let pools = self.pools(nodes);
        match self {
            Self::OneOf(_) => (0..pools).collect(),
            Self::Few(_) => (0..KINDS_OF_FEW).map(|kind| kind * pools / KINDS_OF_FEW).collect(),
        }
    }
}

impl std::fmt::Display for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OneOf(pools) => write!(f, "one of {pools}"),
            Self::Few(few) => write!(f, "{few} of all"),
        }
    }
}

fn reports(count: usize, pools: usize) -> Vec<Arc<Report>> {
    let mut state = 7_u64;
    let mut dice = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let node = |number: usize| {
        let (id, free) = (format!("n{number:06}"), dice() % 64_000_000_000);
        // Each pool has its nodes, of which none is better than others.
        let pool = number % pools;
        report(&json!({
            "id": id, "hostname": format!("{id}.example.org"),
            "nodeData": {
                "health": {"cpu": {"load1": 0.5, "cores": 16}, "mem": {"free": free, "total": 64_000_000_000_u64}},
                "services": ["launcher"],
                "sessions": [{"id": format!("{id}-1"), "user": format!("u{}", number % 997)}],
            },
            "metadata": {"pool": format!("p{pool}")},
            // What the component reads: it passes the nodes that the pure filter in JavaScript does, in the same order.
            "staticData": {"gpu": pool != 1, "weight": free},
        }))
    };
    (0..count).map(node).collect()
}

/// A chain of one step, and what is asked of it for a pool.
struct Case {
    name: &'static str,
    step: StepSource,
    request: fn(usize) -> Value,
    /// For which nodes it is measured.
    passing: &'static [Passing],
}

impl Case {
    fn new(name: &'static str, step: StepSource) -> Self {
        let request =
            |pool| json!({"action": "user/login", "user": {"login": "ann"}, "data": {"pool": format!("p{pool}")}});
        Self { name, step, request, passing: &POOLS }
    }

    fn all() -> Vec<Self> {
        let for_few = |name, step| Self { passing: &POOLS_AND_FEW, ..Self::new(name, step) };
        // Its filter passes nodes whose ids begin with the login, which is one. It has no index, because its score hangs
        // on the request too: what it costs to ask a component about every node.
        let request = |pool| json!({"action": "user/login", "user": {"login": format!("n{pool:06}")}});
        let by_request = StepSource::script("wasm", component("by-request"));
        vec![
            Self::new("builtin", StepSource::Builtin("most-memory".to_owned())),
            for_few("javascript", script("js", JAVASCRIPT)),
            for_few("javascript-asked", script("js", ASKED)),
            for_few("javascript-keyed", script("js", KEYED)),
            Self::new("javascript-pure", script("js", PURE)),
            for_few("rhai", script("rhai", RHAI)),
            Self::new("wasm-pure", StepSource::script("wasm", component("gpu-weight"))),
            Self { request, passing: &[Passing::Few(1)], ..Self::new("wasm-by-request", by_request) },
        ]
    }
}

/// A cluster, and requests to it in turn.
struct Site {
    evaluator: Evaluator,
    questions: Vec<Question>,
    turn: usize,
}

impl Site {
    fn new(case: &Case, reports: &[Arc<Report>], passing: Passing) -> Self {
        let asked = passing.asked(reports.len());
        let questions: Vec<_> = asked.iter().map(|pool| asking((case.request)(*pool))).collect();
        let mut site = Self { evaluator: over(case.step.clone(), reports), questions, turn: 0 };
        // The very first decision asks what hangs on nodes alone, which no other one does.
        site.next();
        let kinds = site.questions.len() - 1;
        let first = site.calls(kinds.max(1));
        site.next();
        let later = site.calls(kinds + 1);
        println!("calls plan/{}/{passing}/{}: {first:.1} then {later:.1}", case.name, reports.len());
        site
    }

    fn next(&mut self) {
        self.turn = (self.turn + 1) % self.questions.len();
        decide(&mut self.evaluator, &self.questions[self.turn]);
    }

    /// How many calls of script functions a decision makes, on average of the next `decisions`.
    fn calls(&mut self, decisions: usize) -> f64 {
        let mut calls = 0;
        for _ in 0..decisions {
            self.turn = (self.turn + 1) % self.questions.len();
            calls += decision(&mut self.evaluator, &self.questions[self.turn]).diagnosis.calls();
        }
        calls as f64 / decisions as f64
    }
}

fn scans(criterion: &mut Criterion) {
    let cases = Case::all();
    for passing in POOLS_AND_FEW.into_iter().chain([Passing::Few(1)]) {
        for size in SIZES {
            // Made where they are asked for: 100,000 nodes take their time. All cases share them.
            let mut made = None;
            for case in cases.iter().filter(|case| case.passing.contains(&passing)) {
                let mut site = None;
                let mut group = criterion.benchmark_group(format!("plan/{}/{passing}", case.name));
                for (plan, anew) in [("scan", false), ("anew", true)] {
                    if anew && size > ANEW_AT_MOST {
                        continue;
                    }
                    group.bench_function(BenchmarkId::new(plan, size), |bencher| {
                        let reports = made.get_or_insert_with(|| reports(size, passing.pools(size)));
                        let site = site.get_or_insert_with(|| Site::new(case, reports, passing));
                        site.questions.iter_mut().for_each(|question| question.ask.anew = anew);
                        bencher.iter(|| site.next());
                    });
                }
                group.finish();
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = scans
}
criterion_main!(benches);
