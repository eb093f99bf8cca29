//! Requests that wait for a free node: answered when one is, fairly, or with `no-node` at the end.

use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::group::{FEWEST, Group, limited_nodes};
use crate::support::serve::{ask, ask_raw, report};
use crate::support::{eventually, stop};

const LONG_MS: u64 = 60_000;

fn wait(group: &Group, user: &str, wait_ms: u64) -> JoinHandle<Value> {
    let (client, body) = (group.client.clone(), json!({"user": {"login": user}, "wait_ms": wait_ms}));
    tokio::spawn(async move { ask(&client, "whither.place", &body).await.body })
}

async fn release(group: &Group, placed: &Value) {
    let released = ask(&group.client, "whither.release", &json!({"reservation": placed["reservation"]})).await.body;
    assert_eq!(released["state"], "released");
}

#[tokio::test]
async fn who_waits_is_answered_when_a_node_is_free_users_in_turn() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 1)).await;
    let mut holder = group.place("zoe").await;
    let mut waiting = Vec::new();
    for (number, user) in ["ann", "ann", "ann", "bob", "cy"].into_iter().enumerate() {
        waiting.push((user, wait(&group, user, LONG_MS)));
        group.all_show("whither_waiting", number + 1).await;
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        release(&group, &holder).await;
        group.all_show("whither_waiting", waiting.len() - 1).await;
        let done =
            eventually("one is answered", async || waiting.iter().position(|(_, answer)| answer.is_finished())).await;
        let (user, answer) = waiting.remove(done);
        order.push(user);
        holder = answer.await.unwrap();
        assert_eq!(holder["node"], "n000", "{holder}");
    }
    assert_eq!(order, ["ann", "bob", "cy", "ann", "ann"]);
}

#[tokio::test]
async fn at_the_end_there_is_no_node_and_the_room_is_bounded() {
    let chains = format!("[limits]\nwaiting = 2\n{FEWEST}");
    let group = Group::of(1, &chains, &limited_nodes(1, 1)).await;
    group.place("zoe").await;
    let start = Instant::now();
    let refused = wait(&group, "ann", 300).await.unwrap();
    assert_eq!(refused["error"]["name"], "no-node", "{refused}");
    assert!(start.elapsed() >= Duration::from_millis(300));
    let waiting = [wait(&group, "ann", LONG_MS), wait(&group, "bob", LONG_MS)];
    group.all_show("whither_waiting", 2).await;
    let refused = wait(&group, "cy", LONG_MS).await.unwrap();
    assert_eq!(refused["error"]["name"], "no-node", "{refused}");
    // A stop lets nobody wait on.
    group.replicas[0].signal(Signal::TERM);
    for answer in waiting {
        assert_eq!(answer.await.unwrap()["error"]["name"], "no-node");
    }
}

#[tokio::test]
async fn one_user_does_not_fill_the_room() {
    let chains = format!("[limits]\nwaiting = 4\nwaiting_per_user = 3\n{FEWEST}");
    let group = Group::of(1, &chains, &limited_nodes(1, 1)).await;
    let holder = group.place("zoe").await;
    let mut greedy = Vec::new();
    for number in 0..3 {
        greedy.push(wait(&group, "greedy", LONG_MS));
        group.all_show("whither_waiting", number + 1).await;
    }
    let refused = wait(&group, "greedy", LONG_MS).await.unwrap();
    assert_eq!(refused["error"]["name"], "overloaded", "{refused}");
    assert!(refused["error"]["message"].to_string().contains("all that one user may have"), "{refused}");
    let bob = wait(&group, "bob", LONG_MS);
    group.all_show("whither_waiting", 4).await;
    // The room is full now; whoever has nothing in it gets a place of the greedy one's, whose newest request loses it.
    let cy = wait(&group, "cy", LONG_MS);
    let displaced = greedy.pop().unwrap().await.unwrap();
    assert_eq!(displaced["error"]["name"], "overloaded", "{displaced}");
    assert!(displaced["error"]["message"].to_string().contains("made way for another user's"), "{displaced}");
    group.all_show("whither_waiting", 4).await;
    group.all_show("whither_displaced_total", 1).await;
    // Once nobody has more than two, nobody makes way.
    let refused = wait(&group, "bob", LONG_MS).await.unwrap();
    assert_eq!(refused["error"]["name"], "no-node", "{refused}");
    release(&group, &holder).await;
    group.all_show("whither_waiting", 3).await;
    let first = greedy.remove(0).await.unwrap();
    assert_eq!(first["node"], "n000", "{first}");
    release(&group, &first).await;
    let second = bob.await.unwrap();
    assert_eq!(second["node"], "n000", "{second}");
    release(&group, &second).await;
    assert_eq!(cy.await.unwrap()["node"], "n000");
}

#[tokio::test]
async fn the_same_id_waits_once_and_a_deadline_ends_the_wait() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 1)).await;
    let holder = group.place("zoe").await;
    let twin = || {
        let (client, body) = (group.client.clone(), json!({"id": "q", "user": {"login": "ann"}, "wait_ms": LONG_MS}));
        tokio::spawn(async move { ask(&client, "whither.place", &body).await.body })
    };
    let twins = [twin(), twin()];
    group.all_show("whither_waiting", 1).await;
    release(&group, &holder).await;
    let [first, second] = twins;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((&first["node"], &first["reservation"]), (&json!("n000"), &second["reservation"]));

    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Whither-Deadline", soon.as_millis().to_string().as_str());
    let body = json!({"wait_ms": LONG_MS}).to_string().into_bytes();
    let refused = ask_raw(&group.client, "whither.place", body, headers).await.body;
    assert_eq!(refused["error"]["name"], "no-node", "{refused}");
}

#[tokio::test]
async fn who_was_being_asked_when_a_node_became_free_is_asked_again() {
    // So much time that nobody takes the stopped worker for a hanging one.
    let chains = format!("[limits]\nscript_ms = 60000\n{FEWEST}");
    let group = Group::of(1, &chains, &limited_nodes(1, 1)).await;
    let holder = group.place("zoe").await;
    let waiting = wait(&group, "ann", LONG_MS);
    group.all_show("whither_waiting", 1).await;
    let workers = group.replicas[0].children();
    for worker in &workers {
        stop(*worker).await;
    }
    let mut changed = limited_nodes(1, 1);
    changed[0]["load"] = json!(0.5);
    report(&group.client, &changed).await;
    group.all_show("whither_waiting", 0).await;
    release(&group, &holder).await;
    workers.iter().for_each(|worker| kill_process(*worker, Signal::CONT).unwrap());
    let placed = waiting.await.unwrap();
    assert_eq!(placed["node"], "n000", "{placed}");
}

#[tokio::test]
async fn where_places_are_claimed_who_waits_does_so_through_an_outage() {
    let chains = format!("[service]\ncapacity = \"strict\"\n{FEWEST}");
    let mut group = Group::of(1, &chains, &limited_nodes(1, 1)).await;
    let holder = group.place("zoe").await;
    let waiting = wait(&group, "ann", LONG_MS);
    group.all_show("whither_waiting", 1).await;
    group.nats.kill();
    eventually("the outage is noticed", async || group.replicas[0].get("/readyz").0.ne(&200).then_some(())).await;
    group.nats.restart();
    eventually("it is over", async || group.replicas[0].get("/readyz").0.eq(&200).then_some(())).await;
    assert!(!waiting.is_finished(), "nothing is free yet");
    release(&group, &holder).await;
    let placed = waiting.await.unwrap();
    assert_eq!(placed["node"], "n000", "{placed}");
}

#[tokio::test]
async fn a_wait_that_is_no_time_is_a_bad_request() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 1)).await;
    for wait_ms in [json!(-1), json!("soon"), json!(0.5), json!(600_001)] {
        let refused = ask(&group.client, "whither.place", &json!({"wait_ms": wait_ms})).await.body;
        assert_eq!(refused["error"]["name"], "bad-request", "{refused}");
    }
}
