//! What nodes that come and go all the time cost: placements on 1,000 nodes that stay, and with 50 of them leaving or
//! returning every 2 s.
//!
//! Alternating runs on one service. In the calm run every node reports every 5 s, as agents do; in the other one the 50
//! take turns beside that, spread over the 2 s. The chains do not reserve, so each run meets the same cluster. A placement
//! must name one of the nodes; none may fail.

#[path = "support/mod.rs"]
mod load;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::Duration;

use async_nats::Client;
use load::{Figures, Load, Question, shortened};
use serde_json::{Value, json};
use support::nats::Nats;
use support::serve::{Serve, report};
use tokio_util::sync::CancellationToken;

const NODES: usize = 1000;
const FLAPPING: usize = 50;
/// How often each of them changes.
const FLAP: Duration = Duration::from_secs(2);
/// How often each node reports.
const REPORT: Duration = Duration::from_secs(5);
const IN_FLIGHT: usize = 32;
const RUNS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const RUN: Duration = Duration::from_secs(8);
/// Long enough for every node to come and go once.
const SHORT_RUN: Duration = Duration::from_secs(4);

const CHAINS: &str = "[service]\nliveness_s = 3600\n\
    [chain.builtin]\nsteps = [\"builtin:fewest-sessions\"]\n\
    [chain.score]\nsteps = [\"score.js\"]\n\
    [chain.list]\nsteps = [\"list.js\"]\n";
const SCRIPTS: [(&str, &str); 2] = [
    ("score.js", "function score(node) { return -node.sessions }"),
    ("list.js", "function(input) { return input.nodes[input.sequence % input.nodes.length].id }"),
];
const CHAIN_NAMES: [&str; 3] = ["builtin", "score", "list"];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if cfg!(debug_assertions) {
        println!("a debug build measures nothing; use cargo bench");
    } else {
        runtime.block_on(measure());
    }
}

async fn measure() {
    let nats = Nats::start();
    let serve = Serve::start(&nats, CHAINS, &SCRIPTS).await;
    let client = nats.client().await;
    report(&client, &(0..NODES).map(document).collect::<Vec<_>>()).await;
    let reports = Churn::start(&client, REPORT, NODES, |_turn, number| (number, true));
    let questions: Vec<_> = CHAIN_NAMES
        .map(|action| Question { body: json!({"action": action}).to_string().into(), right: "\"node\":\"n".to_owned() })
        .into();
    let load = Load { subject: "whither.place", questions: &questions, in_flight: IN_FLIGHT, aside: None };
    let (mut calm, mut flapping) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        for is_calm in [true, false] {
            // The last ones, spread over the ids by nothing: what an order of nodes does with them is part of the question.
            let flaps = (!is_calm)
                .then(|| Churn::start(&client, FLAP, FLAPPING, |turn, number| (NODES - 1 - number, turn % 2 == 1)));
            load.run(&client, WARM_UP).await;
            let one = load.run(&client, shortened(RUN, SHORT_RUN)).await;
            println!("run {run}, {}: {one}, {} wrong", if is_calm { "calm" } else { "flapping" }, one.wrong);
            if let Some(flaps) = flaps {
                flaps.stop().await;
                // Whoever was away is back before the next run.
                report(&client, &(NODES - FLAPPING..NODES).map(document).collect::<Vec<_>>()).await;
            }
            if is_calm { &mut calm } else { &mut flapping }.push(one);
        }
    }
    reports.stop().await;
    drop(serve);
    table(&calm, &flapping);
}

fn document(number: usize) -> Value {
    let sessions: Vec<_> =
        (0..number % 20).map(|session| json!({"id": format!("s{session}"), "user": "ann"})).collect();
    json!({"id": format!("n{number:04}"), "nodeData": {"sessions": sessions}})
}

/// Nodes that write their keys in turn, each once in a period.
struct Churn {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Churn {
    /// `what` says for the turn and the number in it which node is meant, and whether it is there.
    fn start(client: &Client, period: Duration, count: usize, what: fn(usize, usize) -> (usize, bool)) -> Self {
        let (client, stop) = (client.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(period / u32::try_from(count).unwrap());
            for number in 0.. {
                if stopped.run_until_cancelled(pace.tick()).await.is_none() {
                    return;
                }
                let (node, is_there) = what(number / count, number % count);
                write(&client, node, is_there).await;
            }
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Without waiting for an answer, as the pace is what counts.
async fn write(client: &Client, node: usize, is_there: bool) {
    let subject = format!("$KV.whither_nodes.n{node:04}");
    if is_there {
        client.publish(subject, document(node).to_string().into()).await.unwrap();
    } else {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("KV-Operation", "DEL");
        client.publish_with_headers(subject, headers, "".into()).await.unwrap();
    }
}

/// Prints the medians over the runs; ends the process with an error where a placement failed.
fn table(calm: &[Figures], flapping: &[Figures]) {
    println!(
        "medians of {RUNS} alternating runs, {IN_FLIGHT} in flight, {NODES} nodes, chains: {}",
        CHAIN_NAMES.join(", ")
    );
    println!("{:<26} {:>9} {:>9} {:>9} {:>7} {:>10} {:>6}", "", "rate", "p50 us", "p99 us", "p99 x", "asked", "wrong");
    let p99 = |runs: &[Figures]| median(runs, |one| one.p99_us as f64);
    let alone = p99(calm);
    let flaps = format!("{FLAPPING} flap every {} s", FLAP.as_secs());
    for (name, runs) in [("calm", calm), (&*flaps, flapping)] {
        println!(
            "{name:<26} {:>9.0} {:>9.0} {:>9.0} {:>7.2} {:>10} {:>6}",
            median(runs, |one| one.rate),
            median(runs, |one| one.p50_us as f64),
            p99(runs),
            p99(runs) / alone,
            runs.iter().map(|one| one.answers).sum::<usize>(),
            runs.iter().map(|one| one.wrong).sum::<usize>(),
        );
    }
    if let Some(wrong) = calm.iter().chain(flapping).find_map(|one| one.first_wrong.as_ref()) {
        println!("a placement failed: {wrong}");
        std::process::exit(1);
    }
}

fn median(runs: &[Figures], figure: impl Fn(&Figures) -> f64) -> f64 {
    let mut figures: Vec<_> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
