//! The registry's handling of reports, silence, marks and losses, driven by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::documents::DocumentStore;
use super::journal::NodeEvent;
use super::liveness::{LIMIT, RETENTION};
use super::mark::{Mark, MarkAuthor};
use super::marks::{MAX_ABSENT_MARKS, MarkError};
use super::memory::MemoryRegistryHandle;
use super::{Registry, RegistryEvent};
use crate::model::{Change, Cluster};

/// A front that only keeps the cluster.
struct Front {
    cluster: Cluster,
    events: mpsc::UnboundedReceiver<RegistryEvent>,
}

impl Front {
    /// Takes all waiting events; returns those that change nothing.
    fn receive(&mut self) -> Vec<RegistryEvent> {
        let mut others = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            match event {
                RegistryEvent::Change(change) => drop(self.cluster.apply(change)),
                other => others.push(other),
            }
        }
        others
    }

    /// The ids of the nodes: a stale node with a `-`, a cordoned node with a `#`, a cooling node with a `~`.
    fn nodes(&mut self) -> String {
        self.receive();
        let shown = self.cluster.nodes().map(|(_, node)| {
            let signs = [(node.is_stale(), "-"), (node.is_cordoned(), "#"), (node.marks().cooling_down, "~")];
            signs.into_iter().filter(|(is, _)| *is).fold(node.id().to_string(), |shown, (_, sign)| shown + sign)
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}

fn setup() -> (Registry, MemoryRegistryHandle, Front) {
    let (registry, handle, events) = Registry::in_memory();
    (registry, handle, Front { cluster: Cluster::default(), events })
}

fn document(id: &str) -> Vec<u8> {
    json!({"id": id, "urls": [format!("https://{id}:3300")]}).to_string().into_bytes()
}

fn author() -> MarkAuthor {
    MarkAuthor { by: "ann".to_owned(), at_ms: 1, reason: "kernel".to_owned() }
}

async fn history(registry: &Registry, node: &str, length: usize) -> Vec<(NodeEvent, String)> {
    loop {
        let history = registry.history(node, 100).await.unwrap();
        if history.len() >= length {
            return history.into_iter().map(|kept| (kept.record.event, kept.record.reason)).collect();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_node_comes_goes_stale_comes_back_leaves_and_is_remembered() {
    let (registry, mut handle, mut front) = setup();
    assert_eq!(front.receive(), [RegistryEvent::Ready { nodes: 0 }]);
    handle.report("a", &document("a"));
    handle.report("b", &document("b"));
    assert_eq!(front.nodes(), "a b");
    handle.forward(Duration::from_secs(60));
    handle.report("b", &document("b"));
    handle.forward(Duration::from_secs(30));
    assert_eq!(front.nodes(), "a- b");
    handle.report("a", &document("a"));
    assert_eq!(front.nodes(), "a b");
    handle.leave("a");
    assert_eq!(front.nodes(), "b");
    handle.forward(LIMIT + RETENTION);
    assert_eq!(front.nodes(), "");
    let history = history(&registry, "a", 4).await;
    let silent = "has not reported for 90 s".to_owned();
    assert_eq!(
        history,
        [
            (NodeEvent::Joined, String::new()),
            (NodeEvent::Left, silent),
            (NodeEvent::Joined, String::new()),
            (NodeEvent::Left, "its agent was stopped".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_poisoned_document_costs_its_own_node_alone() {
    let (_registry, mut handle, mut front) = setup();
    handle.report("a", &document("a"));
    handle.report("b", &document("b"));
    let deep = format!(r#"{{"id":"a","x":{}1{}}}"#, "[".repeat(16_000), "]".repeat(16_000));
    let poisons: [&[u8]; 7] = [
        b"",
        b"{\"id\":\"a\",\"freemem\":NaN}",
        b"[1]",
        b"{\"id\":\"b\"}",
        b"{\"id\":\"a\",\"urls\":7}",
        deep.as_bytes(),
        &vec![b' '; 1 << 20],
    ];
    front.receive();
    for poison in poisons {
        handle.report("a", poison);
        let refused = front.receive();
        assert!(matches!(refused.as_slice(), [RegistryEvent::Refused { node: Some(node), .. }] if **node == *"a"));
    }
    handle.put("a..b".to_owned(), Some(document("a..b").into()));
    assert!(matches!(front.receive().as_slice(), [RegistryEvent::Refused { node: None, key, .. }] if key == "a..b"));
    assert_eq!(handle.refused(), 8);
    assert_eq!(front.nodes(), "a b", "the last good report stays");
    handle.forward(Duration::from_secs(80));
    handle.report("a", b"[");
    handle.report("b", &document("b"));
    handle.forward(Duration::from_secs(10));
    assert_eq!(front.nodes(), "a- b", "and is no sign of life");
    handle.report("a", &document("a"));
    assert_eq!(front.nodes(), "a b");
}

#[tokio::test]
async fn odd_ids_are_nodes_like_any_other() {
    let (_registry, mut handle, mut front) = setup();
    for id in ["a..b", "host:7070", "*", "ü", "a b", "a/b"] {
        handle.report(id, &document(id));
    }
    assert_eq!(front.nodes(), "* a b a..b a/b host:7070 ü");
}

#[tokio::test]
async fn marks_reach_the_cluster_and_end_by_themselves() {
    let (registry, mut handle, mut front) = setup();
    handle.report("a", &document("a"));
    registry.cordon("a", author()).await.unwrap();
    registry.cool_down("a", 5_000, author()).await.unwrap();
    handle.see_marks();
    assert_eq!(front.nodes(), "a#~");
    assert_eq!(registry.mark("a").unwrap().cordoned, Some(author()));
    handle.forward(Duration::from_millis(4_999));
    assert_eq!(front.nodes(), "a#~");
    handle.forward(Duration::from_millis(1));
    assert_eq!(front.nodes(), "a#");
    registry.cool_down("a", 5_000, MarkAuthor { at_ms: 5_001, ..author() }).await.unwrap();
    handle.see_marks();
    assert_eq!(front.nodes(), "a#~");
    registry.uncordon("a", author()).await.unwrap();
    handle.see_marks();
    assert_eq!(front.nodes(), "a", "back in service means for everything");
    handle.leave("a");
    registry.cordon("a", author()).await.unwrap();
    handle.see_marks();
    handle.report("a", &document("a"));
    assert_eq!(front.nodes(), "a#", "a mark outlives its node's absence");
    let events: Vec<_> = history(&registry, "a", 6).await.into_iter().map(|(event, _)| event).collect();
    use NodeEvent::{Cordoned, Joined, Left, Uncordoned};
    assert_eq!(events.len(), 6);
    for (event, times) in [(Joined, 2), (Cordoned, 2), (Uncordoned, 1), (Left, 1)] {
        assert_eq!(events.iter().filter(|other| **other == event).count(), times, "{event:?}");
    }
}

/// A cool-down of a minute as written by a replica with a clock that is `ahead_ms` ahead of zero, with the pause where
/// `said`.
fn cool_down(ahead_ms: i64, has_pause: bool) -> String {
    let mut cool_down =
        json!({"until_ms": ahead_ms + 60_000, "failures": 1, "by": "r", "at_ms": ahead_ms, "reason": "x"});
    if has_pause {
        cool_down["pause_ms"] = json!(60_000);
    }
    json!({"cooling_down": cool_down}).to_string()
}

#[tokio::test]
async fn a_replica_whose_clock_is_wrong_cools_nodes_down_for_no_longer() {
    const DAY_MS: i64 = 86_400_000;
    for (ahead_ms, has_pause) in [(DAY_MS, true), (DAY_MS, false), (1, false), (-DAY_MS, true)] {
        let (_registry, mut handle, mut front) = setup();
        handle.report("a", &document("a"));
        handle.store.write("a", 0, Some(cool_down(ahead_ms, has_pause).into())).await.unwrap();
        handle.see_marks();
        assert_eq!(front.nodes(), "a~", "{ahead_ms} {has_pause}");
        handle.forward(Duration::from_secs(30));
        handle.resume([("a", &*document("a"))]);
        handle.forward(Duration::from_millis(29_999));
        assert_eq!(front.nodes(), "a~", "{ahead_ms} {has_pause}");
        handle.forward(Duration::from_millis(1));
        assert_eq!(front.nodes(), "a", "{ahead_ms} {has_pause}");
        handle.resume([("a", &*document("a"))]);
        assert_eq!(front.nodes(), "a", "the same words begin no new pause: {ahead_ms} {has_pause}");
    }
}

#[tokio::test]
async fn no_cool_down_is_longer_than_the_readers_own_longest() {
    let (registry, mut handle, mut front) = setup();
    registry.bound_cool_downs(100);
    handle.report("a", &document("a"));
    for (revision, text) in [
        (0, r#"{"cooling_down":{"until_ms":9223372036854775807}}"#),
        (1, r#"{"cooling_down":{"until_ms":9223372036854775807,"at_ms":-9223372036854775808}}"#),
        (2, r#"{"cooling_down":{"until_ms":0,"pause_ms":18446744073709551615}}"#),
    ] {
        handle.store.write("a", revision, Some(text.into())).await.unwrap();
        handle.see_marks();
        assert_eq!(front.nodes(), "a~", "{text}");
        handle.forward(Duration::from_millis(6_399));
        assert_eq!(front.nodes(), "a~", "{text}");
        handle.forward(Duration::from_millis(1));
        assert_eq!(front.nodes(), "a", "{text}");
    }
}

#[tokio::test]
async fn a_cool_down_that_a_round_finds_lasts_for_what_is_left_of_it() {
    let (_registry, mut handle, mut front) = setup();
    handle.report("a", &document("a"));
    handle.forward(Duration::from_secs(20));
    handle.lose("the test says so");
    handle.store.write("a", 0, Some(cool_down(1, true).into())).await.unwrap();
    handle.resume([("a", &*document("a"))]);
    assert_eq!(front.nodes(), "a~");
    handle.forward(Duration::from_secs(40));
    assert_eq!(front.nodes(), "a~");
    handle.forward(Duration::from_millis(1));
    assert_eq!(front.nodes(), "a");
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_lifts_nothing() {
    let (registry, mut handle, mut front) = setup();
    handle.report("a", &document("a"));
    registry.cordon("a", author()).await.unwrap();
    handle.see_marks();
    handle.store.write("a", 1, Some("{\"cordoned\":7}".into())).await.unwrap();
    handle.see_marks();
    let refused = front.receive();
    assert!(matches!(refused.last(), Some(RegistryEvent::Refused { node: Some(_), key, .. }) if key == "mark a"));
    assert_eq!(front.nodes(), "a#");
}

#[tokio::test]
async fn a_process_that_did_not_run_holds_it_against_nobody() {
    let (_registry, mut handle, mut front) = setup();
    handle.report("a", &document("a"));
    handle.forward(Duration::from_secs(50));
    handle.leap(Duration::from_secs(5_000));
    assert_eq!(front.nodes(), "a");
    handle.forward(Duration::from_secs(39));
    assert_eq!(front.nodes(), "a");
    handle.forward(Duration::from_secs(1));
    assert_eq!(front.nodes(), "a-");
}

/// The log output of a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_view_that_was_lost_for_long_is_no_pause_of_the_process() {
    let (log, a) = (Log::default(), document("a"));
    let writer = log.clone();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(move || writer.clone()).finish());
    let did_not_run = || String::from_utf8_lossy(&log.0.lock().unwrap()).contains("did not run");
    let (_registry, mut handle, _front) = setup();
    handle.report("a", &a);
    handle.lose("the broker is away");
    handle.leap(Duration::from_secs(59));
    handle.resume([("a", a.as_slice())]);
    assert!(!did_not_run());
    handle.leap(Duration::from_secs(59));
    assert!(did_not_run());
}

#[tokio::test]
async fn a_loss_is_said_once_per_reason() {
    let (_registry, mut handle, mut front) = setup();
    front.receive();
    for reason in ["x", "x", "y"] {
        handle.lose(reason);
    }
    let lost = |reason: &str| RegistryEvent::Lost { reason: reason.to_owned() };
    assert_eq!(front.receive(), [lost("x"), lost("y")]);
    handle.recover([]);
    handle.lose("y");
    assert_eq!(front.receive(), [RegistryEvent::Ready { nodes: 0 }, lost("y")]);
}

#[tokio::test]
async fn a_lost_view_stays_as_it_was_and_a_new_bucket_gives_time() {
    let (_registry, mut handle, mut front) = setup();
    handle.report("a", &document("a"));
    handle.report("b", &document("b"));
    handle.forward(Duration::from_secs(30));
    handle.lose("the broker is away");
    handle.forward(Duration::from_secs(3_000));
    assert_eq!(front.nodes(), "a b", "the silence is ours");
    let a = document("a");
    handle.recover([("a", a.as_slice())]);
    assert_eq!(front.receive(), [RegistryEvent::Ready { nodes: 2 }]);
    handle.forward(Duration::from_secs(59));
    assert_eq!(front.nodes(), "a b");
    handle.forward(Duration::from_secs(1));
    assert_eq!(front.nodes(), "a b-");
}

#[tokio::test]
async fn what_is_gone_from_the_same_bucket_is_stale_at_once() {
    let (_registry, mut handle, mut front) = setup();
    for id in ["a", "b", "c"] {
        handle.report(id, &document(id));
    }
    handle.lose("the broker is away");
    let a = document("a");
    handle.resume([("a", a.as_slice()), ("b", b"[".as_slice())]);
    assert_eq!(front.nodes(), "a b c-", "a document that cannot be read is no sign of absence");
    let c = document("c");
    handle.resume([("a", a.as_slice()), ("b", b"[".as_slice()), ("c", c.as_slice())]);
    assert_eq!(front.nodes(), "a b c");
    handle.forward(LIMIT);
    assert_eq!(front.nodes(), "a- b- c-");
}

#[tokio::test]
async fn only_what_this_bucket_has_held_can_vanish_from_it() {
    let (_registry, mut handle, mut front) = setup();
    let a = document("a");
    handle.report("a", &a);
    handle.report("b", &document("b"));
    handle.lose("the bucket was deleted");
    handle.recover([]);
    handle.lose("the broker blinked");
    handle.resume([]);
    assert_eq!(front.nodes(), "a b", "the new bucket never heard of them");
    handle.report("a", &a);
    handle.lose("the broker blinked");
    handle.resume([]);
    assert_eq!(front.nodes(), "a- b", "of one it has");
    handle.forward(LIMIT);
    assert_eq!(front.nodes(), "a- b-");
}

#[tokio::test]
async fn a_mark_that_was_lost_with_its_bucket_does_not_vanish_before_it_is_written_again() {
    let (registry, mut handle, mut front) = setup();
    let a = document("a");
    handle.report("a", &a);
    registry.cordon("a", author()).await.unwrap();
    handle.see_marks();
    handle.lose("the bucket was deleted");
    handle.forget_marks();
    // Nothing is written while this test does not wait for it.
    for _ in 0..3 {
        handle.resume([("a", a.as_slice())]);
        assert_eq!(front.nodes(), "a#");
        handle.lose("the broker blinked");
    }
    while handle.store.read("a").await.unwrap().value.is_none() {}
    handle.resume([("a", a.as_slice())]);
    registry.uncordon("a", author()).await.unwrap();
    handle.resume([("a", a.as_slice())]);
    assert_eq!(front.nodes(), "a");
}

#[tokio::test]
async fn every_report_is_one_change() {
    let (_registry, mut handle, mut front) = setup();
    front.receive();
    handle.report("a", &document("a"));
    assert!(matches!(front.events.try_recv(), Ok(RegistryEvent::Change(Change::Report(_)))));
    assert!(front.events.try_recv().is_err());
}

#[tokio::test]
async fn so_many_nodes_that_do_not_report_are_accepted() {
    let (registry, mut handle, _front) = setup();
    handle.report("here", &document("here"));
    {
        let mut marks = registry.marks.lock().unwrap();
        for number in 0..MAX_ABSENT_MARKS {
            marks.insert(format!("n{number}").into(), Mark { accepted: Some(author()), ..Mark::default() });
        }
    }
    for refused in [registry.accept("new", author()).await, registry.forget("new", author()).await] {
        let error = refused.unwrap_err();
        assert!(matches!(error, MarkError::Full), "{error}");
        assert!(error.to_string().starts_with("10000 nodes that do not report are accepted"), "{error}");
    }
    registry.accept("here", author()).await.unwrap();
    registry.forget("n7", author()).await.unwrap();
    registry.marks.lock().unwrap().remove("n7");
    registry.accept("new", author()).await.unwrap();
}
