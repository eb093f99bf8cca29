//! Thirty scripts that are right, as administrators write them, over a service that lives: reservations pile up, sessions
//! come and go, and the collector has work. None of them is convicted of anything.
//!
//! No clock decides here: what is counted are convictions, deaths of workers, and answers.

pub(crate) mod scripts;

use std::collections::BTreeMap;
use std::path::Path;

use async_nats::Client;
use serde_json::{Value, json};

use crate::support::components;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, report, storm};
use scripts::{COMPONENTS, SCRIPTS};

const NODES: usize = 40;
/// Requests to each chain between two reports of all nodes.
const REQUESTS: usize = 20;
const ROUNDS: usize = 3;
/// So many sessions of a node at most go with each report.
const ENDING: usize = 10;

/// The cluster as its agents see it: the sessions that run on each node, by node.
struct Sessions(BTreeMap<String, Vec<Value>>);

impl Sessions {
    fn new() -> Self {
        let listed =
            |node: usize| (0..node % 9).map(move |k| session(&format!("s{node}-{k}"), &format!("user{k}"), None));
        Self((0..NODES).map(|node| (format!("n{node:03}"), listed(node).collect())).collect())
    }

    /// What was placed runs from now on; the oldest sessions end.
    fn turn(&mut self, placed: &[Value]) {
        for sessions in self.0.values_mut() {
            sessions.drain(..sessions.len().min(ENDING));
        }
        for (number, answer) in placed.iter().enumerate() {
            let (node, reservation) = (answer["node"].as_str().unwrap(), answer["reservation"].as_str().unwrap());
            // One in three is not started in time: its reservation stays.
            if number % 3 > 0 {
                let session = session(&format!("p-{reservation}"), "somebody", Some(reservation));
                self.0.get_mut(node).unwrap().push(session);
            }
        }
    }

    fn documents(&self, round: usize) -> Vec<Value> {
        self.0.iter().enumerate().map(|(place, (id, sessions))| document(id, sessions, place + round)).collect()
    }
}

fn session(id: &str, user: &str, reservation: Option<&str>) -> Value {
    json!({"id": id, "user": user, "name": "desktop", "state": "running", "display": ":7",
           "started": "2026-11-28T08:00:00Z", "reservation": reservation})
}

fn document(id: &str, sessions: &[Value], seed: usize) -> Value {
    let (load, free) = ((seed % 16) as f64 / 4.0, (seed % 30) as u64 * 1_000_000_000);
    // A document has room for some hundred sessions.
    let sessions = &sessions[..sessions.len().min(200)];
    json!({
        "id": id, "hostname": format!("{id}.site.example"), "urls": [format!("https://{id}.site.example:3300")],
        "metadata": if seed.is_multiple_of(4) { json!({"gpu": "1", "users": ["user1", "user2"]}) } else { json!({}) },
        "staticData": {"gpu": true, "weight": seed % 3 + 1, "pool": if seed.is_multiple_of(2) { "a" } else { "b" }},
        "nodeData": {
            "health": {"cpu": {"load1": load, "load5": load, "load15": load, "cores": 8, "utilization": load * 10.0},
                       "mem": {"free": free, "total": 64_000_000_000_u64}},
            "services": ["launcher"], "sessions": sessions,
        },
    })
}

/// The steps of each chain, by its action.
fn chains(folder: &Path) -> Vec<(String, String)> {
    let own = SCRIPTS.iter().map(|(name, _)| (*name).to_owned());
    let shipped = COMPONENTS.iter().map(|name| format!("{name}.wasm"));
    let builtins = ["builtin:fewest-sessions", "builtin:weighted"].map(str::to_owned);
    for name in COMPONENTS {
        std::fs::write(folder.join(format!("{name}.wasm")), components::component(name)).unwrap();
    }
    own.chain(shipped).chain(builtins).enumerate().map(|(number, step)| (format!("chain-{number:02}"), step)).collect()
}

fn config(chains: &[(String, String)]) -> String {
    let chain = |(action, step): &(String, String)| {
        // Where a script passes, or leaves no node, somebody still answers: what is counted is justice, not taste.
        let last = if step.starts_with("builtin:") { "" } else { ", \"builtin:fewest-sessions\"" };
        format!("[chain.\"{action}\"]\nreserve = true\nsteps = [\"{step}\"{last}]\n")
    };
    let chains: String = chains.iter().map(chain).collect();
    format!("[service]\nliveness_s = 86400\nworkers = 4\n{chains}")
}

async fn ask_all(client: &Client, action: &str, round: usize) -> Vec<Value> {
    let body = |number: usize| {
        let login = if number.is_multiple_of(4) { "ann".to_owned() } else { format!("user{}", number % 50) };
        json!({"action": action, "user": {"login": login}, "userGroups": ["staff"],
               "data": {"name": format!("{action}-{round}-{number}"), "pool": "a"}})
    };
    let answers = storm(client, "whither.place", REQUESTS, body, async || ()).await;
    let answers: Vec<Value> = answers.into_values().flatten().collect();
    for answer in &answers {
        assert!(answer["node"].is_string(), "{action}: {answer}");
    }
    assert_eq!(answers.len(), REQUESTS, "{action}");
    answers
}

#[tokio::test]
async fn no_innocent_script_is_convicted_in_a_living_cluster() {
    let nats = Nats::start();
    let folder = tempfile::TempDir::new().unwrap();
    let chains = chains(folder.path());
    assert!(chains.len() >= 30);
    let mut files = SCRIPTS.to_vec();
    let absolute = |(action, step): &(String, String)| {
        let is_component = step.ends_with(".wasm");
        let step = if is_component { folder.path().join(step).to_string_lossy().into_owned() } else { step.clone() };
        (action.clone(), step)
    };
    let steps: Vec<_> = chains.iter().map(absolute).collect();
    files.sort_unstable();
    let mut serve = Serve::start(&nats, &config(&steps), &files).await;
    let client = nats.client().await;
    let mut sessions = Sessions::new();
    report(&client, &sessions.documents(0)).await;
    for round in 0..ROUNDS {
        let mut placed = Vec::new();
        for (action, _) in &steps {
            placed.extend(ask_all(&client, action, round).await);
        }
        sessions.turn(&placed);
        report(&client, &sessions.documents(round + 1)).await;
    }
    serve.must_run();
    let metrics = serve.get("/metrics").1;
    let said = |name: &str| metrics.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("\n");
    assert_eq!(said("whither_script_limits_total"), "", "nobody is convicted");
    assert_eq!(said("whither_quarantined"), "", "and nobody in quarantine");
    assert_eq!(serve.figure("whither_worker_deaths_total"), Some(0.0), "{}", serve.log());
}
