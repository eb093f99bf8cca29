//! Requesters that ask twice, ask at once, listen to each step, or are gone.

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::site::{GATE, SESSION, StartSite};
use crate::support::eventually;
use crate::support::serve::ask;

fn named() -> Value {
    json!({"id": "7d1e", "user": {"login": "ann"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_starts_one_session_however_often_and_whenever_it_is_asked() {
    let site = StartSite::start().await;
    let _agent = site.agent("n1", &format!("{GATE}{SESSION}")).await;
    let opened = async {
        site.at_gate().await;
        site.open_gate();
    };
    let (replies, ()) = tokio::join!(join_all((0..5).map(|_| site.ask_with(named()))), opened);
    let reservation = replies[0].body["reservation"].as_str().unwrap().to_owned();
    let is_same = |body: &Value| {
        body["state"] == "started" && body["reservation"] == *reservation && body["result"] == json!({"display": 7})
    };
    assert!(replies.iter().all(|reply| is_same(&reply.body)), "{replies:?}");
    // Once the node has reported the session, the reservation is over, and the request is still known.
    site.reported("n1", &reservation).await;
    let again = site.ask_with(named()).await.body;
    assert!(is_same(&again), "{again}");
    assert_eq!(site.started(), [reservation.as_str()]);
    let other = site.ask_with(json!({"id": "7d1e", "user": {"login": "bob"}})).await.body;
    assert_ne!(other["reservation"], *reservation, "another user");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_that_is_gone_leaves_a_session_and_no_reservation() {
    let site = StartSite::start().await;
    let _agent = site.agent("n1", &format!("{GATE}{SESSION}")).await;
    let launcher = site.nats.client().await;
    launcher.publish_with_reply("whither.start", launcher.new_inbox(), named().to_string().into()).await.unwrap();
    launcher.flush().await.unwrap();
    site.at_gate().await;
    launcher.drain().await.unwrap();
    site.open_gate();
    let reservation = eventually("it is started", async || site.started().pop()).await;
    site.reported("n1", &reservation).await;
    assert_eq!(site.started().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn news_goes_where_the_requester_listens_and_nowhere_else() {
    let site = StartSite::start().await;
    let _broken = site.agent("n1", "exit 3").await;
    let _good = site.agent("n2", SESSION).await;
    let inbox = site.client.new_inbox();
    let mut news = site.client.subscribe(inbox.clone()).await.unwrap();
    let mut overheard = site.client.subscribe("whither.nodes").await.unwrap();
    let body = site.ask_with(json!({"user": {"login": "ann"}, "progress": inbox})).await.body;
    assert_eq!(body["state"], "started", "{body}");
    let mut told = Vec::new();
    while told.len() < 5 {
        let news: Value = serde_json::from_slice(&news.next().await.unwrap().payload).unwrap();
        told.push((news["state"].as_str().unwrap().to_owned(), news["node"].as_str().unwrap_or_default().to_owned()));
    }
    let expected = [("placing", ""), ("starting", "n1"), ("failed", "n1"), ("placing", ""), ("starting", "n2")];
    assert_eq!(told, expected.map(|(state, node)| (state.to_owned(), node.to_owned())));
    // A subject of the service's own is no place for news.
    let body = site.ask_with(json!({"user": {"login": "bob"}, "progress": "whither.nodes"})).await.body;
    assert_eq!(body["state"], "started", "{body}");
    ask(&site.client, "whither.nodes", &json!({"node": "marker"})).await;
    let heard = overheard.next().await.unwrap();
    assert_eq!(&heard.payload[..], br#"{"node":"marker"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_a_free_node_and_can_be_called_off() {
    let site = StartSite::start().await;
    let _agent = site.agent_with("n1", SESSION, &["--max-sessions", "0"]).await;
    let waiting = site.ask_with(json!({"id": "w", "user": {"login": "ann"}, "wait_ms": 60_000}));
    let called_off = async {
        eventually("the request waits", async || {
            let listed = ask(&site.client, "whither.waiting", &json!({})).await.body;
            (listed["total"] == 1).then_some(())
        })
        .await;
        ask(&site.client, "whither.cancel", &json!({"id": "w", "user": {"login": "ann"}})).await.body
    };
    let (reply, cancelled) = tokio::join!(waiting, called_off);
    assert_eq!((&reply.body["error"]["name"], &cancelled["state"]), (&json!("cancelled"), &json!("cancelled")));
    assert!(site.started().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_started_session_needs_is_held_until_its_start_has_failed() {
    let site = StartSite::start().await;
    let _broken = site.agent("n1", "exit 3").await;
    let set = ask(&site.client, "whither.fact-set", &json!({"fact": "matlab", "count": 1})).await.body;
    assert!(set["error"].is_null(), "{set}");
    let start = |user| site.ask_with(json!({"user": {"login": user}, "needs": {"matlab": 1}}));
    let failed = start("eve").await.body;
    assert_eq!(failed["error"]["name"], "start-failed", "{failed}");
    let _good = site.agent("n2", SESSION).await;
    assert_eq!(start("ann").await.body["state"], "started", "the failed start gave the unit back");
    let refused = start("bob").await.body;
    assert_eq!(refused["error"]["name"], "fact-exhausted", "{refused}");
    assert_eq!(site.started().len(), 1);
}
