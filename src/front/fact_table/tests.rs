//! Tests of the table of facts.

use std::time::Instant;

use super::*;
use crate::registry::facts::FactHold;

fn now(unix_ms: i64) -> Now {
    Now { instant: Instant::now(), unix_ms }
}

fn fact(count: u32, ttl_ms: Option<u64>, held: &[(&str, u32)]) -> Fact {
    let hold = |n| FactHold { n, node: "a".into(), life_ms: 60_000 };
    let held = held.iter().map(|(id, n)| (Arc::from(*id), hold(*n))).collect();
    Fact { count, ttl_ms, held, at_ms: 1_000, ..Fact::default() }
}

fn entry(revision: u64, fact: Fact) -> FactEntry {
    FactEntry { revision, fact: Some(fact) }
}

fn needs(name: &str, need: u32) -> Needs {
    Needs::from([(name.into(), need)])
}

fn table(fact: Fact) -> FactTable {
    let mut table = FactTable::default();
    assert!(table.note("m".into(), entry(5, fact), now(1_000), 0));
    table
}

#[test]
fn what_is_held_over_and_about_to_be_held_adds_up() {
    let mut table = table(fact(5, None, &[("r1", 2), ("r2", 1)]));
    let shortage = |table: &FactTable, need| table.shortage(&needs("m", need), 0);
    assert_eq!(shortage(&table, 2), None);
    assert_eq!(shortage(&table, 3), Some(FactShortage::Exhausted("m".into(), 3, 5, 3)));
    assert_eq!(shortage(&table, 6), Some(FactShortage::Beyond("m".into(), 6, 5)));
    assert_eq!(table.shortage(&needs("x", 1), 0), Some(FactShortage::Unknown("x".into(), vec!["m".into()])));
    table.open(&"r3".into(), &needs("m", 2));
    assert_eq!(shortage(&table, 1), Some(FactShortage::Exhausted("m".into(), 1, 5, 5)));
    // Its hold is in the document by now, and counts once.
    table.note("m".into(), entry(6, fact(5, None, &[("r1", 2), ("r2", 1), ("r3", 2)])), now(1_000), 0);
    assert_eq!(shortage(&table, 1), Some(FactShortage::Exhausted("m".into(), 1, 5, 5)));
    table.close("r3");
    assert_eq!(table.end(&"r1".into()), [Arc::from("m")]);
    assert_eq!((shortage(&table, 2), table.over(&needs("m", 1))), (None, BTreeSet::from(["r1".into()])));
    assert_eq!(&*table.shown(0).unwrap(), r#"{"m":{"count":5,"held":3,"free":2}}"#);
    assert_eq!((table.status(0)[0].holders, table.status(0)[0].free), (2, 2));
}

#[test]
fn an_older_document_changes_nothing() {
    let mut table = table(fact(5, None, &[("r1", 2)]));
    assert!(!table.note("m".into(), entry(4, fact(9, None, &[])), now(1_000), 0));
    assert_eq!(table.get("m").unwrap().count, 5);
    assert!(!table.note("m".into(), entry(6, fact(5, None, &[("r1", 2), ("r2", 1)])), now(1_000), 0), "less is free");
    assert!(table.note("m".into(), entry(7, fact(5, None, &[("r2", 1)])), now(1_000), 0));
    assert!(table.note("m".into(), FactEntry { revision: 8, fact: None }, now(1_000), 0));
    assert_eq!((table.len(), table.shown(0)), (0, None));
}

#[test]
fn a_count_is_believed_for_its_time_and_a_hold_does_not_renew_it() {
    let mut table = table(fact(5, Some(60_000), &[]));
    let one = needs("m", 1);
    assert_eq!(table.shortage(&one, 59_999), None);
    let gone = Some(FactShortage::Expired("m".into(), 61_000, 60_000));
    assert_eq!(table.shortage(&one, 60_000), gone);
    assert_eq!((table.status(60_000)[0].state, table.status(70_000)[0].left_ms), ("expired", Some(-10_000)));
    table.note("m".into(), entry(6, fact(5, Some(60_000), &[("r1", 1)])), now(31_000), 30_000);
    assert_eq!(table.shortage(&one, 60_000), gone);
    table.changed();
    assert_eq!(&*table.shown(60_000).unwrap(), "{}");
    let renewed = Fact { at_ms: 50_000, ..fact(5, Some(60_000), &[("r1", 1)]) };
    assert!(table.note("m".into(), entry(7, renewed), now(51_000), 50_000));
    assert_eq!(table.shortage(&one, 109_999), None);
}

#[test]
fn a_replica_that_comes_later_believes_a_count_for_the_rest_of_its_time() {
    let read = |unix_ms, at_ms: i64| {
        let mut table = FactTable::default();
        let fact = Fact { at_ms, ..fact(5, Some(60_000), &[]) };
        table.replace(Facts::from([("m".into(), entry(5, fact))]), now(unix_ms), 0);
        table
    };
    let one = needs("m", 1);
    assert_eq!(read(41_000, 1_000).shortage(&one, 19_999), None);
    assert_eq!(read(41_000, 1_000).shortage(&one, 20_000), Some(FactShortage::Expired("m".into(), 61_000, 60_000)));
    assert!(read(400_000, 1_000).shortage(&one, 0).is_some());
    assert!(read(1_000, 900_000).shortage(&one, 60_000).is_some(), "a clock that is fast elsewhere gives no more");
    // The view is built anew: what is known of the time stays.
    let mut table = read(41_000, 1_000);
    let same = Facts::from([("m".into(), entry(9, Fact { at_ms: 1_000, ..fact(5, Some(60_000), &[]) }))]);
    table.replace(same, now(1_000), 10_000);
    assert!(table.shortage(&one, 20_000).is_some());
    table.replace(Facts::new(), now(1_000), 10_000);
    assert_eq!(table.len(), 0);
}
