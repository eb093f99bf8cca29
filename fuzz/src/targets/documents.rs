//! Marks, claims and events, as they stand in buckets and streams.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use whither::registry::claims::{Claim, ClaimBook, NodeClaims};
use whither::registry::documents::{DocumentStore, Stored};
use whither::registry::journal::HistoryRecord;
use whither::registry::mark::{Mark, MarkAuthor};
use whither::registry::marks::MarkBook;
use whither::registry::memory::MemoryStore;

use super::{choice, must_be_alike, must_be_short};

/// Clocks that are right, early, late and broken.
const CLOCKS: [i64; 5] = [i64::MIN, 0, 1_800_000_000_000, 1_900_000_000_000, i64::MAX];
/// A store in memory lets others go first, once for each reading.
const MOST_POLLS: usize = 16;
/// The node whose documents these are.
const NODE: &str = "n";

/// The first byte says which document the others are. What is read is edited and can be read again.
pub fn run(bytes: &[u8]) {
    let (kind, document) = choice(bytes, 3);
    match kind {
        0 => mark(document),
        1 => claims(document),
        _ => record(document),
    }
}

fn mark(document: &[u8]) {
    let mark = match Mark::parse(document) {
        Ok(mark) => mark,
        Err(error) => return drop(must_be_short(&error)),
    };
    let written = serde_json::to_vec(&mark).expect("a mark can be written");
    must_be_alike(&Mark::parse(&written).expect("and be read"), &mark);
    for now_ms in CLOCKS {
        if let Some(cool_down) = &mark.cooling_down {
            let (left_ms, whole_ms) = (cool_down.left_ms(now_ms), cool_down.from_now_ms(now_ms));
            assert!(cool_down.pause_ms.is_none_or(|pause_ms| left_ms <= pause_ms && whole_ms == pause_ms));
        }
        must_be_edited(document, now_ms);
    }
}

/// Every edit of a mark leaves one that can be read and lifted.
fn must_be_edited(document: &[u8], at_ms: i64) {
    let store = stored(document);
    let book = MarkBook::new(store.clone());
    let word = || MarkAuthor { by: "ann".to_owned(), at_ms, reason: "x".repeat(2000) };
    // What would be too large is not written.
    if let Ok(drained) = now(book.drain(NODE, word())) {
        assert!(drained.mark.is_draining());
    }
    if let Ok(cooled) = now(book.cool_down(NODE, 60_000, word())) {
        assert!(cooled.mark.cooling_down.is_some());
    }
    let text = value(&store).unwrap_or_else(|| b"{}".to_vec());
    let left = Mark::parse(&text).expect("a mark that can be read");
    if let Ok(back) = now(book.uncordon(NODE)) {
        let expected = Mark { other: left.other, ..Mark::default() };
        must_be_alike(&back.mark, &expected);
    }
}

fn claims(document: &[u8]) {
    let store = stored(document);
    let book = ClaimBook::new(store.clone());
    let (held, over) = (BTreeSet::from(["held".into()]), BTreeMap::from([("over".into(), true)]));
    let claim =
        |id: &str| Claim { node: NODE.into(), id: id.into(), room: u64::MAX, held: held.clone(), over: over.clone() };
    let Ok(_taken) = now(book.take(&claim("r-1"))) else { return };
    let _again = now(book.take(&claim("r-2"))).expect("what was written can be read");
    let text = value(&store).expect("two claims stand there");
    let claims: NodeClaims = serde_json::from_slice(&text).expect("claims");
    assert!(claims.ids.contains("r-1") && claims.ids.contains("r-2"));
    assert!(text == document || !claims.ids.contains("over"), "what nobody counts any more is written off");
    let write_off = now(book.write_off(NODE, &claims.ids));
    assert_eq!((write_off, value(&store)), (Ok(()), None));
}

fn record(document: &[u8]) {
    let Ok(record) = serde_json::from_slice::<HistoryRecord>(document) else { return };
    let written = serde_json::to_vec(&record).expect("a record can be written");
    assert_eq!(serde_json::from_slice::<HistoryRecord>(&written).expect("and be read"), record);
}

fn stored(document: &[u8]) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    let written = now(store.write(NODE, 0, Some(document.to_vec().into())));
    assert!(written.is_ok());
    store
}

fn value(store: &MemoryStore) -> Option<Vec<u8>> {
    let read = now(DocumentStore::read(store, NODE));
    let Stored { value, .. } = read.expect("memory can be read");
    value.map(|value| value.to_vec())
}

/// What comes of `work`, which waits for nobody.
fn now<T>(work: impl Future<Output = T>) -> T {
    let (mut work, mut context) = (pin!(work), Context::from_waker(Waker::noop()));
    for _ in 0..MOST_POLLS {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("documents in memory are waited for");
}
