//! Executables: started for each request beside a bare spawn of the same program with the same bytes, and kept running
//! beside starting them.
//!
//! `cargo bench --bench programs started` measures the former alone, `… native` of it the program that costs least,
//! `… resident` the latter.
//!
//! The bare spawn comes from a process as small as the runner: this program again. Runs of both alternate, medians.

#[path = "support/mod.rs"]
mod load;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::io::{BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use load::{Figures, Load, Question, shortened};
use nodes::nodes;
use serde_json::json;
use support::eventually;
use support::nats::Nats;
use support::serve::{Serve, ask, bucket};
use whither::chain::{ChainSet, ChainSpec, Mode, ProgramSpec, ShownCandidates, StepSource, StepSpec, Suspended};
use whither::cli::request;
use whither::ipc::Orders;
use whither::model::{Arrangement, Change, Diagnosis, Report};
use whither::runner::{self, ProgramLimits, ProgramQuestion, ProgramSet, RunnerEvent, RunnerProcess};
use whither::worker::WorkerLimits;

/// Runs of this program as the small parent of bare spawns.
const SPAWNER: &str = "--spawner";
const RUNS: usize = 101;
const SHORT_RUNS: usize = 21;
const RUN: Duration = Duration::from_secs(3);
const SHORT_RUN: Duration = Duration::from_millis(800);
const IN_FLIGHT: usize = 64;

/// Reads all and prints an id: what a native program costs at least.
const NATIVE: &str = "#include <stdio.h>\n#include <unistd.h>\n\
    int main() { static char b[1 << 16]; while (read(0, b, sizeof b) > 0); puts(\"n00007\"); return 0; }\n";
const SHELL: &str = "#!/bin/sh\ncat >/dev/null\necho n00007\n";
const PYTHON: &str = "import json, sys\n\
    data = json.load(sys.stdin)\nprint(min(data['nodes'], key=lambda n: len(n['nodeData']['sessions']))['id'])\n";
const NODE: &str = "let text = ''; process.stdin.on('data', c => text += c).on('end', () => {\n\
    const { nodes } = JSON.parse(text);\n\
    let best = nodes[0];\n\
    for (const node of nodes) if (node.nodeData.sessions.length < best.nodeData.sessions.length) best = node;\n\
    console.log(best.id);\n});\n";
/// A choice that costs the program the same at any size of the cluster.
const PYTHON_LOOKUP: &str = "def balance(nodes, request):\n    return nodes[7]['id']\n";
/// The choice of the scan, kept until a node changes: the list is the same object as long as nothing has changed.
const PYTHON_KEPT: &str = "last, best = None, None\ndef balance(nodes, request):\n    global last, best\n    if nodes is not last:\n        \
    last, best = nodes, min(nodes, key=lambda n: len(n['nodeData']['sessions']))['id']\n    return best\n";
const PYTHON_SCAN: &str =
    "def balance(nodes, request):\n    return min(nodes, key=lambda n: len(n['nodeData']['sessions']))['id']\n";
const NODE_LOOKUP: &str = "const balance = (nodes, request) => nodes[7].id;\n";
const NODE_KEPT: &str = "let last, best;\nconst balance = (nodes, request) => {\n    if (nodes !== last) {\n        last = nodes; \
    best = nodes.reduce((a, b) => b.nodeData.sessions.length < a.nodeData.sessions.length ? b : a).id;\n    }\n    return best;\n};\n";
const NODE_SCAN: &str = "const balance = (nodes, request) => { let best = nodes[0]; for (const node of nodes) \
    if (node.nodeData.sessions.length < best.nodeData.sessions.length) best = node; return best.id; };\n";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == SPAWNER) {
        return spawner(Path::new(&arguments[place + 1]), Path::new(&arguments[place + 2]));
    }
    if cfg!(debug_assertions) {
        return println!("a debug build measures nothing; use cargo bench");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let only: Vec<_> = arguments.iter().skip(1).filter(|argument| !argument.starts_with("--")).collect();
        let wanted = |part: &str| only.is_empty() || only.iter().any(|only| *only == part);
        if wanted("started") || wanted("native") {
            // As the front is: a task of the runtime, which wakes where its sockets are read.
            tokio::spawn(started(wanted("started"))).await.unwrap();
        }
        if wanted("resident") {
            resident().await;
        }
    });
}

/// For each line that it reads, prints how long a bare spawn took, in microseconds.
fn spawner(program: &Path, document: &Path) {
    let bytes = std::fs::read(document).unwrap();
    for _line in std::io::stdin().lines() {
        let start = Instant::now();
        let mut child = Command::new(program)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let mut printed = String::new();
        child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        assert!(child.wait().unwrap().success() && printed.starts_with('n'));
        println!("{}", start.elapsed().as_micros());
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What `interpreter` really is: a launcher in front of it would be measured with it.
fn interpreter(command: &str, print: &[&str]) -> String {
    let output = Command::new(command).args(print).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn python() -> String {
    interpreter("python3", &["-c", "import sys; print(sys.executable)"])
}

fn node() -> String {
    interpreter("node", &["-p", "process.execPath"])
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn native(folder: &Path) -> PathBuf {
    let (source, program) = (write(folder, "native.c", NATIVE), folder.join("native"));
    assert!(Command::new("cc").args(["-O2", "-o"]).args([&program, &source]).status().unwrap().success());
    program
}

/// Started for each request: through the runner, and bare; one program or `all`.
async fn started(all: bool) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let programs = [
        ("native", native(folder)),
        ("sh", write(folder, "p.sh", SHELL)),
        ("Python", write(folder, "p.py", &format!("#!{}\n{PYTHON}", python()))),
        ("Node.js", write(folder, "p.js", &format!("#!{}\n{NODE}", node()))),
    ];
    let runs = shortened(RUNS, SHORT_RUNS);
    println!("a program started for each request, one at a time, medians of {runs} alternating runs:");
    println!("  {:<8} {:>6} {:>12} {:>12} {:>6}", "program", "nodes", "bare", "runner", "ratio");
    for count in [10, 1_000] {
        let document = folder.join("document");
        let copy = write(folder, "copy.sh", "#!/bin/sh\ncat > document\necho n00007\n");
        let mut asking = Asking::start(&copy, folder, count).await;
        asking.ask().await;
        for (name, program) in programs.iter().take(if all { programs.len() } else { 1 }) {
            let mut asking = Asking::start(program, folder, count).await;
            asking.ask().await;
            let (mut bare, mut ours) = (Vec::new(), Vec::new());
            let mut spawner = Command::new(std::env::current_exe().unwrap())
                .args([Path::new(SPAWNER), program, &document])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = std::io::BufReader::new(spawner.stdout.take().unwrap()).lines();
            for _ in 0..runs {
                spawner.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
                bare.push(lines.next().unwrap().unwrap().parse().unwrap());
                ours.push(asking.ask().await.as_micros() as f64);
            }
            drop(spawner.stdin.take());
            spawner.wait().unwrap();
            let (bare, ours) = (median(bare), median(ours));
            println!("  {name:<8} {count:>6} {bare:>9.0} us {ours:>9.0} us {:>6.2}", ours / bare);
        }
    }
}

/// A runner with one program, asked as a front asks it.
struct Asking {
    runner: RunnerProcess,
    words: tokio::sync::mpsc::Receiver<(u64, RunnerEvent)>,
    suspended: Bytes,
    ticket: u64,
}

impl Asking {
    async fn start(program: &Path, folder: &Path, count: usize) -> Self {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let source = StepSource::Executable(ProgramSpec {
            path: text(program),
            folder: text(folder),
            mode: Mode::Once,
            wall_ms: None,
            parallel: 1,
        });
        let set = ChainSet::new(vec![ChainSpec::new("user/login", vec![StepSpec::new("p", source)])]);
        let environment = vec![("PATH".to_owned(), std::env::var("PATH").unwrap())];
        let edition = ProgramSet::of(1, &set, environment, ProgramLimits::default());
        let (words_in, words) = tokio::sync::mpsc::channel(64);
        let birth = runner::RunnerInit { arrangement: Arrangement::ById };
        let mut runner = RunnerProcess::start(Path::new(env!("CARGO_BIN_EXE_whither")), &birth, 1, words_in).unwrap();
        let mut orders = Orders::default();
        for node in nodes(count) {
            let report = Report::from_value(node).unwrap();
            orders.push(&runner::RunnerCommand::Change(Change::Report(Arc::new(report))));
        }
        orders.push(&runner::RunnerCommand::Edition(Arc::new(edition)));
        runner.peer_mut().send_all(orders).await;
        let suspended = Suspended {
            step: 0,
            shown: ShownCandidates::Eligible,
            diagnosis: Diagnosis::default(),
            logged: 0,
            taken: None,
        };
        let suspended = postcard::to_stdvec(&suspended).unwrap().into();
        Self { runner, words, suspended, ticket: 0 }
    }

    /// How long an answer takes.
    async fn ask(&mut self) -> Duration {
        self.ticket += 1;
        let asked = json!({"action": "user/login", "user": {"login": "ann"}});
        let limit = WorkerLimits::default().request_bytes;
        let asked = asked.as_object().unwrap();
        let mut question = request::question(asked, limit, Some(0), Some(jiff::Timestamp::UNIX_EPOCH)).unwrap();
        (question.ticket, question.narrated) = (self.ticket, false);
        question.decision = format!("d{}", self.ticket).into();
        let errand =
            ProgramQuestion { edition: 1, step: 0, question: Arc::new(question), suspended: self.suspended.clone() };
        let start = Instant::now();
        let mut orders = Orders::default();
        orders.push(&runner::RunnerCommand::Run(errand));
        self.runner.peer_mut().send_all(orders).await;
        loop {
            match self.words.recv().await.unwrap().1 {
                RunnerEvent::Heard(_, heard) => {
                    heard.said.unwrap();
                    return start.elapsed();
                }
                RunnerEvent::Asking(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The text of a resident program: the helper that administrators use, and their function.
fn resident_program(language: &str, function: &str) -> (String, String) {
    let helper =
        |name| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)).unwrap();
    match language {
        "Python" => {
            ("p.py".to_owned(), format!("#!{}\n{}\n{function}\nserve(balance)\n", python(), helper("resident.py")))
        }
        _ => ("p.js".to_owned(), format!("#!{}\n{}\n{function}\nserve(balance);\n", node(), helper("resident.js"))),
    }
}

async fn fill(client: &Client, count: usize) {
    let bucket = bucket(client).await;
    for batch in nodes(count).chunks(500) {
        let puts = batch.iter().map(|node| bucket.put(node["id"].as_str().unwrap(), node.to_string().into()));
        futures_util::future::join_all(puts).await.into_iter().for_each(|put| assert!(put.is_ok()));
    }
    eventually("the nodes", async || {
        let page = ask(client, "whither.nodes", &json!({"limit": 1})).await.body;
        (page["total"].as_u64()? == count as u64).then_some(())
    })
    .await;
}

async fn run(serve: &Serve, client: &Client, in_flight: usize) -> Figures {
    let padding = "x".repeat(200);
    let body = json!({"action": "user/login", "user": {"login": "ann"}, "data": {"x": padding}}).to_string();
    let questions = [Question { body: body.into(), right: "\"node\":".to_owned() }];
    let load = Load { subject: "whither.place", questions: &questions, in_flight, aside: None };
    load.run(client, Duration::from_millis(500)).await;
    let cpu_us = serve.cpu_us();
    let mut figures = load.run(client, shortened(RUN, SHORT_RUN)).await;
    figures.cpu_us = serve.cpu_us().saturating_sub(cpu_us) as f64 / figures.answers as f64;
    assert_eq!(figures.wrong, 0, "{:?}", figures.first_wrong);
    figures
}

/// Kept running, over a real NATS server: beside starting the same choice, and over clusters of three sizes.
async fn resident() {
    println!("whole service over NATS, 1,000 nodes, the node with the fewest sessions:");
    for (language, start, scan, kept) in
        [("Python", PYTHON, PYTHON_SCAN, PYTHON_KEPT), ("Node.js", NODE, NODE_SCAN, NODE_KEPT)]
    {
        let (name, path) = if language == "Python" { ("s.py", python()) } else { ("s.js", node()) };
        let once = site(name, &format!("#!{path}\n{start}"), "", 1_000).await;
        let (slow, slow_one) = (run(&once.1, &once.2, IN_FLIGHT).await, run(&once.1, &once.2, 1).await);
        drop(once);
        println!("  {language:<8} started                {IN_FLIGHT} in flight {slow}; one at a time {slow_one}");
        for (how, function) in [("scanning each time", scan), ("kept till a change", kept)] {
            let (name, text) = resident_program(language, function);
            let kept = site(&name, &text, ", mode = \"resident\"", 1_000).await;
            let (fast, fast_one) = (run(&kept.1, &kept.2, IN_FLIGHT).await, run(&kept.1, &kept.2, 1).await);
            let ratio = |fast: &Figures, slow: &Figures| fast.rate / slow.rate;
            println!(
                "  {language:<8} resident, {how} {IN_FLIGHT} in flight {fast}; one at a time {fast_one}: {:.0} times \
                 as fast, {:.0} times one at a time",
                ratio(&fast, &slow),
                ratio(&fast_one, &slow_one)
            );
        }
    }
    println!("resident, a choice that costs the program the same at any size:");
    for (language, lookup) in [("Python", PYTHON_LOOKUP), ("Node.js", NODE_LOOKUP)] {
        let (name, text) = resident_program(language, lookup);
        let mut costs = Vec::new();
        for count in [10, 1_000, 10_000] {
            let kept = site(&name, &text, ", mode = \"resident\"", count).await;
            let (many, one) = (run(&kept.1, &kept.2, IN_FLIGHT).await, run(&kept.1, &kept.2, 1).await);
            println!("  {language:<8} {count:>6} nodes: {IN_FLIGHT} in flight {many}; one at a time {one}");
            costs.push((1.0 / many.rate, one.p50_us as f64));
        }
        println!(
            "  {language:<8} 10,000 nodes cost {:.2} times what 10 cost, {:.2} times one at a time",
            costs[2].0 / costs[0].0,
            costs[2].1 / costs[0].1
        );
    }
}

async fn site(name: &str, text: &str, settings: &str, count: usize) -> (Nats, Serve, Client) {
    let chains = format!(
        "[chain.\"user/login\"]\nsteps = [{{ script = \"{name}\"{settings} }}]\n[service]\nliveness_s = 600\n[limits]\nqueue = 100000\n"
    );
    let nats = Nats::start();
    let serve = Serve::start(&nats, &chains, &[(name, text)]).await;
    let client = nats.client().await;
    fill(&client, count).await;
    (nats, serve, client)
}
