//! What a pending request knows of those who wait for it.

use std::sync::atomic::Ordering;

use super::*;
use crate::model::{Failure, FailureName};
use crate::nats::message::Verb;

use super::super::testing::pending;

fn incoming(deadline_ms: Option<i64>) -> Incoming {
    let (payload, reply, received) = (Vec::new().into(), Some("inbox".into()), Instant::now());
    Incoming { verb: Verb::Place, payload, deadline_ms, timeout_ms: None, reply, received, pass: None }
}

fn waited_for(deadlines: &[Option<i64>]) -> PendingRequest {
    let waiting = deadlines.iter().map(|deadline_ms| incoming(*deadline_ms)).collect();
    PendingRequest::new(Question::empty(1), waiting, "ann".into())
}

#[test]
fn a_question_is_narrated_only_while_it_is_asked_alone() {
    let mut pending = pending(1);
    let among_others = pending.asked(false);
    assert!(Arc::ptr_eq(&among_others, &pending.question), "nothing is copied for that");
    assert!(pending.asked(true).narrated && pending.question.narrated);
    assert!(!among_others.narrated, "what was sent before stays as it was");
    assert!(!pending.asked(false).narrated);
}

#[test]
fn the_time_in_the_wait_queue_adds_up() {
    let (mut pending, start) = (pending(1), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    assert!(!pending.has_waited());
    pending.begins_to_wait(at(0));
    assert!(pending.has_waited());
    pending.begins_to_wait(at(1));
    assert_eq!(pending.waited(at(3)), Duration::from_secs(3), "it has waited all the time");
    pending.ends_to_wait(at(3));
    assert_eq!(pending.waited(at(9)), Duration::from_secs(3), "now it is asked");
    pending.begins_to_wait(at(9));
    assert_eq!(pending.waited(at(11)), Duration::from_secs(5));
    pending.ends_to_wait(at(11));
    assert!(pending.has_waited());
}

#[test]
fn a_request_is_late_when_nobody_waits_any_more() {
    let late = |deadlines: &[Option<i64>], now_ms| waited_for(deadlines).is_late(now_ms);
    assert!(!late(&[None], i64::MAX), "who names no deadline waits");
    assert!(!late(&[Some(10)], 10) && late(&[Some(10)], 11));
    assert!(!late(&[Some(10), Some(20)], 15) && late(&[Some(10), Some(20)], 21));
    assert!(!late(&[Some(10), None], 15));
}

#[test]
fn the_deadline_is_that_of_the_most_patient() {
    assert_eq!(waited_for(&[Some(10), Some(30), Some(20)]).deadline_ms(), Some(30));
    assert_eq!(waited_for(&[Some(10), None]).deadline_ms(), None);
    assert_eq!(waited_for(&[None]).deadline_ms(), None);
}

#[test]
fn a_place_is_offered_only_to_those_who_had_to_wait_for_it() {
    let mut pending = waited_for(&[None, None]);
    let id = Arc::from("r1");
    assert!(pending.offer(Some(&id)).is_none(), "nobody had to wait");
    pending.begins_to_wait(Instant::now());
    let offer = pending.offer(Some(&id)).unwrap();
    assert_eq!((&*offer.reservation, offer.listeners.load(Ordering::Relaxed)), ("r1", 2));
    assert!(pending.offer(None).is_none(), "there is no reservation to give back");
}

#[test]
fn warnings_go_with_every_reply_and_the_explanation_with_a_placement() {
    let body = |outgoing: Outgoing| serde_json::from_slice::<Value>(&outgoing.body).unwrap();
    let placed = || Outgoing::new(&incoming(None), r#"{"node":"a"}"#.into(), None);
    let failed = || Outgoing::failed(&incoming(None), &Failure::new(FailureName::NoNode, "none"));
    let mut pending = waited_for(&[None]);
    assert_eq!(body(pending.annotated(placed())), serde_json::json!({"node": "a"}));
    pending.warnings.push("a slip".to_owned());
    pending.explanation = Some(serde_json::json!({"steps": []}));
    let annotated = pending.annotated(placed());
    assert_eq!(annotated.reply.as_deref(), Some("inbox"));
    let annotated = body(annotated);
    assert_eq!((&annotated["node"], &annotated["warnings"][0]), (&"a".into(), &"a slip".into()));
    assert!(annotated["explanation"]["steps"].is_array());
    let refused = body(pending.annotated(failed()));
    assert_eq!(refused["warnings"][0], "a slip");
    assert!(refused.get("explanation").is_none(), "a failure carries its own diagnosis");
}

#[test]
fn a_reply_that_is_no_object_goes_as_it_is() {
    let mut pending = waited_for(&[None]);
    pending.warnings.push("a slip".to_owned());
    let outgoing = pending.annotated(Outgoing::new(&incoming(None), "[1]".into(), None));
    assert_eq!(&outgoing.body[..], b"[1]");
}
