//! A wall clock that is set while the service runs, as at a boot whose machine has lost the time: tests.
//!
//! The front counts times by the monotonic clock, and knows the wall clock for what is exchanged with others alone. So a
//! jump may cost requests that are on their way, which are told to ask again, and nothing that is longer than a request.

use std::time::Duration;

use super::events::{FrontEvent, Setup};
use super::testing::{Harness, request, setup};
use crate::nats::message::{Incoming, Verb};

/// From 1970, where a machine without a battery begins, to a day in 2026.
const TO_THE_PRESENT_MS: i64 = 1_795_000_000_000;
const TIMEOUT: Duration = Duration::from_secs(5);

/// A ready front of `setup` with the node `a`, on a machine whose clock stands at 1970.
fn booted(setup: Setup) -> Harness {
    let mut harness = Harness::new(setup, &["a"]);
    harness.now.unix_ms -= TO_THE_PRESENT_MS;
    harness.tick();
    harness
}

fn set_right(harness: &mut Harness) {
    harness.now.unix_ms += TO_THE_PRESENT_MS;
}

#[test]
fn a_reservation_lives_as_long_as_it_should_whatever_the_clock_says() {
    let life = Duration::from_millis(setup().reservation_ms);
    for jump_ms in [TO_THE_PRESENT_MS, -TO_THE_PRESENT_MS, 3_600_000, -3_600_000] {
        let mut harness = Harness::new(setup(), &["a"]);
        let id = harness.placed("ann", "a");
        harness.tick_for(life / 2);
        harness.now.unix_ms += jump_ms;
        harness.tick_for(life / 4);
        assert_eq!(harness.reserved("a"), [id], "a jump of {jump_ms} ms");
        harness.tick_for(life);
        assert!(harness.reserved("a").is_empty(), "a jump of {jump_ms} ms");
    }
}

#[test]
fn a_decision_that_is_under_way_is_a_placement_all_the_same() {
    let mut harness = booted(setup());
    let number = harness.place_within(&request("ann"), TIMEOUT);
    let asked = harness.only_asked();
    set_right(&mut harness);
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn a_request_that_waits_for_its_turn_is_told_to_ask_again() {
    let mut harness = booted(setup());
    let number = harness.place_within(&request("ann"), TIMEOUT);
    let asked = harness.only_asked();
    set_right(&mut harness);
    // The node was taken meanwhile: the request is to be decided anew, and looks too late for that.
    harness.change(crate::model::Change::Remove("a".into()));
    harness.choose(&asked, "a");
    assert_eq!(harness.failure(number).0, "overloaded");
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.find_none(&asked);
    assert_eq!(harness.failure(number).0, "no-node", "those that come later are asked as ever");
}

#[test]
fn deadlines_of_launchers_with_the_right_time_count_for_nothing_before_the_jump() {
    let mut harness = booted(setup());
    for _ in 0..10 {
        let deadline_ms = Some(harness.now.unix_ms + TO_THE_PRESENT_MS + 5000);
        let (_, incoming) = harness.message(Verb::Place, &request("ann"));
        harness.tell(FrontEvent::Request(Incoming { deadline_ms, ..incoming }));
    }
    assert_eq!(harness.asked().len(), 10, "all of them are decided");
    assert_eq!(harness.figure("whither_strange_deadlines_total"), "10");
    harness.tick_for(Duration::from_secs(1));
    assert!(harness.health().notes.iter().any(|note| note.starts_with("clock: ")), "and somebody is told");
    set_right(&mut harness);
    harness.tick_for(Duration::from_secs(61));
    assert!(harness.health().notes.is_empty(), "not for longer than a minute");
}

#[test]
fn a_jump_is_no_standstill_and_ends_no_node() {
    let mut harness = booted(setup());
    set_right(&mut harness);
    harness.tick();
    assert_eq!(harness.figure("whither_pauses_total"), "0");
    let number = harness.place(&request("ann"));
    let asked = harness.only_asked();
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}
