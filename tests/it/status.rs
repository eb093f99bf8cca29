//! One place to look: `whither status`, `/api/status`, `whither logs` and `whither log-level`, with real replicas, agents
//! and a real NATS server.

mod logs;
mod membership;

use serde_json::{Value, json};

use crate::support::agent::TestAgent;
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, plain_nodes, report, retire};
use crate::support::shell::{Shell, Told};

const CHAIN: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// Runs a command as an administrator does.
fn command(nats: &Nats, arguments: &[&str]) -> Told {
    Shell::new().with("WHITHER_NATS", &nats.url()).whither(arguments)
}

/// The status as JSON.
fn status(nats: &Nats) -> Value {
    let told = command(nats, &["status", "--json"]);
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

/// An agent of the node `id`, which reports twice a second.
fn agent(nats: &Nats, id: &str, arguments: &[&str]) -> TestAgent {
    TestAgent::start(nats, &[&["--id", id, "--interval", "0.5"], arguments].concat())
}

#[tokio::test]
async fn a_service_that_is_well_is_shown_on_one_page_and_by_json() {
    let nats = Nats::start();
    let (first, second) = (Serve::start(&nats, CHAIN, &[]).await, Serve::start(&nats, CHAIN, &[]).await);
    let client = nats.client().await;
    let node = |id: &str, group: &str| json!({"id": id, "maxSessions": 4, "staticData": {"group": group}, "nodeData": {"sessions": []}});
    report(&client, &[node("a", "cad"), node("b", "cad"), node("c", "office")]).await;
    for _ in 0..3 {
        assert!(ask(&client, "whither.place", &json!({})).await.code.is_none());
    }
    eventually("both replicas know all", async || {
        let told = status(&nats);
        let replicas = told["replicas"].as_array().unwrap().clone();
        let is_whole = |replica: &Value| replica["view"]["nodes"] == 3 && replica["reservations"] == 3;
        (replicas.len() == 2 && replicas.iter().all(is_whole) && told["problems"] == json!([])).then_some(())
    })
    .await;
    let told = status(&nats);
    let requests: u64 = told["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["requests"]["minutes"][0]["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(requests, 3, "{told:#}");
    let group = &told["replicas"][0]["capacity"][0];
    let left = group["left"].as_u64().unwrap() + told["replicas"][0]["capacity"][1]["left"].as_u64().unwrap();
    assert_eq!((&group["group"], &group["max"], left), (&"cad".into(), &8.into(), 9), "{group}");
    let page = command(&nats, &["status"]);
    assert_eq!(page.code, Some(0), "{page:?}");
    for words in ["2 of 2 replicas · 3 nodes (3 ready) · 3 reservations · 0 waiting", "cad", "office", "all is well"]
    {
        assert!(page.stdout.contains(words), "{words}:\n{}", page.stdout);
    }
    drop((first, second));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_ends_the_command_with_its_code() {
    let nats = Nats::start();
    let nobody = command(&nats, &["status"]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("no service answers on whither.status"), "{nobody:?}");
    let serve = Serve::start(&nats, CHAIN, &[]).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    // An entry that expires is one that nobody deleted: its node is stale.
    let js = async_nats::jetstream::new(client.clone());
    js.get_stream("KV_whither_nodes").await.unwrap().purge().await.unwrap();
    // The purge is seen with the next build of the view.
    drop(serve);
    let serve = Serve::start(&nats, CHAIN, &[]).await;
    report(&client, &plain_nodes(1)).await;
    assert_eq!(command(&nats, &["status"]).code, Some(0));
    let other = Serve::start(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\n", &[]).await;
    let told = eventually("the replicas see that they differ", async || {
        let told = command(&nats, &["status"]);
        (told.code == Some(6) && told.stdout.contains("runs other chains")).then_some(told)
    })
    .await;
    assert!(told.stdout.contains("problem") && !told.stdout.contains("all is well"), "{}", told.stdout);
    drop(other);
    retire(&client, "n00").await;
    drop(serve);
}

#[tokio::test]
async fn the_http_port_answers_with_the_same_status() {
    let mut nats = Nats::start();
    let serve = Serve::start(&nats, CHAIN, &[]).await;
    let (code, body) = serve.get("/api/status");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &told["ready"], &told["problems"]), (200, &true.into(), &json!([])), "{told:#}");
    assert_eq!(told["replica"], status(&nats)["replicas"][0]["replica"]);
    nats.kill();
    let (code, body) = eventually("NATS is missed", async || {
        let (code, body) = serve.get("/api/status");
        (code == 503).then_some((code, body))
    })
    .await;
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &told["ready"]), (503, &false.into()));
    assert!(
        told["problems"][0].as_str().is_some_and(|problem| problem.contains("NATS") || problem.contains("view")),
        "{told:#}"
    );
}

#[tokio::test]
async fn a_replica_that_hangs_is_missed() {
    let nats = Nats::start();
    let (first, second) = (Serve::start(&nats, CHAIN, &[]).await, Serve::start(&nats, CHAIN, &[]).await);
    eventually("they know each other", async || (status(&nats)["expected"] == 2).then_some(())).await;
    second.freeze();
    let told = command(&nats, &["status"]);
    assert_eq!(told.code, Some(6), "{told:?}");
    assert!(told.stdout.contains("1 of 2 replicas answered"), "{}", told.stdout);
    second.thaw();
    drop((first, second));
}
