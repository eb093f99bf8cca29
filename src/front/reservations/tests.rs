//! Tests of confirm, release and renew, and of failed starts.

use std::time::Duration;

use super::*;
use crate::chain::eligibility::CoolingPolicy;
use crate::nats::peers::PeerMessage;
use crate::registry::peers::Message;

use super::super::events::{FrontEvent, Setup};
use super::super::testing::{ACTION, Harness, other_holds, other_says, report, request, setup, with};

fn names(id: &str) -> Value {
    json!({"reservation": id})
}

/// A well-formed id of the replica `other`.
fn foreign_id() -> String {
    ids::made_by("other", [7; ids::RANDOM_BYTES]).to_string()
}

/// Places a session of `user` on `a`, whose start fails.
fn fail_start(harness: &mut Harness, user: &str) {
    let id = harness.placed(user, "a");
    harness.send(Verb::Release, &with(names(&id), json!({"failed": true})));
}

/// The nodes that the next question of `user` leaves out.
fn cooling(harness: &mut Harness, user: &str) -> CoolingPolicy {
    let (number, asked) = harness.place_asked(&request(user));
    harness.find_none(&asked);
    harness.reply(number);
    asked.question.cooling.clone()
}

fn out(nodes: &[&str]) -> CoolingPolicy {
    CoolingPolicy::Out(nodes.iter().map(|node| Arc::from(*node)).collect())
}

fn cool_downs(harness: &mut Harness) -> Vec<(String, u64, String)> {
    harness.take(|effect| match effect {
        Effect::CoolDown { node, pause_ms, word } => Some((node.to_string(), *pause_ms, word.reason.clone())),
        _ => None,
    })
}

#[test]
fn a_confirmed_reservation_counts_until_its_node_reports() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    let number = harness.send(Verb::Confirm, &names(&id));
    assert_eq!(harness.reply(number), json!({"reservation": id, "node": "a", "state": "confirmed"}));
    assert_eq!(harness.reserved("a"), [id.as_str()]);
    harness.change(report("a", None, &[]));
    assert!(harness.reserved("a").is_empty());
    let number = harness.send(Verb::Confirm, &names(&id));
    assert_eq!(harness.reply(number), json!({"reservation": id, "state": "gone"}));
}

#[test]
fn a_released_reservation_counts_no_more_and_is_gone() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    let number = harness.send(Verb::Release, &names(&id));
    assert_eq!(harness.reply(number), json!({"reservation": id, "node": "a", "state": "released"}));
    assert!(harness.reserved("a").is_empty());
    for verb in [Verb::Release, Verb::Confirm, Verb::Renew] {
        let number = harness.send(verb, &names(&id));
        assert_eq!(harness.reply(number)["state"], "gone", "{verb:?}");
    }
    assert_eq!(harness.figure("whither_unknown_reservations_total"), "0", "it was known");
}

#[test]
fn a_deferred_reservation_frees_its_place_and_blames_nobody() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    let number = harness.send(Verb::Release, &with(names(&id), json!({"deferred": true})));
    assert_eq!(harness.reply(number), json!({"reservation": id, "node": "a", "state": "deferred"}));
    assert!(harness.reserved("a").is_empty());
    assert!(cool_downs(&mut harness).is_empty());
    assert_eq!(cooling(&mut harness, "ann"), out(&[]));
    assert_eq!(harness.figure("whither_deferred_reservations_total"), "1");
    let number = harness.send(Verb::Release, &names(&id));
    assert_eq!(harness.reply(number)["state"], "gone");
}

#[test]
fn a_renewed_reservation_lives_from_then_on() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    harness.pass(Duration::from_secs(50));
    let number = harness.send(Verb::Renew, &names(&id));
    let renewed = json!({"reservation": id, "node": "a", "state": "renewed", "expires_in_ms": 60_000});
    assert_eq!(harness.reply(number), renewed);
    let number = harness.send(Verb::Renew, &with(names(&id), json!({"reservation_s": 5})));
    assert_eq!(harness.reply(number)["expires_in_ms"], 60_000, "a renewal takes nothing away");
    let number = harness.send(Verb::Renew, &with(names(&id), json!({"reservation_s": 120})));
    assert_eq!(harness.reply(number)["expires_in_ms"], 120_000);
    harness.pass(Duration::from_secs(119));
    assert_eq!(harness.reserved("a").len(), 1);
    harness.pass(Duration::from_secs(1));
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    let strange = [
        (Verb::Confirm, json!({}), "reservation"),
        (Verb::Confirm, json!({"reservation": id, "x": 1}), "x"),
        (Verb::Renew, json!({"reservation": id, "failed": true}), "`failed` says nothing to `renew`"),
        (Verb::Release, json!({"reservation": id, "reservation_s": 5}), "`reservation_s` says nothing to `release`"),
        (Verb::Confirm, json!({"reservation": id, "reservation_s": 5}), "`reservation_s` says nothing to `confirm`"),
        (Verb::Renew, json!({"reservation": id, "reservation_s": 601}), "the most is 600"),
        (Verb::Confirm, json!({"reservation": id, "deferred": true}), "`deferred` says nothing to `confirm`"),
        (Verb::Renew, json!({"reservation": id, "deferred": true}), "`deferred` says nothing to `renew`"),
        (Verb::Release, json!({"reservation": id, "deferred": true, "failed": true}), "contradict each other"),
    ];
    for (verb, body, words) in strange {
        let number = harness.send(verb, &body);
        let (name, message) = harness.failure(number);
        assert_eq!(name, "bad-request", "{body}");
        assert!(message.contains(words), "{body}: {message}");
    }
    assert_eq!(harness.reserved("a"), [id.as_str()], "nothing came of it");
}

#[test]
fn what_nobody_made_is_gone_and_too_many_guesses_are_refused() {
    let mut harness = Harness::new(setup(), &["a"]);
    let known = harness.placed("ann", "a");
    let mut guess = || {
        let number = harness.send(Verb::Confirm, &names("nobody-1"));
        harness.reply(number)
    };
    assert!((0..10_000).all(|_| guess() == json!({"reservation": "nobody-1", "state": "gone"})));
    assert_eq!(guess()["error"]["name"], "overloaded");
    let number = harness.send(Verb::Confirm, &names(&known));
    assert_eq!(harness.reply(number)["state"], "confirmed", "who names one that is known is never refused");
    assert_eq!(harness.figure("whither_unknown_reservations_total"), "10001");
    assert_eq!(harness.figure("whither_refused_unknown_total"), "1");
    harness.sleep(Duration::from_millis(10));
    let answers = [(); 3].map(|()| {
        let number = harness.send(Verb::Confirm, &names("nobody-1"));
        harness.reply(number).get("error").is_none()
    });
    assert_eq!(answers, [true, true, false], "two hundred a second");
}

#[test]
fn word_of_a_reservation_that_was_released_before_it_was_heard_of_is_too_late() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = foreign_id();
    let hears = |harness: &mut Harness| {
        harness.hear(&Message { held: vec![other_holds(&id, "a", None)], ..other_says() });
        harness.reserved("a").len()
    };
    harness.send(Verb::Confirm, &names(&id));
    harness.send(Verb::Release, &names("other-no-such-form"));
    harness.send(Verb::Release, &names(&id));
    assert_eq!(hears(&mut harness), 0);
}

#[test]
fn an_unknown_reservation_of_a_replica_that_is_there_is_handed_on() {
    let mut harness = Harness::new(setup(), &["a"]);
    let handed_on = |harness: &mut Harness| {
        harness.take(|effect| match effect {
            Effect::Gossip(PeerMessage::One(replica, incoming)) => Some((replica.to_string(), incoming.verb)),
            _ => None,
        })
    };
    harness.hear(&other_says());
    let id = foreign_id();
    let number = harness.send(Verb::Confirm, &names(&id));
    harness.no_reply(number);
    assert_eq!(handed_on(&mut harness), [("other".to_owned(), Verb::Confirm)]);
    let number = harness.send(Verb::Confirm, &names("stranger-1"));
    assert_eq!(harness.reply(number)["state"], "gone");
    let number = harness.send(Verb::Confirm, &names(&format!("other-{}", "x".repeat(200))));
    assert_eq!(harness.reply(number)["state"], "gone", "no replica makes such ids");
    harness.hear(&Message { leaving: true, ..other_says() });
    let number = harness.send(Verb::Confirm, &names(&id));
    assert_eq!(harness.reply(number)["state"], "gone", "nobody else can answer any more");
    assert!(handed_on(&mut harness).is_empty());
}

#[test]
fn a_reservation_of_another_replica_is_ended_here_too_and_the_others_are_told() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&Message { held: vec![other_holds("other-1", "a", None)], ..other_says() });
    harness.said();
    let number = harness.send(Verb::Confirm, &names("other-1"));
    assert_eq!(harness.reply(number)["state"], "confirmed");
    assert_eq!(harness.said()[0].confirmed, ["other-1".into()]);
    let number = harness.send(Verb::Renew, &names("other-1"));
    assert_eq!(harness.reply(number)["state"], "renewed");
    assert_eq!(&*harness.said()[0].held[0].reservation.id, "other-1");
    let number = harness.send(Verb::Release, &names("other-1"));
    assert_eq!(harness.reply(number)["state"], "released");
    assert_eq!(harness.said()[0].released, ["other-1".into()]);
}

#[test]
fn a_failed_start_keeps_its_own_user_off_the_node_for_a_while() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    fail_start(&mut harness, "Ann");
    assert_eq!(cooling(&mut harness, "Ann"), out(&["a"]));
    assert_eq!(cooling(&mut harness, "ann"), out(&["a"]), "however the name is written");
    assert_eq!(cooling(&mut harness, "bob"), out(&[]));
    assert!(cool_downs(&mut harness).is_empty(), "one user's profile may be broken");
    harness.pass(Duration::from_secs(5));
    assert_eq!(cooling(&mut harness, "ann"), out(&[]));
}

#[test]
fn starts_of_several_users_that_fail_keep_everybody_off_the_node() {
    let mut harness = Harness::new(setup(), &["a"]);
    fail_start(&mut harness, "ann");
    fail_start(&mut harness, "eve");
    let written = cool_downs(&mut harness);
    assert_eq!((written.len(), &*written[0].0, written[0].1), (1, "a", 5_000));
    assert!(written[0].2.starts_with("the start of reservation "), "{}", written[0].2);
}

#[test]
fn starts_of_one_user_are_no_reason_to_keep_others_off_the_node() {
    let mut harness = Harness::new(setup(), &["a"]);
    for _ in 0..3 {
        fail_start(&mut harness, "ann");
        harness.pass(Duration::from_secs(5));
    }
    assert!(cool_downs(&mut harness).is_empty());
}

#[test]
fn starts_of_users_without_a_name_count_one_by_one() {
    let mut harness = Harness::new(setup(), &["a"]);
    fail_start(&mut harness, "");
    assert!(cool_downs(&mut harness).is_empty());
    fail_start(&mut harness, "");
    assert_eq!(cool_downs(&mut harness).len(), 1, "nobody knows whether both are one user's");
}

#[test]
fn a_failed_start_that_another_replica_heard_of_counts_here_too() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&Message { held: vec![other_holds("other-1", "a", None)], ..other_says() });
    let over = vec![Arc::from("other-1")];
    harness.hear(&Message { released: over.clone(), failed: over, ..other_says() });
    assert_eq!(cooling(&mut harness, "ann"), out(&["a"]));
    harness.hear(&Message { uncordoned: vec!["a".into()], ..other_says() });
    assert_eq!(cooling(&mut harness, "ann"), out(&[]), "an administrator elsewhere put it back into service");
}

#[test]
fn a_place_that_nobody_was_there_to_take_is_free_again() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&other_says());
    let id = harness.placed("ann", "a");
    harness.said();
    harness.tell(FrontEvent::Untaken(id.as_str().into()));
    assert!(harness.reserved("a").is_empty());
    assert_eq!(harness.figure("whither_untaken_total"), "1");
    assert_eq!(harness.said()[0].released, [id.as_str().into()]);
    harness.tell(FrontEvent::Untaken(id.as_str().into()));
    assert_eq!(harness.figure("whither_untaken_total"), "1", "once");
}

#[test]
fn a_setup_that_grants_less_than_was_asked_for_grants_what_is_usual() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"action": ACTION, "reservation_s": 300})));
    harness.tell(FrontEvent::Reload(Box::new(Setup { longest_reservation_ms: 100_000, ..setup() })));
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["expires_in_ms"], 60_000);
}
