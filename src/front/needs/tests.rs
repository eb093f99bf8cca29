//! Tests of needs: refused by name, taken after the place, given back, shown to scripts.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::Marks;
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::claims::Claimed;
use crate::registry::facts::{Fact, FactEntry, FactHold, Facts};

use super::super::events::FrontEvent;
use super::super::testing::{
    ACTION, Asked, Harness, LOGIN, chain, report, request, setup, setup_of, strict_setup, with,
};

/// The fact `m` of `count` units, of which the reservations of `held` hold one each.
fn fact(revision: u64, count: u32, held: &[&str]) -> FactEntry {
    let hold = FactHold { n: 1, node: "a".into(), life_ms: 60_000 };
    let held = held.iter().map(|id| (Arc::from(*id), hold.clone())).collect();
    FactEntry { revision, fact: Some(Fact { count, held, ..Fact::default() }) }
}

fn tell(harness: &mut Harness, entry: FactEntry) {
    harness.tell(FrontEvent::Registry(RegistryEvent::Fact("m".into(), entry)));
}

/// A front with a node and `count` units of `m`.
fn of_units(count: u32) -> Harness {
    let mut harness = Harness::new(setup(), &["a"]);
    tell(&mut harness, fact(1, count, &[]));
    harness
}

fn needing(user: &str) -> Value {
    with(request(user), json!({"needs": {"m": 1}}))
}

/// Removes the claims on facts.
fn taken(harness: &mut Harness) -> Vec<(Ticket, FactClaim)> {
    harness.take(|effect| match effect {
        Effect::TakeFacts(ticket, claim) => Some((*ticket, claim.clone())),
        _ => None,
    })
}

/// Removes the units that are given back: the fact and the reservations.
fn given_back(harness: &mut Harness) -> Vec<(String, Vec<String>)> {
    harness.take(|effect| match effect {
        Effect::GiveFactBack(name, ids) => Some((name.to_string(), ids.iter().map(ToString::to_string).collect())),
        _ => None,
    })
}

fn won(harness: &mut Harness, asked: &Asked, revision: u64, count: u32) {
    let facts = Facts::from([("m".into(), fact(revision, count, &[&asked.question.decision]))]);
    harness.tell(FrontEvent::FactsTaken(asked.question.ticket, Ok(FactsTaken::Won(facts))));
}

/// A request that was decided to get a place on `a`, and takes its unit.
fn taking(harness: &mut Harness, user: &str) -> (usize, Asked) {
    let (number, asked) = harness.place_asked(&needing(user));
    harness.choose(&asked, "a");
    (number, asked)
}

#[test]
fn the_unit_is_taken_in_the_bus_before_the_requester_is_answered() {
    let mut harness = of_units(1);
    let (number, asked) = taking(&mut harness, "ann");
    harness.no_reply(number);
    let claims = taken(&mut harness);
    assert_eq!((claims.len(), &claims[0].1.needs, &*claims[0].1.node), (1, &Needs::from([("m".into(), 1)]), "a"));
    assert_eq!((&claims[0].1.id, claims[0].1.life_ms), (&asked.question.decision, 60_000));
    let refused = harness.place(&needing("bob"));
    let expected = ("fact-exhausted".to_owned(), "the request needs 1 of `m`, and 1 of 1 are held".to_owned());
    assert_eq!(harness.failure(refused), expected, "it is about to be held");
    won(&mut harness, &asked, 2, 1);
    assert_eq!(harness.reply(number)["node"], "a");
    let refused = harness.place(&needing("bob"));
    assert_eq!(harness.failure(refused).0, "fact-exhausted");
    harness.send(Verb::Release, &json!({"reservation": asked.question.decision}));
    assert_eq!(given_back(&mut harness), [("m".to_owned(), vec![asked.question.decision.to_string()])]);
    let (_, next) = taking(&mut harness, "bob");
    let over: Vec<_> = taken(&mut harness).remove(0).1.over.into_iter().collect();
    assert_eq!(over, std::slice::from_ref(&asked.question.decision), "its hold may still be in the document");
    won(&mut harness, &next, 3, 1);
}

#[test]
fn a_unit_that_another_replica_took_gives_the_place_back() {
    let mut harness = of_units(1);
    let (number, asked) = taking(&mut harness, "ann");
    let short = FactsTaken::Short("m".into(), fact(2, 1, &["other-1"]));
    harness.tell(FrontEvent::FactsTaken(asked.question.ticket, Ok(short)));
    assert_eq!(harness.failure(number).0, "fact-exhausted");
    assert!(harness.reserved("a").is_empty());
    assert_eq!(harness.figure("whither_lost_facts_total"), "1");
    let (number, asked) = {
        tell(&mut harness, fact(3, 2, &["other-1"]));
        taking(&mut harness, "bob")
    };
    let gone = FactsTaken::Short("m".into(), FactEntry { revision: 4, fact: None });
    harness.tell(FrontEvent::FactsTaken(asked.question.ticket, Ok(gone)));
    assert_eq!(harness.failure(number).0, "unknown-fact");
}

#[test]
fn where_the_outcome_is_unknown_the_units_are_given_back() {
    let mut harness = of_units(1);
    let (number, asked) = taking(&mut harness, "ann");
    let unknown = Err(StoreError("NATS does not answer".to_owned()));
    harness.tell(FrontEvent::FactsTaken(asked.question.ticket, unknown));
    let (name, message) = harness.failure(number);
    assert_eq!(name, "overloaded");
    assert!(message.contains("what the request needs could not be taken: NATS does not answer"), "{message}");
    assert_eq!(given_back(&mut harness), [("m".to_owned(), vec![asked.question.decision.to_string()])]);
    assert!(harness.reserved("a").is_empty());
    taking(&mut harness, "bob");
}

#[test]
fn without_nats_nothing_is_taken() {
    let mut harness = of_units(1);
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "cut".to_owned() }));
    let (number, _) = taking(&mut harness, "ann");
    let (name, message) = harness.failure(number);
    assert!(name == "overloaded" && message.contains("NATS is not connected"), "{name}: {message}");
}

#[test]
fn where_capacity_is_strict_the_place_comes_first() {
    let mut harness = Harness::with_nodes(strict_setup(), [report("a", Some(2), &[])]);
    tell(&mut harness, fact(1, 1, &[]));
    let (number, asked) = taking(&mut harness, "ann");
    assert!(taken(&mut harness).is_empty());
    let refused = harness.place(&needing("bob"));
    assert_eq!(harness.failure(refused).0, "fact-exhausted", "its unit counts already");
    harness.tell(FrontEvent::Claimed(asked.question.ticket, Ok(Claimed::Won)));
    assert_eq!(taken(&mut harness).len(), 1);
    let short = FactsTaken::Short("m".into(), fact(2, 1, &["other-1"]));
    harness.tell(FrontEvent::FactsTaken(asked.question.ticket, Ok(short)));
    assert_eq!(harness.failure(number).0, "fact-exhausted");
    let written_off = harness
        .take(|effect| if let Effect::WriteOff(node, ids) = effect { Some((node.clone(), ids.clone())) } else { None });
    assert_eq!(written_off, [("a".into(), BTreeSet::from([asked.question.decision.clone()]))]);
}

#[test]
fn a_node_that_is_cordoned_meanwhile_gives_the_units_back() {
    let mut harness = of_units(2);
    harness.change(report("b", None, &[]));
    let (number, asked) = taking(&mut harness, "ann");
    let marks = Marks { cordoned: true, ..Marks::default() };
    harness.change(crate::model::Change::Mark("a".into(), marks));
    won(&mut harness, &asked, 2, 2);
    assert_eq!(given_back(&mut harness).len(), 1);
    let again = harness.only_asked();
    harness.choose(&again, "b");
    won(&mut harness, &again, 3, 2);
    assert_eq!(harness.reply(number)["node"], "b");
}

#[test]
fn needs_that_cannot_be_met_are_refused_before_a_chain_is_asked() {
    let mut harness = of_units(2);
    for (needs, name, words) in [
        (json!({"x": 1}), "unknown-fact", "the request needs `x`, and no such fact is set; there are: m"),
        (json!({"m": 3}), "fact-exhausted", "the request needs 3 of `m`, of which there are 2 in all"),
        (json!({"m": -1}), "bad-request", "`needs.m` is -1; the least is 1"),
        (json!({"m": 1.5}), "bad-request", "`needs.m` must be a whole number of units"),
        (json!(["m"]), "bad-request", "`needs` must be an object"),
    ] {
        // No wait helps.
        let number = harness.place(&with(request("ann"), json!({"needs": needs, "wait_ms": 60_000})));
        let (refused, message) = harness.failure(number);
        assert_eq!(refused, name);
        assert!(message.contains(words), "{message}");
    }
    assert!(harness.asked().is_empty());
    let mut empty = Harness::new(setup(), &["a"]);
    let number = empty.place(&needing("ann"));
    assert!(empty.failure(number).1.contains("no fact is set at all"));
}

#[test]
fn a_fact_that_nobody_renews_is_unknown_and_says_since_when() {
    let mut harness = Harness::new(setup(), &["a"]);
    let at_ms = harness.now.unix_ms;
    let fact = Fact { count: 2, ttl_ms: Some(60_000), at_ms, ..Fact::default() };
    tell(&mut harness, FactEntry { revision: 1, fact: Some(fact) });
    harness.sleep(Duration::from_secs(59));
    taking(&mut harness, "ann");
    harness.sleep(Duration::from_secs(1));
    let number = harness.place(&needing("bob"));
    let (name, message) = harness.failure(number);
    assert_eq!(name, "unknown-fact");
    assert_eq!(message, "the fact `m` is not known any more since 2027-01-15T08:01:00Z: nobody renewed it within 60 s");
    let (_, asked) = harness.place_asked(&request("cy"));
    assert!(asked.question.request.contains("\"facts\":{}"), "{}", asked.question.request);
}

#[test]
fn a_chain_that_reserves_nothing_holds_nothing() {
    let login = crate::chain::ChainSpec { reserve: false, ..chain(LOGIN) };
    let mut harness = Harness::new(setup_of(vec![chain(ACTION), login]), &["a"]);
    tell(&mut harness, fact(1, 2, &[]));
    let number = harness.place(&json!({"action": LOGIN, "needs": {"m": 1}}));
    let (name, message) = harness.failure(number);
    assert!(name == "bad-request" && message.contains("`needs` cannot be held"), "{message}");
}

#[test]
fn a_request_may_wait_for_a_unit() {
    let mut harness = of_units(1);
    let (_, first) = taking(&mut harness, "ann");
    won(&mut harness, &first, 2, 1);
    let waiting = harness.place(&with(needing("bob"), json!({"wait_ms": 60_000})));
    harness.no_reply(waiting);
    assert_eq!((harness.front.waiting_requests(), harness.asked().len()), (1, 0));
    harness.tick();
    assert!(harness.asked().is_empty(), "nothing became free");
    harness.send(Verb::Release, &json!({"reservation": first.question.decision}));
    let asked = harness.only_asked();
    harness.choose(&asked, "a");
    won(&mut harness, &asked, 3, 1);
    assert_eq!(harness.reply(waiting)["node"], "a");
}

#[test]
fn scripts_see_the_facts_of_the_service_and_not_of_the_requester() {
    let mut harness = of_units(3);
    let shown = |asked: &Asked| serde_json::from_str::<Value>(&asked.question.request).unwrap();
    let (_, asked) = harness.place_asked(&with(needing("ann"), json!({"facts": {"m": {"free": 99}}, "x": 1})));
    let seen = shown(&asked);
    assert_eq!(seen["facts"], json!({"m": {"count": 3, "held": 0, "free": 3}}));
    assert_eq!((&seen["needs"], &seen["x"]), (&json!({"m": 1}), &json!(1)));
    harness.choose(&asked, "a");
    won(&mut harness, &asked, 2, 3);
    let (_, asked) = harness.place_asked(&json!({}));
    assert_eq!(shown(&asked), json!({"facts": {"m": {"count": 3, "held": 1, "free": 2}}}));
    let mut none = Harness::new(setup(), &["a"]);
    let (_, asked) = none.place_asked(&json!({"facts": {"m": 1}, "x": 1}));
    assert_eq!(shown(&asked), json!({"x": 1}));
}

#[test]
fn facts_are_added_to_any_object() {
    for (text, expected) in [
        ("{}", r#"{"facts":{"m":1}}"#),
        ("{ } ", r#"{ "facts":{"m":1}}"#),
        (r#"{"a":{}}"#, r#"{"a":{},"facts":{"m":1}}"#),
        ("[1]", "[1]"),
    ] {
        assert_eq!(&*with_facts(text, r#"{"m":1}"#), expected);
    }
}
