//! A replica that did not run for a while knows afterwards what the others know, whether what they said meanwhile waited
//! for it or was lost.

use std::time::Duration;

use async_nats::{Client, Request};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::group::{FEWEST, Group, figure, limited_nodes};
use crate::support::nats::Nats;
use crate::support::serve::{bucket, nodes, read};
use crate::support::{PATIENCE, eventually, launcher};

const NODES: usize = 10;
/// Longer than the others believe that a silent replica is there.
const PAUSE: Duration = Duration::from_secs(7);
/// One of these goes to the frozen replica now and then.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(500);
/// So many answers that are the same come from every replica of a group.
const ASKED: usize = 30;

/// A server that keeps what a frozen client is sent, in buffers: its pings time out after minutes.
fn patient() -> Nats {
    Nats::start()
}

/// A server that drops a frozen client after seconds, and with it what the client is sent.
pub(crate) fn impatient() -> Nats {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("nats.conf"), "ping_interval: \"1s\"\nping_max: 2\n").unwrap();
    let path = folder.path().join("nats.conf").to_str().unwrap().to_owned();
    Nats::within(folder, &["-js", "-c", &path])
}

fn chains(capacity: &str) -> String {
    format!("[service]\ncapacity = \"{capacity}\"\n{FEWEST}")
}

/// Releases a reservation at whichever replica answers.
async fn release(client: &Client, reservation: &Value) {
    let body = json!({"reservation": reservation}).to_string();
    let released = eventually("the release is answered", async || {
        let request = Request::new().payload(body.clone().into()).timeout(Some(ATTEMPT));
        client.send_request("whither.release", request).await.ok().map(|message| read(&message).body)
    })
    .await;
    assert!(released["state"] == "released" || released["state"] == "gone", "{released}");
}

/// Places a session of `user`; the answer.
async fn place(client: &Client, user: &str) -> Value {
    launcher::place(client, user, PATIENCE).await.expect("an answer").body
}

async fn place_all(client: &Client, users: &str, count: usize) -> Vec<Value> {
    let names: Vec<_> = (0..count).map(|number| format!("{users}-{number}")).collect();
    join_all(names.iter().map(|user| place(client, user))).await
}

/// Waits until every replica says the same of the nodes, and that `pending` places are reserved.
async fn all_agree(group: &Group, pending: usize) {
    eventually("all replicas say the same", async || {
        let pages = join_all((0..ASKED).map(|_| nodes(&group.client))).await;
        let told = |page: &Vec<Value>| -> Vec<Value> {
            page.iter().map(|node| json!([node["id"], node["state"], node["pending"]])).collect()
        };
        let first = told(&pages[0]);
        let sum: u64 = pages[0].iter().filter_map(|node| node["pending"].as_u64()).sum();
        (sum == pending as u64 && pages.iter().all(|page| told(page) == first)).then_some(())
    })
    .await;
    group.all_show("whither_reservations", pending).await;
}

/// The first replica is paused while all places are given back at the others, and half of them are taken anew; when it
/// wakes, the other half can be taken at once, and no place more.
async fn pause(nats: Nats, replicas: usize, capacity: &str) {
    let group = Group::on(nats, replicas, &chains(capacity), &limited_nodes(NODES, 1)).await;
    let before = place_all(&group.client, "before", NODES).await;
    assert!(before.iter().all(|answer| answer["node"].is_string()), "{before:?}");
    group.all_show("whither_reservations", NODES).await;
    group.replicas[0].freeze();
    join_all(before.iter().map(|placed| release(&group.client, &placed["reservation"]))).await;
    let during = place_all(&group.client, "during", NODES / 2).await;
    assert!(during.iter().all(|answer| answer["node"].is_string()), "{during:?}");
    // The fault itself.
    tokio::time::sleep(PAUSE).await;
    group.replicas[0].thaw();
    group.replicas[0].logged("this process did not run for").await;
    if capacity == "strict" {
        let after = place_all(&group.client, "after", NODES / 2).await;
        assert!(after.iter().all(|answer| answer["node"].is_string()), "{after:?}");
        let late = place(&group.client, "late").await;
        assert_eq!(late["error"]["name"], "no-node", "{late}");
        all_agree(&group, NODES).await;
    } else {
        all_agree(&group, NODES / 2).await;
    }
    assert_eq!(figure(&group.replicas[0], "whither_pauses_total").map(|pauses| pauses > 0), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_other_replica_says_nothing_to_nobody_meanwhile() {
    pause(patient(), 2, "fast").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_in_buffers_is_late() {
    pause(patient(), 3, "strict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_with_the_connection_is_made_up_for() {
    pause(impatient(), 3, "fast").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_places_are_decided_on_what_was_lost_too() {
    pause(impatient(), 2, "strict").await;
}

/// Where capacity is strict, what another replica no longer holds because a report showed it makes no room here before
/// this replica has seen a report as new.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_began_and_ended_during_the_pause_leave_nothing_behind() {
    let group = Group::on(impatient(), 2, &chains("strict"), &limited_nodes(1, 1)).await;
    let first = place(&group.client, "first").await;
    group.all_show("whither_reservations", 1).await;
    group.replicas[0].freeze();
    let session = json!({"id": "s1", "user": "first", "reservation": first["reservation"]});
    for sessions in [json!([session]), json!([])] {
        let document = json!({"id": "n000", "maxSessions": 1, "nodeData": {"sessions": sessions}});
        bucket(&group.client).await.put("n000", document.to_string().into()).await.unwrap();
    }
    eventually("the other one has seen it", async || {
        (figure(&group.replicas[1], "whither_reservations") == Some(0)).then_some(())
    })
    .await;
    tokio::time::sleep(PAUSE).await;
    group.replicas[0].thaw();
    all_agree(&group, 0).await;
    let second = place(&group.client, "second").await;
    assert_eq!(second["node"], "n000", "{second}");
    all_agree(&group, 1).await;
}

/// A list that another replica tells is believed for what it lacks, and only where it is whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_whole_list_lacks_is_over() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 50)).await;
    let say = async |words: Value| {
        let mut message = json!({"from": "00feed00", "chains": "x"});
        message.as_object_mut().unwrap().extend(words.as_object().unwrap().clone());
        group.client.publish("whither.peers.say", message.to_string().into()).await.unwrap();
    };
    let held = |number: usize| {
        json!({"reservation": {"id": format!("00feed00-{number}"), "node": "n000", "user": "ann", "name": ""},
            "left_ms": 60_000, "chain": "session/start", "generation": 1})
    };
    say(json!({"holds": 3, "held": [held(1), held(2), held(3)]})).await;
    group.all_show("whither_reservations", 3).await;
    // A part of two, whose other part is lost, says nothing of the others.
    say(json!({"holds": 3, "list": 1, "held": [held(4)]})).await;
    group.all_show("whither_reservations", 4).await;
    say(json!({"holds": 2, "list": 2, "held": [held(2)]})).await;
    say(json!({"holds": 2, "list": 2, "held": [held(5)]})).await;
    group.all_show("whither_reservations", 2).await;
    say(json!({"holds": 0, "list": 3})).await;
    group.all_show("whither_reservations", 0).await;
}

/// What was long on its way has less to live: two words of one moment, of which one arrives late.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_word_has_the_life_that_is_left() {
    let chains = format!("[service]\nreservation_s = 600\n{FEWEST}");
    let group = Group::of(1, &chains, &limited_nodes(1, 50)).await;
    let say = async |sent_ms: u64, held: Value| {
        let message = json!({"from": "00feed00", "chains": "x", "sent_ms": sent_ms, "holds": 9, "held": held});
        group.client.publish("whither.peers.say", message.to_string().into()).await.unwrap();
    };
    let held = |number: usize| {
        json!([{"reservation": {"id": format!("00feed00-{number}"), "node": "n000", "user": "ann", "name": ""},
            "left_ms": 300_000, "chain": "session/start", "generation": 1}])
    };
    say(1_000_000, held(1)).await;
    // Sent, by the speaker's clock, 400 s before the first one, which came at once.
    say(600_000, held(2)).await;
    say(1_000_000, held(3)).await;
    group.all_show("whither_reservations", 2).await;
    let document = json!({"id": "n000", "nodeData": {"sessions": [{"id": "s", "reservation": "00feed00-1"}]}});
    bucket(&group.client).await.put("n000", document.to_string().into()).await.unwrap();
    group.all_show("whither_reservations", 1).await;
}
