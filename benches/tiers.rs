//! What a whole-list script costs in each tier of JavaScript, and in Node.js over objects in memory: the corpus of the
//! tiers' tests, with one reservation between any two decisions.
//!
//! No criterion: three programs are compared call by call, and the median of many calls is what a ratio is made of.
//! `node` is asked where it is on the `PATH`. `cargo bench --bench tiers -- NAME` takes the scripts whose name has NAME.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

#[path = "support/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use corpus::{CORPUS, documents, request, whole_list};
use jiff::tz::TimeZone;
use serde_json::json;
use whither::clock::{Moment, Silent};
use whither::engine::{LANGUAGES, Settings};
use whither::model::{Candidate, Change, Cluster, Report, Request, Reservation};
use whither::script::{
    Call, CallContext, Content, Engine, Isolation, LogBook, ScriptLimits, ScriptRequest, ScriptShape, ScriptSource,
};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Calls at a size; the first tenth warms up.
const CALLS: usize = 200;

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let peer = peer();
    println!(
        "{:<28} {:>6} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "script", "nodes", "boa us", "compiled", "node.js", "to boa", "to node"
    );
    let mut ratios: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (name, text) in whole_list() {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        for size in SIZES {
            let [boa, both] = [0, u32::MAX].map(|verify_every| median(text, size, verify_every));
            let node = peer.get(&(name.to_owned(), size)).copied();
            let to_node = node.map(|node| node / both);
            ratios.entry(size).or_default().extend(to_node);
            let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
            println!(
                "{name:<28} {size:>6} {boa:>10.1} {both:>10.2} {:>10} {:>8.1} {:>8}",
                shown(node),
                boa / both,
                shown(to_node)
            );
        }
    }
    for (size, mut ratios) in ratios {
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        println!("{size} nodes: median {middle:.2} times Node.js, worst {:.2}", ratios.first().unwrap_or(&0.0));
    }
}

/// Microseconds of the middle one of many calls.
fn median(text: &str, size: usize, verify_every: u32) -> f64 {
    let limits = ScriptLimits { verify_every, ..ScriptLimits::default() };
    let settings = Settings { limits, zone: TimeZone::UTC, alarm: Rc::new(Silent) };
    let language = LANGUAGES.iter().find(|language| language.extension == "js").unwrap();
    let engine: Box<dyn Engine> = (language.engine)(&settings);
    let content = Content::Text(text.into());
    let script = engine.load(&ScriptSource { file: "bench.js".into(), content, isolation: Isolation::Warm }).unwrap();
    assert_eq!(script.shape(), ScriptShape::WholeList);
    let mut cluster = Cluster::default();
    for node in documents(size) {
        cluster.apply(Change::Report(Arc::new(Report::from_value(node).unwrap())));
    }
    let candidates: Arc<[_]> = cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect();
    let request = Request::from_value(request(), "").unwrap();
    let moment = Moment::at(1_795_195_800_000, &TimeZone::UTC);
    let calls = if verify_every == 0 { CALLS / (1 + size / 1_000) + 10 } else { CALLS };
    let mut times = Vec::new();
    for call in 0..calls {
        let node = format!("n{:05}", (call * 37) % size);
        let reservation =
            Reservation { id: format!("r{call}").into(), node: node.into(), user: "eve".into(), name: "".into() };
        cluster.apply(Change::Reserve(reservation));
        let log = LogBook::new(limits);
        let asked = ScriptRequest {
            request: &request,
            passes_jwt: false,
            moment: &moment,
            seed: call as u64,
            sequence: call as u64,
        };
        let start = Instant::now();
        let mut run = script.open(CallContext { cluster: &cluster, asked: Some(asked), step: 0, log: &log }).unwrap();
        let said = run.call(Call::Balance(&candidates));
        let time = start.elapsed();
        drop((run, said));
        if call >= calls / 10 {
            times.push(time.as_secs_f64() * 1e6);
        }
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What Node.js takes, in microseconds, by script and number of nodes; nothing where there is no Node.js.
fn peer() -> BTreeMap<(String, usize), f64> {
    let root = env!("CARGO_MANIFEST_DIR");
    let input =
        json!({"corpus": CORPUS, "sizes": SIZES, "request": request(), "nodes": documents(*SIZES.last().unwrap())});
    let path = std::env::temp_dir().join(format!("whither-tiers-{}.json", std::process::id()));
    std::fs::write(&path, input.to_string()).unwrap();
    let told = Command::new("node").arg(format!("{root}/benches/support/tiers.mjs")).arg(&path).output();
    std::fs::remove_file(&path).unwrap();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let [name, size, time] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        Some(((name.to_owned(), size.parse().ok()?), time.parse().ok()?))
    });
    lines.collect()
}
