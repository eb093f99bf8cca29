//! Turns over a real NATS server: whose turn it is outlives the worker that knew.

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, plain_nodes, report};
use async_nats::Client;
use futures_util::future::join_all;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

const TURNS: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\nreserve = false\n";

/// The node whose turn it is.
async fn next(client: &Client) -> Value {
    ask(client, "whither.explain", &json!({})).await.body["node"].clone()
}

/// Requests that come together are decided together; the last of them still was the last.
#[tokio::test]
async fn a_new_worker_goes_on_where_the_old_one_stopped() {
    let nats = Nats::start();
    let serve = Serve::start(&nats, TURNS, &[]).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(5)).await;
    for burst in [1, 203, 7, 54] {
        let nothing = json!({});
        join_all((0..burst).map(|_| ask(&client, "whither.place", &nothing))).await;
        let before = next(&client).await;
        let worker = eventually("a worker", async || serve.children().first().copied()).await;
        kill_process(worker, Signal::KILL).unwrap();
        eventually("another worker", async || serve.children().iter().any(|child| *child != worker).then_some(()))
            .await;
        assert_eq!(next(&client).await, before, "after {burst} requests at once");
    }
}
