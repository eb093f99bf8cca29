//! A service that is too slow for what comes: the server drops its connection, or more comes at once than it takes.

use async_nats::Client;
use async_nats::jetstream;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::site::{FEWEST, Load};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, plain_nodes, report, site};

const NODES: usize = 30;
const REPORTS: usize = 400;
/// A server that soon loses patience with a slow reader.
const IMPATIENT: &str = "max_payload: 524288\nmax_pending: 1048576\nwrite_deadline: \"1s\"\n";
/// More than its patience and all buffers on the way take.
const FLOOD: usize = 100;

fn document(id: &str, number: usize) -> Value {
    json!({"id": id, "nodeData": {"sessions": []}, "metadata": {"number": number.to_string()}})
}

async fn put(client: &Client, id: &str, number: usize) {
    let js = jetstream::new(client.clone());
    let sent = js.publish(format!("$KV.whither_nodes.{id}"), document(id, number).to_string().into()).await.unwrap();
    sent.await.unwrap();
}

async fn until_number(client: &Client, id: &str, number: usize) {
    eventually(&format!("the last report of {id} is seen"), async || {
        let node = ask(client, "whither.nodes", &json!({"node": id})).await.body["nodes"][0].clone();
        (node["metadata"]["number"] == number.to_string().as_str()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_drops_for_being_slow_comes_back() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("nats.conf");
    std::fs::write(&config, IMPATIENT).unwrap();
    let nats = Nats::within(folder, &["-js", "-c", &config.to_string_lossy()]);
    let mut serve = Serve::start(&nats, FEWEST, &[]).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(3)).await;
    serve.freeze();
    let large = json!({"data": {"x": "x".repeat(400_000)}}).to_string();
    for _ in 0..FLOOD {
        client.publish_with_reply("whither.place", client.new_inbox(), large.clone().into()).await.unwrap();
    }
    client.flush().await.unwrap();
    eventually("the server drops it", async || nats.log().contains("Slow Consumer").then_some(())).await;
    put(&client, "n00", 7).await;
    serve.thaw();
    serve.logged("lost the connection to NATS").await;
    serve.ready().await;
    until_number(&client, "n00", 7).await;
    let load = Load::start(&client, 4);
    load.goes_on().await;
    load.ends_well().await;
    put(&client, "n01", 8).await;
    until_number(&client, "n01", 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_burst_of_reports_the_last_of_each_node_counts() {
    let (_nats, mut serve, client) = site(FEWEST, &[], 0).await;
    report(&client, &plain_nodes(NODES)).await;
    // All of it comes while the service does not run, and at once when it does.
    serve.freeze();
    for number in 1..=REPORTS {
        for node in 0..NODES - 1 {
            let (id, subject) = (format!("n{node:02}"), format!("$KV.whither_nodes.n{node:02}"));
            client.publish(subject, document(&id, number).to_string().into()).await.unwrap();
        }
        // The server takes so many at once and no more: the last of each round waits for its word.
        put(&client, &format!("n{:02}", NODES - 1), number).await;
    }
    serve.thaw();
    for node in 0..NODES {
        until_number(&client, &format!("n{node:02}"), REPORTS).await;
    }
    serve.ready().await;
    assert!(serve.health()["view_age_ms"].as_u64().unwrap() < 60_000);
    // It is shown once a second.
    let all = json!({"ready": NODES});
    eventually("all nodes are shown", async || (serve.health()["nodes"] == all).then_some(())).await;
}
