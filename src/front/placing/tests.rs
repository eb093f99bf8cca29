//! Tests of the way of a request: refusals, the questions to workers, and the replies.

use serde_json::{Value, json};

use super::super::repeats::MAX_TWINS;
use super::*;
use crate::model::{Diagnosis, Marks};
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::peers::Message;
use crate::worker::{WorkerCommand, WorkerEvent};

use super::super::events::{FrontEvent, Setup};
use super::super::testing::{
    ACTION, EPOCH_MS, Harness, LOGIN, STEP, chain, killed, other_holds, other_says, overrun, report, request, running,
    setup, setup_of, with,
};

fn cordoned() -> Marks {
    Marks { cordoned: true, ..Marks::default() }
}

/// A request of `user` under the requester's id `id`.
fn named(id: &str, user: &str) -> Value {
    with(request(user), json!({"id": id}))
}

fn failed(name: FailureName, message: &str) -> Outcome {
    Outcome::Failed(Failure::new(name, message))
}

#[test]
fn a_request_is_asked_committed_and_answered() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    let question = &asked.question;
    assert_eq!((asked.worker, &*question.head.action, &*question.head.login), (1, ACTION, "ann"));
    assert_eq!((question.purpose, question.now_ms), (Purpose::Place, harness.now.unix_ms));
    assert_eq!(harness.stages(), [0, 1, 0, 0, 0, 0]);
    harness.no_reply(number);
    harness.choose(&asked, "b");
    let reply = harness.reply(number);
    assert_eq!((&reply["node"], &reply["chain"], &reply["decided_by"]), (&"b".into(), &ACTION.into(), &STEP.into()));
    assert_eq!(reply["reservation"], *question.decision);
    assert_eq!(reply["expires_in_ms"], 60_000);
    assert_eq!((&reply["seed"], &reply["now"]), (&question.seed.to_string().into(), &question.now_ms.into()));
    assert_eq!((harness.reserved("b"), harness.stages()), (vec![question.decision.to_string()], [0; 6]));
}

#[test]
fn everybody_is_told_of_a_place_but_the_worker_that_took_it() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    harness.tick();
    let is_told = |orders: Vec<WorkerCommand>| {
        orders.iter().any(|order| matches!(order, WorkerCommand::Change(Change::Reserve(one)) if *one.id == *id))
    };
    assert!(!is_told(harness.told(1)) && is_told(harness.told(2)));
}

#[test]
fn what_is_no_request_is_refused_before_anybody_is_asked() {
    let mut harness = Harness::new(setup(), &["a"]);
    let strange = [
        (json!({"action": 7}), "bad-request", "action"),
        (json!({"action": "no/chain"}), "unknown-action", "there are: session/start"),
        (with(request("ann"), json!({"reservation_s": 601})), "bad-request", "`reservation_s` is 601; the most is 600"),
        (with(request("ann"), json!({"wait_ms": -1})), "bad-request", "wait_ms"),
    ];
    for (body, name, words) in strange {
        let number = harness.place(&body);
        let (failure, message) = harness.failure(number);
        assert_eq!(failure, name, "{body}: {message}");
        assert!(message.contains(words), "{body}: {message}");
    }
    let (number, incoming) = harness.message(Verb::Place, &json!({}));
    harness.tell(FrontEvent::Request(Incoming { payload: vec![b'{', 0xff].into(), ..incoming }));
    assert!(harness.failure(number).1.contains("UTF-8"));
    assert!(harness.asked().is_empty());
    assert_eq!(harness.figure("whither_decisions_total{chain=\"\",outcome=\"bad-request\"}"), "4");
    assert_eq!(harness.figure("whither_decisions_total{chain=\"\",outcome=\"unknown-action\"}"), "1");
}

#[test]
fn a_field_that_is_none_is_warned_of() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"waits_ms": 5, "x1": 1})));
    harness.choose(&asked, "a");
    let warnings = harness.reply(number)["warnings"].clone();
    let warnings: Vec<_> = warnings.as_array().unwrap().iter().map(|warning| warning.as_str().unwrap()).collect();
    assert!(warnings[0].contains("`waits_ms` is no field of a request; did you mean `wait_ms`?"), "{warnings:?}");
    assert!(warnings[1].contains("`x1` is no field of a request: nothing but a script"), "{warnings:?}");
    assert_eq!(harness.figure("whither_strange_requests_total"), "1");
}

#[test]
fn a_field_that_is_none_is_refused_where_requests_are_strict() {
    let mut harness = Harness::new(Setup { strict_requests: true, ..setup() }, &["a"]);
    let number = harness.place(&with(request("ann"), json!({"waits_ms": 5})));
    let (name, message) = harness.failure(number);
    assert_eq!(name, "bad-request");
    assert!(message.contains("did you mean `wait_ms`?"), "{message}");
}

#[test]
fn nothing_is_placed_before_the_node_list_is_known() {
    let mut harness = Harness::bare(setup());
    let number = harness.place(&request("ann"));
    assert_eq!(harness.failure(number), ("internal".into(), "the node list is not known yet".into()));
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "no stream".into() }));
    let number = harness.place(&request("ann"));
    assert_eq!(harness.failure(number).1, "the node list is not known: no stream");
}

#[test]
fn twins_get_one_answer() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (first, asked) = harness.place_asked(&named("x", "ann"));
    let second = harness.place(&named("x", "ann"));
    assert!(harness.asked().is_empty(), "the question is asked once");
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(first), harness.reply(second));
    assert_eq!(harness.reserved("a").len(), 1);
    assert_eq!(harness.figure("whither_decisions_total{chain=\"session/start\",outcome=\"placed\"}"), "2");
}

#[test]
fn no_more_than_so_many_twins_wait_for_an_answer() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (_, asked) = harness.place_asked(&named("x", "ann"));
    let twins: Vec<_> = (1..MAX_TWINS).map(|_| harness.place(&named("x", "ann"))).collect();
    let refused = harness.place(&named("x", "ann"));
    assert_eq!(harness.failure(refused), ("overloaded".into(), "64 requests with the id `x` wait already".into()));
    harness.choose(&asked, "a");
    twins.into_iter().for_each(|twin| assert_eq!(harness.reply(twin)["node"], "a"));
}

#[test]
fn a_repeated_id_is_answered_with_the_same_place_for_as_long_as_it_is_held() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (first, asked) = harness.place_asked(&named("x", "ann"));
    harness.choose(&asked, "a");
    let first = harness.reply(first);
    harness.pass(Duration::from_secs(10));
    let again = harness.place(&named("x", "ann"));
    let again = harness.reply(again);
    assert!(harness.asked().is_empty());
    assert_eq!((&again["reservation"], &again["expires_in_ms"]), (&first["reservation"], &50_000.into()));
    harness.send(Verb::Release, &json!({"reservation": first["reservation"]}));
    harness.place_asked(&named("x", "ann"));
}

#[test]
fn the_same_id_of_somebody_else_or_for_something_else_is_another_question() {
    let mut harness = Harness::new(setup_of(vec![chain(ACTION), chain(LOGIN)]), &["a"]);
    harness.place_asked(&named("x", "ann"));
    harness.place_asked(&named("x", "bob"));
    let login = with(named("x", "ann"), json!({"action": LOGIN}));
    harness.place_asked(&login);
    harness.place_asked(&login);
    assert_eq!(harness.front.owed(), 4, "a login reserves nothing that a repetition could be told of");
}

#[test]
fn a_full_queue_refuses_and_an_answer_makes_room() {
    let mut harness = Harness::new(Setup { queue: 2, ..setup() }, &["a"]);
    let (_, asked) = harness.place_asked(&request("ann"));
    harness.place_asked(&request("bob"));
    let refused = harness.place(&request("eve"));
    let (name, message) = harness.failure(refused);
    assert_eq!(name, "overloaded");
    assert!(message.starts_with("2 requests of `session/start` wait already"), "{message}");
    harness.choose(&asked, "a");
    harness.place_asked(&request("eve"));
}

#[test]
fn a_node_that_was_cordoned_meanwhile_is_not_taken() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.change(Change::Mark("a".into(), cordoned()));
    harness.told(1);
    harness.choose(&asked, "a");
    harness.no_reply(number);
    assert!(harness.reserved("a").is_empty());
    let again = harness.only_asked();
    assert_eq!(again.question.ticket, asked.question.ticket);
    let undone = WorkerCommand::Change(Change::Release(Arc::clone(&asked.question.decision)));
    assert!(harness.told(1).iter().any(|order| format!("{order:?}") == format!("{undone:?}")));
    harness.choose(&again, "b");
    assert_eq!(harness.reply(number)["node"], "b");
    assert_eq!(harness.figure("whither_refused_commits_total"), "1");
}

#[test]
fn a_decision_is_taken_again_so_many_times_and_no_more() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, mut asked) = harness.place_asked(&request("ann"));
    harness.change(Change::Mark("a".into(), cordoned()));
    for _ in 0..2 {
        harness.choose(&asked, "a");
        asked = harness.only_asked();
    }
    harness.choose(&asked, "a");
    let (name, message) = harness.failure(number);
    assert_eq!(name, "no-node");
    assert!(message.starts_with("`a` was chosen last, after 3 tries, and is "), "{message}");
    assert!(harness.asked().is_empty());
}

#[test]
fn a_node_that_left_or_filled_up_meanwhile_is_not_taken() {
    let full = report("a", Some(1), &[json!({"id": "s1"})]);
    for change in [Change::Remove("a".into()), full, Change::Stale("a".into())] {
        let mut harness = Harness::new(setup(), &["a"]);
        let (number, asked) = harness.place_asked(&request("ann"));
        harness.change(change.clone());
        harness.choose(&asked, "a");
        harness.no_reply(number);
        assert_eq!(harness.asked().len(), 1, "{change:?}");
    }
}

#[test]
fn a_chain_that_may_overfill_a_node_does_so() {
    let allows = ChainSpec { on_unplaceable: OnUnplaceable::Allow, ..chain(ACTION) };
    let mut harness = Harness::with_nodes(setup_of(vec![allows]), [report("a", Some(1), &[json!({"id": "s1"})])]);
    harness.placed("ann", "a");
    assert_eq!(harness.reserved("a").len(), 1);
}

#[test]
fn an_explanation_reserves_nothing() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.send(Verb::Explain, &with(named("x", "ann"), json!({"node": "a"})));
    let asked = harness.only_asked();
    assert_eq!((asked.question.purpose, asked.question.about.as_deref()), (Purpose::Explain, Some("a")));
    harness.choose(&asked, "a");
    let reply = harness.reply(number);
    assert_eq!(reply["node"], "a");
    assert!(reply["steps"].is_array() && reply.get("reservation").is_none(), "{reply}");
    assert!(harness.reserved("a").is_empty());
    assert_eq!(harness.figure("whither_decisions_total{chain=\"session/start\",outcome=\"explained\"}"), "1");
}

#[test]
fn a_placement_is_explained_where_that_is_asked_for() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"explain": true})));
    harness.choose(&asked, "a");
    let reply = harness.reply(number);
    assert!(reply["explanation"]["steps"].is_array() && reply["reservation"].is_string(), "{reply}");
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.choose(&asked, "a");
    assert!(harness.reply(number).get("explanation").is_none());
}

#[test]
fn a_login_takes_no_place() {
    let mut harness = Harness::new(setup_of(vec![chain(LOGIN)]), &["a"]);
    harness.change(Change::Mark("a".into(), cordoned()));
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"action": LOGIN})));
    harness.choose(&asked, "a");
    let reply = harness.reply(number);
    assert_eq!((&reply["node"], reply.get("reservation")), (&"a".into(), None), "a cordon is no matter of logins");
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn a_failure_is_told_with_its_diagnosis_and_its_headers() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    let diagnosis = Diagnosis { nodes: 7, ..Diagnosis::default() };
    harness.decide_with(&asked, failed(FailureName::ScriptError, "no such pool"), diagnosis);
    let outgoing = harness.outgoing(number);
    assert_eq!(outgoing.error, Some((FailureName::ScriptError, "no such pool".to_owned())));
    let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
    assert_eq!((&body["error"]["code"], &body["error"]["diagnosis"]["nodes"]), (&422.into(), &7.into()));
    assert_eq!(harness.figure("whither_decisions_total{chain=\"session/start\",outcome=\"script-error\"}"), "1");
}

#[test]
fn nodes_that_cool_down_are_the_last_resort_where_the_service_says_so() {
    let cooling = || {
        let mut diagnosis = Diagnosis::default();
        diagnosis.excluded.add(LostReason::CoolingDown, &"a".into());
        diagnosis
    };
    let none = || failed(FailureName::NoNode, "none");
    let mut harness = Harness::new(Setup { is_last_resort: true, ..setup() }, &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    assert_eq!(asked.question.cooling, CoolingPolicy::Out(Vec::new()));
    harness.decide_with(&asked, none(), cooling());
    let asked = harness.only_asked();
    assert_eq!(asked.question.cooling, CoolingPolicy::LastResort);
    harness.decide_with(&asked, none(), cooling());
    assert_eq!(harness.failure(number).0, "no-node", "once");
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.decide_with(&asked, none(), cooling());
    assert_eq!(harness.failure(number).0, "no-node", "the service does not say so");
}

#[test]
fn a_worker_that_found_a_deadline_passed_is_asked_again_for_somebody_with_more_time() {
    let mut harness = Harness::new(setup(), &["a"]);
    let hasty = harness.place_within(&named("x", "ann"), Duration::from_secs(1));
    let asked = harness.only_asked();
    assert_eq!(asked.question.deadline_ms, Some(harness.now.unix_ms + 1000));
    let patient = harness.place(&named("x", "ann"));
    harness.sleep(Duration::from_secs(2));
    harness.decide(&asked, failed(FailureName::Overloaded, "the deadline passed"));
    let asked = harness.only_asked();
    assert_eq!(asked.question.deadline_ms, None);
    harness.choose(&asked, "a");
    assert_eq!([harness.reply(hasty), harness.reply(patient)].map(|reply| reply["node"].clone()), ["a", "a"]);
}

#[test]
fn a_request_whose_deadline_passes_before_its_turn_is_not_run() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (_, first) = harness.place_asked(&request("ann"));
    harness.worker(1, WorkerEvent::Overrun(overrun(running(first.question.ticket, STEP, None))));
    let late = harness.place_within(&request("bob"), Duration::from_secs(1));
    harness.sleep(Duration::from_secs(2));
    harness.end(1, killed());
    let asked = harness.only_asked();
    harness.choose(&asked, "a");
    let (name, message) = harness.failure(late);
    assert_eq!((&*name, &*message), ("overloaded", "the deadline passed before the request's turn came"));
    assert_eq!(harness.figure("whither_past_deadline_total"), "1");
    assert!(harness.asked().is_empty());
}

#[test]
fn a_request_that_comes_too_late_is_refused_at_the_door() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, incoming) = harness.message(Verb::Place, &request("ann"));
    let deadline_ms = Some(EPOCH_MS - 5_000);
    harness.tell(FrontEvent::Request(Incoming { deadline_ms, ..incoming }));
    assert_eq!(harness.failure(number).0, "overloaded");
    assert_eq!(harness.figure("whither_expired_on_arrival_total"), "1");
    let (_, incoming) = harness.message(Verb::Place, &request("ann"));
    harness.tell(FrontEvent::Request(Incoming { deadline_ms: Some(7), ..incoming }));
    assert_eq!(harness.only_asked().question.deadline_ms, None, "a moment years ago is a wrong clock's");
    assert_eq!(harness.figure("whither_strange_deadlines_total"), "1");
}

#[test]
fn a_chain_that_a_reload_takes_away_answers_nobody_any_more() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (asked_of, asked) = harness.place_asked(&request("ann"));
    let (_, doomed) = harness.place_asked(&request("bob"));
    harness.worker(1, WorkerEvent::Overrun(overrun(running(doomed.question.ticket, STEP, None))));
    let queued = harness.place(&request("eve"));
    harness.tell(FrontEvent::Reload(Box::new(setup_of(vec![chain(LOGIN)]))));
    assert_eq!(harness.failure(queued).1, "the chain was removed before the request's turn came");
    harness.choose(&asked, "a");
    assert_eq!(harness.failure(asked_of), ("unknown-action".into(), "the chain was removed while it decided".into()));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn an_answer_counts_once() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.choose(&asked, "a");
    harness.choose(&asked, "a");
    harness.reply(number);
    assert_eq!(harness.reserved("a").len(), 1);
}

#[test]
fn what_another_replica_placed_under_the_same_id_is_the_answer() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    let (number, asked) = harness.place_asked(&named("x", "ann"));
    harness.hear(&Message { held: vec![other_holds("other-1", "b", Some("x"))], ..other_says() });
    harness.told(1);
    harness.choose(&asked, "a");
    let reply = harness.reply(number);
    assert_eq!((&reply["node"], &reply["reservation"]), (&"b".into(), &"other-1".into()));
    assert!(harness.reserved("a").is_empty());
    let undone = format!("{:?}", WorkerCommand::Change(Change::Release(Arc::clone(&asked.question.decision))));
    assert!(harness.told(1).iter().any(|order| format!("{order:?}") == undone));
}

#[test]
fn each_question_has_random_bits_an_id_and_a_number_of_its_own() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (_, first) = harness.place_asked(&request("ann"));
    harness.send(Verb::Explain, &request("ann"));
    let explained = harness.only_asked();
    let (_, second) = harness.place_asked(&request("ann"));
    assert_ne!(first.question.seed, second.question.seed);
    assert_ne!(first.question.decision, second.question.decision);
    assert!(first.question.ticket < explained.question.ticket && explained.question.ticket < second.question.ticket);
    let sequence = [&first, &explained, &second].map(|asked| asked.question.sequence);
    assert_eq!(sequence, [0, 1, 1], "an explanation takes no number of the sequence");
    assert!(first.question.decision.starts_with(harness.front.replica()));
}

#[test]
fn a_reservation_lives_as_long_as_its_requester_asks_for() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"reservation_s": 5})));
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["expires_in_ms"], 5_000);
    harness.pass(Duration::from_secs(4));
    assert_eq!(harness.reserved("a").len(), 1);
    harness.pass(Duration::from_secs(1));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn each_chain_has_a_queue_of_its_own() {
    let mut harness = Harness::new(Setup { queue: 1, ..setup_of(vec![chain(ACTION), chain(LOGIN)]) }, &["a"]);
    harness.place_asked(&request("ann"));
    harness.place_asked(&with(request("ann"), json!({"action": LOGIN})));
    for body in [request("bob"), with(request("bob"), json!({"action": LOGIN}))] {
        let number = harness.place(&body);
        assert_eq!(harness.failure(number).0, "overloaded", "{body}");
    }
}
