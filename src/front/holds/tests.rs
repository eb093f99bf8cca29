//! Tests of holds: how long they last, and who removes them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::{Change, Needs};
use crate::nats::message::Verb;
use crate::registry::RegistryEvent;
use crate::registry::facts::FactHold;

use super::super::events::FrontEvent;
use super::super::testing::{Harness, other_says, report, setup};

/// The fact `m` of two units, of which the reservations of `held` hold one each, on `a`.
fn tell(harness: &mut Harness, revision: u64, held: &[&str]) {
    let hold = FactHold { n: 1, node: "a".into(), life_ms: 60_000 };
    let held = held.iter().map(|id| (Arc::from(*id), hold.clone())).collect();
    let entry = FactEntry { revision, fact: Some(Fact { count: 2, held, ..Fact::default() }) };
    harness.tell(FrontEvent::Registry(RegistryEvent::Fact("m".into(), entry)));
}

/// Removes the reservations whose units are given back.
fn given_back(harness: &mut Harness) -> Vec<String> {
    let ids = harness.take(|effect| if let Effect::GiveFactBack(_, ids) = effect { Some(ids.clone()) } else { None });
    ids.into_iter().flatten().map(|id| id.to_string()).collect()
}

/// Lets the time pass after which all holds are looked at, and a little more.
fn look(harness: &mut Harness) {
    harness.tick_for(Duration::from_millis(700));
}

fn wait(harness: &mut Harness, seconds: u64) {
    harness.tick_for(Duration::from_secs(seconds));
}

/// The units that are held as requests see them.
fn held(harness: &Harness) -> u64 {
    harness.front.facts.status(harness.front.now_ms())[0].held
}

fn session(id: &str) -> Value {
    json!({"id": "s1", "user": "ann", "reservation": id})
}

/// A front with a node, and a reservation of its own that holds a unit.
fn holding() -> (Harness, String) {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    tell(&mut harness, 1, &[&id]);
    look(&mut harness);
    (harness, id)
}

#[test]
fn a_hold_lasts_while_its_reservation_counts_and_then_while_its_session_is_listed() {
    let (mut harness, id) = holding();
    assert_eq!(held(&harness), 1);
    harness.change(report("a", None, &[session(&id)]));
    assert!(harness.reserved("a").is_empty());
    wait(&mut harness, 120);
    assert_eq!((held(&harness), given_back(&mut harness).len()), (1, 0));
    harness.change(report("a", None, &[]));
    look(&mut harness);
    assert_eq!((held(&harness), given_back(&mut harness)), (0, vec![id.clone()]));
    wait(&mut harness, 6);
    assert_eq!(given_back(&mut harness), [id], "it is still in the document");
    tell(&mut harness, 2, &[]);
    wait(&mut harness, 6);
    assert!(given_back(&mut harness).is_empty() && harness.front.holds.by_id.is_empty());
}

#[test]
fn a_reservation_that_is_given_back_or_runs_out_gives_its_units_back_at_once() {
    for end in ["released", "failed", "deferred"] {
        let (mut harness, id) = holding();
        let release = match end {
            "released" => json!({"reservation": id}),
            end => json!({"reservation": id, end: true}),
        };
        harness.send(Verb::Release, &release);
        assert_eq!((held(&harness), given_back(&mut harness)), (0, vec![id]), "{end}");
    }
    let (mut harness, id) = holding();
    wait(&mut harness, 60);
    assert_eq!((held(&harness), given_back(&mut harness)), (0, vec![id]));
}

#[test]
fn a_session_without_its_reservation_holds_for_a_while_longer() {
    let (mut harness, id) = holding();
    harness.change(report("a", None, &[json!({"id": "s1", "user": "ann"})]));
    assert!(harness.reserved("a").is_empty(), "the new session ended it");
    wait(&mut harness, 25);
    assert_eq!(held(&harness), 1, "a report with its id may be on its way");
    wait(&mut harness, 6);
    assert_eq!((held(&harness), given_back(&mut harness)), (0, vec![id]));
}

#[test]
fn a_node_that_is_away_for_a_moment_keeps_the_units_of_its_sessions() {
    let (mut harness, id) = holding();
    harness.change(report("a", None, &[session(&id)]));
    look(&mut harness);
    harness.change(Change::Remove("a".into()));
    wait(&mut harness, 25);
    assert_eq!(held(&harness), 1);
    harness.change(report("a", None, &[session(&id)]));
    wait(&mut harness, 60);
    assert_eq!((held(&harness), given_back(&mut harness).len()), (1, 0));
    harness.change(Change::Remove("a".into()));
    wait(&mut harness, 31);
    assert_eq!((held(&harness), given_back(&mut harness)), (0, vec![id]));
}

#[test]
fn what_another_replica_holds_is_its_own_to_remove_while_it_is_there() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&other_says());
    tell(&mut harness, 1, &["other-1"]);
    let mut hear = |seconds| {
        for _ in 0..seconds {
            harness.hear(&other_says());
            wait(&mut harness, 1);
        }
        (held(&harness), given_back(&mut harness).len())
    };
    assert_eq!(hear(58), (1, 0));
    assert_eq!(hear(5), (0, 0), "nothing was heard of the reservation for the whole of its life");
    assert_eq!(hear(4), (0, 1), "the other one had its time");
}

#[test]
fn what_a_dead_replica_held_is_removed_after_its_life() {
    let mut harness = Harness::new(setup(), &["a"]);
    tell(&mut harness, 1, &["other-1"]);
    wait(&mut harness, 59);
    assert_eq!((held(&harness), given_back(&mut harness).len()), (1, 0));
    wait(&mut harness, 2);
    assert_eq!((held(&harness), given_back(&mut harness)), (0, vec!["other-1".to_owned()]));
}

#[test]
fn a_hold_of_this_replica_that_nobody_knows_was_given_up() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = format!("{}-1", harness.front.replica());
    tell(&mut harness, 1, &[&id]);
    look(&mut harness);
    assert_eq!(given_back(&mut harness), [id]);
    harness.front.facts.open(&"x-1".into(), &Needs::from([("m".into(), 1)]));
    tell(&mut harness, 2, &["x-1"]);
    wait(&mut harness, 120);
    assert_eq!((held(&harness), given_back(&mut harness).len()), (1, 0), "it is just being taken");
}
