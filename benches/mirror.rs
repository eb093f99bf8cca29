//! What a mirror of the cluster costs one process: memory for each node, bytes of the documents, and the time to build it.
//!
//! Each size is measured in a process of its own, by the growth of its resident memory, so that no earlier size leaves
//! memory behind. The allocator is that of the service. Documents have ten sessions, health, addresses, metadata and static
//! data, as agents send them. `cluster` is the mirror alone, as the front has it; `worker` is an evaluator: the same mirror with
//! the index of a chain of one built-in over it.

#[path = "support/decision.rs"]
mod decision;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decision::{decision, over, question};
use serde_json::{Value, json};
use whither::chain::StepSource;
use whither::model::{Arrangement, Change, Cluster, Report};

#[global_allocator]
static ALLOCATOR: whither::allocator::Allocator = whither::allocator::Allocator;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Sessions on each node.
const SESSIONS: usize = 10;
/// Names what a child process measures: `cluster` or `worker`, and the number of nodes.
const CHILD: &str = "WHITHER_MIRROR";
const MIB: f64 = (1 << 20) as f64;

/// A mirror of one size.
struct Figures {
    documents: usize,
    memory: usize,
    parse: Duration,
    apply: Duration,
    /// The first decision, where there is an evaluator: it builds the index.
    first: Option<Duration>,
}

fn main() {
    if let Ok(asked) = std::env::var(CHILD) {
        let (what, size) = asked.split_once(' ').unwrap();
        let size = size.parse().unwrap();
        let figures = if what == "worker" { worker(size) } else { cluster(size) };
        return println!("{}", row(what, size, &figures));
    }
    println!("process        nodes  document  all documents       memory  a node    parse    apply  first decision");
    for (what, size) in ["cluster", "worker"].into_iter().flat_map(|what| SIZES.map(|size| (what, size))) {
        let asked = format!("{what} {size}");
        let child = Command::new(std::env::current_exe().unwrap()).env(CHILD, asked).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        print!("{}", String::from_utf8_lossy(&child.stdout));
    }
}

fn row(what: &str, size: usize, figures: &Figures) -> String {
    let Figures { documents, memory, parse, apply, first } = figures;
    format!(
        "{what:<8} {size:>11} {:>7} B {:>10.1} MiB {:>8.1} MiB {:>5} B {:>6.2} s {:>6.2} s {:>15}",
        documents / size,
        *documents as f64 / MIB,
        *memory as f64 / MIB,
        memory / size,
        parse.as_secs_f64(),
        apply.as_secs_f64(),
        first.map_or_else(|| "-".to_owned(), |first| format!("{:.1} ms", first.as_secs_f64() * 1000.0)),
    )
}

/// A cluster alone, as the front has it.
fn cluster(size: usize) -> Figures {
    let (empty, mut cluster) = (settled(), Cluster::new(Arrangement::ById));
    let (documents, parse, apply) = fill(size, |change| drop(cluster.apply(change)));
    Figures { documents, memory: resident().saturating_sub(empty), parse, apply, first: None }
}

/// An evaluator with the index of a chain of one built-in.
fn worker(size: usize) -> Figures {
    let empty = settled();
    let mut evaluator = over(StepSource::Builtin("weighted".to_owned()), &[]);
    let (documents, parse, apply) = fill(size, |change| evaluator.apply(change));
    let start = Instant::now();
    decision(&mut evaluator, &question());
    let first = Some(start.elapsed());
    Figures { documents, memory: resident().saturating_sub(empty), parse, apply, first }
}

/// Reads so many documents and hands each on. Returns the bytes of all, and the time for both.
fn fill(size: usize, mut hand_on: impl FnMut(Change)) -> (usize, Duration, Duration) {
    let (mut documents, mut parse, mut apply) = (0, Duration::ZERO, Duration::ZERO);
    for place in 0..size {
        let text = text(place);
        documents += text.len();
        let start = Instant::now();
        let report = Arc::new(report(&text));
        let parsed = Instant::now();
        hand_on(Change::Report(report));
        (parse, apply) = (parse + (parsed - start), apply + parsed.elapsed());
    }
    (documents, parse, apply)
}

/// Resident memory once all is there that is made once: tables, the allocator's first pages.
fn settled() -> usize {
    let mut evaluator = over(StepSource::Builtin("weighted".to_owned()), &[Arc::new(report(&text(0)))]);
    decision(&mut evaluator, &question());
    drop(evaluator);
    resident()
}

fn report(text: &str) -> Report {
    Report::parse(text.as_bytes()).unwrap()
}

/// The document of node number `place`, as an agent sends it.
fn text(place: usize) -> String {
    let id = format!("n{place:07}");
    let host = format!("{id}.example.org");
    let session = |number: usize| {
        json!({
            "id": format!("{id}-s{number}"), "user": format!("user{:06}", (place * 31 + number * 7919) % 500_000),
            "name": "Firefox", "state": "running", "started": 1_795_200_000 + place % 86_400,
        })
    };
    let document: Value = json!({
        "id": id, "hostname": host, "urls": [format!("https://{host}:3300")], "cordoned": false,
        "metadata": {"RACK": format!("r{}", place / 40), "rack": format!("r{}", place / 40)},
        "agent": {"version": "0.1.0", "run": format!("{place:016x}"), "warnings": []},
        "nodeData": {
            "health": {
                "cpu": {"load1": (place % 400) as f64 / 100.0, "load5": 1.25, "load15": 1.5, "cores": 16, "utilization": place % 100},
                "mem": {"free": 20_000_000_000_u64 + place as u64 * 4096, "total": 68_719_476_736_u64, "percent": 29.1},
                "os": {"uptime": 86_400 + place, "type": "Linux", "hostname": host, "arch": "x64", "platform": "linux"},
                "net": {"ip": [format!("10.{}.{}.{}", place / 62_500, place / 250 % 250, place % 250 + 1)]},
            },
            "services": [{"name": "launcher"}, {"name": "webserver"}],
            "sessions": (0..SESSIONS).map(session).collect::<Vec<_>>(),
        },
        "staticData": {"group": "office", "weight": 4},
        "maxSessions": 40,
    });
    document.to_string()
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
