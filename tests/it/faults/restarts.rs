//! A server that is killed and comes back, with what it had stored or without; and one that stands still for a while.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, kv};
use serde_json::json;

use super::site::{Agent, FEWEST, Load, until_lost, until_states};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, bucket};

const STATES: &str = "a:ready b:cordoned c:ready";

/// A service with three agents, one of them cordoned.
async fn site(lines: &str) -> (Nats, Serve, Client, Vec<Agent>) {
    let nats = Nats::start();
    let mut serve = Serve::spawn_on(&[nats.url()], lines, FEWEST, &[]);
    serve.ready().await;
    let client = nats.client().await;
    let agents = ["a", "b", "c"].map(|id| Agent::start(&nats.url(), id)).into();
    until_states(&client, "a:ready b:ready c:ready").await;
    ask(&client, "whither.cordon", &json!({"node": "b", "reason": "fan"})).await;
    until_states(&client, STATES).await;
    (nats, serve, client, agents)
}

/// The number of the last report of `node`, where there is one.
async fn revision(client: &Client, node: &str) -> Option<u64> {
    bucket(client).await.entry(node).await.ok()?.map(|entry| entry.revision)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_with_a_disk_has_everything_again() {
    let (mut nats, mut serve, client, _agents) = site("").await;
    let load = Load::start(&client, 8);
    load.goes_on().await;
    let before = revision(&client, "a").await.unwrap();
    nats.kill();
    until_lost(&serve).await;
    assert_eq!(serve.health()["nodes"], json!({"ready": 2, "cordoned": 1}), "what was known stays known");
    eventually("the age of the view is said", async || {
        let notes = serve.health()["notes"].to_string();
        notes.contains("the node list was last confirmed").then_some(())
    })
    .await;
    assert!(serve.figure("whither_view_age_seconds").unwrap() > 10.0);
    assert!(serve.health()["view_age_ms"].as_u64().unwrap() > 10_000);
    serve.logged("deciding on the nodes known so far").await;
    nats.restart();
    serve.ready().await;
    until_states(&client, STATES).await;
    eventually("the agents report again", async || revision(&client, "a").await.filter(|now| *now > before)).await;
    load.goes_on().await;
    load.ends_well().await;
    eventually("the view is young", async || (serve.figure("whither_view_age_seconds")? < 5.0).then_some(())).await;
    serve.logged("the node list is current again").await;
    assert_eq!(serve.health()["notes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_had_in_memory_comes_back_from_agents_and_service() {
    let (mut nats, mut serve, client, _agents) = site("storage = \"memory\"").await;
    let js = jetstream::new(client.clone());
    let mut stream = js.get_stream("KV_whither_nodes").await.unwrap();
    assert_eq!(stream.info().await.unwrap().config.storage, jetstream::stream::StorageType::Memory);
    let load = Load::start(&client, 8);
    load.goes_on().await;
    nats.kill();
    until_lost(&serve).await;
    nats.restart();
    serve.ready().await;
    until_states(&client, STATES).await;
    for node in ["a", "b", "c"] {
        eventually("each agent reports again", async || revision(&client, node).await).await;
    }
    let marks = eventually("the bucket of marks", async || js.get_key_value("whither_marks").await.ok()).await;
    eventually("the cordon is written again", async || marks.get("b").await.ok().flatten()).await;
    load.goes_on().await;
    load.ends_well().await;
    // Whoever comes later sees the same.
    let other = Serve::start(&nats, FEWEST, &[]).await;
    eventually("another replica sees the same", async || {
        (other.health()["nodes"] == json!({"ready": 2, "cordoned": 1})).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_for_seven_seconds_is_noticed_and_outlived() {
    let (nats, mut serve, client, _agents) = site("").await;
    let load = Load::start(&client, 8);
    load.goes_on().await;
    nats.freeze();
    // The fault itself takes this long; what is waited for is the notice.
    let (_frozen, ()) = tokio::join!(tokio::time::sleep(Duration::from_secs(7)), until_lost(&serve));
    assert_eq!(serve.health()["nodes"], json!({"ready": 2, "cordoned": 1}));
    assert!(serve.health()["view_age_ms"].as_u64().unwrap() > 3000);
    nats.thaw();
    serve.ready().await;
    load.goes_on().await;
    load.ends_well().await;
    until_states(&client, STATES).await;
    let joins = |store: kv::Store| async move { store.put("d", r#"{"id":"d"}"#.into()).await.ok() };
    eventually("a node joins", async || joins(bucket(&client).await).await).await;
    until_states(&client, "a:ready b:cordoned c:ready d:ready").await;
}
