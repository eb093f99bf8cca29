//! Tests of the silence of nodes.

use super::*;

/// A clock that moves only when told to.
struct Hand(Instant);

impl Hand {
    fn forward(&mut self, seconds: u64) -> Instant {
        self.0 += Duration::from_secs(seconds);
        self.0
    }
}

fn setup() -> (Liveness, Hand, Arc<str>) {
    let hand = Hand(Instant::now());
    let mut liveness = Liveness::new(LIMIT, RETENTION);
    liveness.listen(hand.0);
    (liveness, hand, "a".into())
}

fn stale(id: &Arc<str>, seconds: u64) -> Lapse {
    Lapse::Stale { id: Arc::clone(id), silent: Duration::from_secs(seconds) }
}

#[test]
fn silence_makes_stale_then_forgotten_and_one_report_brings_back() {
    let (mut liveness, mut hand, a) = setup();
    assert_eq!(liveness.reported(&a, hand.0, Duration::ZERO), Reported::Joined);
    assert_eq!(liveness.next(hand.0), Some(hand.0 + LIMIT));
    assert_eq!(liveness.lapsed(hand.forward(89)), []);
    assert_eq!(liveness.reported(&a, hand.0, Duration::ZERO), Reported::Stayed);
    assert_eq!(liveness.lapsed(hand.forward(93)), [stale(&a, 93)]);
    assert_eq!(liveness.live().count(), 0);
    assert_eq!(liveness.lapsed(hand.forward(1000)), []);
    assert_eq!(liveness.reported(&a, hand.0, Duration::ZERO), Reported::Returned);
    assert_eq!(liveness.lapsed(hand.forward(90)), [stale(&a, 90)]);
    let silent = LIMIT + RETENTION;
    assert_eq!(liveness.lapsed(hand.forward(RETENTION.as_secs())), [Lapse::Forgotten { id: Arc::clone(&a), silent }]);
    assert_eq!(liveness.next(hand.0), None);
    assert_eq!(liveness.reported(&a, hand.0, Duration::ZERO), Reported::Joined);
}

#[test]
fn both_lapses_come_in_one_call_after_a_long_pause_of_the_caller() {
    let (mut liveness, mut hand, a) = setup();
    liveness.reported(&a, hand.0, Duration::ZERO);
    let lapses = liveness.lapsed(hand.forward(10_000));
    assert!(matches!(lapses.as_slice(), [Lapse::Stale { .. }, Lapse::Forgotten { .. }]), "{lapses:?}");
}

#[test]
fn our_own_deafness_does_not_count() {
    let (mut liveness, mut hand, a) = setup();
    liveness.reported(&a, hand.0, Duration::ZERO);
    liveness.pause(hand.forward(80));
    assert_eq!(liveness.next(hand.0), None);
    assert_eq!(liveness.lapsed(hand.forward(10_000)), []);
    liveness.listen(hand.0);
    assert_eq!(liveness.lapsed(hand.forward(9)), []);
    assert_eq!(liveness.lapsed(hand.forward(1)), [stale(&a, 90)]);
}

#[test]
fn time_that_was_ours_is_forgiven() {
    let (mut liveness, mut hand, a) = setup();
    liveness.reported(&a, hand.0, Duration::ZERO);
    let now = hand.forward(1000);
    liveness.forgive(now, Duration::from_secs(950));
    assert_eq!(liveness.lapsed(now), []);
    assert_eq!(liveness.lapsed(hand.forward(40)), [stale(&a, 90)]);
}

#[test]
fn a_node_that_misses_reports_is_late_before_it_is_stale() {
    let (liveness, mut hand, a) = setup();
    let shared = CheckIns::default();
    let mut liveness = liveness.with_max_missed(3).sharing(Arc::clone(&shared));
    liveness.reported(&a, hand.0, Duration::ZERO);
    liveness.expect(&a, Some(Duration::from_secs(10)));
    assert_eq!(liveness.lapsed(hand.forward(34)), []);
    let late = Lapse::Late { id: Arc::clone(&a), silent: Duration::from_secs(35), missed: 3 };
    assert_eq!(liveness.lapsed(hand.forward(1)), [late]);
    assert!(shared.lock().unwrap()[&a].is_late);
    assert_eq!(liveness.live().count(), 1, "it may be chosen all the same");
    assert_eq!(liveness.reported(&a, hand.0, Duration::ZERO), Reported::Resumed);
    assert!(!shared.lock().unwrap()[&a].is_late);
    assert!(matches!(liveness.lapsed(hand.forward(100)).as_slice(), [Lapse::Late { .. }, Lapse::Stale { .. }]));
    assert_eq!(liveness.reported(&a, hand.0, Duration::ZERO), Reported::Returned);
    // As rare as the limit allows, a report is never late before the node is stale.
    liveness.expect(&a, Some(Duration::from_secs(45)));
    assert_eq!(liveness.lapsed(hand.forward(95)), [stale(&a, 95)]);
    assert!(liveness.left("a") && shared.lock().unwrap().is_empty());
}

#[test]
fn an_old_report_counts_from_when_it_was_made() {
    let (mut liveness, mut hand, a) = setup();
    liveness.reported(&a, hand.0, Duration::from_secs(60));
    assert_eq!(liveness.lapsed(hand.forward(30)), [stale(&a, 90)]);
    liveness.reported(&a, hand.0, Duration::ZERO);
    liveness.reported(&a, hand.forward(1), Duration::from_secs(60));
    assert_eq!(liveness.lapsed(hand.forward(88)), [], "seeing an older report again changes nothing");
}

#[test]
fn leaving_and_vanishing() {
    let (mut liveness, mut hand, a) = setup();
    liveness.reported(&a, hand.0, Duration::ZERO);
    assert_eq!(liveness.vanished(&a, hand.forward(5)), Some(stale(&a, 5)));
    assert_eq!(liveness.vanished(&a, hand.0), None);
    assert!(liveness.left("a") && !liveness.left("a"));
    assert_eq!((liveness.next(hand.0), liveness.lapsed(hand.forward(100_000))), (None, vec![]));
}
