//! Tests of the status: everything that goes wrong with a replica is told, and what is well is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::{Change, Marks};
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::peers::Message;

use super::super::events::FrontEvent;
use super::super::testing::{ACTION, Harness, other_says, report, request, setup};

fn status(harness: &mut Harness) -> Value {
    let number = harness.send(Verb::Status, &json!({}));
    harness.reply(number)
}

fn problems(harness: &mut Harness) -> Vec<String> {
    let problems = status(harness)["problems"].clone();
    serde_json::from_value(problems).unwrap()
}

/// A node in `group` that takes `max` sessions and has `sessions` of them.
fn node(id: &str, group: &str, max: u64, sessions: u64) -> Change {
    let document = json!({
        "id": id, "serverPool": group, "maxSessions": max, "nodeData": {"sessions": sessions},
        "agent": {"version": "0.1.0"},
    });
    Change::Report(std::sync::Arc::new(crate::model::Report::from_value(document).unwrap()))
}

#[test]
fn a_replica_that_is_well_says_so() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    harness.view.seen().age = Some(Duration::from_millis(300));
    harness.sleep(Duration::from_secs(90));
    let told = status(&mut harness);
    assert_eq!((&told["ready"], &told["problems"], &told["replicas"]), (&true.into(), &json!([]), &1.into()));
    assert_eq!(
        (&told["version"], &told["chains"]["digest"]),
        (&env!("CARGO_PKG_VERSION").into(), &json!(setup().digest))
    );
    assert!(told["uptime_s"].as_u64().unwrap() >= 90 && told["chains"]["actions"][0] == ACTION, "{told}");
    assert_eq!((&told["view"]["nodes"], &told["view"]["age_ms"]), (&2.into(), &300.into()));
    assert_eq!(told["view"]["states"], json!({"ready": 2}));
    let workers = &told["workers"];
    assert_eq!(
        (&workers["slots"], &workers["staffed"], &workers["deaths"]),
        (&workers["staffed"], &workers["slots"], &0.into())
    );
}

#[test]
fn requests_are_told_of_for_the_last_minutes() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.placed("ann", "a");
    harness.sleep(Duration::from_secs(61));
    harness.placed("bob", "a");
    harness.place_asked(&request("eve"));
    let told = status(&mut harness);
    assert_eq!(told["requests"]["unanswered"], 1);
    let minutes = told["requests"]["minutes"].as_array().unwrap();
    let requests: Vec<_> = minutes.iter().map(|minute| minute["requests"].as_u64().unwrap()).collect();
    assert_eq!(requests, [1, 1, 0, 0, 0]);
    assert_eq!(told["reservations"], 2);
    let number = harness.send(Verb::Status, &json!({"minutes": 1000}));
    assert_eq!(harness.reply(number)["requests"]["minutes"].as_array().unwrap().len(), 60);
    let number = harness.send(Verb::Status, &json!({"hours": 1}));
    assert_eq!(harness.failure(number).0, "bad-request");
}

#[test]
fn places_that_are_left_are_counted_by_group() {
    let nodes = [node("a", "gpu", 10, 4), node("b", "gpu", 10, 10), node("c", "", 5, 0), node("d", "gpu", 10, 0)];
    let mut harness = Harness::with_nodes(setup(), nodes);
    harness.change(Change::Mark("d".into(), Marks { cordoned: true, ..Marks::default() }));
    harness.change(report("free", None, &[]));
    harness.placed("ann", "a");
    let told = status(&mut harness);
    let whole = &told["capacity"];
    assert_eq!((&told["groups"], &whole[0]["group"], &whole[1]["group"]), (&2.into(), &"".into(), &"gpu".into()));
    let expected = json!({"group": "", "nodes": 2, "ready": 2, "sessions": 0, "reservations": 0, "max": 5, "left": 5, "unlimited": 1});
    assert_eq!(whole[0], expected);
    let expected = json!({"group": "gpu", "nodes": 3, "ready": 1, "sessions": 14, "reservations": 1, "max": 30, "left": 5, "unlimited": 0});
    assert_eq!(whole[1], expected);
    let agents = json!([
        {"version": "", "state": "ready", "nodes": 1}, {"version": "0.1.0", "state": "cordoned", "nodes": 1},
        {"version": "0.1.0", "state": "full", "nodes": 1}, {"version": "0.1.0", "state": "ready", "nodes": 2},
    ]);
    assert_eq!(told["agents"], agents);
}

#[test]
fn a_view_that_is_not_kept_is_a_problem_with_its_reason() {
    let mut harness = Harness::bare(setup());
    assert_eq!(problems(&mut harness), ["no worker can decide yet", "the node list is not read yet"]);
    harness.tick();
    harness.tell(FrontEvent::Registry(RegistryEvent::Ready { nodes: 0 }));
    assert!(problems(&mut harness).is_empty());
    let reason = "stream `KV_whither_nodes` has no leader".to_owned();
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: reason.clone() }));
    let told = status(&mut harness);
    assert_eq!((&told["ready"], &told["view"]["is_kept"]), (&false.into(), &false.into()));
    assert_eq!(told["view"]["trouble"], json!(reason));
    let problem = told["problems"][0].as_str().unwrap();
    assert!(problem.contains(&reason) && problem.contains("known so far count"), "{problem}");
}

#[test]
fn stale_nodes_and_other_chains_are_problems() {
    let names: Vec<_> = (0..25).map(|number| format!("n{number:02}")).collect();
    let mut harness = Harness::new(setup(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    harness.change(Change::Stale("n07".into()));
    assert_eq!(problems(&mut harness), ["1 node has not reported for too long: n07"]);
    names.iter().for_each(|name| harness.change(Change::Stale(name.as_str().into())));
    let told = problems(&mut harness).remove(0);
    assert!(
        told.starts_with("25 nodes have not reported for too long: n00, n01, ") && told.ends_with("n19, …"),
        "{told}"
    );
    harness.hear(&Message { from: "third".into(), chains: "strange".into(), ..other_says() });
    assert_eq!(problems(&mut harness)[0], "replica third runs other chains or other `[tokens]` (digest strange)");
}

#[test]
fn a_stop_and_the_surroundings_are_told_apart() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&other_says());
    harness.tell(FrontEvent::FrozenKept(true));
    let told = status(&mut harness);
    assert_eq!(told["problems"], json!([]));
    assert!(told["notes"][0].as_str().unwrap().starts_with("frozen: NATS keeps a client"), "{told}");
    harness.tell(FrontEvent::Stop);
    assert_eq!(problems(&mut harness), ["the replica is stopping"]);
}
