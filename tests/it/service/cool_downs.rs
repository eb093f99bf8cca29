//! Nodes on which starts failed: they cool down, for a user or for all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::eventually;
use crate::support::serve::{ask, site};
use serde_json::json;

use super::FEWEST;
use super::failures;

const PINNED: &str = "[chain.\"session/start\"]\nsteps = [\"pin.js\", \"builtin:fewest-sessions\"]\n";

const PIN: (&str, &str) = ("pin.js", "input => input.data.serverId");

#[tokio::test]
async fn a_users_broken_profile_keeps_that_user_off_a_node_and_nobody_else() {
    let (_nats, serve, client) = site(PINNED, &[PIN], 3).await;
    let place = async |login: &str| ask(&client, "whither.place", &json!({"user": {"login": login}})).await.body;
    failures(&client, "n00", &["joe"]).await;
    failures(&client, "n01", &["joe"]).await;
    assert_eq!(place("joe").await["node"], "n02");
    let explained = ask(&client, "whither.explain", &json!({"user": {"login": "JOE"}, "node": "n00"})).await.body;
    assert_eq!(explained["excluded"]["cooling-down"]["count"], 2);
    assert_eq!(place("mia").await["node"], "n00", "it works for everybody else");
    failures(&client, "n02", &["joe"]).await;
    let last = place("joe").await;
    assert!(last["node"].is_string(), "no other node is left: {last}");
    serve.shows_nodes(json!({"ready": 3})).await;
}

#[tokio::test]
async fn a_node_where_the_starts_of_several_users_failed_is_chosen_last() {
    let (_nats, serve, client) = site(PINNED, &[PIN], 2).await;
    failures(&client, "n00", &["joe", "mia"]).await;
    serve.shows_nodes(json!({"cooling-down": 1, "ready": 1})).await;
    for login in ["ann", "bob", "cy"] {
        assert_eq!(ask(&client, "whither.place", &json!({"user": {"login": login}})).await.body["node"], "n01");
    }
    ask(&client, "whither.cordon", &json!({"node": "n01"})).await;
    assert_eq!(ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await.body["node"], "n00");
    ask(&client, "whither.uncordon", &json!({"node": "n00"})).await;
    assert_eq!(ask(&client, "whither.place", &json!({"user": {"login": "joe"}})).await.body["node"], "n00");
}

#[tokio::test]
async fn where_the_config_says_so_a_node_that_cools_down_takes_nothing() {
    let service = "[service]\ncooldown = \"out\"\ncooldown_users = 1\n";
    let (_nats, serve, client) = site(&format!("{service}{PINNED}"), &[PIN], 1).await;
    failures(&client, "n00", &["joe"]).await;
    serve.shows_nodes(json!({"cooling-down": 1})).await;
    let refused = ask(&client, "whither.place", &json!({"user": {"login": "mia"}})).await.body;
    assert_eq!(refused["error"]["diagnosis"]["excluded"]["cooling-down"]["count"], 1, "{refused}");
}

#[tokio::test]
async fn a_cool_down_by_a_clock_that_is_a_day_ahead_ends_with_its_pause_and_with_an_uncordon() {
    let (_nats, _serve, client) = site(&format!("[service]\ncooldown_s = 1\n{FEWEST}"), &[], 2).await;
    let marks = async_nats::jetstream::new(client.clone()).get_key_value("whither_marks").await.unwrap();
    let tomorrow = (SystemTime::now() + Duration::from_secs(86_400)).duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mark = |pause_ms: u128| {
        let word = json!({"until_ms": tomorrow + pause_ms, "at_ms": tomorrow, "failures": 1, "by": "r", "reason": "x"});
        json!({"cooling_down": word}).to_string()
    };
    let state = async |node: &str| {
        ask(&client, "whither.nodes", &json!({"node": node})).await.body["nodes"][0]["state"].clone()
    };
    marks.put("n00", mark(1000).into()).await.unwrap();
    // Longer than a minute, the longest pause of this replica.
    marks.put("n01", mark(43_200_000).into()).await.unwrap();
    eventually("the other cools down", async || (state("n01").await == "cooling-down").then_some(())).await;
    eventually("a second is over", async || (state("n00").await == "ready").then_some(())).await;
    ask(&client, "whither.uncordon", &json!({"node": "n01"})).await;
    assert_eq!(state("n01").await, "ready");
    assert!(marks.get("n01").await.unwrap().is_none(), "nothing is held against the node any more");
}
