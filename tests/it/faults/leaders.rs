//! A cluster of three servers that loses the one that leads, under load.

use serde_json::json;

use super::site::{FEWEST, Load};
use crate::support::cluster::{NatsCluster, stream_leader};
use crate::support::eventually;
use crate::support::serve::{Serve, ask, bucket, read};

const NODES: &str = "KV_whither_nodes";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_its_leaders_goes_on() {
    let mut cluster = NatsCluster::start();
    cluster.meta_leader().await;
    let mut serve = Serve::spawn_on(&cluster.urls(), "replicas = 3", FEWEST, &[]);
    serve.ready().await;
    let client = cluster.client().await;
    let report = async |id: &str| {
        let document = json!({"id": id, "nodeData": {"sessions": []}}).to_string();
        eventually("the report is taken", async || bucket(&client).await.put(id, document.clone().into()).await.ok())
            .await;
        // Where the lost server was the service's own, nobody is there to answer until the service has another one.
        let question = json!({"node": id}).to_string();
        eventually("the service knows the node", async || {
            let answer = client.request("whither.nodes", question.clone().into()).await.ok()?;
            (read(&answer).body["nodes"][0]["state"] == "ready").then_some(())
        })
        .await;
    };
    for number in 0..10 {
        report(&format!("n{number}")).await;
    }
    ask(&client, "whither.cordon", &json!({"node": "n0"})).await;
    let load = Load::start(&client, 8);
    load.goes_on().await;

    // The leader of the bucket, then that of the whole cluster.
    let leader = stream_leader(&client, NODES).await;
    cluster.server(&leader).kill();
    report("after-the-first").await;
    load.goes_on().await;
    cluster.server(&leader).restart();
    stream_leader(&client, NODES).await;
    let leader = cluster.meta_leader().await;
    cluster.server(&leader).kill();
    report("after-the-second").await;
    load.goes_on().await;
    cluster.server(&leader).restart();
    stream_leader(&client, NODES).await;

    load.goes_on().await;
    load.ends_well().await;
    serve.ready().await;
    assert_eq!(serve.health()["nodes"], json!({"ready": 11, "cordoned": 1}));
    for name in ["KV_whither_nodes", "KV_whither_marks", "whither_events"] {
        // Waits until each has its three copies.
        stream_leader(&client, name).await;
    }
}
