//! Tests of the endpoints about nodes: the pages that administrators are shown, and the effects of their orders.

use std::time::Duration;

use super::*;
use crate::chain::eligibility::CoolingPolicy;
use crate::model::{Change, Marks};
use crate::registry::mark::Mark;

use super::super::events::FrontEvent;
use super::super::testing::{EPOCH_MS, Harness, other_says, report, request, setup, with};

fn page(harness: &mut Harness, body: &Value) -> Value {
    let number = harness.send(Verb::Nodes, body);
    harness.reply(number)
}

fn ids(page: &Value) -> Vec<&str> {
    page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect()
}

/// Removes the marks that were to be written: node, kind, author, reason, and whether the node was cooling.
fn marks(harness: &mut Harness) -> Vec<(String, MarkKind, String, String, bool)> {
    harness.take(|effect| match effect {
        Effect::Mark(MarkOrder { node, kind, word, was_cooling, .. }) => {
            Some((node.to_string(), *kind, word.by.clone(), word.reason.clone(), *was_cooling))
        }
        _ => None,
    })
}

#[test]
fn nodes_come_in_pages_that_go_on_where_the_last_one_ended() {
    let mut harness = Harness::new(setup(), &["a", "b", "c", "d", "e"]);
    let first = page(&mut harness, &json!({"limit": 2}));
    assert_eq!((ids(&first), &first["next"], &first["total"]), (vec!["a", "b"], &"b".into(), &5.into()));
    let second = page(&mut harness, &json!({"limit": 2, "after": first["next"]}));
    assert_eq!((ids(&second), &second["next"]), (vec!["c", "d"], &"d".into()));
    let last = page(&mut harness, &json!({"limit": 2, "after": second["next"]}));
    assert_eq!((ids(&last), &last["next"]), (vec!["e"], &Value::Null));
    assert_eq!(first["generation"], harness.front.cluster().generation());
    assert_eq!(ids(&page(&mut harness, &json!({"limit": 5}))).len(), 5);
    assert_eq!(page(&mut harness, &json!({"limit": 5}))["next"], Value::Null, "nothing is left");
    assert_eq!(ids(&page(&mut harness, &json!({"limit": 0}))).len(), 1, "a page is never empty while nodes are left");
}

#[test]
fn a_page_has_so_many_nodes_where_nothing_else_is_said() {
    let names: Vec<_> = (0..PAGE.1 + 2).map(|number| format!("n{number:05}")).collect();
    let mut harness = Harness::with_nodes(setup(), names.iter().map(|name| report(name, None, &[])));
    let number = harness.send(Verb::Nodes, &json!({}));
    assert_eq!(ids(&harness.reply(number)).len(), PAGE.0);
    assert_eq!(ids(&page(&mut harness, &json!({"limit": 100_000}))).len(), PAGE.1);
}

#[test]
fn a_page_ends_where_it_would_be_too_large_for_a_message() {
    let sessions: Vec<_> =
        (0..2000).map(|number| json!({"id": format!("s{number}"), "user": "x".repeat(100)})).collect();
    let nodes = ["a", "b", "c", "d"].map(|id| report(id, None, &sessions));
    let mut harness = Harness::with_nodes(setup(), nodes);
    let first = page(&mut harness, &json!({}));
    let size = first.to_string().len();
    assert!(size < PAGE_BYTES + 1000 && (1..4).contains(&ids(&first).len()), "{size} {:?}", ids(&first));
    let (mut all, mut last) = (Vec::new(), first);
    loop {
        all.extend(ids(&last).into_iter().map(str::to_owned));
        if last["next"].is_null() {
            break;
        }
        last = page(&mut harness, &json!({"after": last["next"]}));
    }
    assert_eq!(all, ["a", "b", "c", "d"]);
}

#[test]
fn one_node_alone_is_shown_where_it_is_named() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    assert_eq!(ids(&page(&mut harness, &json!({"node": "b"}))), ["b"]);
    let unknown = page(&mut harness, &json!({"node": "x"}));
    assert_eq!((ids(&unknown), &unknown["next"]), (Vec::<&str>::new(), &Value::Null));
}

#[test]
fn a_node_is_shown_with_its_state_its_marks_and_its_reservations() {
    let mut harness = Harness::with_nodes(setup(), [report("a", Some(2), &[json!({"id": "s1"})])]);
    let shown = |harness: &mut Harness| page(harness, &json!({"node": "a"}))["nodes"][0].clone();
    assert_eq!(shown(&mut harness)["state"], "ready");
    harness.placed("ann", "a");
    let full = shown(&mut harness);
    assert_eq!((&full["state"], &full["pending"], full.get("marks")), (&"full".into(), &1.into(), None));
    harness.change(Change::Mark("a".into(), Marks { cordoned: true, ..Marks::default() }));
    let word = MarkAuthor { by: "eve".into(), at_ms: 1, reason: "a new disk".into() };
    let mark = Mark { cordoned: Some(word.clone()), ..Mark::default() };
    harness.view.seen().marks.insert("a".into(), mark.clone());
    let cordoned = shown(&mut harness);
    assert_eq!(
        (&cordoned["state"], &cordoned["marks"]["cordoned"]["reason"]),
        (&"cordoned".into(), &"a new disk".into())
    );
    harness.view.seen().marks.insert("a".into(), Mark { draining: Some(word), ..mark });
    assert_eq!(shown(&mut harness)["state"], "draining");
    harness.change(report("a", Some(2), &[]));
    assert_eq!(shown(&mut harness)["state"], "draining", "a reservation is left");
    harness.pass(Duration::from_secs(60));
    assert_eq!(shown(&mut harness)["state"], "drained");
}

#[test]
fn a_page_that_is_asked_for_in_other_words_is_refused() {
    let mut harness = Harness::new(setup(), &["a"]);
    for body in [json!({"limits": 2}), json!({"limit": "2"})] {
        let number = harness.send(Verb::Nodes, &body);
        let (name, message) = harness.failure(number);
        assert_eq!(name, "bad-request", "{body}");
        assert!(message.contains("the request"), "{message}");
    }
}

#[test]
fn a_message_that_is_no_object_is_refused_in_the_requesters_terms() {
    let mut harness = Harness::new(setup(), &["a"]);
    for (verb, body, kind) in [
        (Verb::Cordon, json!(["a", "a new disk"]), "a list"),
        (Verb::Release, json!(["r1"]), "a list"),
        (Verb::Nodes, json!([]), "a list"),
        (Verb::Nodes, json!(7), "a number"),
    ] {
        let number = harness.send(verb, &body);
        let expected = format!("the request must be an object, not {kind}");
        assert_eq!(harness.failure(number), ("bad-request".into(), expected), "{body}");
    }
    assert!(marks(&mut harness).is_empty());
}

#[test]
fn a_cordon_is_written_down_with_who_wants_it_and_why() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.send(Verb::Cordon, &json!({"node": "a", "by": "eve", "reason": "a new disk"}));
    harness.no_reply(number);
    let expected = ("a".to_owned(), MarkKind::Cordon, "eve".to_owned(), "a new disk".to_owned(), false);
    assert_eq!(marks(&mut harness), [expected]);
    assert!(!harness.front.cluster().get("a").unwrap().is_cordoned(), "it counts when it is written");
    harness.send(Verb::Cordon, &json!({"node": "a", "drain": true}));
    assert_eq!(marks(&mut harness)[0].1, MarkKind::Drain);
    harness.send(Verb::Uncordon, &json!({"node": "a"}));
    assert_eq!(marks(&mut harness)[0].1, MarkKind::Uncordon);
}

#[test]
fn a_mark_says_when_it_was_wanted_and_whether_the_node_cools_down() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.change(Change::Mark("a".into(), Marks { cooling_down: true, ..Marks::default() }));
    harness.send(Verb::Uncordon, &json!({"node": "a"}));
    let order = harness.take(|effect| match effect {
        Effect::Mark(order) => Some((order.word.at_ms, order.was_cooling)),
        _ => None,
    });
    assert_eq!(order, [(harness.now.unix_ms, true)]);
    assert!(harness.now.unix_ms > EPOCH_MS);
}

#[test]
fn a_node_that_nobody_knows_is_not_cordoned_but_may_be_put_back() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.send(Verb::Cordon, &json!({"node": "x"}));
    assert_eq!(harness.failure(number), ("unknown-node".into(), "the cluster has no node `x`".into()));
    assert!(marks(&mut harness).is_empty());
    harness.send(Verb::Uncordon, &json!({"node": "x"}));
    assert_eq!(marks(&mut harness)[0].0, "x", "its mark may have outlived it");
}

#[test]
fn an_uncordon_ends_a_drain_and_cannot_ask_for_one() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.send(Verb::Uncordon, &json!({"node": "a", "drain": true}));
    assert_eq!(harness.failure(number).0, "bad-request");
    for body in [json!({}), json!({"node": 7}), json!({"node": "a", "why": "x"})] {
        let number = harness.send(Verb::Cordon, &body);
        assert_eq!(harness.failure(number).0, "bad-request", "{body}");
    }
    assert!(marks(&mut harness).is_empty());
}

#[test]
fn an_uncordon_forgives_what_failed_on_the_node_here_and_elsewhere() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&other_says());
    let id = harness.placed("ann", "a");
    harness.send(Verb::Release, &json!({"reservation": id, "failed": true}));
    let cooling = |harness: &mut Harness| harness.place_asked(&request("ann")).1.question.cooling.clone();
    assert_eq!(cooling(&mut harness), CoolingPolicy::Out(vec!["a".into()]));
    harness.said();
    harness.send(Verb::Uncordon, &json!({"node": "a"}));
    assert_eq!(cooling(&mut harness), CoolingPolicy::default());
    assert_eq!(harness.said()[0].uncordoned, ["a".into()]);
}

#[test]
fn whoever_reads_the_config_is_told_how_many_replicas_answer() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.hear(&other_says());
    let number = harness.send(Verb::Reload, &json!({}));
    harness.no_reply(number);
    let replicas = harness.take(|effect| match effect {
        Effect::Reload(reload) => Some((reload.replicas, reload.incoming.verb)),
        _ => None,
    });
    assert_eq!(replicas, [(2, Verb::Reload)]);
}

#[test]
fn an_empty_message_asks_as_an_empty_object_does() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, incoming) = harness.message(Verb::Nodes, &with(json!({}), json!({})));
    harness.tell(FrontEvent::Request(Incoming { payload: " \n".into(), ..incoming }));
    assert_eq!(ids(&harness.reply(number)), ["a"]);
}

#[test]
fn a_node_that_reports_is_not_forgotten_and_one_that_nobody_knows_may_be_accepted() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    harness.change(Change::Stale("b".into()));
    let number = harness.send(Verb::Forget, &json!({"node": "a"}));
    let (name, message) = harness.failure(number);
    assert!(name == "bad-request" && message.contains("stop its agent first"), "{message}");
    harness.send(Verb::Forget, &json!({"node": "b", "by": "eve"}));
    harness.send(Verb::Forget, &json!({"node": "gone"}));
    harness.send(Verb::Accept, &json!({"node": "new", "reason": "racked"}));
    let kinds: Vec<_> = marks(&mut harness).into_iter().map(|(node, kind, ..)| (node, kind)).collect();
    let expected = [("b", MarkKind::Forget), ("gone", MarkKind::Forget), ("new", MarkKind::Accept)];
    assert_eq!(kinds, expected.map(|(node, kind)| (node.to_owned(), kind)));
    let number = harness.send(Verb::Accept, &json!({"nodes": ["a"]}));
    assert_eq!(harness.failure(number).0, "bad-request");
}
