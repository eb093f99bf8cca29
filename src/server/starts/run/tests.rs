//! Tests of a start over a scripted bus: each answer of an agent, each way to end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::nats::message::{Incoming, Verb};

use super::super::bus::RefusedPlacement;
use super::*;

/// A bus whose answers are given, and which notes each step. Each placement is on the next node, `n1` and so on, with
/// the reservation `r1` and so on.
#[derive(Default)]
struct ScriptedBus {
    /// The answers of agents, each after a time.
    answers: Mutex<VecDeque<(Duration, StartAnswer)>>,
    /// The number of placements that succeed.
    places: usize,
    /// Whether all placements are on the same node.
    is_one_node: bool,
    steps: Mutex<Vec<String>>,
    orders: Mutex<Vec<StartOrder>>,
}

impl ScriptedBus {
    fn answering(answers: impl IntoIterator<Item = StartAnswer>) -> Self {
        let answers = answers.into_iter().map(|answer| (Duration::ZERO, answer)).collect();
        Self { answers: Mutex::new(answers), places: 10, ..Self::default() }
    }

    fn note(&self, step: String) {
        self.steps.lock().unwrap().push(step);
    }

    fn steps(&self) -> Vec<String> {
        self.steps.lock().unwrap().clone()
    }
}

impl StartBus for ScriptedBus {
    async fn place(&self, _: &Map<String, Value>, _: Duration) -> Result<Map<String, Value>, RefusedPlacement> {
        let number = 1 + self.steps().iter().filter(|step| step.starts_with("place")).count();
        self.note(format!("place {number}"));
        if number > self.places {
            let body = json!({"error": {"name": "no-node", "message": "all are full", "code": 503}});
            return Err(RefusedPlacement { name: FailureName::NoNode, message: "all are full".to_owned(), body });
        }
        let (node, reservation) = (format!("n{}", if self.is_one_node { 1 } else { number }), format!("r{number}"));
        let placed =
            json!({"node": node, "reservation": reservation, "expires_in_ms": 10_000, "decision": reservation});
        Ok(placed.as_object().unwrap().clone())
    }

    async fn ask_agent(&self, node: &str, order: &StartOrder, within: Duration) -> StartAnswer {
        self.note(format!("ask {node} {}", order.reservation));
        self.orders.lock().unwrap().push(order.clone());
        let (after, answer) = self.answers.lock().unwrap().pop_front().unwrap();
        if tokio::time::timeout(within, sleep(after)).await.is_err() {
            return failed(StartFault::Unknown);
        }
        answer
    }

    async fn confirm(&self, reservation: &str) {
        self.note(format!("confirm {reservation}"));
    }

    async fn give_back(&self, reservation: &str, how: GivenBack) {
        self.note(format!("release {reservation} {how:?}"));
    }

    async fn renew(&self, reservation: &str, seconds: u64) {
        self.note(format!("renew {reservation} {seconds}"));
    }

    async fn tell(&self, _: Value) {}
}

fn failed(reason: StartFault) -> StartAnswer {
    StartAnswer::Failed { reason, message: "said so".to_owned() }
}

fn done() -> StartAnswer {
    StartAnswer::Started { output: Some(json!({"result": 7})) }
}

fn request(earlier: EarlierStart) -> StartRequest {
    let incoming = Incoming {
        verb: Verb::Start,
        payload: Vec::new().into(),
        deadline_ms: None,
        timeout_ms: None,
        reply: Some("inbox".into()),
        received: std::time::Instant::now(),
        pass: None,
        trace: None,
    };
    StartRequest {
        incoming,
        request: Map::new(),
        user: json!({"login": "ann"}),
        login: Arc::from("ann"),
        is_admin: false,
        start: json!({}),
        progress: None,
        left: Duration::from_secs(60),
        earlier,
    }
}

async fn end(bus: &ScriptedBus) -> StartEnd {
    StartRun::new(bus, &request(EarlierStart::None)).run().await
}

fn message(end: &StartEnd) -> &str {
    &end.error.as_ref().unwrap().1
}

#[tokio::test(start_paused = true)]
async fn a_session_that_runs_is_confirmed() {
    let bus = ScriptedBus::answering([done()]);
    let end = end(&bus).await;
    let body = json!({"node": "n1", "reservation": "r1", "decision": "r1", "state": "started", "result": 7});
    assert_eq!((end.outcome, end.body, end.error), ("started", body, None));
    assert_eq!(bus.steps(), ["place 1", "ask n1 r1", "confirm r1"]);
}

#[tokio::test(start_paused = true)]
async fn all_that_a_start_printed_comes_back() {
    let output = json!({"result": {"id": 1}, "display": ":7"});
    let bus = ScriptedBus::answering([StartAnswer::Started { output: Some(output.clone()) }]);
    let end = end(&bus).await;
    assert_eq!((&end.body["result"], &end.body["output"]), (&json!({"id": 1}), &output));
}

#[tokio::test(start_paused = true)]
async fn a_text_is_handed_on_and_a_job_is_deferred() {
    let text = || "words".to_owned();
    let bus = ScriptedBus::answering([StartAnswer::Text { text: text() }]);
    let ended = end(&bus).await;
    assert_eq!((ended.outcome, &ended.body["text"]), ("text", &json!("words")));
    assert_eq!(bus.steps()[2..], ["release r1 Failed"]);
    let bus = ScriptedBus::answering([StartAnswer::Deferred { text: text() }]);
    let ended = end(&bus).await;
    assert_eq!(
        (ended.outcome, &ended.body["state"], &ended.body["text"]),
        ("deferred", &json!("deferred"), &json!("words"))
    );
    assert_eq!(bus.steps()[2..], ["release r1 Deferred"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_fails_is_given_back_and_the_next_is_tried() {
    for fault in [StartFault::Exit, StartFault::Time, StartFault::Away, StartFault::Stopping, StartFault::Other] {
        let bus = ScriptedBus::answering([failed(fault), done()]);
        let end = end(&bus).await;
        assert_eq!((&end.body["node"], end.error), (&json!("n2"), None), "{fault}");
        assert_eq!(end.body["tries"], json!([{"node": "n1", "reason": fault.as_str(), "message": "said so"}]));
        assert_eq!(bus.steps()[2..], ["release r1 Failed", "place 2", "ask n2 r2", "confirm r2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn three_nodes_are_tried_and_no_more() {
    let bus = ScriptedBus::answering([StartFault::Exit; 3].map(failed));
    let end = end(&bus).await;
    assert_eq!(end.outcome, "start-failed");
    assert_eq!(
        message(&end),
        "the session did not start on n1: said so; on n2: said so; on n3: said so; no more than 3 nodes are tried"
    );
    assert_eq!(end.body["error"]["tries"].as_array().unwrap().len(), 3);
    assert_eq!(bus.steps().last().unwrap(), "release r3 Failed");
}

#[tokio::test(start_paused = true)]
async fn a_node_is_tried_once() {
    let bus = ScriptedBus { is_one_node: true, ..ScriptedBus::answering([failed(StartFault::Exit)]) };
    let end = end(&bus).await;
    assert_eq!(message(&end), "the session did not start on n1: said so; no other node is left");
    assert_eq!(bus.steps()[2..], ["release r1 Failed", "place 2", "release r2 Plainly"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_placement_is_told_as_it_is_and_after_a_try_with_the_try() {
    let bus = ScriptedBus { places: 0, ..ScriptedBus::default() };
    let refused = end(&bus).await;
    assert_eq!((refused.outcome, &refused.body["error"]["name"]), ("no-node", &json!("no-node")));
    let bus = ScriptedBus { places: 1, ..ScriptedBus::answering([failed(StartFault::Exit)]) };
    let refused = end(&bus).await;
    assert_eq!(refused.outcome, "start-failed");
    assert!(message(&refused).ends_with("and no other node was found: all are full"), "{}", message(&refused));
}

#[tokio::test(start_paused = true)]
async fn where_the_session_may_run_nothing_is_given_back_and_no_other_node_is_asked() {
    let bus = ScriptedBus {
        answers: Mutex::new([(Duration::from_secs(1000), done())].into()),
        places: 10,
        ..Default::default()
    };
    let begun = Instant::now();
    let ended = end(&bus).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "the requester still waits");
    assert_eq!((ended.outcome, &ended.body["error"]["reservation"]), ("start-failed", &json!("r1")));
    assert!(message(&ended).starts_with("nobody knows whether the session runs on n1"), "{}", message(&ended));
    assert!(!bus.steps().iter().any(|step| step.starts_with("release")), "{:?}", bus.steps());
    // The agent is gone, and an earlier request may have reached it.
    let bus = ScriptedBus::answering([failed(StartFault::Away)]);
    let ended = StartRun::new(&bus, &request(EarlierStart::Placed)).run().await;
    assert_eq!(ended.outcome, "start-failed");
    assert_eq!(bus.steps(), ["place 1", "ask n1 r1"]);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_renewed_while_its_session_starts() {
    let answers = Mutex::new([(Duration::from_secs(12), done())].into());
    let bus = ScriptedBus { answers, places: 10, ..Default::default() };
    assert_eq!(end(&bus).await.outcome, "started");
    assert_eq!(bus.steps()[2..], ["renew r1 10", "renew r1 10", "confirm r1"]);
}

#[tokio::test(start_paused = true)]
async fn no_node_is_tried_without_the_time_for_it() {
    let late = (Duration::from_millis(58_900), failed(StartFault::Time));
    let bus = ScriptedBus { answers: Mutex::new([late].into()), places: 10, ..Default::default() };
    let end = end(&bus).await;
    assert!(message(&end).ends_with("; no time is left for another node"), "{}", message(&end));
    let order = bus.orders.lock().unwrap()[0].clone();
    assert_eq!((order.limit_ms, order.recall), (59_250, false), "the agent gives up before the service does");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_no_node_takes_is_the_requesters_fault() {
    let bus = ScriptedBus::answering([failed(StartFault::User)]);
    let end = end(&bus).await;
    assert_eq!(end.outcome, "bad-request");
    assert_eq!(bus.steps()[2..], ["release r1 Plainly"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_started_is_told_again_and_not_started_again() {
    let earlier = EarlierStart::Started { node: "n9".into(), reservation: "r9".into() };
    for (answer, result) in
        [(done(), json!(7)), (failed(StartFault::Forgotten), Value::Null), (failed(StartFault::Away), Value::Null)]
    {
        let bus = ScriptedBus::answering([answer]);
        let end = StartRun::new(&bus, &request(earlier.clone())).run().await;
        assert_eq!((end.outcome, &end.body["node"], &end.body["reservation"]), ("started", &json!("n9"), &json!("r9")));
        assert_eq!(end.body.get("result").cloned().unwrap_or_default(), result);
        assert_eq!(bus.steps(), ["ask n9 r9"]);
        assert!(bus.orders.lock().unwrap()[0].recall);
    }
}
