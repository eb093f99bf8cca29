//! Tests of the orders about facts, and of facts that nodes feed.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::Change;
use crate::registry::RegistryEvent;
use crate::registry::facts::{Fact, FactEntry};

use super::super::events::FrontEvent;
use super::super::testing::{Harness, setup};

/// Removes the facts that are to be set: the name and the setting.
fn orders(harness: &mut Harness) -> Vec<(String, Option<FactSetting>)> {
    harness.take(|effect| match effect {
        Effect::SetFact(order) => Some((order.name.to_string(), order.setting.clone())),
        _ => None,
    })
}

fn tell(harness: &mut Harness, name: &str, setting: &FactSetting) {
    let FactSetting { count, ttl_ms, by, at_ms } = setting.clone();
    let fact = Fact { count, ttl_ms, by, at_ms, ..Fact::default() };
    let entry = FactEntry { revision: 1, fact: Some(fact) };
    harness.tell(FrontEvent::Registry(RegistryEvent::Fact(name.into(), entry)));
}

#[test]
fn a_fact_is_set_and_deleted() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = harness.send(Verb::FactSet, &json!({"fact": "m", "count": 12, "ttl_s": 60, "by": "eve"}));
    harness.no_reply(number);
    let at_ms = harness.now.unix_ms;
    let setting = FactSetting { count: 12, ttl_ms: Some(60_000), by: "eve".to_owned(), at_ms };
    assert_eq!(orders(&mut harness), [("m".to_owned(), Some(setting.clone()))]);
    tell(&mut harness, "m", &setting);
    let number = harness.send(Verb::Facts, &json!({}));
    let expected = json!({"fact": "m", "state": "known", "count": 12, "held": 0, "free": 12, "holders": 0, "by": "eve",
        "at_ms": at_ms, "ttl_ms": 60_000, "left_ms": 60_000});
    assert_eq!(harness.reply(number), json!({"facts": [expected], "total": 1, "most": 100}));
    let number = harness.send(Verb::Facts, &json!({"fact": "x"}));
    assert_eq!(harness.reply(number)["total"], 0);
    harness.send(Verb::FactDelete, &json!({"fact": "m"}));
    assert_eq!(orders(&mut harness), [("m".to_owned(), None)]);
}

#[test]
fn what_is_no_fact_is_refused() {
    let mut harness = Harness::new(setup(), &["a"]);
    for (body, words) in [
        (json!({"fact": "a b", "count": 1}), "is no name of a fact, expected 1 to 64 letters"),
        (json!({"fact": "", "count": 1}), "is no name of a fact"),
        (json!({"fact": "x".repeat(65), "count": 1}), "is no name of a fact"),
        (json!({"fact": "m", "count": -1}), "`count` must be a whole number from 0 to 1000000, not -1"),
        (json!({"fact": "m", "count": 1.5}), "not 1.5"),
        (json!({"fact": "m", "count": "many"}), "not a string"),
        (json!({"fact": "m", "count": 1_000_001}), "not 1000001"),
        (json!({"fact": "m", "count": 1, "ttl_s": 0}), "`ttl_s` must be a whole number from 1 to 31536000, not 0"),
        (json!({"fact": "m", "count": 1, "ttl": 5}), "unknown field"),
        (json!({"fact": "m"}), "`count`"),
    ] {
        let number = harness.send(Verb::FactSet, &body);
        let (name, message) = harness.failure(number);
        assert!(name == "bad-request" && message.contains(words), "{body}: {message}");
    }
    let number = harness.send(Verb::FactDelete, &json!({"fact": "*"}));
    assert_eq!(harness.failure(number).0, "bad-request");
    assert!(orders(&mut harness).is_empty());
}

#[test]
fn there_are_so_many_facts_and_no_more() {
    let mut harness = Harness::new(setup(), &["a"]);
    let setting = FactSetting { count: 1, ttl_ms: None, by: String::new(), at_ms: 0 };
    (0..MAX_FACTS).for_each(|number| tell(&mut harness, &format!("f{number}"), &setting));
    let number = harness.send(Verb::FactSet, &json!({"fact": "one-more", "count": 1}));
    let (name, message) = harness.failure(number);
    assert!(name == "overloaded" && message.starts_with("100 facts are set already"), "{message}");
    harness.send(Verb::FactSet, &json!({"fact": "f7", "count": 2}));
    assert_eq!(orders(&mut harness).len(), 1, "one that is there may be set");
}

/// The report of a node `a` that feeds `m`, at intervals of 10 seconds.
fn feeding(count: u64) -> Change {
    let agent = json!({"interval_ms": 10_000, "facts": {"m": count}});
    Change::Report(Arc::new(Report::from_value(json!({"id": "a", "agent": agent})).unwrap()))
}

#[test]
fn a_node_feeds_a_fact_and_renews_it_with_its_reports() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.change(feeding(7));
    let (name, setting) = orders(&mut harness).remove(0);
    let setting = setting.unwrap();
    assert_eq!((name.as_str(), setting.count, setting.ttl_ms, setting.by.as_str()), ("m", 7, Some(40_000), "node a"));
    tell(&mut harness, "m", &setting);
    harness.change(feeding(7));
    assert!(orders(&mut harness).is_empty(), "it was set a moment ago");
    harness.change(feeding(6));
    assert_eq!(orders(&mut harness).remove(0).1.unwrap().count, 6);
    harness.sleep(Duration::from_secs(10));
    harness.change(feeding(7));
    assert_eq!(orders(&mut harness).len(), 1, "it is renewed in time");
    harness.tell(FrontEvent::Registry(RegistryEvent::Lost { reason: "cut".to_owned() }));
    harness.change(feeding(5));
    assert!(orders(&mut harness).is_empty());
}
