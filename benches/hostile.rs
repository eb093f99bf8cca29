//! What hostile requests cost good ones: 32 good requests in flight over four chains, alone, and with one request in a
//! hundred to a fifth chain whose script never ends.
//!
//! Alternating runs of a new service each, on one NATS server: no hostile requests; hostile ones, with the quarantine off,
//! so that every one of them costs a worker; hostile ones with the quarantine as it is by default. The figures are of the
//! good requests alone; each must have got the right node. Hostile requests come with a deadline, as from a requester
//! who gives up: what cannot be run in time is answered `overloaded`.

#[path = "support/mod.rs"]
mod load;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::Duration;

use async_nats::Client;
use load::{Aside, Figures, Load, Question, shortened};
use serde_json::{Value, json};
use support::nats::Nats;
use support::serve::{Serve, report};

const IN_FLIGHT: usize = 32;
const NODES: usize = 100;
const RUNS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const RUN: Duration = Duration::from_secs(4);
/// Longer than the deadline, so that answers to hostile requests come within it.
const SHORT_RUN: Duration = Duration::from_secs(3);
/// One request in so many is hostile.
const EVERY: usize = 100;
/// How long the asker of a hostile request waits for it.
const DEADLINE: Duration = Duration::from_secs(2);
const QUARANTINE_OFF: &str = "[limits]\nquarantine_kills = 0\n";

const CHAINS: &str = "[service]\nliveness_s = 3600\n\
    [chain.builtin]\nsteps = [\"builtin:sticky-user\"]\n\
    [chain.list]\nsteps = [\"list.js\", \"builtin:fewest-sessions\"]\n\
    [chain.score]\nsteps = [\"score.js\"]\n\
    [chain.filter]\nsteps = [\"filter.js\", \"builtin:sticky-user\"]\n\
    [chain.hostile]\nsteps = [\"hostile.js\"]\n";
const SCRIPTS: [(&str, &str); 4] = [
    ("list.js", "function(input) { return input.nodes.filter(node => node.id === input.data.pick) }"),
    ("score.js", "function score(node, request) { return node.id === request.data.pick ? 1 : 0 }"),
    ("filter.js", "function filter(node) { return node.nodeData.sessions.length > 0 }"),
    ("hostile.js", "function(input) { while (true) ; }"),
];
const GOOD: [&str; 4] = ["builtin", "list", "score", "filter"];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if cfg!(debug_assertions) {
        println!("a debug build measures nothing; use cargo bench");
    } else {
        runtime.block_on(measure());
    }
}

/// A kind of run: its name, what the config has more, and whether hostile requests come.
struct Phase {
    name: &'static str,
    config: &'static str,
    is_hostile: bool,
}

async fn measure() {
    let phases = [
        Phase { name: "no hostile requests", config: "", is_hostile: false },
        Phase { name: "1 in 100, quarantine off", config: QUARANTINE_OFF, is_hostile: true },
        Phase { name: "1 in 100, quarantine on", config: "", is_hostile: true },
    ];
    let nats = Nats::start();
    let good = good_questions();
    let hostile = [Question { body: json!({"action": "hostile"}).to_string().into(), right: String::new() }];
    let mut figures: Vec<Vec<Figures>> = phases.iter().map(|_| Vec::new()).collect();
    for run in 1..=RUNS {
        for (phase, figures) in phases.iter().zip(&mut figures) {
            let serve = Serve::start(&nats, &format!("{}{CHAINS}", phase.config), &SCRIPTS).await;
            let client = nats.client().await;
            report(&client, &nodes()).await;
            let aside = Aside { every: EVERY, questions: &hostile, open_at_most: usize::MAX, deadline: DEADLINE };
            let one = loaded(&client, &good, phase.is_hostile.then_some(aside)).await;
            println!("run {run}, {}: {one}, {} wrong, hostile: {:?}", phase.name, one.wrong, one.aside);
            figures.push(one);
            drop(serve);
        }
    }
    table(&phases, &figures);
}

async fn loaded(client: &Client, questions: &[Question], aside: Option<Aside<'_>>) -> Figures {
    let load = Load { subject: "whither.place", questions, in_flight: IN_FLIGHT, aside };
    load.run(client, WARM_UP).await;
    load.run(client, shortened(RUN, SHORT_RUN)).await
}

/// Prints the medians over the runs; ends the process with an error where a good request was not answered right.
fn table(phases: &[Phase], figures: &[Vec<Figures>]) {
    println!("medians of {RUNS} alternating runs, {IN_FLIGHT} in flight, {NODES} nodes, chains: {}", GOOD.join(", "));
    println!(
        "{:<26} {:>9} {:>9} {:>9} {:>7} {:>12} {:>6}",
        "", "rate", "p50 us", "p99 us", "p99 x", "good asked", "wrong"
    );
    let alone = median(&figures[0], |one| one.p99_us as f64);
    let mut wrong = None;
    for (phase, runs) in phases.iter().zip(figures) {
        let p99_us = median(runs, |one| one.p99_us as f64);
        println!(
            "{:<26} {:>9.0} {:>9.0} {p99_us:>9.0} {:>7.2} {:>12} {:>6}",
            phase.name,
            median(runs, |one| one.rate),
            median(runs, |one| one.p50_us as f64),
            p99_us / alone,
            runs.iter().map(|one| one.answers).sum::<usize>(),
            runs.iter().map(|one| one.wrong).sum::<usize>(),
        );
        wrong = wrong.or(runs.iter().find_map(|one| one.first_wrong.as_ref()));
    }
    if let Some(wrong) = wrong {
        println!("a good request was not answered right: {wrong}");
        std::process::exit(1);
    }
}

fn median(runs: &[Figures], figure: impl Fn(&Figures) -> f64) -> f64 {
    let mut figures: Vec<_> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Each good chain in turn, about one node after the other.
fn good_questions() -> Vec<Question> {
    (0..NODES * GOOD.len())
        .map(|number| {
            let (action, node) = (GOOD[number % GOOD.len()], number / GOOD.len());
            let (login, pick) = (format!("u{node}"), format!("n{node:02}"));
            let body = json!({"action": action, "user": {"login": login}, "data": {"pick": pick}});
            Question { body: body.to_string().into(), right: format!("\"node\":\"{pick}\"") }
        })
        .collect()
}

/// Nodes of which each has one user of its own.
fn nodes() -> Vec<Value> {
    (0..NODES)
        .map(|node| {
            let sessions = json!([{"id": format!("s{node}"), "user": format!("u{node}")}]);
            json!({"id": format!("n{node:02}"), "nodeData": {"sessions": sessions}})
        })
        .collect()
}
