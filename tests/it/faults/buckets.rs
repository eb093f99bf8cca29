//! Buckets that are deleted, and made again by whoever is first, while requests go on.

use async_nats::jetstream::{self, kv};
use serde_json::json;

use super::site::{Agent, FEWEST, Load, until_states};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, report};

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_vanish_and_come_back_empty_cost_nothing() {
    let nats = Nats::start();
    let serve = Serve::start(&nats, FEWEST, &[]).await;
    let client = nats.client().await;
    let _agents = ["a", "b"].map(|id| Agent::start(&nats.url(), id));
    until_states(&client, "a:ready b:ready").await;
    ask(&client, "whither.cordon", &json!({"node": "b", "drain": true})).await;
    until_states(&client, "a:ready b:draining").await;
    let load = Load::start(&client, 4);
    load.goes_on().await;
    let js = jetstream::new(client.clone());

    // Deleted: whoever writes or looks first makes them again.
    for name in ["whither_nodes", "whither_marks"] {
        js.delete_key_value(name).await.unwrap();
    }
    serve.logged("the view of the cluster is built anew").await;
    eventually("the mark is written again", async || {
        let marks = js.get_key_value("whither_marks").await.ok()?;
        let mark = marks.get("b").await.ok().flatten()?;
        String::from_utf8_lossy(&mark).contains("draining").then_some(())
    })
    .await;
    load.goes_on().await;

    // Made anew behind the service's back, by a program with other ideas of a bucket.
    js.delete_key_value("whither_nodes").await.unwrap();
    let lax = kv::Config { bucket: "whither_nodes".to_owned(), ..kv::Config::default() };
    // An agent may have been faster.
    let _made = js.create_key_value(lax).await;
    let late = Agent::start(&nats.url(), "late");
    until_states(&client, "a:ready b:draining late:ready").await;
    eventually("its limits are ours again", async || {
        let mut stream = js.get_stream("KV_whither_nodes").await.ok()?;
        (stream.info().await.ok()?.config.max_age.as_secs() == 90).then_some(())
    })
    .await;
    load.goes_on().await;
    load.ends_well().await;
    drop(late);
}

#[tokio::test(flavor = "multi_thread")]
async fn places_can_be_claimed_again_where_their_bucket_vanished() {
    let nats = Nats::start();
    let serve = Serve::start(&nats, &format!("[service]\ncapacity = \"strict\"\n{FEWEST}"), &[]).await;
    let client = nats.client().await;
    report(&client, &[json!({"id": "a", "maxSessions": 2, "nodeData": {"sessions": []}})]).await;
    until_states(&client, "a:ready").await;
    let place = async |user| ask(&client, "whither.place", &json!({"user": {"login": user}})).await.body;
    assert_eq!(place("ann").await["node"], "a");
    jetstream::new(client.clone()).delete_key_value("whither_claims").await.unwrap();
    serve.logged("`KV_whither_claims` was deleted").await;
    let second = eventually("the second place is claimed", async || {
        let answer = place("bob").await;
        answer["node"].is_string().then_some(answer)
    })
    .await;
    assert_eq!(second["node"], "a");
    assert_eq!(place("cy").await["error"]["name"], "no-node", "what was claimed before still counts");
}
