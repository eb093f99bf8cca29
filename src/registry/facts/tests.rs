//! Tests of the countable facts.

use super::*;
use crate::registry::memory::MemoryStore;

fn book() -> FactBook {
    FactBook::new(Arc::new(MemoryStore::default()))
}

fn setting(count: u32) -> FactSetting {
    FactSetting { count, ttl_ms: Some(60_000), by: "eve".to_owned(), at_ms: 7 }
}

fn claim(id: &str, needs: &[(&str, u32)]) -> FactClaim {
    let needs = needs.iter().map(|(name, need)| (Arc::from(*name), *need)).collect();
    FactClaim { id: id.into(), node: "a".into(), life_ms: 5, needs, over: BTreeSet::new() }
}

async fn held(book: &FactBook, name: &str) -> u64 {
    let stored = book.store.read(&encode_key(name)).await.unwrap();
    Fact::parse(&stored.value.unwrap()).unwrap().held_by_others(&BTreeSet::new())
}

#[tokio::test]
async fn the_last_unit_goes_to_one_of_many() {
    let (book, name) = (book(), Arc::from("m"));
    book.set(&name, &setting(12)).await.unwrap();
    let claims: Vec<_> = (0..50).map(|number| claim(&format!("r-{number}"), &[("m", 1)])).collect();
    let taken = futures_util::future::join_all(claims.iter().map(|claim| book.take(claim))).await;
    let won = taken.iter().filter(|taken| matches!(taken, Ok(FactsTaken::Won(_)))).count();
    assert_eq!((won, held(&book, "m").await), (12, 12));
}

#[tokio::test]
async fn all_needs_are_met_or_none() {
    let book = book();
    for (name, count) in [("a", 5), ("b", 1)] {
        book.set(&name.into(), &setting(count)).await.unwrap();
    }
    let short = book.take(&claim("r-1", &[("a", 2), ("b", 2)])).await.unwrap();
    assert!(matches!(short, FactsTaken::Short(name, entry) if &*name == "b" && entry.fact.is_some()));
    assert_eq!((held(&book, "a").await, held(&book, "b").await), (0, 0));
    let gone = book.take(&claim("r-1", &[("a", 2), ("c", 1)])).await.unwrap();
    assert!(matches!(gone, FactsTaken::Short(name, entry) if &*name == "c" && entry.fact.is_none()));
    assert!(
        matches!(book.take(&claim("r-1", &[("a", 2), ("b", 1)])).await, Ok(FactsTaken::Won(all)) if all.len() == 2)
    );
    assert_eq!((held(&book, "a").await, held(&book, "b").await), (2, 1));
}

#[tokio::test]
async fn what_is_over_makes_room_and_what_is_held_outlives_a_new_count() {
    let (book, name) = (book(), Arc::from("m"));
    book.set(&name, &setting(1)).await.unwrap();
    assert!(matches!(book.take(&claim("r-1", &[("m", 1)])).await, Ok(FactsTaken::Won(_))));
    assert!(matches!(book.take(&claim("r-1", &[("m", 1)])).await, Ok(FactsTaken::Won(_))), "it holds them already");
    assert!(matches!(book.take(&claim("r-2", &[("m", 1)])).await, Ok(FactsTaken::Short(..))));
    let later = FactClaim { over: BTreeSet::from(["r-1".into()]), ..claim("r-2", &[("m", 1)]) };
    assert!(matches!(book.take(&later).await, Ok(FactsTaken::Won(_))));
    let (before, now) = book.set(&name, &setting(0)).await.unwrap();
    assert_eq!((before.unwrap().count, now.fact.unwrap().held.len()), (1, 1));
    book.give_back(&name, &BTreeSet::from(["r-2".into()])).await.unwrap();
    assert_eq!(held(&book, "m").await, 0);
    assert_eq!(book.delete(&name).await.unwrap().0.unwrap().count, 0);
    assert_eq!(book.delete(&name).await.unwrap().0, None);
}

#[tokio::test]
async fn a_document_keeps_a_strangers_field_and_is_replaced_where_it_cannot_be_read() {
    let (store, name) = (Arc::new(MemoryStore::default()), Arc::from("m"));
    store.write("m", 0, Some(r#"{"count":3,"pool":"x"}"#.into())).await.unwrap();
    let book = FactBook::new(store.clone());
    assert_eq!(book.set(&name, &setting(4)).await.unwrap().1.fact.unwrap().other["pool"], json!("x"));
    store.write("n", 0, Some("[[".into())).await.unwrap();
    assert!(matches!(
        book.take(&claim("r", &[("n", 1)])).await,
        Ok(FactsTaken::Short(_, FactEntry { fact: None, .. }))
    ));
    assert_eq!(book.set(&"n".into(), &setting(4)).await.unwrap().0, None);
}

#[tokio::test]
async fn a_document_that_could_not_be_read_again_is_not_written() {
    let (book, name) = (book(), Arc::from("m"));
    book.set(&name, &setting(10)).await.unwrap();
    let large = FactClaim { node: "x".repeat(MAX_FACT_BYTES).into(), ..claim("r", &[("m", 1)]) };
    let error = book.take(&large).await.unwrap_err().to_string();
    assert!(error.contains("the fact `m` with its 1 holds would have"), "{error}");
    assert_eq!(held(&book, "m").await, 0);
}
