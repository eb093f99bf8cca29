//! Programs and nodes that fail: each failure has its name, nothing is left behind, and another node is tried.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::site::{SESSION, StartSite, is_running};
use crate::support::eventually;
use crate::support::serve::report;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_is_passed_over_and_cools_down() {
    let site = StartSite::start().await;
    let _broken = site.agent("n1", "echo 'no X server' >&2; exit 3").await;
    let _good = site.agent("n2", SESSION).await;
    let reply = site.ask("ann").await.body;
    assert_eq!((&reply["state"], &reply["node"]), (&json!("started"), &json!("n2")), "{reply}");
    let tries = reply["tries"].as_array().unwrap();
    assert_eq!((tries.len(), &tries[0]["node"], &tries[0]["reason"]), (1, &json!("n1"), &json!("exit")), "{reply}");
    assert!(tries[0]["message"].as_str().unwrap().ends_with("ended with exit status: 3: no X server"), "{reply}");
    eventually("n1 cools down", async || (site.node("n1").await["state"] == "cooling-down").then_some(())).await;
    assert_eq!(site.node("n1").await["pending"], 0);
    let next = site.ask("bob").await.body;
    assert!(next["node"] == "n2" && next.get("tries").is_none(), "{next}");
}

/// Whoever may ask for a start may not write into the buckets, and the agent may.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_answer_goes_to_no_inbox_is_not_run() {
    let site = StartSite::start().await;
    let _agent = site.agent("n1", SESSION).await;
    let deadline_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 + 60_000;
    let order = |reservation: &str| {
        let order = json!({
            "reservation": reservation, "user": {"login": "ann"}, "login": "ann", "admin": false, "start": {},
            "limit_ms": 30_000, "deadline_ms": deadline_ms,
        });
        order.to_string()
    };
    for (reservation, reply) in [("r-1", "$KV.whither_marks.n1"), ("r-2", "whither.node.n1.ping")] {
        site.client.publish_with_reply("whither.node.n1.start", reply, order(reservation).into()).await.unwrap();
    }
    let answer = site.client.request("whither.node.n1.start", order("r-3").into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(answer["state"], "started", "{answer}");
    // A start of the first two would be remembered, and be told here.
    let recalled = async |reservation: &str| {
        let mut recall: Value = serde_json::from_str(&order(reservation)).unwrap();
        recall["recall"] = json!(true);
        let reply = site.client.request("whither.node.n1.start", recall.to_string().into()).await.unwrap();
        serde_json::from_slice::<Value>(&reply.payload).unwrap()["state"].clone()
    };
    assert_eq!((recalled("r-1").await, recalled("r-2").await), (json!("failed"), json!("failed")));
    assert_eq!(site.read("started").trim(), "r-3");
    let js = async_nats::jetstream::new(site.client.clone());
    let marks = js.get_key_value("whither_marks").await.unwrap();
    assert!(marks.get("n1").await.unwrap().is_none(), "the agent wrote nothing there");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_misbehave_has_its_name_and_leaves_nothing() {
    let cases = [
        ("n1", "exec sleep 1000", "time"),
        ("n2", "exec head -c 1000000000 /dev/zero", "output"),
        ("n3", "kill -SEGV $$", "signal"),
        ("n4", "exit 0", "silent"),
        (
            "n5",
            "setsid --fork sh -c 'echo $$ > \"$SITE/child\"; exec sleep 1000'\n\
             until test -s \"$SITE/child\"; do sleep 0.01; done; exit 9",
            "exit",
        ),
    ];
    let site = StartSite::start().await;
    let mut agents = Vec::new();
    for (node, script, _) in cases {
        let options: &[&str] = if node == "n1" { &["--start-limit", "3"] } else { &[] };
        agents.push(site.agent_with(node, script, options).await);
    }
    // At most three nodes are tried for a request.
    let first = site.ask("ann").await;
    let second = site.ask("ann").await;
    assert_eq!((&first.body["error"]["name"], first.code.as_deref()), (&json!("start-failed"), Some("502")));
    let tries = |body: &Value| body["error"]["tries"].as_array().unwrap().clone();
    let found: Vec<_> = tries(&first.body).into_iter().chain(tries(&second.body)).collect();
    for (node, _, reason) in cases {
        let tried = found.iter().find(|tried| tried["node"] == node);
        assert_eq!(tried.map(|tried| &tried["reason"]), Some(&json!(reason)), "{node}: {found:?}");
    }
    assert!(!is_running(&site.read("child")), "what a failed start leaves behind is killed");
    for (node, _, _) in cases {
        assert_eq!(site.node(node).await["pending"], 0, "{node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_goes_to_the_user_and_no_other_node_is_tried() {
    let site = StartSite::start().await;
    let _first = site.agent("n1", "echo 'No licence is left'").await;
    let _second = site.agent("n2", SESSION).await;
    let reply = site.ask("ann").await;
    assert_eq!(reply.code, None);
    let expected = (&json!("text"), &json!("n1"), &json!("No licence is left"));
    assert_eq!((&reply.body["state"], &reply.body["node"], &reply.body["text"]), expected, "{}", reply.body);
    assert!(site.started().is_empty());
    assert_eq!(site.node("n1").await["pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_stops_in_the_middle_leaves_the_start_to_the_next_node() {
    let site = StartSite::start().await;
    let mut first = site.agent("n1", "echo $$ > \"$SITE/child\"; touch \"$SITE/waits\"; exec sleep 1000").await;
    let _second = site.agent("n2", SESSION).await;
    let stopped = async {
        site.at_gate().await;
        first.stop().await
    };
    let (reply, status) = tokio::join!(site.ask("ann"), stopped);
    assert!(status.success());
    assert_eq!(
        (&reply.body["node"], &reply.body["tries"][0]["reason"]),
        (&json!("n2"), &json!("stopping")),
        "{}",
        reply.body
    );
    assert!(!is_running(&site.read("child")));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_agent_starts_sessions_that_is_told_and_nothing_stays_reserved() {
    let site = StartSite::start().await;
    report(&site.client, &[json!({"id": "n1", "nodeData": {"sessions": []}})]).await;
    let reply = site.ask("ann").await;
    let error = &reply.body["error"];
    assert_eq!((&error["name"], &error["tries"][0]["reason"]), (&json!("start-failed"), &json!("away")), "{error}");
    assert_eq!(site.node("n1").await["pending"], 0);
    assert!(error["message"].as_str().unwrap().ends_with("; no other node is left"), "a node is tried once: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_ends_within_the_time_of_its_requester() {
    let site = StartSite::start().await;
    let _agent = site.agent("n1", "exec sleep 1000").await;
    let begun = std::time::Instant::now();
    let reply = site.ask_within(json!({"user": {"login": "ann"}}), 8).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "the usual limit of an agent");
    assert_eq!(reply.body["error"]["tries"][0]["reason"], "time", "{}", reply.body);
    assert_eq!(site.node("n1").await["pending"], 0);
    let late = site.ask_within(json!({"user": {"login": "ann"}}), 0).await;
    assert_eq!(late.body["error"]["name"], "overloaded");
}
