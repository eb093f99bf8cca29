//! Deaths at each step of a start: nothing is lost, and nothing is started twice.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::site::{CHAINS, GATE, SESSION, StartSite};
use crate::support::eventually;
use crate::support::serve::Serve;

fn named() -> Value {
    json!({"id": "7d1e", "user": {"login": "ann"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_died_before_it_was_asked_is_passed_over() {
    let site = StartSite::start().await;
    let mut first = site.agent("n1", SESSION).await;
    let _second = site.agent("n2", SESSION).await;
    first.kill();
    let body = site.ask_with(named()).await.body;
    assert_eq!((&body["node"], &body["tries"][0]["reason"]), (&json!("n2"), &json!("away")), "{body}");
    assert_eq!(site.node("n1").await["pending"], 0);
    assert_eq!(site.started().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_in_the_middle_starts_nothing_a_second_time() {
    let site = StartSite::start().await;
    let script = format!("{GATE}{SESSION}");
    let mut first = site.agent("n1", &script).await;
    let _second = site.agent("n2", SESSION).await;
    let killed = async {
        site.at_gate().await;
        first.kill();
    };
    let (reply, ()) = tokio::join!(site.ask_within(named(), 12), killed);
    let error = &reply.body["error"];
    assert_eq!((&error["name"], &error["node"]), (&json!("start-failed"), &json!("n1")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("nobody knows whether the session runs on n1"), "{error}");
    let reservation = error["reservation"].as_str().unwrap();
    assert_eq!(site.node("n1").await["pending"], 1, "the place is held for a session that may come");
    // While no agent is there, nobody knows; no other node is asked.
    let again = site.ask_within(named(), 60).await.body;
    assert_eq!(again["error"]["reservation"], *reservation, "{again}");
    // The program goes on, and the session comes up without an agent.
    site.open_gate();
    eventually("the session is started", async || (!site.started().is_empty()).then_some(())).await;
    let _anew = site.agent("n1", &script).await;
    let again = site.ask_within(named(), 60).await.body;
    assert_eq!((&again["state"], &again["reservation"]), (&json!("started"), &json!(reservation)), "{again}");
    site.reported("n1", reservation).await;
    assert_eq!(site.started(), [reservation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_goes_on_where_one_dies() {
    let mut site = StartSite::start().await;
    let _agent = site.agent("n1", &format!("{GATE}{SESSION}")).await;
    tokio::select! {
        reply = site.ask_within(named(), 60) => panic!("{reply:?}"),
        () = site.at_gate() => {}
    }
    let mut other = Serve::spawn(&site.nats, CHAINS, &[]);
    other.ready().await;
    eventually("the other replica knows the reservation", async || {
        other.figure("whither_reservations").filter(|held| *held > 0.5)
    })
    .await;
    site.serve.signal(Signal::KILL);
    assert_eq!(site.serve.ended().await, None, "a signal ended it");
    // The requester gets no answer, and asks again, until there is one.
    let again = eventually("an answer", async || {
        let asked = tokio::time::timeout(Duration::from_secs(5), site.ask_within(named(), 60));
        site.open_gate();
        asked.await.ok()
    });
    let again = again.await;
    assert_eq!((&again.body["state"], &again.body["result"]), (&json!("started"), &json!({"display": 7})), "{again:?}");
    let reservation = again.body["reservation"].as_str().unwrap();
    assert_eq!(site.started(), [reservation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_of_a_start_that_nobody_goes_on_with_ends_by_itself() {
    let site = StartSite::start().await;
    let mut agent = site.agent("n1", &format!("{GATE}{SESSION}")).await;
    let body = json!({"id": "7d1e", "user": {"login": "ann"}, "reservation_s": 5});
    let killed = async {
        site.at_gate().await;
        agent.kill();
    };
    let (reply, ()) = tokio::join!(site.ask_within(body, 10), killed);
    assert_eq!(reply.body["error"]["name"], "start-failed", "{reply:?}");
    eventually("nothing is reserved", async || (site.node("n1").await["pending"] == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_ends_its_starts_first() {
    let mut site = StartSite::start().await;
    let _agent = site.agent("n1", &format!("{GATE}{SESSION}")).await;
    let client = site.client.clone();
    let asked = tokio::spawn(async move { crate::support::serve::ask(&client, "whither.start", &named()).await });
    site.at_gate().await;
    site.serve.signal(Signal::TERM);
    site.serve.logged("the starts that are under way end first").await;
    let refused = site.ask_with(json!({"user": {"login": "bob"}})).await.body;
    assert!(refused["error"]["message"].as_str().unwrap().contains("stopping"), "{refused}");
    site.open_gate();
    assert_eq!(asked.await.unwrap().body["state"], "started");
    assert_eq!(site.serve.ended().await, Some(0));
}
