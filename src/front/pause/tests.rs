//! Tests of pauses: which requests are held back, for how long, and how the others' lists change the ledger.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::registry::RegistryEvent;
use crate::registry::peers::Message;
use crate::worker::WorkerCommand;

use super::super::events::{FrontEvent, Setup, Tick};
use super::super::testing::{Harness, TICK, other_holds, other_says, report, request, setup, strict_setup, with};

const GAP: Duration = Duration::from_secs(6);

/// A front that knows another replica, which holds no reservation.
fn of_two(setup: Setup) -> Harness {
    let mut harness = Harness::with_nodes(setup, [report("a", Some(9), &[])]);
    harness.hear(&other_says());
    harness.tick();
    harness.said();
    harness
}

/// Reports that the process stood still.
fn stand_still(harness: &mut Harness) {
    harness.sleep(GAP);
    harness.tell(FrontEvent::StoodStill(GAP));
}

/// A message of the other replica with the complete list of its reservations: `ids` on the node `a`.
fn tells_list(number: u64, ids: &[&str]) -> Message {
    let held: Vec<_> = ids.iter().map(|id| other_holds(id, "a", None)).collect();
    Message { list: Some(number), holds: held.len(), held, ..other_says() }
}

/// Lets the view of the cluster be complete as of now.
fn view_is_current(harness: &mut Harness) {
    harness.tick();
    harness.view.seen().looked = Some(harness.now.instant);
    harness.tick();
    harness.tick();
}

#[test]
fn a_replica_that_is_alone_goes_on_with_the_next_tick() {
    let mut harness = Harness::new(setup(), &["a"]);
    stand_still(&mut harness);
    let number = harness.place(&request("ann"));
    assert!(harness.asked().is_empty());
    assert_eq!((harness.front.owed(), harness.figure("whither_pauses_total")), (1, "1".to_owned()));
    harness.tick();
    let asked = harness.only_asked();
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn requests_wait_for_the_lists_of_the_others_and_keep_their_order() {
    let mut harness = of_two(setup());
    stand_still(&mut harness);
    for user in ["ann", "bob", "eve"] {
        harness.place(&request(user));
    }
    harness.tick();
    let said = harness.said();
    assert!(said.iter().any(|message| message.tell_all), "the others are asked for all that they hold: {said:?}");
    assert!(said.iter().any(|message| message.list.is_some()), "and told all that this replica holds");
    harness.tick_for(Duration::from_secs(1));
    assert!(harness.asked().is_empty());
    harness.hear(&tells_list(1, &["other-1"]));
    harness.tick();
    let users: Vec<_> = harness.asked().iter().map(|asked| asked.question.head.login.to_string()).collect();
    assert_eq!(users, ["ann", "bob", "eve"]);
    assert_eq!(harness.reserved("a"), ["other-1"]);
}

#[test]
fn a_replica_goes_on_with_what_it_knows_where_nobody_answers() {
    let mut harness = of_two(setup());
    stand_still(&mut harness);
    harness.place(&request("ann"));
    harness.tick_for(LONGEST_CATCH_UP - TICK);
    assert!(harness.asked().is_empty());
    harness.tick();
    assert_eq!(harness.asked().len(), 1);
}

#[test]
fn what_takes_no_place_is_answered_meanwhile() {
    let mut harness = of_two(setup());
    let id = harness.placed("ann", "a");
    stand_still(&mut harness);
    harness.send(Verb::Explain, &request("ann"));
    assert_eq!(harness.asked().len(), 1);
    let number = harness.send(Verb::Confirm, &json!({"reservation": id}));
    assert_eq!(harness.reply(number)["state"], "confirmed");
}

#[test]
fn a_reservation_that_the_list_of_its_replica_lacks_is_over() {
    let mut harness = of_two(setup());
    let held = ["other-1", "other-2"].map(|id| other_holds(id, "a", None));
    harness.hear(&Message { held: held.into(), ..other_says() });
    let own = harness.placed("ann", "a");
    stand_still(&mut harness);
    harness.hear(&tells_list(1, &["other-2"]));
    let mut left = harness.reserved("a");
    left.sort();
    let mut expected = vec!["other-2".to_owned(), own];
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn where_capacity_is_strict_an_end_makes_room_when_the_view_is_newer() {
    let mut harness = of_two(strict_setup());
    harness.hear(&Message { held: vec![other_holds("other-1", "a", None)], ..other_says() });
    harness.hear(&Message { reported: vec!["other-1".into()], ..other_says() });
    harness.view.seen().looked = Some(harness.now.instant - TICK);
    harness.tick_for(Duration::from_secs(1));
    assert_eq!(harness.reserved("a"), ["other-1"], "its session may not be in the view yet");
    view_is_current(&mut harness);
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn where_capacity_is_strict_requests_wait_for_a_view_that_is_newer_than_the_pause() {
    let mut harness = of_two(strict_setup());
    stand_still(&mut harness);
    harness.place(&request("ann"));
    harness.hear(&tells_list(1, &[]));
    harness.tick_for(Duration::from_millis(500));
    assert!(harness.asked().is_empty());
    let wanted = harness.take(|effect| matches!(effect, Effect::LookSoon).then_some(()));
    assert!(!wanted.is_empty(), "somebody is to look into the buckets soon");
    view_is_current(&mut harness);
    assert_eq!(harness.asked().len(), 1);
}

#[test]
fn changes_that_wait_to_be_taken_in_make_the_view_no_newer() {
    let mut harness = of_two(strict_setup());
    stand_still(&mut harness);
    harness.place(&request("ann"));
    harness.hear(&tells_list(1, &[]));
    harness.sleep(TICK);
    harness.view.seen().looked = Some(harness.now.instant);
    for _ in 0..5 {
        let tick = Tick { passed: TICK, is_drained: false };
        harness.tell(FrontEvent::Tick(tick));
    }
    assert!(harness.asked().is_empty());
    harness.tick();
    assert_eq!(harness.asked().len(), 1);
}

#[test]
fn a_decision_that_was_taken_before_is_taken_again_where_capacity_is_strict() {
    let mut harness = of_two(strict_setup());
    let (number, asked) = harness.place_asked(&request("ann"));
    stand_still(&mut harness);
    harness.told(1);
    harness.choose(&asked, "a");
    assert_eq!((harness.stages(), harness.front.owed()), ([0, 0, 0, 0, 0, 1], 1));
    assert!(harness.reserved("a").is_empty());
    let undone = format!("{:?}", WorkerCommand::Change(Change::Release(Arc::clone(&asked.question.decision))));
    assert!(harness.told(1).iter().any(|order| format!("{order:?}") == undone), "the worker believed it");
    harness.hear(&tells_list(1, &[]));
    view_is_current(&mut harness);
    let again = harness.only_asked();
    assert_eq!(again.question.ticket, asked.question.ticket);
    harness.no_reply(number);
    assert_eq!(harness.stages(), [0, 1, 0, 0, 0, 0]);
}

#[test]
fn a_decision_that_was_taken_before_counts_where_capacity_is_not_strict() {
    let mut harness = of_two(setup());
    let (number, asked) = harness.place_asked(&request("ann"));
    stand_still(&mut harness);
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn so_many_requests_are_held_back_and_no_more() {
    let mut harness = of_two(setup());
    stand_still(&mut harness);
    let last = (0..=HELD_BACK).map(|_| harness.place(&request("ann"))).last().unwrap();
    let (name, message) = harness.failure(last);
    assert_eq!(name, "overloaded");
    assert!(message.starts_with("this replica did not run for a while"), "{message}");
    assert_eq!(harness.front.owed(), HELD_BACK);
}

#[test]
fn so_many_bytes_are_held_back_and_no_more() {
    let mut harness = of_two(setup());
    stand_still(&mut harness);
    let payload = Bytes::from(vec![b' '; HELD_BACK_BYTES / 4]);
    let numbers = [(); 5].map(|()| {
        let (number, incoming) = harness.message(Verb::Place, &Value::Null);
        harness.tell(FrontEvent::Request(Incoming { payload: payload.clone(), ..incoming }));
        number
    });
    assert_eq!(harness.failure(numbers[4]).0, "overloaded");
    assert_eq!(harness.front.owed(), 4);
}

#[test]
fn short_pauses_in_a_row_ask_for_lists_once() {
    let mut harness = of_two(setup());
    let short = Duration::from_secs(2);
    harness.tell(FrontEvent::StoodStill(short));
    harness.hear(&tells_list(1, &[]));
    harness.tick_for(Duration::from_secs(1));
    harness.said();
    harness.tell(FrontEvent::StoodStill(short));
    harness.place(&request("ann"));
    assert_eq!(harness.asked().len(), 1, "the others went on telling this replica everything");
    assert_eq!(harness.figure("whither_pauses_total"), "2");
    harness.tell(FrontEvent::StoodStill(SURELY_KEPT + Duration::from_millis(1)));
    harness.place(&request("ann"));
    assert!(harness.asked().is_empty(), "after so long NATS may have dropped what the others told");
}

#[test]
fn a_time_without_nats_holds_requests_back_only_where_capacity_is_strict() {
    for (setup, asked) in [(setup(), 1), (strict_setup(), 0)] {
        let is_strict = setup.is_strict;
        let mut harness = of_two(setup);
        harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "no connection".into() }));
        harness.tell(FrontEvent::Registry(RegistryEvent::Ready { nodes: 1 }));
        harness.place(&request("ann"));
        assert_eq!(harness.asked().len(), asked, "strict: {is_strict}");
        harness.tick();
        assert!(harness.said().iter().any(|message| message.tell_all), "the others are asked in both cases");
    }
}

#[test]
fn a_front_that_closes_answers_what_it_held_back() {
    let mut harness = of_two(setup());
    stand_still(&mut harness);
    let number = harness.place(&with(request("ann"), json!({"id": "x"})));
    harness.front.close();
    harness.tick();
    assert_eq!(harness.failure(number).0, "internal");
    assert_eq!(harness.front.owed(), 0);
}

#[test]
fn whoever_waits_for_a_node_is_asked_again_after_a_pause() {
    let mut harness = of_two(setup());
    let (_, asked) = harness.place_asked(&with(request("ann"), json!({"wait_ms": 60_000})));
    harness.find_none(&asked);
    stand_still(&mut harness);
    harness.change(report("a", Some(9), &[json!({"id": "s1"})]));
    assert!(harness.asked().is_empty(), "not before this replica has caught up");
    harness.hear(&tells_list(1, &[]));
    harness.tick();
    assert_eq!(harness.asked().len(), 1);
}
