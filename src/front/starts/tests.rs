//! Tests of requests for starts: what is refused at once, and what a start is begun with.

use serde_json::json;

use super::*;
use crate::nats::message::Verb;

use super::super::testing::{ACTION, Harness, LOGIN, chain, report, request, setup, setup_of, with};

/// Asks for a start, which begins.
fn begun(harness: &mut Harness, body: &Value) -> StartRequest {
    harness.send(Verb::Start, body);
    let mut starts = harness.take(|effect| match effect {
        Effect::Start(start) => Some((**start).clone()),
        _ => None,
    });
    assert_eq!(starts.len(), 1, "{body}");
    starts.remove(0)
}

fn named(user: &str) -> Value {
    with(request(user), json!({"id": "x"}))
}

#[test]
fn a_start_takes_what_the_agent_needs_and_asks_for_a_placement_with_the_rest() {
    let mut harness = Harness::new(setup(), &["a"]);
    let body = json!({
        "id": "x", "user": {"sub": "ann", "mail": "a@b"}, "isAdmin": true, "start": {"command": "xterm"},
        "progress": "_INBOX.a.b", "wait_ms": 5,
    });
    let start = begun(&mut harness, &body);
    let expected = json!({
        "id": "x", "user": {"sub": "ann", "mail": "a@b"}, "isAdmin": true, "wait_ms": 5,
        "params": {"start": {"command": "xterm"}},
    });
    assert_eq!(Value::Object(start.request), expected);
    assert_eq!(start.user, json!({"sub": "ann", "mail": "a@b", "login": "ann"}));
    assert_eq!((&*start.login, start.is_admin, start.start), ("ann", true, json!({"command": "xterm"})));
    assert_eq!(
        (start.progress.as_deref(), start.left, start.earlier),
        (Some("_INBOX.a.b"), USUAL_TIME, EarlierStart::None)
    );
}

#[test]
fn the_start_document_may_stand_where_fastx_has_it() {
    let mut harness = Harness::new(setup(), &["a"]);
    for body in [json!({"data": {"command": "a"}}), json!({"params": {"start": {"command": "a"}}})] {
        let start = begun(&mut harness, &body);
        assert_eq!(start.start, json!({"command": "a"}), "{body}");
        assert!(start.request["id"].as_str().is_some_and(|id| id.len() > 20), "a start always has an id");
    }
    let both = json!({"data": {"command": "a"}, "start": {"command": "b"}});
    let start = begun(&mut harness, &both);
    assert_eq!((start.start, &start.request["data"]), (json!({"command": "b"}), &json!({"command": "a"})));
    assert_eq!(begun(&mut harness, &json!({})).start, json!({}));
}

#[test]
fn what_can_never_start_is_refused_at_once() {
    let mut harness = Harness::new(setup_of(vec![chain(ACTION), chain(LOGIN)]), &["a"]);
    let cases = [
        (json!([1]), "bad-request", "a JSON object, this is a list"),
        (json!({"action": "nothing"}), "unknown-action", "`nothing`"),
        (json!({"action": LOGIN}), "bad-request", "reserves nothing"),
        (json!({"start": "xterm"}), "bad-request", "`start` must be an object"),
        (json!({"progress": 7}), "bad-request", "`progress` must be a subject"),
        (json!({"progress": "a.*"}), "bad-request", "`progress` must be a subject"),
        (json!({"progress": "a b"}), "bad-request", "`progress` must be a subject"),
        (json!({"progress": ""}), "bad-request", "`progress` must be a subject"),
        (json!({"user": "ann"}), "bad-request", "`user`"),
    ];
    for (body, name, words) in cases {
        let number = harness.send(Verb::Start, &body);
        let (found, message) = harness.failure(number);
        assert!(found == name && message.contains(words), "{body}: {found} {message}");
    }
    assert!(harness.take(|effect| matches!(effect, Effect::Start(_)).then_some(())).is_empty());
    assert_eq!(harness.figure("whither_starts_total{outcome=\"bad-request\"}"), "8");
}

#[test]
fn the_time_that_is_left_is_the_requesters() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, incoming) = harness.message(Verb::Start, &request("ann"));
    let timeout_ms = Some(7000);
    harness.tell(super::super::events::FrontEvent::Request(Incoming { timeout_ms, ..incoming }));
    let left = harness.take(|effect| if let Effect::Start(start) = effect { Some(start.left) } else { None });
    assert_eq!(left, [Duration::from_secs(7)]);
    harness.no_reply(number);
}

#[test]
fn an_earlier_start_is_known_while_it_is_placed_and_after_its_session_was_reported() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (_, asked) = harness.place_asked(&named("ann"));
    assert_eq!(begun(&mut harness, &named("ann")).earlier, EarlierStart::Placed, "its placement is under way");
    harness.choose(&asked, "a");
    assert_eq!(begun(&mut harness, &named("ann")).earlier, EarlierStart::Placed);
    assert_eq!(begun(&mut harness, &named("bob")).earlier, EarlierStart::None, "the id of another user");
    let id = Arc::clone(&asked.question.decision);
    harness.change(report("a", None, &[json!({"id": "s", "user": "ann", "reservation": &*id})]));
    let started = EarlierStart::Started { node: "a".into(), reservation: id };
    assert_eq!(begun(&mut harness, &named("ann")).earlier, started);
}

#[test]
fn a_start_that_was_given_back_is_none() {
    for how in [json!({}), json!({"failed": true}), json!({"deferred": true})] {
        let mut harness = Harness::new(setup(), &["a"]);
        let (_, asked) = harness.place_asked(&named("ann"));
        harness.choose(&asked, "a");
        let id = &*asked.question.decision;
        harness.send(Verb::Release, &with(json!({"reservation": id}), how));
        assert_eq!(begun(&mut harness, &named("ann")).earlier, EarlierStart::None);
    }
}
