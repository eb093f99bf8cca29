//! Capacity that no race exceeds: each place is claimed in the bus.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::group::{FEWEST, Group, figure, limited_nodes};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, bucket, report};

const NODES: usize = 200;
/// Longer than a test on a busy machine asks for, short enough to wait for.
const LIFE_S: u64 = 60;

fn strict(life_s: u64) -> String {
    format!("[service]\ncapacity = \"strict\"\nreservation_s = {life_s}\n{FEWEST}")
}

/// What `count` concurrent requests are answered, those left out whose replica was killed.
async fn ask_all(group: &Group, count: usize, patience: Duration) -> Vec<Value> {
    let asks = (0..count).map(|number| {
        let client = group.client.clone();
        async move {
            let body = json!({"user": {"login": format!("u{number}")}}).to_string();
            let request = async_nats::Request::new().payload(body.into()).timeout(Some(patience));
            let reply = client.send_request("whither.place", request).await.ok()?;
            serde_json::from_slice(&reply.payload).ok()
        }
    });
    join_all(asks).await.into_iter().flatten().collect()
}

/// How many were placed on each node.
fn by_node(answers: &[Value]) -> BTreeMap<String, usize> {
    let mut nodes = BTreeMap::new();
    for node in answers.iter().filter_map(|answer| answer["node"].as_str()) {
        *nodes.entry(node.to_owned()).or_default() += 1;
    }
    nodes
}

#[tokio::test]
async fn four_replicas_place_exactly_what_there_is() {
    let group = Group::of(4, &strict(LIFE_S), &limited_nodes(NODES, 1)).await;
    let answers = ask_all(&group, 1000, Duration::from_secs(60)).await;
    let refused = answers.iter().filter(|answer| answer["error"]["name"] == "no-node").count();
    let placed = by_node(&answers);
    assert_eq!((answers.len(), placed.len(), refused), (1000, NODES, 800));
    assert!(placed.values().all(|count| *count == 1), "{placed:?}");
    let lost: usize = group.replicas.iter().filter_map(|replica| figure(replica, "whither_lost_claims_total")).sum();
    println!("places that another replica claimed first: {lost}");
}

/// Not a bar: how far `fast` goes past capacity when four replicas are asked for everything in one moment.
#[tokio::test]
async fn fast_exceeds_capacity_by_no_more_than_what_is_on_its_way() {
    let group = Group::of(4, FEWEST, &limited_nodes(NODES, 1)).await;
    let answers = ask_all(&group, 1000, Duration::from_secs(60)).await;
    let placed: usize = by_node(&answers).values().sum();
    println!("fast: {placed} placed on {NODES} nodes that take one each");
    assert_eq!(answers.len(), 1000);
    assert!((NODES..=4 * NODES).contains(&placed), "each replica knows at least of its own: {placed}");
    group.all_show("whither_reservations", placed).await;
    let late = ask_all(&group, 20, Duration::from_secs(60)).await;
    assert!(by_node(&late).is_empty(), "once all know of all, nothing more is placed: {late:?}");
}

#[tokio::test]
async fn replicas_that_die_take_no_place_twice_and_their_places_are_free_again() {
    let life_s = 20;
    let mut group = Group::of(4, &strict(life_s), &limited_nodes(NODES, 1)).await;
    let mut replicas = std::mem::take(&mut group.replicas);
    let storm = ask_all(&group, 1000, Duration::from_secs(10));
    let kill = async {
        // Whichever is in the midst of it: the first two die, and others come in their place.
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            drop(replicas.remove(0));
            replicas.push(Serve::start(&group.nats, &strict(life_s), &[]).await);
        }
        replicas
    };
    let (answers, replicas) = tokio::join!(storm, kill);
    let placed = by_node(&answers);
    let mut refused = BTreeMap::<&str, usize>::new();
    for name in answers.iter().filter_map(|answer| answer["error"]["name"].as_str()) {
        *refused.entry(name).or_default() += 1;
    }
    println!("{} answered, {} placed, {refused:?}", answers.len(), placed.len());
    assert!(placed.values().all(|count| *count == 1), "{placed:?}");
    group.replicas = replicas;
    // What nobody reports and nobody knows of any more is free again after its life.
    eventually("every place is free again", async || {
        let answers = ask_all(&group, 1000, Duration::from_secs(10)).await;
        let placed = by_node(&answers);
        assert!(placed.values().all(|count| *count == 1), "{placed:?}");
        if placed.len() == NODES {
            return Some(());
        }
        for reservation in answers.iter().filter_map(|answer| answer["reservation"].as_str()) {
            ask(&group.client, "whither.release", &json!({"reservation": reservation})).await;
        }
        None
    })
    .await;
}

#[tokio::test]
async fn what_a_node_reports_is_counted_once() {
    let group = Group::of(2, &strict(LIFE_S), &limited_nodes(1, 2)).await;
    let first = group.place("ann").await;
    let session = json!({"id": "s1", "user": "ann", "reservation": first["reservation"]});
    let document = json!({"id": "n000", "maxSessions": 2, "nodeData": {"sessions": [session]}});
    bucket(&group.client).await.put("n000", document.to_string().into()).await.unwrap();
    group.all_show("whither_reservations", 0).await;
    let second = group.place("bob").await;
    assert_eq!(second["node"], "n000", "{second}");
    group.all_show("whither_reservations", 1).await;
    let third = group.place("cy").await;
    assert_eq!(third["error"]["name"], "no-node", "{third}");
    ask(&group.client, "whither.release", &json!({"reservation": second["reservation"]})).await;
    group.all_show("whither_reservations", 0).await;
    let fourth = group.place("dan").await;
    assert_eq!(fourth["node"], "n000", "{fourth}");
}

#[tokio::test]
async fn no_script_gets_past_a_full_node_however_it_is_allowed() {
    let nats = Nats::start();
    let chain = "[chain.\"session/start\"]\nsteps = [\"pick.js\"]\non_unplaceable = \"allow\"\n";
    let config = format!("[service]\ncapacity = \"strict\"\n{chain}");
    let serve = Serve::start(&nats, &config, &[("pick.js", "function(input) { return 'n000' }")]).await;
    let client = nats.client().await;
    report(&client, &limited_nodes(1, 1)).await;
    eventually("the node is seen", async || (figure(&serve, "whither_nodes") == Some(1)).then_some(())).await;
    let place = async |user| ask(&client, "whither.place", &json!({"user": {"login": user}})).await.body;
    assert_eq!(place("ann").await["node"], "n000");
    let second = place("bob").await;
    assert_eq!(second["error"]["name"], "no-node", "{second}");
    let refused = figure(&serve, "whither_refused_commits_total").unwrap();
    assert!((1..100).contains(&refused), "it is asked again, and not for ever: {refused}");
}

#[tokio::test]
async fn nobody_is_placed_where_it_is_not_known_what_runs() {
    let silent = json!({"id": "n000", "maxSessions": 3});
    let group = Group::of(1, &strict(LIFE_S), &[silent]).await;
    let answer = group.place("ann").await;
    assert_eq!(answer["error"]["name"], "no-node", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("`n000` reports no sessions, so with strict capacity it takes none"), "{message}");
    bucket(&group.client).await.put("n000", limited_nodes(1, 3)[0].to_string().into()).await.unwrap();
    eventually("its sessions are known", async || group.place("ann").await["node"].is_string().then_some(())).await;
}
