//! Requests that are called off, whose requesters have gone, or whose sessions take long to start.

use std::process::Command;

use async_nats::HeaderMap;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::group::{FEWEST, Group, figure, limited_nodes};
use crate::support::eventually;
use crate::support::serve::ask;
use crate::support::shell::WHITHER;

const LONG_MS: u64 = 60_000;

/// Waits under `id` in the name of `user`.
fn wait(group: &Group, id: &str, user: &str) -> JoinHandle<Value> {
    let (client, body) = (group.client.clone(), json!({"id": id, "user": {"login": user}, "wait_ms": LONG_MS}));
    tokio::spawn(async move { ask(&client, "whither.place", &body).await.body })
}

async fn cancel(group: &Group, id: &str, user: &str) -> Value {
    ask(&group.client, "whither.cancel", &json!({"id": id, "user": {"login": user}})).await.body
}

/// How many wait at all replicas together.
async fn until_waiting(group: &Group, count: usize) {
    eventually("so many wait", async || {
        let waiting: usize = group.replicas.iter().filter_map(|replica| figure(replica, "whither_waiting")).sum();
        (waiting == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_is_called_off_wherever_it_waits() {
    let group = Group::of(2, FEWEST, &limited_nodes(1, 1)).await;
    let holder = group.place("zoe").await;
    let waiting: Vec<_> = (0..6).map(|number| wait(&group, &format!("q{number}"), "ann")).collect();
    until_waiting(&group, 6).await;
    assert_eq!(cancel(&group, "q0", "bob").await["state"], "gone", "the question of another user");
    for (number, answer) in waiting.into_iter().enumerate() {
        let id = format!("q{number}");
        assert_eq!(cancel(&group, &id, "ann").await, json!({"id": id, "state": "cancelled"}));
        assert_eq!(answer.await.unwrap()["error"]["name"], "cancelled");
        assert_eq!(cancel(&group, &id, "ann").await["state"], "gone");
    }
    until_waiting(&group, 0).await;
    let refused = cancel(&group, "", "ann").await;
    assert_eq!(refused["error"]["name"], "bad-request", "{refused}");
    ask(&group.client, "whither.release", &json!({"reservation": holder["reservation"]})).await;
    let placed = wait(&group, "again", "ann").await.unwrap();
    let told = cancel(&group, "again", "ann").await;
    assert_eq!((&told["state"], &told["reservation"]), (&json!("placed"), &placed["reservation"]));
}

#[tokio::test]
async fn it_is_said_who_waits_and_why() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 1)).await;
    group.place("zoe").await;
    let _waiting = [wait(&group, "q0", "ann"), wait(&group, "q1", "bob")];
    until_waiting(&group, 2).await;
    let told = ask(&group.client, "whither.waiting", &json!({})).await.body;
    assert_eq!(told["total"], 2, "{told}");
    let mut users: Vec<_> = told["waiting"].as_array().unwrap().iter().map(|one| one["user"].as_str()).collect();
    users.sort_unstable();
    assert_eq!(users, [Some("ann"), Some("bob")]);
    let first = &told["waiting"][0];
    assert!(first["reason"].as_str().unwrap().contains("1 full"), "{first}");
    assert!(first["left_ms"].as_u64().unwrap() <= LONG_MS && first["action"] == "session/start", "{first}");
    assert_eq!(ask(&group.client, "whither.waiting", &json!({"limit": 1})).await.body["waiting"][1], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_who_waits_and_calls_them_off() {
    let group = Group::of(2, FEWEST, &limited_nodes(1, 1)).await;
    group.place("zoe").await;
    let waiting = [wait(&group, "q0", "ann"), wait(&group, "q1", "bob"), wait(&group, "q2", "cy")];
    until_waiting(&group, 3).await;
    let url = group.nats.url();
    let whither = |arguments: &[&str]| {
        let told = Command::new(WHITHER).args(arguments).args(["--nats", &url]).output().unwrap();
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).unwrap()
    };
    let listed: Vec<Value> = serde_json::from_str(&whither(&["waiting", "--json"])).unwrap();
    assert_eq!(listed.len(), 3, "{listed:?}");
    let table = whither(&["waiting"]);
    assert!(["ann", "bob", "cy", "q1", "1 full"].iter().all(|word| table.contains(word)), "{table}");
    for (id, user) in [("q0", "ann"), ("q1", "bob"), ("q2", "cy")] {
        assert_eq!(whither(&["cancel", id, "--user", user]), format!("{id} cancelled\n"));
    }
    let gone = Command::new(WHITHER).args(["cancel", "q0", "--user", "ann", "--nats", &url]).output().unwrap();
    let words = String::from_utf8_lossy(&gone.stderr);
    assert!(gone.status.code() == Some(1) && words.contains("no request q0 of ann waits"), "{gone:?}");
    for answer in waiting {
        assert_eq!(answer.await.unwrap()["error"]["name"], "cancelled");
    }
}

#[tokio::test]
async fn a_place_that_nobody_is_there_to_take_goes_to_the_next_at_once() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 1)).await;
    let holder = group.place("zoe").await;
    let gone = group.nats.client().await;
    let mut inbox = gone.subscribe("_INBOX.gone").await.unwrap();
    let body = json!({"user": {"login": "bob"}, "wait_ms": LONG_MS}).to_string();
    gone.publish_with_reply("whither.place", "_INBOX.gone", body.into()).await.unwrap();
    until_waiting(&group, 1).await;
    let next = wait(&group, "q", "cy");
    until_waiting(&group, 2).await;
    inbox.unsubscribe().await.unwrap();
    gone.flush().await.unwrap();
    ask(&group.client, "whither.release", &json!({"reservation": holder["reservation"]})).await;
    assert_eq!(next.await.unwrap()["node"], "n000");
    group.all_show("whither_untaken_total", 1).await;
    drop(inbox.next());
}

#[tokio::test]
async fn a_reservation_lives_as_long_as_its_slow_start_needs() {
    let chains = format!("[service]\nreservation_s = 1\nreservation_max_s = 600\n{FEWEST}");
    let group = Group::of(2, &chains, &limited_nodes(4, 1)).await;
    let place = async |more: Value| {
        let mut request = json!({"user": {"login": "ann"}});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&group.client, "whither.place", &request).await.body
    };
    let refused = place(json!({"reservation_s": 601})).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("the most is 600"), "{refused}");
    for none in [json!(0), json!(-1), json!(1.5), json!("60"), json!(86_401)] {
        assert_eq!(place(json!({"reservation_s": none})).await["error"]["name"], "bad-request");
    }
    let slow = place(json!({"reservation_s": 300})).await;
    assert!((290_000..=300_000).contains(&slow["expires_in_ms"].as_u64().unwrap()), "{slow}");
    let renewed = place(json!({})).await;
    let renewal = json!({"reservation": renewed["reservation"], "reservation_s": 200});
    let told = ask(&group.client, "whither.renew", &renewal).await.body;
    assert_eq!((&told["state"], &told["node"]), (&json!("renewed"), &renewed["node"]));
    assert!(told["expires_in_ms"].as_u64().unwrap() > 190_000, "{told}");
    // One that lives as long as any comes to its end; these two go on, at both replicas.
    place(json!({})).await;
    group.all_show("whither_reservations", 2).await;
    for reservation in [&slow, &renewed] {
        let confirm = json!({"reservation": reservation["reservation"]});
        assert_eq!(ask(&group.client, "whither.confirm", &confirm).await.body["state"], "confirmed");
    }
    let unknown = json!({"reservation": "00feed00-1", "reservation_s": 7});
    assert_eq!(ask(&group.client, "whither.renew", &unknown).await.body["state"], "gone");
    let misplaced = ask(&group.client, "whither.confirm", &unknown).await.body;
    assert_eq!(misplaced["error"]["message"], "`reservation_s` says nothing to `confirm`");
}

#[tokio::test]
async fn what_is_said_without_a_reply_counts() {
    let group = Group::of(2, FEWEST, &limited_nodes(1, 1)).await;
    let placed = group.place("ann").await;
    group.all_show("whither_reservations", 1).await;
    let body = json!({"reservation": placed["reservation"]}).to_string();
    group.client.publish("whither.release", body.into()).await.unwrap();
    group.all_show("whither_reservations", 0).await;
    assert_eq!(group.place("bob").await["node"], "n000");
    // A question without a reply asks for nothing.
    group.client.publish_with_headers("whither.place", HeaderMap::new(), "{}".into()).await.unwrap();
}

#[tokio::test]
async fn no_more_sessions_start_on_a_node_at_a_time_than_it_bears() {
    let chains = format!("[service]\nmax_pending = 3\n{FEWEST}");
    let mut nodes = limited_nodes(3, 100);
    nodes[2]["staticData"] = json!({"maxPending": 1});
    nodes[0]["nodeData"]["sessions"] = json!([{"id": "s1", "user": "x"}, {"id": "s2", "user": "y"}]);
    let group = Group::of(1, &chains, &nodes).await;
    let mut counts = std::collections::BTreeMap::new();
    for user in 0..7 {
        let placed = group.place(&format!("u{user}")).await;
        *counts.entry(placed["node"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts, [("n000".to_owned(), 3), ("n001".to_owned(), 3), ("n002".to_owned(), 1)].into());
    let refused = group.place("late").await;
    assert_eq!(refused["error"]["diagnosis"]["excluded"]["starting"]["count"], 3, "{refused}");
}
