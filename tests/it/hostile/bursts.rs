//! Bursts of questions that cost much to answer, against a real service: it lives, and placements go on beside them.

use async_nats::Client;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, report, site, storm};

const CHAINS: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n\
                      [chain.\"user/login\"]\nsteps = [\"builtin:fewest-sessions\"]\nreserve = false\n";
/// Placements that are asked for beside a burst.
const PLACEMENTS: usize = 20;

/// Places users, one after the other.
async fn placements_go_on(client: &Client) {
    for _ in 0..PLACEMENTS {
        let reply = ask(client, "whither.place", &json!({"action": "user/login", "user": {"login": "good"}})).await;
        assert!(reply.body["node"].is_string(), "{}", reply.body);
    }
}

/// Nodes with fifteen sessions each.
fn busy_nodes(count: usize) -> Vec<Value> {
    let session = |number: usize| json!({"id": format!("s{number}"), "user": format!("user{number}"), "name": "xterm"});
    let sessions: Vec<_> = (0..15).map(session).collect();
    let node = |number: usize| {
        json!({
            "id": format!("n{number:03}"), "maxSessions": 40, "metadata": {"zone": "z".repeat(20), "gpu": "g".repeat(20)},
            "nodeData": {"services": ["launcher"], "sessions": sessions},
        })
    };
    (0..count).map(node).collect()
}

#[tokio::test]
async fn a_burst_of_pages_of_nodes_holds_no_placement_up() {
    let (nats, mut serve, client) = site(CHAINS, &[], 0).await;
    report(&client, &busy_nodes(300)).await;
    let other = nats.client().await;
    let page = |_| json!({"limit": 1000});
    let replies = storm(&client, "whither.nodes", 300, page, async || placements_go_on(&other).await).await;
    serve.must_run();
    let replies: Vec<_> = replies.into_values().flatten().collect();
    let pages = replies.iter().filter(|reply| reply["nodes"].is_array()).count();
    let refused = replies.iter().filter(|reply| reply["error"]["name"] == "overloaded").count();
    assert!(pages >= 64 && pages + refused == 300, "{pages} {refused}");
    assert_eq!(serve.figure("whither_refused_costly_total"), Some(refused as f64));
}

#[tokio::test]
async fn a_burst_of_questions_for_logs_holds_no_placement_up() {
    let (nats, mut serve, client) = site(CHAINS, &[], 3).await;
    let login = |_| json!({"action": "user/login", "user": {"login": "fill".repeat(100)}});
    storm(&client, "whither.place", 3000, login, async || ()).await;
    let (other, inbox) = (nats.client().await, client.new_inbox());
    for _ in 0..600 {
        client.publish_with_reply("whither.logs", inbox.clone(), "{}".into()).await.unwrap();
    }
    client.flush().await.unwrap();
    placements_go_on(&other).await;
    serve.must_run();
    let refused = serve.figure("whither_refused_log_questions").unwrap_or_default();
    assert!((1.0..600.0).contains(&refused), "{refused}");
}

/// Requests that wait, of one user and large, or of many: what gives a node back is let in, and it is said that room lacks.
#[tokio::test]
async fn a_crowd_that_waits_keeps_nobody_from_giving_places_back() {
    let nats = Nats::start();
    let serve = Serve::start(&nats, CHAINS, &[]).await;
    let client = nats.client().await;
    report(&client, &[json!({"id": "n1", "maxSessions": 1, "nodeData": {"sessions": []}})]).await;
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "holder"}})).await.body;
    let inbox = client.new_inbox();
    for number in 0..40 {
        let login = format!("w{}", number % 10);
        let body = json!({"user": {"login": login}, "wait_ms": 60_000, "data": {"x": "y".repeat(1_000_000)}});
        client.publish_with_reply("whither.place", format!("{inbox}.{number}"), body.to_string().into()).await.unwrap();
        // One after the other: together they would be too large to come in.
        ask(&client, "whither.waiting", &json!({"limit": 1})).await;
    }
    let large = json!({"user": {"login": "bob"}, "data": {"x": "y".repeat(100_000)}});
    assert_eq!(ask(&client, "whither.explain", &large).await.code, None, "who does not wait has room");
    let (code, health) = serve.readyz();
    assert_eq!(code, 200, "{health}");
    eventually("the lack of room is told", async || {
        let (_, health) = serve.readyz();
        health.contains("the requests that wait for a node hold").then_some(())
    })
    .await;
    let problems = ask(&client, "whither.status", &json!({})).await.body["problems"].to_string();
    assert!(problems.contains("waiting: the requests that wait for a node hold"), "{problems}");
    let released = ask(&client, "whither.release", &json!({"reservation": placed["reservation"]})).await.body;
    assert_eq!(released["state"], "released");
}

#[tokio::test]
async fn one_login_holds_so_many_reservations_and_others_are_placed() {
    let chains = format!("[limits]\nreservations_per_user = 100\n{CHAINS}");
    let (_nats, mut serve, client) = site(&chains, &[], 1).await;
    let place = |_| json!({"user": {"login": "flood"}});
    let replies = storm(&client, "whither.place", 150, place, async || ()).await;
    let names: Vec<_> = replies.values().flatten().map(|reply| reply["error"]["name"].clone()).collect();
    assert_eq!(names.iter().filter(|name| name.is_null()).count(), 100);
    assert_eq!(names.iter().filter(|name| **name == "overloaded").count(), 50);
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "good"}})).await.body;
    assert_eq!(placed["node"], "n00");
    serve.must_run();
}
