//! Tests of claims on places: won, lost, given back, written off.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::Marks;
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::peers::Message;

use super::super::events::{FrontEvent, Setup};
use super::super::testing::{
    ACTION, Asked, Harness, other_holds, other_says, report, request, setup, strict_setup, with,
};

/// A front where capacity is strict, with a node that takes `most` sessions, and a node that takes three.
fn of_nodes(most: u64) -> Harness {
    Harness::with_nodes(strict_setup(), [report("a", Some(most), &[]), report("b", Some(3), &[])])
}

/// Removes the places that are to be claimed.
fn claims(harness: &mut Harness) -> Vec<(Ticket, Claim)> {
    harness.take(|effect| if let Effect::Claim(ticket, claim) = effect { Some((*ticket, claim.clone())) } else { None })
}

/// Removes the claims that are to be written off: the node and the ids.
fn written_off(harness: &mut Harness) -> Vec<(String, Vec<String>)> {
    harness.take(|effect| match effect {
        Effect::WriteOff(node, ids) => Some((node.to_string(), ids.iter().map(ToString::to_string).collect())),
        _ => None,
    })
}

/// A request that was decided to get a place on `a`, which is being claimed.
fn claiming(harness: &mut Harness) -> (usize, Asked) {
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.choose(&asked, "a");
    (number, asked)
}

fn claimed(harness: &mut Harness, asked: &Asked, claimed: Claimed) {
    harness.tell(FrontEvent::Claimed(asked.question.ticket, Ok(claimed)));
}

fn full(ids: &[&str]) -> Claimed {
    Claimed::Full(ids.iter().map(|id| Arc::from(*id)).collect())
}

/// A place of `ann` on `a` that was claimed and won; returns the reservation.
fn won(harness: &mut Harness) -> String {
    let (number, asked) = claiming(harness);
    claimed(harness, &asked, Claimed::Won);
    harness.reply(number);
    claims(harness);
    asked.question.decision.to_string()
}

#[test]
fn the_requester_is_answered_when_the_place_is_won() {
    let mut harness = of_nodes(2);
    let (number, asked) = claiming(&mut harness);
    harness.no_reply(number);
    let id = asked.question.decision.to_string();
    assert_eq!((harness.stages(), harness.reserved("a")), ([0, 0, 0, 1, 0, 0], vec![id.clone()]));
    let (ticket, claim) = claims(&mut harness).remove(0);
    assert_eq!((ticket, &*claim.node, &*claim.id, claim.room), (asked.question.ticket, "a", &*id, 2));
    assert!(claim.held.is_empty() && claim.over.is_empty());
    claimed(&mut harness, &asked, Claimed::Won);
    assert_eq!(harness.reply(number)["reservation"], id.as_str());
    claimed(&mut harness, &asked, Claimed::Won);
    harness.no_reply(number);
}

#[test]
fn a_claim_says_what_this_replica_counts_on_the_node() {
    let mut harness = of_nodes(5);
    let id = won(&mut harness);
    harness.change(report("a", Some(5), &[json!({"id": "s1"}), json!({"id": "s2"})]));
    claiming(&mut harness);
    let (_, claim) = claims(&mut harness).remove(0);
    assert_eq!(claim.room, 3, "beside the two sessions that this replica sees");
    assert_eq!(claim.held.iter().map(|id| &**id).collect::<Vec<_>>(), [id.as_str()]);
}

#[test]
fn where_capacity_is_not_strict_or_the_node_has_no_limit_nothing_is_claimed() {
    let limited = Harness::with_nodes(setup(), [report("a", Some(1), &[])]);
    let unlimited = Harness::with_nodes(strict_setup(), [report("a", None, &[])]);
    for mut harness in [limited, unlimited] {
        let (number, _) = claiming(&mut harness);
        assert_eq!(harness.reply(number)["node"], "a");
        assert!(claims(&mut harness).is_empty());
    }
}

#[test]
fn whoever_loses_takes_in_who_won_and_decides_again() {
    let mut harness = of_nodes(1);
    let (number, asked) = claiming(&mut harness);
    claimed(&mut harness, &asked, full(&["other-1"]));
    harness.no_reply(number);
    assert_eq!(harness.reserved("a"), ["other-1"], "the winner counts, the loser does not");
    let again = harness.only_asked();
    harness.choose(&again, "b");
    claimed(&mut harness, &again, Claimed::Won);
    assert_eq!(harness.reply(number)["node"], "b");
    assert_eq!(harness.figure("whither_lost_claims_total"), "1");
}

#[test]
fn an_adopted_place_ends_as_any_other_and_is_known_better_when_its_replica_speaks() {
    let mut harness = of_nodes(1);
    let (_, asked) = claiming(&mut harness);
    claimed(&mut harness, &asked, full(&["other-1"]));
    harness.hear(&Message { held: vec![other_holds("other-1", "a", Some("x"))], ..other_says() });
    assert_eq!(harness.reserved("a"), ["other-1"], "it counts once");
    let repeated = harness.place(&with(request("ann"), json!({"id": "x"})));
    assert_eq!(harness.reply(repeated)["reservation"], "other-1");
    harness.pass(Duration::from_secs(60));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn where_nothing_new_is_in_the_way_a_claim_is_tried_only_so_often() {
    let mut harness = of_nodes(2);
    let (number, mut asked) = claiming(&mut harness);
    for _ in 0..2 {
        claimed(&mut harness, &asked, full(&[]));
        asked = harness.only_asked();
        harness.choose(&asked, "a");
    }
    claimed(&mut harness, &asked, full(&[]));
    let (name, message) = harness.failure(number);
    assert_eq!(name, "no-node");
    assert!(message.starts_with("`a` was chosen last, after 3 tries, and is full"), "{message}");
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn each_place_that_another_replica_took_is_another_try() {
    let mut harness = of_nodes(9);
    let (number, mut asked) = claiming(&mut harness);
    for winner in ["other-1", "other-2", "other-3", "other-4"] {
        claimed(&mut harness, &asked, full(&[winner]));
        asked = harness.only_asked();
        harness.choose(&asked, "a");
    }
    claimed(&mut harness, &asked, Claimed::Won);
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn a_lost_claim_wakes_nobody_who_waits() {
    let mut harness = of_nodes(1);
    let (_, waits) = harness.place_asked(&with(request("eve"), json!({"wait_ms": 60_000})));
    harness.find_none(&waits);
    let (_, asked) = claiming(&mut harness);
    claimed(&mut harness, &asked, full(&["other-1"]));
    let asked: Vec<_> = harness.asked().iter().map(|asked| asked.question.head.login.to_string()).collect();
    assert_eq!(asked, ["ann"], "whoever waits would lose the same claim again and again");
}

#[test]
fn a_claim_that_could_not_be_made_fails_and_is_written_off() {
    let mut harness = of_nodes(1);
    let (number, asked) = claiming(&mut harness);
    harness.tell(FrontEvent::Claimed(asked.question.ticket, Err(StoreError("no answer".into()))));
    let (name, message) = harness.failure(number);
    assert_eq!(
        (&*name, &*message),
        ("overloaded", "the place on `a` could not be claimed: no answer; ask again in a moment")
    );
    assert!(harness.reserved("a").is_empty());
    let id = asked.question.decision.to_string();
    assert_eq!(written_off(&mut harness), [("a".to_owned(), vec![id])], "it may have been written all the same");
}

#[test]
fn without_nats_no_place_is_claimed() {
    let mut harness = of_nodes(1);
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "no connection".into() }));
    let (number, _) = claiming(&mut harness);
    assert!(harness.failure(number).1.contains("NATS is not connected"));
    assert!(claims(&mut harness).is_empty() && harness.reserved("a").is_empty());
}

#[test]
fn a_place_that_is_won_too_late_is_given_back() {
    let mut harness = of_nodes(1);
    let number = harness.place_within(&request("ann"), Duration::from_secs(1));
    let asked = harness.only_asked();
    harness.choose(&asked, "a");
    harness.sleep(Duration::from_secs(2));
    claimed(&mut harness, &asked, Claimed::Won);
    assert_eq!(
        harness.failure(number),
        ("overloaded".into(), "the deadline passed while the place was claimed".into())
    );
    assert!(harness.reserved("a").is_empty());
    assert_eq!(written_off(&mut harness)[0].1, [asked.question.decision.to_string()]);
    assert_eq!(harness.figure("whither_past_deadline_total"), "1");
}

#[test]
fn a_place_on_a_node_that_was_cordoned_meanwhile_is_given_back_and_another_one_is_sought() {
    let mut harness = of_nodes(1);
    let (number, asked) = claiming(&mut harness);
    harness.change(Change::Mark("a".into(), Marks { cordoned: true, ..Marks::default() }));
    claimed(&mut harness, &asked, Claimed::Won);
    harness.no_reply(number);
    assert!(harness.reserved("a").is_empty());
    assert_eq!(written_off(&mut harness)[0].1, [asked.question.decision.to_string()]);
    let again = harness.only_asked();
    assert_ne!(again.question.decision, asked.question.decision, "its place was given back under the old id");
    harness.choose(&again, "b");
    claimed(&mut harness, &again, Claimed::Won);
    assert_eq!(harness.reply(number)["reservation"], *again.question.decision);
}

#[test]
fn a_place_on_a_node_that_goes_away_each_time_is_sought_only_so_often() {
    let mut harness = of_nodes(1);
    let (number, mut asked) = claiming(&mut harness);
    for _ in 0..3 {
        harness.change(Change::Stale("a".into()));
        claimed(&mut harness, &asked, Claimed::Won);
        harness.change(report("a", Some(1), &[]));
        let Some(again) = harness.asked().pop() else { break };
        asked = again;
        harness.choose(&asked, "a");
    }
    let (name, message) = harness.failure(number);
    assert_eq!(name, "no-node");
    assert!(message.starts_with("`a` was chosen last, after 3 tries"), "{message}");
}

#[test]
fn a_place_that_another_replica_got_under_the_same_id_is_the_answer() {
    let mut harness = of_nodes(1);
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"id": "x"})));
    harness.choose(&asked, "a");
    harness.hear(&Message { held: vec![other_holds("other-1", "b", Some("x"))], ..other_says() });
    claimed(&mut harness, &asked, Claimed::Won);
    assert_eq!(harness.reply(number)["reservation"], "other-1");
    assert!(harness.reserved("a").is_empty());
    assert_eq!(written_off(&mut harness)[0].1, [asked.question.decision.to_string()]);
}

#[test]
fn a_claim_is_written_off_with_the_next_tick_after_a_release() {
    let mut harness = of_nodes(1);
    let id = won(&mut harness);
    harness.send(Verb::Release, &json!({"reservation": id}));
    assert!(written_off(&mut harness).is_empty());
    harness.tick();
    assert_eq!(written_off(&mut harness), [("a".to_owned(), vec![id])]);
    harness.tick();
    assert!(written_off(&mut harness).is_empty(), "once");
}

#[test]
fn a_claim_whose_session_is_reported_stays_written_until_every_replica_has_seen_that() {
    let mut harness = of_nodes(3);
    let id = won(&mut harness);
    let session = json!({"id": "s1", "reservation": id});
    harness.change(report("a", Some(3), std::slice::from_ref(&session)));
    assert!(harness.reserved("a").is_empty());
    let over = |harness: &mut Harness| {
        let (_, asked) = claiming(harness);
        let (_, claim) = claims(harness).remove(0);
        claimed(harness, &asked, full(&[]));
        let again = harness.only_asked();
        harness.find_none(&again);
        claim.over.get(id.as_str()).copied()
    };
    assert_eq!(over(&mut harness), Some(false), "this replica counts it no more, others may");
    harness.pass(Duration::from_millis(LINGER_MS - 1));
    assert!(!written_off(&mut harness).iter().any(|(_, ids)| ids.contains(&id)));
    harness.pass(Duration::from_millis(1));
    assert!(written_off(&mut harness).iter().any(|(_, ids)| ids.contains(&id)));
    assert_eq!(over(&mut harness), Some(true), "nobody does by now");
}

#[test]
fn a_confirmation_and_an_expiry_end_a_claim_as_they_end_its_reservation() {
    let mut harness = of_nodes(2);
    let id = won(&mut harness);
    harness.send(Verb::Confirm, &json!({"reservation": id}));
    harness.change(report("a", Some(2), &[]));
    assert_eq!(harness.reserved("a"), [id.as_str()], "a report that was on its way proves nothing");
    harness.pass(Duration::from_secs(60));
    assert!(harness.reserved("a").is_empty());
    harness.tick();
    assert_eq!(written_off(&mut harness), [("a".to_owned(), vec![id])]);
}

#[test]
fn an_own_claim_that_was_given_up_is_written_off_by_whoever_meets_it() {
    let mut harness = of_nodes(1);
    let (_, asked) = claiming(&mut harness);
    let lost = format!("{}-lost", harness.front.replica());
    claimed(&mut harness, &asked, full(&[&lost]));
    assert_eq!(written_off(&mut harness), [("a".to_owned(), vec![lost])]);
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn a_claim_whose_session_is_listed_already_is_not_taken_in() {
    let mut harness = of_nodes(2);
    let (_, asked) = claiming(&mut harness);
    harness.change(report("a", Some(2), &[json!({"id": "s1", "reservation": "other-1"})]));
    claimed(&mut harness, &asked, full(&["other-1"]));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn claims_are_remembered_for_so_long_and_no_longer() {
    let mut claims = PendingClaims::new();
    let (node, ids) = (Arc::from("a"), ["1", "2"].map(Arc::<str>::from));
    claims.note(&node, &ids[0], 0, 5);
    assert_eq!(claims.over[&node][&ids[0]], 5);
    claims.note(&node, &ids[1], REMEMBERED_MS - 1, REMEMBERED_MS);
    assert_eq!(claims.over[&node].len(), 2);
    claims.note(&node, &ids[1], REMEMBERED_MS, REMEMBERED_MS);
    assert!(!claims.over[&node].contains_key(&ids[0]));
}

#[test]
fn no_more_claims_are_remembered_than_so_many() {
    let mut claims = PendingClaims::new();
    for number in 0..REMEMBERED + 10 {
        claims.note(&format!("n{number}").into(), &"r".into(), 0, 0);
    }
    assert_eq!((claims.over.len(), claims.forgotten.len()), (REMEMBERED, REMEMBERED));
}

#[test]
fn a_place_that_was_released_is_free_for_the_next_request() {
    let mut harness = Harness::with_nodes(Setup { retries: 0, ..strict_setup() }, [report("a", Some(1), &[])]);
    let id = won(&mut harness);
    harness.send(Verb::Release, &json!({"reservation": id}));
    let (_, asked) = harness.place_asked(&with(request("bob"), json!({"action": ACTION})));
    harness.choose(&asked, "a");
    let (_, claim) = claims(&mut harness).remove(0);
    assert_eq!((claim.room, claim.over.get(id.as_str())), (1, Some(&true)), "it may be written over");
}
