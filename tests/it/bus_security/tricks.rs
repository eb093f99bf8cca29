//! Ways around the permissions: answers and acknowledgements that would go where the sender may not publish, and headers
//! with which a write to one key deletes others.

use async_nats::HeaderMap;
use async_nats::jetstream::{self, kv};
use serde_json::{Value, json};

use super::site::{Login, Site, one_server};

use crate::support::serve::ask;

async fn bucket(service: &Login, name: &str) -> kv::Store {
    jetstream::new(service.client.clone()).get_key_value(name).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_writes_nowhere_for_others() {
    let nats = one_server();
    let site = Site::start(&[nats.url()], "").await;
    assert_eq!(site.command("admin", &["cordon", "node-1"]).code, Some(0));
    let (service, launcher) = (Login::of(&nats.url(), "service").await, Login::of(&nats.url(), "launcher").await);
    let marks = bucket(&service, "whither_marks").await;
    let before = marks.entry("node-1").await.unwrap().unwrap();

    for reply in [
        "$KV.whither_marks.node-1",
        "$KV.whither_marks.node-2",
        "whither.peers.x",
        "$JS.API.STREAM.DELETE.KV_whither_nodes",
    ] {
        let client = &launcher.client;
        client.publish_with_reply("whither.place".to_owned(), reply.to_owned(), "{}".into()).await.unwrap();
    }
    // Requests of one client are handled in order: this answer comes after whatever the others would have led to.
    assert_eq!(ask(&launcher.client, "whither.place", &json!({})).await.body["node"], "node-2");
    let after = marks.entry("node-1").await.unwrap().unwrap();
    assert_eq!((after.revision, after.value), (before.revision, before.value));
    assert!(marks.entry("node-2").await.unwrap().is_none());
    assert!(bucket(&service, "whither_nodes").await.get("node-2").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_deletes_and_overwrites_nobody_else() {
    let nats = one_server();
    let _site = Site::start(&[nats.url()], "").await;
    let (service, agent) = (Login::of(&nats.url(), "service").await, Login::of(&nats.url(), "node-1").await);
    let nodes = bucket(&service, "whither_nodes").await;
    let own = "$KV.whither_nodes.node-1".to_owned();
    for rollup in ["all", "sub"] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Rollup", rollup);
        let reply = agent.client.request_with_headers(own.clone(), headers, "{}".into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&reply.payload).unwrap();
        assert_eq!(answer["error"]["description"], "rollup not permitted", "{answer}");
        assert!(nodes.get("node-2").await.unwrap().is_some(), "{rollup}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_of_an_agent_go_to_its_own_account_alone() {
    let nats = one_server();
    let mut site = Site::start(&[nats.url()], "").await;
    assert_eq!(site.command("admin", &["cordon", "node-2"]).code, Some(0));
    // Nobody repairs what this leaves behind.
    site.agents.clear();
    let (service, agent) = (Login::of(&nats.url(), "service").await, Login::of(&nats.url(), "node-1").await);
    let (nodes, marks) = (bucket(&service, "whither_nodes").await, bucket(&service, "whither_marks").await);
    let entries = async || {
        let (node, mark) =
            (nodes.entry("node-2").await.unwrap().unwrap(), marks.entry("node-2").await.unwrap().unwrap());
        [(node.revision, node.value), (mark.revision, mark.value)]
    };
    let before = entries().await;
    // JetStream acknowledges where the sender says, by the server's own right.
    let own = "$KV.whither_nodes.node-1".to_owned();
    for reply in ["$KV.whither_nodes.node-2", "$KV.whither_marks.node-2", "$JS.API.STREAM.PURGE.KV_whither_nodes"] {
        let document = json!({"id": "node-1", "nodeData": {}}).to_string();
        agent.client.publish_with_reply(own.clone(), reply.to_owned(), document.into()).await.unwrap();
    }
    // This one is acknowledged after those.
    let last = agent.client.request(own, json!({"id": "node-1"}).to_string().into()).await.unwrap();
    assert!(String::from_utf8_lossy(&last.payload).contains("\"seq\""));
    assert_eq!(entries().await, before);
}
