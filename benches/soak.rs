//! A service under good requests, scripts that end their workers, and a cluster that lives (1,000 placements a second,
//! sessions that come and end, nodes that leave and return), for as long as `--minutes` says: nothing may pile up.
//!
//! `make soak MINUTES=10` runs it. Looked at every few seconds, when nothing is being born or buried: the front's
//! descriptors, its processes, its memory. Attackers are at work all the time (`soak/attackers.rs`). Compared are the
//! least of the first five minutes after the warm-up and of the last ones: what leaks is there all the time. Without
//! transparent huge pages: with them the kernel backs what the allocator has set aside but not touched, whenever it comes
//! by, and that looks as if the service had taken it.

#[path = "soak/attackers.rs"]
mod attackers;
#[path = "soak/churn.rs"]
mod churn;
#[path = "support/mod.rs"]
mod load;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use attackers::Attackers;
use churn::{Churn, RATE};
use load::{Aside, Load, Question};
use serde_json::json;
use support::eventually;
use support::nats::Nats;
use support::serve::{Serve, plain_nodes, report};
use tempfile::TempDir;

const IN_FLIGHT: usize = 8;
const NODES: usize = 50;
/// Good answers between two hostile questions, of which at most [`HOSTILE_OPEN`] are open.
const EVERY: usize = 50;
const HOSTILE_OPEN: usize = 2;
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at the front.
const LOOK: Duration = Duration::from_secs(3);
/// What the first minutes and the last are at most; of a short run they are a quarter each. Floods come and go within a
/// minute, so the least of one minute is now and then that of a pause between them.
const WINDOW: Duration = Duration::from_secs(300);
/// Before the first look that counts, as a share of the whole and at most [`WINDOW`].
const WARM_UP_SHARE: u32 = 6;
/// How much more memory the front may have in the last minutes than in the first: its allocator keeps some, and its
/// figures have a series for each kind of answer.
const GROWTH_KB: u64 = 16 * 1024;

/// Between two looks that must be equal for the front to be at rest.
const REST: Duration = Duration::from_millis(100);
/// The chain of the sessions that come and end.
const SESSIONS: &str = "session/start";
/// A worker for each chain, and the spare.
const PROCESSES: u64 = (GOOD.len() + HOSTILE.len()) as u64 + 2;

/// As in the configs that are shipped: a replica that is paused is not kept for minutes.
const PINGS: &str = "ping_interval: \"1s\"\nping_max: 2\n";
const LIMITS: &str = "[service]\nliveness_s = 86400\n[limits]\nscript_ms = 100\nworker_memory_mb = 128\n";
const GOOD: [(&str, &str); 2] = [
    ("list.js", "function(input) { return input.nodes.filter(node => node.id === input.data.pick)[0].id }"),
    ("score.js", "function score(node, request) { return node.id === request.data.pick ? 1 : 0 }"),
];
/// One for each way to end a worker.
const HOSTILE: [(&str, &str); 5] = [
    ("hang.js", "function(input) { while (true) ; }"),
    ("memory.js", "function(input) { var s = 'x'; while (true) s += s }"),
    ("stack.js", "function(input) { var f = () => 1; for (var i = 0; i < 20000; i++) f = f.bind(null); return f() }"),
    ("crash.js", "function(input) { var a = []; for (var i = 0; i < 1e5; i++) a = [a]; return String(a) }"),
    ("buffers.js", "function(input) { var all = []; while (true) all.push(new Uint8Array(1 << 22).fill(1)) }"),
];

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let given =
        arguments.iter().position(|argument| argument == "--minutes").and_then(|place| arguments.get(place + 1));
    let Some(minutes) = given.and_then(|minutes| minutes.parse::<f64>().ok()).filter(|minutes| *minutes > 0.0) else {
        println!("soak: say how long, with `make soak MINUTES=10`");
        return;
    };
    // Every process that is started from here inherits it.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        println!("soak: transparent huge pages stay on, and memory is less steady for it: {error}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let worries = runtime.block_on(soak(Duration::from_secs_f64(minutes * 60.0)));
    for worry in &worries {
        println!("soak: {worry}");
    }
    if !worries.is_empty() {
        std::process::exit(1);
    }
    println!("soak: nothing piled up");
}

/// The front at one moment.
#[derive(Clone, Copy)]
struct Look {
    at: Duration,
    descriptors: u64,
    processes: u64,
    memory_kb: u64,
}

impl Look {
    /// When nothing is being born or buried: a worker takes some descriptors, one after the other.
    async fn at_rest(serve: &Serve, start: Instant) -> Self {
        eventually("the service comes to rest", async || {
            let before = Self::at(serve, start.elapsed());
            tokio::time::sleep(REST).await;
            let look = Self::at(serve, start.elapsed());
            let rests = (look.descriptors, look.processes) == (before.descriptors, before.processes);
            (rests && look.processes == PROCESSES).then_some(look)
        })
        .await
    }

    fn at(serve: &Serve, at: Duration) -> Self {
        let process = format!("/proc/{}", serve.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory_kb = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap();
        let descriptors = std::fs::read_dir(format!("{process}/fd")).unwrap().count() as u64;
        Self { at, descriptors, processes: serve.children().len() as u64, memory_kb }
    }
}

/// What is to worry about after `time`.
async fn soak(time: Duration) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("nats.conf");
    std::fs::write(&config, PINGS).unwrap();
    let nats = Nats::within(folder, &["-js", "-c", &config.to_string_lossy()]);
    let scripts = [GOOD.as_slice(), &HOSTILE].concat();
    let (log, written) = std::io::pipe().unwrap();
    let mut serve = Serve::logging_to(&nats, &chains(), &scripts, written);
    serve.ready().await;
    let other = Serve::start(&nats, &chains(), &scripts).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(NODES)).await;
    let (good, hostile) = (good_questions(), hostile_questions());
    let aside = Aside { every: EVERY, questions: &hostile, open_at_most: HOSTILE_OPEN, deadline: DEADLINE };
    let load = Load { subject: "whither.place", questions: &good, in_flight: IN_FLIGHT, aside: Some(aside) };
    let churn = Churn::start(&client, SESSIONS, NODES).await;
    let attackers = Attackers::start(&nats.client().await, serve.http(), log, other);
    let (start, mut looks, mut worries) = (Instant::now(), Vec::new(), Vec::new());
    let (mut answers, mut wrong, mut again, mut outcomes) = (0, 0, 0, BTreeMap::new());
    let mut progress = Progress { time, lines: 0 };
    while start.elapsed() < time {
        let figures = load.run(&client, LOOK).await;
        if !serve.is_running() {
            println!("soak: the last lines of the log:\n{}", attackers.last_lines());
            return vec!["the service ended".to_owned()];
        }
        let look = Look::at_rest(&serve, start).await;
        looks.push(look);
        (answers, wrong, again) = (answers + figures.answers, wrong + figures.wrong, again + figures.again);
        for (outcome, count) in &figures.aside {
            *outcomes.entry(outcome.clone()).or_insert(0) += count;
        }
        worries.extend(figures.first_wrong.filter(|_| worries.is_empty()));
        progress.show(look, answers, outcomes.values().sum());
    }
    progress.end();
    println!("soak: {answers} good answers, {wrong} wrong, {again} asked again; hostile: {outcomes:?}");
    attackers.stop().await;
    let sessions = churn.stop();
    println!(
        "soak: {} sessions placed of {} asked for, {:.0} a second of {RATE}, {} held back, failures: {:?}",
        sessions.placed,
        sessions.asked,
        sessions.placed as f64 / start.elapsed().as_secs_f64(),
        sessions.held_back,
        sessions.failed
    );
    if !sessions.failed.is_empty() {
        worries.push("a session was not placed".to_owned());
    }
    if outcomes.is_empty() {
        worries.push("no hostile question was answered: nothing was tried".to_owned());
    }
    worries.extend(compare(&looks, time));
    worries
}

/// How far it is: one line that stands still on a terminal, a line a minute in a pipe.
struct Progress {
    time: Duration,
    lines: u64,
}

impl Progress {
    fn show(&mut self, look: Look, answers: usize, deaths: usize) {
        let Look { at, descriptors, processes, memory_kb } = look;
        let line = format!(
            "{} of {} s  {answers} good, {deaths} hostile  {descriptors} descriptors, {processes} processes, {memory_kb} kB",
            at.as_secs(),
            self.time.as_secs()
        );
        let mut terminal = std::io::stderr();
        if terminal.is_terminal() {
            drop(write!(terminal, "\r{line:<110}"));
            drop(terminal.flush());
        } else if at.as_secs() / 60 >= self.lines {
            self.lines += 1;
            eprintln!("soak: {line}");
        }
    }

    /// Leaves the line that stands.
    fn end(self) {
        if std::io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

/// What is compared: its name, how it is read, and by how much it may grow.
type Figure = (&'static str, fn(&Look) -> u64, u64);

/// Prints the first minutes beside the last; what has grown.
fn compare(looks: &[Look], time: Duration) -> Vec<String> {
    let (window, warm_up) = (WINDOW.min(time / 4), WINDOW.min(time / WARM_UP_SHARE));
    let end = looks.last().map_or(Duration::ZERO, |look| look.at);
    let first: Vec<_> =
        looks.iter().filter(|look| look.at >= warm_up && look.at <= warm_up + window).copied().collect();
    let last: Vec<_> = looks.iter().filter(|look| look.at + window >= end).copied().collect();
    if first.is_empty() || last.is_empty() {
        return vec!["it was too short to compare anything".to_owned()];
    }
    println!("{:<14} {:>12} {:>12}", "", "first", "last");
    let mut grown = Vec::new();
    let figures: [Figure; 3] = [
        ("descriptors", |look| look.descriptors, 0),
        ("processes", |look| look.processes, 0),
        ("memory, kB", |look| look.memory_kb, GROWTH_KB),
    ];
    for (name, figure, allowed) in figures {
        let least = |looks: &[Look]| looks.iter().map(figure).min().unwrap_or_default();
        let (before, after) = (least(&first), least(&last));
        println!("{name:<14} {before:>12} {after:>12}");
        if after > before + allowed {
            grown.push(format!("{name} grew from {before} to {after}, at most {allowed} more are accepted"));
        }
    }
    grown
}

/// Every script, and the quarantine off: it would spare the service the work.
fn chains() -> String {
    let chains =
        GOOD.iter().chain(&HOSTILE).map(|(file, _)| format!("[chain.{}]\nsteps = [\"{file}\"]\n", action(file)));
    let sessions = format!("[chain.\"{SESSIONS}\"]\nsteps = [\"builtin:fewest-sessions\"]\n");
    format!("{LIMITS}quarantine_kills = 0\n{sessions}{}", chains.collect::<String>())
}

/// The action that a script decides.
fn action(file: &str) -> &str {
    file.trim_end_matches(".js")
}

fn good_questions() -> Vec<Question> {
    (0..NODES * GOOD.len())
        .map(|number| {
            let (action, pick) = (action(GOOD[number % GOOD.len()].0), format!("n{:02}", number / GOOD.len()));
            let body = json!({"action": action, "data": {"pick": pick}});
            Question { body: body.to_string().into(), right: format!("\"node\":\"{pick}\"") }
        })
        .collect()
}

fn hostile_questions() -> Vec<Question> {
    let ask = |action: &str| Question { body: json!({"action": action}).to_string().into(), right: String::new() };
    HOSTILE.iter().map(|(file, _)| ask(action(file))).collect()
}
