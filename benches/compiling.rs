//! What compiled JavaScript costs before it answers: the time to compile a script, the memory of each script and of each
//! node in it, and the start of a worker with twenty scripts, each beside the same without compiled code.
//!
//! No criterion: each figure is the middle one of several, or the growth of a process' resident memory. The allocator is
//! that of the service.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

#[path = "support/corpus.rs"]
mod corpus;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corpus::{documents, request, whole_list};
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use whither::chain::{ChainSet, ChainSpec, StepSource, StepSpec};
use whither::clock::{Moment, Silent};
use whither::engine::{LANGUAGES, Settings};
use whither::model::{Arrangement, Candidate, Change, Cluster, Report, Request};
use whither::script::{
    Call, CallContext, Content, Engine, Isolation, LogBook, Script, ScriptLimits, ScriptRequest, ScriptSource,
};
use whither::worker::{Worker, WorkerAudience, WorkerInit, WorkerLimits};

#[global_allocator]
static ALLOCATOR: whither::allocator::Allocator = whither::allocator::Allocator;

/// The scripts that a worker starts with, and whose memory is measured.
const SCRIPTS: usize = 20;
const NODES: usize = 10_000;
/// How often a script is loaded, and a worker started.
const TIMES: usize = 9;
/// `limits.verify_every`: none is compiled, and all are, with no call that Boa answers as well.
const TIERS: [(&str, u32); 2] = [("interpreted", 0), ("compiled", u32::MAX)];

/// Between two looks at the memory that must be equal, and how many there are at most.
const REST: Duration = Duration::from_millis(50);
const MOST_LOOKS: usize = 40;

fn main() {
    loads();
    for (tier, verify_every) in TIERS {
        memory(tier, verify_every);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (tier, verify_every) in TIERS {
        let mut times: Vec<f64> = (0..TIMES).map(|_| runtime.block_on(start(verify_every))).collect();
        println!("a worker with {SCRIPTS} scripts, {tier}: ready after {:.0} ms", middle(&mut times));
    }
}

fn engine(verify_every: u32) -> Box<dyn Engine> {
    let limits = ScriptLimits { verify_every, ..ScriptLimits::default() };
    let settings = Settings { limits, zone: TimeZone::UTC, alarm: Rc::new(Silent) };
    let language = LANGUAGES.iter().find(|language| language.extension == "js").unwrap();
    (language.engine)(&settings)
}

fn load(engine: &dyn Engine, text: &str) -> Box<dyn Script> {
    let content = Content::Text(text.into());
    engine.load(&ScriptSource { file: "bench.js".into(), content, isolation: Isolation::Warm }).unwrap()
}

/// How long each script of the corpus takes to load, compiled and not.
fn loads() {
    let engines = TIERS.map(|(_, verify_every)| engine(verify_every));
    let mut compiling = Vec::new();
    for (_, text) in whole_list() {
        let [boa, both] = engines.each_ref().map(|engine| {
            let mut times: Vec<f64> = (0..TIMES)
                .map(|_| {
                    let start = Instant::now();
                    let script = load(&**engine, text);
                    let time = start.elapsed();
                    drop(script);
                    time.as_secs_f64() * 1e3
                })
                .collect();
            middle(&mut times)
        });
        compiling.push((boa, both - boa));
    }
    let mut boa: Vec<f64> = compiling.iter().map(|(boa, _)| *boa).collect();
    let mut more: Vec<f64> = compiling.iter().map(|(_, more)| *more).collect();
    println!(
        "{} scripts: loaded in {:.1} ms (median), and compiled in {:.1} ms more (median; the longest {:.1} ms)",
        compiling.len(),
        middle(&mut boa),
        middle(&mut more),
        more.last().unwrap_or(&0.0),
    );
}

/// What twenty scripts keep in memory: loaded, asked about one node, and about many.
fn memory(tier: &str, verify_every: u32) {
    let engine = engine(verify_every);
    let mut nodes = documents(NODES).into_iter().map(|node| Arc::new(Report::from_value(node).unwrap()));
    let mut cluster = Cluster::default();
    cluster.apply(Change::Report(nodes.next().unwrap()));
    let before = resident();
    let scripts: Vec<_> = whole_list().take(SCRIPTS).map(|(_, text)| load(&*engine, text)).collect();
    let loaded = resident();
    ask(&scripts, &cluster);
    let asked = resident();
    nodes.for_each(|report| drop(cluster.apply(Change::Report(report))));
    let filled = resident();
    ask(&scripts, &cluster);
    let answered = resident();
    let kib = |from: usize, to: usize| to.saturating_sub(from) as f64 / 1024.0 / SCRIPTS as f64;
    println!(
        "{SCRIPTS} scripts, {tier}: {:.0} KiB a script when it is loaded, {:.0} KiB more after its first call, {:.0} bytes a \
         node and script at {NODES} nodes",
        kib(before, loaded),
        kib(loaded, asked),
        kib(filled, answered) * 1024.0 / NODES as f64,
    );
}

/// Asks each script once. What a script throws is as good as any answer.
fn ask(scripts: &[Box<dyn Script>], cluster: &Cluster) {
    let candidates: Arc<[_]> = cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect();
    let request = Request::from_value(request(), "").unwrap();
    let moment = Moment::at(1_795_195_800_000, &TimeZone::UTC);
    for script in scripts {
        let log = LogBook::new(ScriptLimits::default());
        let asked = ScriptRequest { request: &request, passes_jwt: false, moment: &moment, seed: 7, sequence: 1 };
        let run = script.open(CallContext { cluster, asked: Some(asked), step: 0, log: &log });
        let _said = run.map(|mut run| run.call(Call::Balance(&candidates)));
    }
}

/// Milliseconds until a worker with twenty chains of a script each is ready.
async fn start(verify_every: u32) -> f64 {
    let chains = whole_list().take(SCRIPTS).enumerate().map(|(place, (name, text))| {
        let step = StepSpec::new(&format!("{name}.js"), StepSource::script("js", text));
        ChainSpec::new(&format!("bench/{place}"), vec![step])
    });
    let mut set = ChainSet::new(chains.collect());
    set.limits.verify_every = verify_every;
    let (limits, audience) = (WorkerLimits::default(), WorkerAudience::Person);
    let init = WorkerInit { set, arrangement: Arrangement::ById, limits, audience };
    let (sender, _events) = mpsc::channel(16);
    let start = Instant::now();
    let worker = Worker::start(Path::new(env!("CARGO_BIN_EXE_whither")), &init, 1, sender).await;
    let time = start.elapsed();
    worker.unwrap_or_else(|error| panic!("{error}")).retire().await;
    time.as_secs_f64() * 1e3
}

/// The middle one of `figures`, which are in their order then.
fn middle(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The resident bytes of this process, once they rest: the allocator gives back what was freed a moment later, and what
/// it gives back would be taken for what the next step does not need.
fn resident() -> usize {
    let look = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    let mut last = look();
    for _look in 0..MOST_LOOKS {
        std::thread::sleep(REST);
        // So small an allocation has the allocator look at what it can give back.
        drop(std::hint::black_box(vec![0_u8; 64]));
        if std::mem::replace(&mut last, look()) == last {
            break;
        }
    }
    last
}
