//! Tests of gossip: the messages of replicas, and their effects.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::Reservation;
use crate::nats::message::Verb;

use super::super::events::FrontEvent;
use super::super::testing::{Harness, other_holds, other_says, report, request, setup, strict_setup};

/// A front that knows another replica, which holds no reservation.
fn of_two() -> Harness {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&other_says());
    harness.tick();
    harness.said();
    harness
}

fn holds(id: &str) -> Message {
    Message { held: vec![other_holds(id, "a", None)], ..other_says() }
}

#[test]
fn a_replica_says_every_second_that_it_is_there_and_at_first_asks_for_everything() {
    let mut harness = Harness::bare(setup());
    harness.tick();
    let first = harness.said().remove(0);
    assert_eq!((&*first.from, &*first.chains), (harness.front.replica(), "own-chains"));
    assert!(first.tell_all && first.holds == 0);
    harness.tick_for(Duration::from_millis(900));
    assert!(harness.said().is_empty());
    harness.tick();
    let second = harness.said();
    assert!(second.len() == 1 && second[0].is_hello(), "{second:?}");
    assert!(second[0].sent_ms > first.sent_ms);
}

#[test]
fn nobody_is_told_of_reservations_where_nobody_is_there() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.placed("ann", "a");
    assert!(harness.said().is_empty());
}

#[test]
fn the_others_are_told_of_a_reservation_from_its_beginning_to_its_end() {
    let mut harness = of_two();
    let id = harness.placed("ann", "a");
    let said = harness.said().remove(0);
    assert_eq!((&*said.held[0].reservation.id, said.held[0].left_ms, said.holds), (&*id, 60_000, 1));
    harness.send(Verb::Confirm, &json!({"reservation": id}));
    assert_eq!(harness.said()[0].confirmed, [id.as_str().into()]);
    harness.send(Verb::Release, &json!({"reservation": id, "failed": true}));
    let said = harness.said().remove(0);
    assert_eq!((&said.released, &said.failed, said.holds), (&vec![id.as_str().into()], &vec![id.as_str().into()], 0));
}

#[test]
fn whoever_asks_for_everything_is_told_so() {
    let mut harness = of_two();
    let mut held = [harness.placed("ann", "a"), harness.placed("bob", "a")];
    harness.said();
    harness.hear(&Message { tell_all: true, ..other_says() });
    let list = harness.said().remove(0);
    assert_eq!((list.list, list.holds), (Some(2), 2), "the second list: the first was told after the start");
    let mut told: Vec<_> = list.held.iter().map(|held| held.reservation.id.to_string()).collect();
    held.sort();
    told.sort();
    assert_eq!(told, held);
}

#[test]
fn a_replicas_own_messages_and_what_is_none_are_passed_over() {
    let mut harness = Harness::bare(setup());
    harness.tick();
    let own = harness.said().remove(0);
    harness.hear(&own);
    harness.tell(FrontEvent::Gossip("no message".into()));
    harness.tell(FrontEvent::Gossip(vec![0xff; 9].into()));
    assert_eq!(harness.front.other_replicas(), 0);
}

#[test]
fn what_another_replica_holds_counts_here_for_as_long_as_it_lives() {
    let mut harness = of_two();
    harness.hear(&holds("other-1"));
    harness.hear(&holds("other-1"));
    assert_eq!(harness.reserved("a"), ["other-1"], "once");
    harness.pass(Duration::from_secs(59));
    harness.hear(&holds("other-1"));
    harness.pass(Duration::from_secs(59));
    assert_eq!(harness.reserved("a"), ["other-1"], "it was renewed");
    harness.pass(Duration::from_secs(1));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn a_reservation_lives_no_longer_here_than_any_may() {
    let mut harness = of_two();
    let mut message = holds("other-1");
    message.held[0].left_ms = u64::MAX;
    harness.hear(&message);
    harness.pass(Duration::from_secs(600));
    assert!(harness.reserved("a").is_empty());
    message.held[0].left_ms = 0;
    message.held[0].reservation.id = "other-2".into();
    harness.hear(&message);
    assert!(harness.reserved("a").is_empty(), "it was over when it was heard of");
}

#[test]
fn what_another_replica_ends_is_over_here_and_stays_over() {
    let mut harness = of_two();
    harness.hear(&holds("other-1"));
    harness.hear(&Message { released: vec!["other-1".into()], ..other_says() });
    assert!(harness.reserved("a").is_empty());
    harness.hear(&holds("other-1"));
    assert!(harness.reserved("a").is_empty(), "that word was overtaken");
    harness.hear(&Message { released: vec!["other-2".into()], ..other_says() });
    harness.hear(&holds("other-2"));
    assert!(harness.reserved("a").is_empty(), "an end may come before its beginning");
}

#[test]
fn a_confirmation_that_another_replica_heard_counts_here() {
    let mut harness = of_two();
    harness.hear(&holds("other-1"));
    harness.hear(&Message { confirmed: vec!["other-1".into()], ..other_says() });
    harness.change(report("a", None, &[]));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn a_reservation_whose_session_is_listed_already_is_not_taken_in() {
    for setup in [setup(), strict_setup()] {
        let session = json!({"id": "s1", "reservation": "other-1"});
        let mut harness = Harness::with_nodes(setup, [report("a", Some(5), &[session])]);
        harness.hear(&holds("other-1"));
        assert!(harness.reserved("a").is_empty(), "the report was faster than the word");
    }
}

#[test]
fn a_replica_that_is_silent_or_leaves_is_gone_and_what_it_placed_counts() {
    let mut harness = of_two();
    harness.hear(&holds("other-1"));
    harness.hear(&Message { from: "third".into(), ..other_says() });
    assert_eq!(harness.front.other_replicas(), 2);
    harness.hear(&Message { from: "third".into(), leaving: true, ..other_says() });
    assert_eq!(harness.front.other_replicas(), 1);
    harness.tick_for(Duration::from_millis(5_000));
    assert_eq!(harness.front.other_replicas(), 1);
    harness.tick();
    assert_eq!(harness.front.other_replicas(), 0);
    assert_eq!(harness.reserved("a"), ["other-1"]);
}

#[test]
fn a_count_that_differs_twice_is_a_reason_to_ask_for_everything() {
    let mut harness = of_two();
    let differs = Message { holds: 1, ..other_says() };
    harness.hear(&differs);
    assert!(harness.said().is_empty(), "a word may be on its way");
    harness.hear(&differs);
    assert!(harness.said()[0].tell_all);
    harness.hear(&differs);
    harness.hear(&differs);
    assert!(harness.said().is_empty(), "not again so soon");
}

#[test]
fn whoever_lists_what_is_over_is_told_so() {
    let mut harness = of_two();
    harness.hear(&holds("other-1"));
    harness.send(Verb::Release, &json!({"reservation": "other-1"}));
    harness.said();
    harness.hear(&Message { list: Some(1), holds: 1, ..holds("other-1") });
    assert!(harness.reserved("a").is_empty());
    assert_eq!(harness.said()[0].reported, ["other-1".into()]);
}

#[test]
fn a_message_that_undercuts_all_others_shows_that_this_process_stood_still() {
    let mut harness = of_two();
    let heard = |harness: &mut Harness, sent_ms| harness.hear(&Message { sent_ms: Some(sent_ms), ..other_says() });
    for second in 1..=6 {
        harness.tick_for(Duration::from_secs(1));
        heard(&mut harness, second * 1000);
    }
    assert_eq!(harness.figure("whither_pauses_total"), "0");
    harness.tick_for(Duration::from_secs(1));
    heard(&mut harness, 7_000 + 20_000);
    assert_eq!(harness.figure("whither_pauses_total"), "1");
    harness.place(&request("ann"));
    assert!(harness.asked().is_empty(), "what was missed is heard first");
}

#[test]
fn what_is_too_much_for_one_message_is_said_in_several() {
    let mut replicas = Replicas::new("me".into());
    let words: Vec<_> = (0..WORDS_AT_ONCE).map(|number| held_by(&"u".repeat(2048), number)).collect();
    replicas.publish_items(&Message { holds: words.len(), ..Message::default() }, &words);
    let mut heard = Vec::new();
    for effect in replicas.outgoing {
        let Effect::Gossip(PeerMessage::All(text)) = effect else { panic!("{effect:?}") };
        assert!(text.len() <= LARGEST_MESSAGE, "{} bytes", text.len());
        let message = Message::parse(&text).unwrap();
        assert_eq!(message.holds, words.len());
        heard.extend(message.words());
    }
    assert_eq!(heard, words);
}

#[test]
fn an_own_message_is_known_by_its_start() {
    for name in ["76ac0210", "a \"strange\" name"] {
        let said = serde_json::to_vec(&Message { from: name.into(), ..Message::default() }).unwrap();
        assert!(said.starts_with(&start_of(name)) && !said.starts_with(&start_of("76ac021")));
    }
}

fn held_by(user: &str, number: usize) -> GossipItem {
    let reservation =
        Reservation { id: format!("me-{number}").into(), node: "a".into(), user: user.into(), name: "".into() };
    GossipItem::Held(Box::new(PeerReservation {
        reservation,
        left_ms: 1,
        confirmed: false,
        chain: "session/start".into(),
        decided_by: None,
        generation: 1,
        drawn: None,
        request: None,
    }))
}
