//! Launchers that nobody here wrote: a Python and a JavaScript client of NATS place sessions and look the service up. And
//! the examples of launchers, which the guide shows.

#[path = "../../examples/launcher.rs"]
#[allow(dead_code, reason = "an example has a `main` for itself")]
mod launcher;

use std::io::Write;
use std::process::Command;

use crate::support::nats::Nats;
use crate::support::serve::{Serve, report};
use serde_json::{Value, json};

const NO_NODE: &str = "the JavaScript client was not run, because WHITHER_NODE_PATH is not set: install Node.js and npm \
    (Debian: `apt install nodejs npm`) and run `make test`, which then installs the npm package `nats` and sets the \
    variable; or set it to the folder `node_modules` that has the package";

/// Where the clients' libraries are, as `make test` exports it; found out here where a test is run by hand.
fn libraries() -> Vec<(String, String)> {
    let names = ["WHITHER_PYTHONPATH", "WHITHER_NODE_PATH"];
    let given: Vec<_> = names.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    if !given.is_empty() {
        return given;
    }
    let found = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/tools/test-clients")).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let lines = String::from_utf8(found.stdout).unwrap();
    let assignments = lines.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    assignments.map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned())).collect()
}

/// A service over the nodes that the repository has for trying scripts.
async fn service(nats: &Nats) -> Serve {
    let serve = Serve::start(nats, "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n", &[]).await;
    let nodes: Vec<Value> = serde_json::from_str(include_str!("../../scripts/nodes.json")).unwrap();
    let nodes: Vec<_> = nodes.into_iter().filter(|node| node["id"].is_string()).collect();
    report(&nats.client().await, &nodes).await;
    serve
}

/// Runs the example `file`, which must print the node of a session that it confirmed.
async fn run_example(program: &str, variable: &str, path: &str, file: &str) {
    let nats = Nats::start();
    let _serve = service(&nats).await;
    let example = format!("{}/examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program).arg(example).args([&nats.url(), "ann"]).env(variable, path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    is_placed(&nats, String::from_utf8(output.stdout).unwrap().trim()).await;
}

/// Checks that ann has a reservation on `node`.
async fn is_placed(nats: &Nats, node: &str) {
    let reply = nats.client().await.request("whither.nodes", json!({"node": node}).to_string().into()).await.unwrap();
    let told: Value = serde_json::from_slice(&reply.payload).unwrap();
    let sessions = told["nodes"][0]["nodeData"]["sessions"].as_array().unwrap();
    assert!(sessions.iter().any(|session| session["user"] == "ann"), "{node}: {told}");
}

async fn run(program: &str, variable: &str, path: &str, file: &str) {
    let nats = Nats::start();
    let _serve = service(&nats).await;
    let script = format!("{}/tests/clients/{file}", env!("CARGO_MANIFEST_DIR"));
    let url = nats.url();
    let command = Command::new(program)
        .arg(script)
        .args(["--url", &url, "--namespace", "whither", "--count", "10"])
        .env(variable, path)
        .output();
    let output = command.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["placed"].as_array().unwrap().len(), 10);
    assert_eq!(told["info"]["name"], "whither");
    assert!(told["info"]["metadata"]["chains"].is_string());
    let place = told["stats"]["endpoints"].as_array().unwrap().iter().find(|endpoint| endpoint["name"] == "place");
    assert!(place.unwrap()["num_requests"].as_u64().unwrap() >= 10, "{}", told["stats"]);
    assert_eq!(told["unknown_action"]["body"]["error"]["name"], json!("unknown-action"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_places_sessions() {
    let libraries = libraries();
    let (_, path) = libraries.iter().find(|(name, _)| name == "WHITHER_PYTHONPATH").expect("nats-py");
    run("python3", "PYTHONPATH", path, "place.py").await;
    run_example("python3", "PYTHONPATH", path, "launcher.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_rust_places_a_session() {
    let nats = Nats::start();
    let _serve = service(&nats).await;
    let node = launcher::launch(&nats.client().await, "ann").await.unwrap();
    is_placed(&nats, &node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_places_sessions() {
    let libraries = libraries();
    let Some((_, path)) = libraries.iter().find(|(name, _)| name == "WHITHER_NODE_PATH") else {
        assert!(std::env::var_os("CI").is_none(), "{NO_NODE}");
        // `eprintln!` would be captured, and shown of a test that fails alone.
        writeln!(std::io::stderr(), "{NO_NODE}").unwrap();
        return;
    };
    run("node", "NODE_PATH", path, "place.cjs").await;
    run_example("node", "NODE_PATH", path, "launcher.mjs").await;
}
