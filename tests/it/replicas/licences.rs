//! Licences that no race hands out twice: countable facts are taken in the bus, together with the place.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, kv};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::group::{FEWEST, Group, limited_nodes};
use crate::support::eventually;
use crate::support::serve::{Serve, ask};

const LICENCES: u64 = 12;
const REQUESTS: usize = 1000;
const FREE: &str = "whither_fact_free{fact=\"matlab\"}";

fn config(capacity: &str, life_s: u64) -> String {
    format!("[service]\ncapacity = \"{capacity}\"\nreservation_s = {life_s}\n{FEWEST}")
}

/// What the bucket says: how many units are held, seen at every change.
struct Watched {
    held: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Watched {
    /// Follows the bucket, and fails where more is held than there is.
    async fn follow(client: &Client) -> Self {
        let bucket = facts(client).await;
        let mut changes = bucket.watch_with_history("matlab").await.unwrap();
        let (sender, held) = watch::channel(0);
        let task = tokio::spawn(async move {
            while let Some(entry) = changes.next().await {
                let fact: Value = serde_json::from_slice(&entry.unwrap().value).unwrap();
                sender.send_replace(units(&fact));
            }
        });
        Self { held, task }
    }

    async fn reaches(&mut self, units: u64) {
        self.held.wait_for(|held| *held >= units).await.unwrap();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The units that are held, of which there are never more than there are.
fn units(fact: &Value) -> u64 {
    let held = fact["held"].as_object().unwrap().values().map(|hold| hold["n"].as_u64().unwrap()).sum();
    assert!(held <= LICENCES, "{fact}");
    held
}

async fn facts(client: &Client) -> kv::Store {
    jetstream::new(client.clone()).get_key_value("whither_facts").await.unwrap()
}

async fn held(client: &Client) -> u64 {
    let text = facts(client).await.get("matlab").await.unwrap().unwrap();
    units(&serde_json::from_slice(&text).unwrap())
}

/// A group of four replicas that know of the licences, and of many more places.
async fn group(capacity: &str, life_s: u64) -> Group {
    let group = Group::of(4, &config(capacity, life_s), &limited_nodes(20, 100)).await;
    let set = ask(&group.client, "whither.fact-set", &json!({"fact": "matlab", "count": LICENCES})).await.body;
    assert_eq!(set["now"]["count"], LICENCES, "{set}");
    group.all_show(FREE, LICENCES as usize).await;
    group
}

/// What concurrent requests for a licence each are answered, those left out whose replica was killed.
async fn ask_all(client: &Client, count: usize, patience: Duration) -> Vec<Value> {
    let asks = (0..count).map(|number| {
        let client = client.clone();
        async move {
            let body = json!({"user": {"login": format!("u{number}")}, "needs": {"matlab": 1}}).to_string();
            let request = async_nats::Request::new().payload(body.into()).timeout(Some(patience));
            let reply = client.send_request("whither.place", request).await.ok()?;
            serde_json::from_slice(&reply.payload).ok()
        }
    });
    join_all(asks).await.into_iter().flatten().collect()
}

fn reservations(answers: &[Value]) -> Vec<&str> {
    answers.iter().filter_map(|answer| answer["reservation"].as_str()).collect()
}

/// How many answers failed, by the name of the failure.
fn refused(answers: &[Value]) -> BTreeMap<&str, usize> {
    let mut refused = BTreeMap::new();
    for name in answers.iter().filter_map(|answer| answer["error"]["name"].as_str()) {
        *refused.entry(name).or_default() += 1;
    }
    refused
}

async fn release_all(group: &Group, reservations: &[&str]) {
    for reservation in reservations {
        ask(&group.client, "whither.release", &json!({"reservation": reservation})).await;
    }
}

async fn exactly_as_many_as_there_are(capacity: &str) {
    let group = group(capacity, 300).await;
    let _watched = Watched::follow(&group.client).await;
    let answers = ask_all(&group.client, REQUESTS, Duration::from_secs(60)).await;
    let (placed, refused) = (reservations(&answers), refused(&answers));
    println!("{capacity}: {} placed, {refused:?}", placed.len());
    assert_eq!((answers.len(), placed.len(), held(&group.client).await), (REQUESTS, 12, LICENCES));
    assert_eq!(refused, BTreeMap::from([("fact-exhausted", REQUESTS - 12)]));
    group.all_show(FREE, 0).await;
    release_all(&group, &placed).await;
    eventually("all are free again", async || (held(&group.client).await == 0).then_some(())).await;
    group.all_show(FREE, LICENCES as usize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_licences_are_held_by_exactly_twelve_of_a_thousand_where_capacity_is_strict() {
    exactly_as_many_as_there_are("strict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_where_it_is_not_strict() {
    exactly_as_many_as_there_are("fast").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_die_hand_out_no_licence_twice_and_all_are_free_in_the_end() {
    let life_s = 20;
    let mut group = group("strict", life_s).await;
    let mut watched = Watched::follow(&group.client).await;
    let mut replicas = std::mem::take(&mut group.replicas);
    let storm = ask_all(&group.client, REQUESTS, Duration::from_secs(10));
    let kill = async {
        // In the midst of it: when the first licence is held, and when half of them are.
        for units in [1, LICENCES / 2] {
            watched.reaches(units).await;
            drop(replicas.remove(0));
            replicas.push(Serve::start(&group.nats, &config("strict", life_s), &[]).await);
        }
        replicas
    };
    let (answers, replicas) = tokio::join!(storm, kill);
    group.replicas = replicas;
    println!("{} answered, {} placed, {:?}", answers.len(), reservations(&answers).len(), refused(&answers));
    assert!(reservations(&answers).len() <= 12);
    // Those who ask again get what is left, if anything is.
    let later = Mutex::new(Vec::new());
    eventually("exactly all are held", async || {
        let answers = ask_all(&group.client, 20, Duration::from_secs(10)).await;
        later.lock().unwrap().extend(answers);
        (held(&group.client).await == LICENCES).then_some(())
    })
    .await;
    let later = later.into_inner().unwrap();
    assert!(reservations(&answers).len() + reservations(&later).len() <= 12);
    release_all(&group, &reservations(&answers)).await;
    release_all(&group, &reservations(&later)).await;
    // What the dead replicas held for requesters that were never answered is free after its life.
    eventually("all are free again", async || (held(&group.client).await == 0).then_some(())).await;
    group.all_show(FREE, LICENCES as usize).await;
    let again = ask_all(&group.client, 100, Duration::from_secs(60)).await;
    assert_eq!(reservations(&again).len(), 12, "{:?}", refused(&again));
}
