//! Reservations count at every replica, whoever made them, and end everywhere.

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::group::{FEWEST, Group, figure, limited_nodes};
use crate::support::eventually;
use crate::support::serve::{Serve, ask, bucket};

#[tokio::test]
async fn what_one_places_counts_at_all_and_ends_at_all() {
    let group = Group::of(2, FEWEST, &limited_nodes(2, 50)).await;
    let mut reservations = Vec::new();
    for number in 0..20 {
        reservations.push(group.place(&format!("u{number}")).await["reservation"].clone());
    }
    group.all_show("whither_reservations", 20).await;
    for (number, reservation) in reservations.iter().enumerate().take(10) {
        let ended = ask(&group.client, "whither.release", &json!({"reservation": reservation})).await.body;
        assert_eq!(ended["state"], "released", "{number}: {ended}");
    }
    group.all_show("whither_reservations", 10).await;
    let told = ask(&group.client, "whither.confirm", &json!({"reservation": reservations[15]})).await.body;
    assert_eq!(told["state"], "confirmed");
    let sessions: Vec<_> = reservations[10..].iter().map(|id| json!({"id": id, "reservation": id})).collect();
    for node in ["n000", "n001"] {
        let document = json!({"id": node, "nodeData": {"sessions": sessions}});
        bucket(&group.client).await.put(node, document.to_string().into()).await.unwrap();
    }
    group.all_show("whither_reservations", 0).await;
}

#[tokio::test]
async fn a_repeated_id_is_answered_alike_by_another_replica() {
    let group = Group::of(2, FEWEST, &limited_nodes(9, 5)).await;
    let request = json!({"id": "q1", "user": {"login": "ann"}});
    let first = ask(&group.client, "whither.place", &request).await.body;
    group.all_show("whither_reservations", 1).await;
    // Enough for both to be asked.
    for _ in 0..20 {
        let again = ask(&group.client, "whither.place", &request).await.body;
        for field in ["node", "reservation", "decision", "decided_by", "chain"] {
            assert_eq!(again[field], first[field], "{again}");
        }
    }
}

#[tokio::test]
async fn one_that_comes_later_is_told_all_and_one_that_dies_leaves_what_it_placed() {
    let mut group = Group::of(1, FEWEST, &limited_nodes(3, 50)).await;
    for user in ["ann", "bob", "cy"] {
        group.place(user).await;
    }
    let late = Serve::start(&group.nats, FEWEST, &[]).await;
    group.replicas.push(late);
    group.all_show("whither_reservations", 3).await;
    // Killed, not stopped: it says nothing any more.
    drop(group.replicas.remove(0));
    group.all_show("whither_other_replicas", 0).await;
    assert_eq!(figure(&group.replicas[0], "whither_reservations"), Some(3));
    let node = group.place("dan").await;
    assert!(node["node"].is_string(), "{node}");
}

#[tokio::test]
async fn other_chains_are_a_note_and_a_figure() {
    let mut group = Group::of(1, FEWEST, &[]).await;
    let other = "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\n";
    group.replicas.push(Serve::start(&group.nats, other, &[]).await);
    group.all_show("whither_differing_replicas", 1).await;
    let (status, body) = group.replicas[0].readyz();
    assert_eq!(status, 200);
    assert!(body.contains("runs other chains or other `[tokens]` (digest "), "{body}");
    group.replicas[0].configure(&group.nats, other);
    group.replicas[0].signal(rustix::process::Signal::HUP);
    group.all_show("whither_differing_replicas", 0).await;
    assert!(!group.replicas[1].readyz().1.contains("other chains"));
}

#[tokio::test]
async fn what_only_another_replica_knows_is_handed_on_to_it() {
    let group = Group::of(1, FEWEST, &limited_nodes(1, 50)).await;
    let mut handed = group.client.subscribe("whither.peers.to.00feed00.*").await.unwrap();
    let say = async |words: Value| {
        let mut message = json!({"from": "00feed00", "chains": "x", "holds": 0});
        message.as_object_mut().unwrap().extend(words.as_object().unwrap().clone());
        group.client.publish("whither.peers.say", message.to_string().into()).await.unwrap();
    };
    let held = json!({"reservation": {"id": "00feed00-1", "node": "n000", "user": "ann", "name": ""},
        "left_ms": 60_000, "chain": "session/start", "generation": 1});
    say(json!({"held": [held]})).await;
    group.all_show("whither_reservations", 1).await;

    let asked = tokio::spawn({
        let client = group.client.clone();
        async move { ask(&client, "whither.confirm", &json!({"reservation": "00feed00-2"})).await.body }
    });
    let message = handed.next().await.unwrap();
    assert_eq!(message.subject.as_str(), "whither.peers.to.00feed00.confirm");
    group.client.publish(message.reply.unwrap(), r#"{"state": "answered by the other"}"#.into()).await.unwrap();
    assert_eq!(asked.await.unwrap()["state"], "answered by the other");

    // What is known here is answered here, and strange words harm nobody.
    say(json!({"sung": 7})).await;
    say(json!({"held": 7})).await;
    group.client.publish("whither.peers.say", "[".repeat(100_000).into()).await.unwrap();
    let confirmed = ask(&group.client, "whither.confirm", &json!({"reservation": "00feed00-1"})).await.body;
    assert_eq!(confirmed["state"], "confirmed");
    say(json!({"released": ["00feed00-1"], "reported": ["00feed00-3"]})).await;
    group.all_show("whither_reservations", 0).await;
    // Its end was told before it was: it does not count.
    let held = json!({"reservation": {"id": "00feed00-3", "node": "n000", "user": "ann", "name": ""},
        "left_ms": 60_000, "chain": "session/start", "generation": 1});
    say(json!({"held": [held]})).await;
    say(json!({"leaving": true})).await;
    group.all_show("whither_other_replicas", 0).await;
    assert_eq!(figure(&group.replicas[0], "whither_reservations"), Some(0));
}

#[tokio::test]
async fn names_of_users_are_compared_by_the_configured_rule() {
    let chains = format!("[service]\nuser_names = \"short\"\n{FEWEST}");
    let group = Group::of(1, &chains, &limited_nodes(1, 50)).await;
    group.place("ann@site.example").await;
    let session = json!({"id": "s1", "user": "SITE\\Ann"});
    let document = json!({"id": "n000", "maxSessions": 50, "nodeData": {"sessions": [session]}});
    bucket(&group.client).await.put("n000", document.to_string().into()).await.unwrap();
    eventually("the reservation ends", async || {
        (figure(&group.replicas[0], "whither_reservations") == Some(0)).then_some(())
    })
    .await;
}

/// A user's failed start keeps that user off the node at every replica, until somebody puts the node back into service at any.
#[tokio::test]
async fn an_uncordon_ends_a_users_cool_down_at_every_replica() {
    let group = Group::of(2, FEWEST, &limited_nodes(2, 9)).await;
    let placed = group.place("joe").await;
    let failed = json!({"reservation": placed["reservation"], "failed": true});
    assert_eq!(ask(&group.client, "whither.release", &failed).await.body["state"], "released");
    // Questions go to either replica at random: so many in a row that say the same were asked of both.
    let cools = async |expected: bool| {
        eventually("both replicas say the same", async || {
            for _ in 0..24 {
                let asked = json!({"user": {"login": "joe"}, "node": placed["node"]});
                let told = ask(&group.client, "whither.explain", &asked).await.body;
                if told["excluded"]["cooling-down"].is_object() != expected {
                    return None;
                }
            }
            Some(())
        })
        .await;
    };
    cools(true).await;
    ask(&group.client, "whither.uncordon", &json!({"node": placed["node"]})).await;
    cools(false).await;
}
