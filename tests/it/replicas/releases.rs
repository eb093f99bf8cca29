//! This release beside the release before: a replica and an agent of it, recorded, take part in the cluster.
//!
//! `tests/data/release-before` has what they said: the messages of a replica that placed, confirmed and released a
//! session, and the document of an agent. Only the replica's clock is the test's, as a recorded one stands still.

use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::group::{FEWEST, Group};
use crate::support::eventually;
use crate::support::serve::{ask, bucket, nodes};
use crate::support::shell::Shell;

/// Reads a recorded file.
fn recorded(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/release-before");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The messages of the recorded replica, in order.
fn messages() -> Vec<Value> {
    recorded("peers.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The recorded replica, whose clock runs on.
struct OlderReplica {
    client: async_nats::Client,
    start: Instant,
    said: Value,
}

impl OlderReplica {
    async fn say(&mut self, message: &Value) {
        let mut message = message.clone();
        message["sent_ms"] = json!(self.start.elapsed().as_millis() as u64 + 10_000);
        self.client.publish("whither.peers.say", message.to_string().into()).await.unwrap();
        self.said = message;
    }

    /// Says that it is alive until the service shows `value` of `metric`.
    async fn until(&mut self, group: &Group, metric: &str, value: usize) {
        let start = Instant::now();
        while super::group::figure(&group.replicas[0], metric) != Some(value) {
            assert!(start.elapsed() < crate::support::PATIENCE, "{metric} is not {value}");
            let hello = json!({
                "from": self.said["from"], "chains": self.said["chains"], "holds": self.said["holds"], "tell_all": false,
                "list": null, "number": null, "leaving": false, "held": [], "confirmed": [], "reported": [], "released": [],
                "failed": [], "uncordoned": [],
            });
            self.say(&hello).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test]
async fn a_replica_of_the_release_before_is_understood() {
    let group = Group::of(1, FEWEST, &[]).await;
    bucket(&group.client).await.put("node-1", recorded("agent.json").into()).await.unwrap();
    group.all_show("whither_nodes", 1).await;
    let messages = messages();
    let of = |field: &str| messages.iter().find(|message| message[field][0] != Value::Null).unwrap();
    let mut older = OlderReplica { client: group.client.clone(), start: Instant::now(), said: messages[0].clone() };
    older.until(&group, "whither_other_replicas", 1).await;
    older.say(of("held")).await;
    older.until(&group, "whither_reservations", 1).await;
    let again = ask(&group.client, "whither.place", &json!({"id": "q1", "user": {"login": "ann"}})).await.body;
    assert_eq!(again["reservation"], of("held")["held"][0]["reservation"]["id"], "{again}");
    older.say(of("confirmed")).await;
    older.say(of("released")).await;
    older.until(&group, "whither_reservations", 0).await;
    let status = Shell::new().with("WHITHER_NATS", &group.nats.url()).whither(["status"]);
    assert!(status.stdout.contains("1 of 2 replicas answered"), "{status:?}");
}

#[tokio::test]
async fn the_release_before_finds_all_that_it_reads_in_what_this_one_says() {
    let group = Group::of(1, FEWEST, &[]).await;
    let mut said = group.client.subscribe("whither.peers.say").await.unwrap();
    let own: Value = serde_json::from_slice(&said.next().await.unwrap().payload).unwrap();
    for (field, value) in messages()[0].as_object().unwrap() {
        let is_alike = std::mem::discriminant(&own[field]) == std::mem::discriminant(value);
        assert!(is_alike, "{field}: {value} before, {} now", own[field]);
    }
}

#[tokio::test]
async fn an_agent_of_the_release_before_is_a_node_as_any_other() {
    let group = Group::of(1, FEWEST, &[]).await;
    bucket(&group.client).await.put("node-1", recorded("agent.json").into()).await.unwrap();
    let node = eventually("the node is there", async || nodes(&group.client).await.into_iter().next()).await;
    assert_eq!((&node["state"], &node["checkedIn"]["late"]), (&"ready".into(), &false.into()), "{node}");
    assert_eq!(group.place("ann").await["node"], "node-1");
    let shell = Shell::new().with("WHITHER_NATS", &group.nats.url());
    let listed = shell.whither(["nodes"]);
    assert!(listed.stdout.contains("node-1") && listed.stdout.contains("0.1.0"), "{listed:?}");
    // It does not answer pings, and that is said.
    let pinged = shell.whither(["nodes", "ping", "node-1"]);
    assert!(pinged.stdout.contains("OUT OF SYNC: its agent does not answer"), "{pinged:?}");
}
