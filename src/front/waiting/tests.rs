//! Tests of waiting: which requests wait for a node, when they are asked again, and the reply where they wait in vain.

use serde_json::{Value, json};

use super::*;
use crate::chain::ChainSpec;
use crate::model::{Change, Marks};
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::peers::Message;

use super::super::events::{FrontEvent, Setup};
use super::super::testing::{
    ACTION, Asked, Harness, LOGIN, TICK, chain, other_holds, other_says, report, request, setup, setup_of,
    strict_setup, with,
};

/// A request of `user` that may wait for ten seconds.
fn patient(user: &str) -> Value {
    with(request(user), json!({"wait_ms": 10_000}))
}

/// Lets a request of `user` wait; returns the number of the message.
fn wait(harness: &mut Harness, user: &str) -> usize {
    let (number, asked) = harness.place_asked(&patient(user));
    harness.find_none(&asked);
    number
}

/// Frees a place on the node `a`; returns the questions that are asked again.
fn free(harness: &mut Harness) -> Vec<Asked> {
    harness.change(report("a", None, &[]));
    harness.asked()
}

fn users(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| &*asked.question.head.login).collect()
}

#[test]
fn a_request_waits_and_is_asked_again_when_something_is_freed() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&patient("ann"));
    harness.find_none(&asked);
    harness.no_reply(number);
    assert_eq!((harness.stages(), harness.front.waiting_requests()), ([0, 0, 0, 0, 1, 0], 1));
    harness.tick_for(Duration::from_secs(1));
    assert!(harness.asked().is_empty(), "nothing was freed");
    let again = free(&mut harness).remove(0);
    assert_ne!(again.question.ticket, asked.question.ticket, "another question");
    assert_ne!(again.question.decision, asked.question.decision);
    assert_eq!(again.question.now_ms, harness.now.unix_ms);
    harness.choose(&again, "a");
    let outgoing = harness.outgoing(number);
    let place = outgoing.place.unwrap();
    assert_eq!(place.reservation, again.question.decision, "it is given back where nobody is there to take it");
}

#[test]
fn what_frees_a_place_is_a_report_a_release_an_uncordon_or_an_expiry() {
    let frees: [fn(&mut Harness, &str); 5] = [
        |harness, _| harness.change(report("b", None, &[])),
        |harness, id| {
            harness.send(Verb::Release, &json!({"reservation": id}));
        },
        |harness, _| harness.tell(FrontEvent::Marked("a".into(), Marks::default())),
        |harness, _| harness.pass(Duration::from_secs(59)),
        |harness, _| harness.change(Change::Remove("b".into())),
    ];
    for (place, free) in frees.into_iter().enumerate() {
        let mut harness = Harness::new(setup(), &["a"]);
        let id = harness.placed("bob", "a");
        harness.sleep(Duration::from_secs(1));
        let (_, asked) = harness.place_asked(&with(request("ann"), json!({"wait_ms": 100_000})));
        harness.find_none(&asked);
        free(&mut harness, &id);
        assert_eq!(users(&harness.asked()), ["ann"], "{place}");
    }
}

#[test]
fn a_reservation_elsewhere_and_a_node_that_falls_silent_free_nothing() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    wait(&mut harness, "ann");
    harness.placed("bob", "b");
    harness.change(Change::Stale("b".into()));
    assert!(harness.asked().is_empty());
}

#[test]
fn whoever_may_not_wait_is_told_at_once() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.find_none(&asked);
    assert_eq!(harness.failure(number), ("no-node".into(), "all nodes are full".into()));
}

#[test]
fn whoever_has_waited_long_enough_is_told_what_was_in_the_way() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = wait(&mut harness, "ann");
    harness.tick_for(Duration::from_secs(10) - TICK);
    harness.no_reply(number);
    harness.tick();
    assert_eq!(harness.failure(number), ("no-node".into(), "all nodes are full".into()));
    assert_eq!(harness.front.owed(), 0);
}

#[test]
fn a_request_does_not_wait_past_its_deadline() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.place_within(&patient("ann"), Duration::from_secs(2));
    let asked = harness.only_asked();
    harness.find_none(&asked);
    harness.tick_for(Duration::from_millis(1700));
    harness.no_reply(number);
    harness.tick();
    assert_eq!(harness.failure(number).0, "no-node", "the answer leaves a moment before the deadline");
    let number = harness.place_within(&patient("ann"), MARGIN);
    let asked = harness.only_asked();
    harness.find_none(&asked);
    assert_eq!(harness.failure(number).0, "no-node", "there is no time to wait");
}

#[test]
fn a_request_that_finds_nothing_again_waits_on_until_its_time_is_over() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = wait(&mut harness, "ann");
    harness.tick_for(Duration::from_secs(4));
    let again = free(&mut harness).remove(0);
    harness.find_none(&again);
    harness.tick_for(Duration::from_secs(5));
    harness.no_reply(number);
    harness.tick_for(Duration::from_secs(1));
    assert_eq!(harness.failure(number).0, "no-node");
}

#[test]
fn a_request_that_is_being_decided_when_its_time_is_over_is_told_then() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = wait(&mut harness, "ann");
    let again = free(&mut harness).remove(0);
    harness.tick_for(Duration::from_secs(11));
    harness.no_reply(number);
    harness.find_none(&again);
    assert_eq!(harness.failure(number).0, "no-node");
}

#[test]
fn what_was_freed_while_a_request_was_decided_is_not_missed() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&patient("ann"));
    harness.change(report("a", None, &[]));
    harness.find_none(&asked);
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn each_users_first_request_comes_before_anybodys_second() {
    let mut harness = Harness::new(setup(), &["a"]);
    for user in ["ann", "ann", "bob", "eve"] {
        wait(&mut harness, user);
    }
    assert_eq!(users(&free(&mut harness)), ["ann", "bob", "eve", "ann"]);
}

#[test]
fn a_round_asks_a_few_at_once_and_goes_on_with_each_answer() {
    let mut harness = Harness::new(Setup { waiting_per_user: 100, ..setup() }, &["a"]);
    for _ in 0..40 {
        wait(&mut harness, "ann");
    }
    let asked = free(&mut harness);
    assert_eq!(asked.len(), 32);
    harness.find_none(&asked[0]);
    assert_eq!(harness.asked().len(), 1);
}

#[test]
fn one_user_may_have_only_so_many_requests_that_wait() {
    let mut harness = Harness::new(Setup { waiting_per_user: 1, ..setup() }, &["a"]);
    wait(&mut harness, "ann");
    let second = wait(&mut harness, "ANN");
    let (name, message) = harness.failure(second);
    assert_eq!(name, "overloaded");
    assert!(message.starts_with("1 requests of this user wait for a node, which is all"), "{message}");
    let other = wait(&mut harness, "bob");
    harness.no_reply(other);
}

#[test]
fn where_the_queue_is_full_whoever_has_most_of_it_makes_way() {
    let mut harness = Harness::new(Setup { waiting: 3, ..setup() }, &["a"]);
    let of_ann = [(); 3].map(|()| wait(&mut harness, "ann"));
    let of_bob = wait(&mut harness, "bob");
    let (name, message) = harness.failure(of_ann[2]);
    assert_eq!(name, "overloaded");
    assert!(message.contains("made way for another user's, and no node is free"), "{message}");
    assert_eq!(harness.figure("whither_displaced_total"), "1");
    [of_ann[0], of_ann[1], of_bob].into_iter().for_each(|number| harness.no_reply(number));
    let more = wait(&mut harness, "ann");
    assert!(harness.failure(more).1.contains("2 of them this user's, who has the most"));
    let second = wait(&mut harness, "bob");
    assert_eq!(harness.failure(second).0, "no-node", "the queue is full, and nobody has much more of it");
}

#[test]
fn a_stopping_service_lets_nobody_wait() {
    let mut harness = Harness::new(setup(), &["a"]);
    let waits = wait(&mut harness, "ann");
    let (late, asked) = harness.place_asked(&patient("bob"));
    harness.tell(FrontEvent::Stop);
    assert_eq!(harness.failure(waits).0, "no-node");
    harness.find_none(&asked);
    assert_eq!(harness.failure(late).0, "no-node");
    assert!(harness.front.is_done());
}

#[test]
fn without_nats_nobody_is_asked_again_where_capacity_is_strict() {
    let mut harness = Harness::with_nodes(strict_setup(), [report("a", Some(1), &[])]);
    wait(&mut harness, "ann");
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "no connection".into() }));
    assert!(free(&mut harness).is_empty(), "no place could be claimed");
    harness.tell(FrontEvent::Registry(RegistryEvent::Ready { nodes: 1 }));
    harness.tick_for(Duration::from_secs(4));
    assert_eq!(users(&harness.asked()), ["ann"]);
}

#[test]
fn without_nats_others_are_asked_again_on_the_nodes_that_are_known() {
    let mut harness = Harness::new(setup(), &["a"]);
    wait(&mut harness, "ann");
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "no connection".into() }));
    assert_eq!(users(&free(&mut harness)), ["ann"]);
}

#[test]
fn what_another_replica_placed_meanwhile_is_the_answer() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    let (number, asked) = harness.place_asked(&with(patient("ann"), json!({"id": "x"})));
    harness.find_none(&asked);
    harness.hear(&Message { held: vec![other_holds("other-1", "b", Some("x"))], ..other_says() });
    assert!(free(&mut harness).is_empty());
    assert_eq!(harness.reply(number)["reservation"], "other-1");
    assert_eq!(harness.front.owed(), 0);
}

#[test]
fn a_request_that_waits_is_still_known_by_its_id() {
    let mut harness = Harness::new(setup(), &["a"]);
    let named = with(patient("ann"), json!({"id": "x"}));
    let (first, asked) = harness.place_asked(&named);
    harness.find_none(&asked);
    let second = harness.place(&named);
    assert!(harness.asked().is_empty());
    let again = free(&mut harness).remove(0);
    let third = harness.place(&named);
    assert!(harness.asked().is_empty(), "under whatever number");
    harness.choose(&again, "a");
    let replies = [first, second, third].map(|number| harness.reply(number)["reservation"].clone());
    assert!(replies.iter().all(|id| *id == *again.question.decision), "{replies:?}");
}

#[test]
fn a_user_whose_node_has_cooled_down_is_asked_again() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    harness.send(Verb::Release, &json!({"reservation": id, "failed": true}));
    wait(&mut harness, "ann");
    harness.tick_for(Duration::from_secs(5));
    let again = harness.only_asked();
    assert_eq!(again.question.cooling, CoolingPolicy::default());
}

#[test]
fn the_wait_for_a_node_does_not_count_as_time_that_a_decision_took() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&patient("ann"));
    harness.sleep(Duration::from_secs(1));
    harness.find_none(&asked);
    harness.tick_for(Duration::from_secs(8));
    let again = free(&mut harness).remove(0);
    harness.sleep(Duration::from_secs(1));
    harness.choose(&again, "a");
    harness.reply(number);
    assert_eq!(harness.figure("whither_decision_seconds_sum{chain=\"session/start\"}"), "2.0");
}

#[test]
fn users_who_were_served_while_they_waited_come_after_those_who_were_not() {
    let mut harness = Harness::new(setup(), &["a"]);
    for user in ["ann", "ann", "bob"] {
        wait(&mut harness, user);
    }
    let asked = free(&mut harness);
    harness.choose(&asked[0], "a");
    asked[1..].iter().for_each(|asked| harness.find_none(asked));
    harness.asked();
    assert_eq!(users(&free(&mut harness)), ["bob", "ann"]);
}

#[test]
fn chains_have_wait_queues_of_their_own() {
    let setup = Setup { waiting: 1, ..setup_of(vec![chain(ACTION), ChainSpec { reserve: true, ..chain(LOGIN) }]) };
    let mut harness = Harness::new(setup, &["a"]);
    let start = wait(&mut harness, "ann");
    let (login, asked) = harness.place_asked(&with(patient("bob"), json!({"action": LOGIN})));
    harness.find_none(&asked);
    harness.no_reply(start);
    harness.no_reply(login);
    assert_eq!(free(&mut harness).len(), 2, "one change is news to both");
}
