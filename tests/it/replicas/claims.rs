//! What changes while a place is being claimed: the claim is held back on its way to the server meanwhile.

use std::time::Duration;

use async_nats::{Client, HeaderMap, jetstream};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::group::{FEWEST, figure, limited_nodes};
use crate::support::eventually;
use crate::support::gate::Gate;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, ask_raw, nodes, report};

/// A service whose claims pass a gate, and a client that reaches the server without it.
struct Site {
    client: Client,
    gate: Gate,
    serve: Serve,
    _nats: Nats,
}

impl Site {
    /// Two nodes that take one session each.
    async fn new(lines: &str) -> Self {
        let nats = Nats::start();
        let client = nats.client().await;
        let gate = Gate::before(&nats.url(), "$KV.whither_claims.").await;
        let chains = format!("[service]\ncapacity = \"strict\"\n{lines}{FEWEST}");
        let mut serve = Serve::spawn_on(&[gate.url()], "", &chains, &[]);
        serve.ready().await;
        report(&client, &limited_nodes(2, 1)).await;
        Self { client, gate, serve, _nats: nats }
    }

    /// Asks for a placement, and waits for the answer elsewhere.
    fn ask(&self, body: Value, headers: HeaderMap) -> JoinHandle<Value> {
        let client = self.client.clone();
        tokio::spawn(async move { ask_raw(&client, "whither.place", body.to_string().into(), headers).await.body })
    }

    async fn cordon(&self, node: &str) {
        ask(&self.client, "whither.cordon", &json!({"node": node})).await;
        eventually("it is cordoned", async || {
            nodes(&self.client).await.iter().any(|found| found["id"] == node && found["cordoned"] == true).then_some(())
        })
        .await;
    }

    async fn release(&self, placed: &Value) {
        let released = ask(&self.client, "whither.release", &json!({"reservation": placed["reservation"]})).await.body;
        assert_eq!(released["state"], "released", "{released}");
    }

    async fn shows(&self, metric: &str, value: usize) {
        eventually(metric, async || (figure(&self.serve, metric) == Some(value)).then_some(())).await;
    }

    /// Waits until nothing is claimed on `node`.
    async fn is_unclaimed(&self, node: &str) {
        let book = jetstream::new(self.client.clone()).get_key_value("whither_claims").await.unwrap();
        eventually("nothing is claimed there", async || book.get(node).await.unwrap().is_none().then_some(())).await;
    }
}

#[tokio::test]
async fn a_node_that_is_cordoned_meanwhile_is_not_used() {
    let site = Site::new("").await;
    site.gate.close();
    let answer = site.ask(json!({}), HeaderMap::new());
    site.gate.holds(1).await;
    site.cordon("n000").await;
    site.gate.open();
    let placed = answer.await.unwrap();
    assert_eq!(placed["node"], "n001", "{placed}");
    site.is_unclaimed("n000").await;
}

#[tokio::test]
async fn a_place_that_is_won_after_the_deadline_is_given_back() {
    let site = Site::new("").await;
    site.gate.close();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let deadline = now + Duration::from_secs(2);
    let mut headers = HeaderMap::new();
    headers.insert("Whither-Deadline", deadline.as_millis().to_string().as_str());
    let answer = site.ask(json!({}), headers);
    site.gate.holds(1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    site.gate.open();
    let refused = answer.await.unwrap();
    assert_eq!(refused["error"]["name"], "overloaded", "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("while the place was claimed"), "{refused}");
    site.is_unclaimed("n000").await;
    // Each of the two nodes takes one session: both are free.
    let mut taken = Vec::new();
    for _ in 0..2 {
        let placed = ask(&site.client, "whither.place", &json!({})).await.body;
        taken.push(placed["node"].as_str().unwrap_or_else(|| panic!("{placed}")).to_owned());
    }
    taken.sort_unstable();
    assert_eq!(taken, ["n000", "n001"]);
}

#[tokio::test]
async fn who_waited_for_a_node_that_is_cordoned_meanwhile_waits_on() {
    let site = Site::new("[limits]\nwaiting = 1\n").await;
    let mut placed = Vec::new();
    for _ in 0..2 {
        placed.push(ask(&site.client, "whither.place", &json!({})).await.body);
    }
    let waiting = site.ask(json!({"wait_ms": 60_000}), HeaderMap::new());
    site.shows("whither_waiting", 1).await;
    site.gate.close();
    site.release(&placed[0]).await;
    // The first claim is written off, and the next one is made.
    site.gate.holds(2).await;
    site.shows("whither_waiting", 0).await;
    site.cordon("n000").await;
    site.gate.open();
    site.shows("whither_waiting", 1).await;
    site.release(&placed[1]).await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer["node"], "n001", "{answer}");
}
