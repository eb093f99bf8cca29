//! Reports that are none: each costs its own node alone, and is counted.

use async_nats::Client;
use async_nats::jetstream::{self, kv};
use serde_json::json;
use whither::nats::subjects::encode_key;

use super::site::{FEWEST, Load, until_states};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask};

/// What may stand under the key of a node that reported well before.
fn poisons() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |id: &str| format!(r#"{{"id":"{id}","x":{}{}}}"#, "[".repeat(16_000), "]".repeat(16_000)).into_bytes();
    vec![
        ("nan", br#"{"id":"nan","freemem":NaN}"#.to_vec()),
        ("infinite", br#"{"id":"infinite","nodeData":{"health":{"cpu":{"load1":1e999}}}}"#.to_vec()),
        ("types", br#"{"id":"types","nodeData":{"sessions":{"length":-1}}}"#.to_vec()),
        ("deep", deep("deep")),
        ("duplicate", br#"{"id":"good"}"#.to_vec()),
        ("twice", br#"{"id":"twice","id":"good"}"#.to_vec()),
        ("empty", Vec::new()),
        ("binary", vec![0xff, 0xfe, 0x00]),
        ("array", b"[1,2,3]".to_vec()),
    ]
}

async fn raw(client: &Client, key: &str, payload: Vec<u8>) {
    client.publish(format!("$KV.whither_nodes.{key}"), payload.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_reports_cost_their_own_node_alone_and_are_counted() {
    let nats = Nats::start();
    let client = nats.client().await;
    // A bucket that another program made takes what ours refuses at the door: a megabyte, here before the service starts.
    let js = jetstream::new(client.clone());
    js.create_key_value(kv::Config { bucket: "whither_nodes".to_owned(), ..kv::Config::default() }).await.unwrap();
    raw(&client, "large", vec![b' '; 1_000_000]).await;
    client.flush().await.unwrap();
    let serve = Serve::start(&nats, FEWEST, &[]).await;
    let refused = async |count: usize| {
        let reached = async || (serve.figure("whither_refused_documents_total")? == count as f64).then_some(());
        eventually(&format!("{count} documents are refused"), reached).await;
    };
    refused(1).await;

    // Odd names are no poison.
    let odd = ["*", "a..b", "good", "host:7070", "ü"];
    let poisons = poisons();
    let mut ids: Vec<&str> = odd.into_iter().chain(poisons.iter().map(|(id, _)| *id)).collect();
    ids.sort_unstable();
    for id in &ids {
        let document = json!({"id": id, "nodeData": {"sessions": []}, "metadata": {"good": "yes"}});
        raw(&client, &encode_key(id), document.to_string().into_bytes()).await;
    }
    let states: Vec<String> = ids.iter().map(|id| format!("{id}:ready")).collect();
    let states = states.join(" ");
    until_states(&client, &states).await;

    let load = Load::start(&client, 4);
    load.goes_on().await;
    for (number, (key, payload)) in poisons.iter().enumerate() {
        raw(&client, key, payload.clone()).await;
        refused(number + 2).await;
        serve.logged(&format!("document `{key}` refused")).await;
    }
    // Keys that no node has.
    for (number, key) in ["host:7070", "dotted.id", "=61", "=zz"].into_iter().enumerate() {
        raw(&client, key, json!({"id": key}).to_string().into_bytes()).await;
        refused(poisons.len() + number + 2).await;
    }
    // What is too large does not get in any more, so there is nothing to count.
    assert!(js.publish("$KV.whither_nodes.large", vec![b' '; 1_000_000].into()).await.unwrap().await.is_err());
    load.goes_on().await;
    load.ends_well().await;
    until_states(&client, &states).await;
    for id in ids {
        let node = ask(&client, "whither.nodes", &json!({"node": id})).await.body["nodes"][0].clone();
        assert_eq!(node["metadata"]["good"], "yes", "`{id}` keeps its last good report");
    }
    raw(&client, "nan", json!({"id": "nan", "metadata": {"good": "again"}}).to_string().into_bytes()).await;
    serve.logged("the document of node `nan` can be read again").await;
}
