//! The ledger, reservation by reservation.

use super::*;
use crate::model::{Change, Cluster};
use serde_json::{Value, json};

fn reservation(id: &str, user: &str) -> Reservation {
    Reservation { id: id.into(), node: "a".into(), user: user.into(), name: "".into() }
}

const RULES: LedgerRules = LedgerRules { lifetime_ms: 100, names: UserNames::IgnoreCase, trusting: true };

fn ledger() -> Ledger<&'static str> {
    let mut ledger = Ledger::new(RULES);
    ledger.reserve(reservation("r1", "ann"), None, "one", 100);
    ledger.reserve(reservation("r2", "ann"), None, "two", 110);
    ledger.reserve(reservation("r3", "bob"), None, "three", 120);
    ledger
}

fn report(sessions: Value) -> Report {
    Report::from_value(json!({"id": "a", "nodeData": {"sessions": sessions}})).unwrap()
}

#[test]
fn a_reservation_ends_at_expiry_or_release_and_only_once() {
    let mut ledger = ledger();
    assert_eq!(ledger.expire(99).len(), 0);
    assert_eq!(&*ledger.expire(110)[0].reservation.id, "r1");
    assert_eq!(ledger.len(), 1);
    assert!(ledger.release("r3", 110).is_some());
    assert!(ledger.release("r3", 110).is_none() && ledger.confirm("r3").is_none());
    assert!(
        ledger.is_empty() && ledger.by_node.is_empty() && ledger.by_expiry.is_empty() && ledger.confirmed.is_empty()
    );
}

#[test]
fn the_reservations_of_each_user_are_counted_by_the_rule_for_names() {
    let mut ledger = ledger();
    ledger.reserve(reservation("r4", "SITE\\Ann"), None, "four", 130);
    ledger.reserve(reservation("r5", ""), None, "five", 130);
    assert_eq!(["ann", "bob", "site\\ann", ""].map(|user| ledger.of_user(user)), [2, 1, 1, 0]);
    ledger.set_rules(LedgerRules { names: UserNames::Short, ..RULES });
    assert_eq!(["ann", "bob", "site\\ann"].map(|user| ledger.of_user(user)), [3, 1, 0]);
    ledger.confirm("r1");
    ledger.extend("r2", 200);
    assert_eq!(ledger.of_user("ann"), 3);
    ["r1", "r1", "r3"].iter().for_each(|id| drop(ledger.release(id, 50)));
    assert_eq!(["ann", "bob"].map(|user| ledger.of_user(user)), [2, 0]);
    ledger.expire(1000);
    assert!(ledger.is_empty() && ledger.of_user.is_empty());
}

#[test]
fn a_report_ends_what_it_shows() {
    let mut cluster = Cluster::default();
    cluster.apply(Change::Report(Arc::new(report(json!([{"id": "old", "user": "ann"}])))));
    let before = cluster.get("a");
    let old = json!({"id": "old", "user": "ann"});
    let ended = |ledger: &mut Ledger<&str>, sessions: Value| {
        let ended = ledger.reported(&report(sessions), before, 50);
        ended.iter().map(|entry| entry.reservation.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ended(&mut ledger(), json!([old, {"id": "s", "reservation": "r2"}])), ["r2"]);
    assert_eq!(ended(&mut ledger(), json!([old, {"id": "new", "user": "Ann"}])), ["r1"]);
    let list = report(json!([old, {"id": "new", "user": "ann"}]));
    assert!(ledger().reported(&list, None, 50).is_empty(), "of a first list it is not known what is new");
    let mut waiting = ledger();
    assert!(ended(&mut waiting, json!([old])).is_empty());
    waiting.confirm("r3");
    waiting.set_rules(LedgerRules { trusting: false, ..RULES });
    assert!(ended(&mut waiting, json!([old])).is_empty());
    waiting.set_rules(RULES);
    assert_eq!(ended(&mut waiting, json!([old])), ["r3"]);
}

#[test]
fn a_copy_counts_once_and_not_after_its_end() {
    let copy = |id| LedgerEntry {
        reservation: reservation(id, "ann"),
        expires_ms: 300,
        confirmed: false,
        own: true,
        answer: "copied",
        request: None,
    };
    let mut ledger = ledger();
    assert!(ledger.copy(copy("c1")) && !ledger.copy(copy("c1")) && !ledger.copy(copy("r1")));
    assert_eq!((ledger.own().count(), ledger.len()), (3, 4));
    assert!(ledger.release("c2", 40).is_none(), "word of its end came first");
    assert!(!ledger.copy(copy("c2")));
    assert_eq!(ledger.over_since("c2"), Some(40));
    ledger.release("r1", 41 + REMEMBERED_MS);
    assert!(ledger.copy(copy("c2")), "that was too long ago to know");
}

#[test]
fn a_repeated_question_finds_its_answer_while_the_reservation_lives() {
    let mut ledger = Ledger::new(RULES);
    let key = RequestKey { id: "7".into(), action: "session/start".into(), login: "ann".into() };
    ledger.reserve(reservation("r", "ann"), Some(key.clone()), "a", 100);
    assert_eq!(ledger.repeated(&key).unwrap().answer, "a");
    assert!(ledger.repeated(&RequestKey { login: "bob".into(), ..key.clone() }).is_none());
    ledger.expire(100);
    assert!(ledger.repeated(&key).is_none());
}

#[test]
fn a_request_whose_session_started_is_remembered_for_a_while() {
    let key = || RequestKey { id: "7".into(), action: "session/start".into(), login: "ann".into() };
    let reserved = |id: &str| {
        let mut ledger = Ledger::new(RULES);
        ledger.reserve(reservation(id, "ann"), Some(key()), "a", 100);
        ledger
    };
    let mut ledger = reserved("r");
    assert!(ledger.started(&key()).is_none());
    ledger.reported(&report(json!([{"id": "s", "reservation": "r"}])), None, 50);
    assert_eq!(ledger.started(&key()).map(|reservation| &*reservation.id), Some("r"));
    // The same request was placed anew, by a launcher that does not care: the newer session counts.
    ledger.reserve(reservation("q", "ann"), Some(key()), "a", 100);
    ledger.reported(&report(json!([{"id": "t", "reservation": "q"}])), None, 60);
    ledger.release("other", 51 + REMEMBERED_MS);
    assert_eq!(ledger.started(&key()).map(|reservation| &*reservation.id), Some("q"), "the older one is forgotten");
    ledger.release("another", 61 + REMEMBERED_MS);
    assert!(ledger.started(&key()).is_none() && ledger.started_by_id.is_empty());

    let mut expired = reserved("r");
    expired.expire(100);
    assert!(expired.started(&key()).is_none(), "nobody said that it started");
    let mut confirmed = reserved("r");
    confirmed.confirm("r");
    confirmed.expire(100);
    assert!(confirmed.started(&key()).is_some());
    let mut released = reserved("r");
    released.release("r", 50);
    assert!(released.started(&key()).is_none());
}
