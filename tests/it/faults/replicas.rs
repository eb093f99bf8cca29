//! One of two replicas stops in the middle of the storm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::site::FEWEST;
use crate::support::serve::{Serve, plain_nodes, read, report, site};
use crate::support::{PATIENCE, eventually};

const REQUESTS: usize = 8000;
/// Two a millisecond.
const PACE: Duration = Duration::from_millis(1);
const A_TICK: usize = 2;
/// A machine that cannot keep the pace gets what it can carry.
const IN_FLIGHT: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_told_to_stop_loses_no_request() {
    let (nats, mut one, client) = site(FEWEST, &[], 0).await;
    let other = Serve::start(&nats, FEWEST, &[]).await;
    report(&client, &plain_nodes(20)).await;
    for replica in [&one, &other] {
        eventually("both know the nodes", async || (replica.health()["nodes"]["ready"] == 20).then_some(())).await;
    }
    let answered: Arc<AtomicUsize> = Arc::default();
    let inbox = client.new_inbox();
    let replies = tokio::spawn(collect(client.clone(), inbox.clone(), Arc::clone(&answered)));
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..REQUESTS {
        if number % A_TICK == 0 {
            pace.tick().await;
        }
        while number > answered.load(Ordering::Relaxed) + IN_FLIGHT {
            tokio::time::sleep(PACE).await;
        }
        if number == REQUESTS / 2 {
            one.signal(Signal::TERM);
        }
        let (reply, body) = (format!("{inbox}.{number}"), json!({"user": {"login": format!("u{number}")}}));
        client.publish_with_reply("whither.place", reply, body.to_string().into()).await.unwrap();
    }
    assert_eq!(one.ended().await, Some(0));
    let times = replies.await.unwrap();
    let wrong: Vec<_> = times.iter().enumerate().filter(|(_, times)| **times != 1).collect();
    assert!(wrong.is_empty(), "answered not once: {wrong:?}");
    let by = |serve: &Serve| serve.figure("whither_decisions_total{chain=\"session/start\",outcome=\"placed\"}");
    assert!(by(&other).unwrap() > (REQUESTS / 2 - IN_FLIGHT) as f64, "the other one took over");
    assert!(one.log().contains("stopped"));
}

/// How often each request was answered, once all are; each answer must name a node.
async fn collect(client: Client, inbox: String, answered: Arc<AtomicUsize>) -> Vec<u32> {
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let mut times = vec![0; REQUESTS];
    let mut take = |message: async_nats::Message| {
        let reply = read(&message);
        assert!(reply.code.is_none() && reply.body["node"].is_string(), "{reply:?}");
        let number: usize = message.subject.rsplit('.').next().unwrap().parse().unwrap();
        times[number] += 1;
        answered.fetch_add(1, Ordering::Relaxed)
    };
    let mut count = 0;
    while count < REQUESTS {
        let Ok(Some(message)) = tokio::time::timeout(PATIENCE, replies.next()).await else {
            panic!("{count} of {REQUESTS} were answered");
        };
        count = take(message) + 1;
    }
    // A second answer to one of them would have been sent by now.
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(300), replies.next()).await {
        take(message);
    }
    times
}
