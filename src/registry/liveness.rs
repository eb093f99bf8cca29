//! The time of each node's last report: which nodes have been silent for too long, and which for so long that they are
//! forgotten.
//!
//! Pure: moments are handed in, and no clock of a node or of the broker plays a part. Time during which nobody listened
//! (the link was down, the view was being rebuilt) does not count against a node: the silence was on the side of this
//! replica. Rejected: letting the bucket's own expiry decide, which a watch does not see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time that a stale node stays known, so that an administrator sees the missing node.
pub const RETENTION: Duration = Duration::from_secs(60 * 60);
/// The default time that a node may be silent.
pub const LIMIT: Duration = Duration::from_secs(90);

/// The nodes by the time of their last report.
#[derive(Debug)]
pub struct Liveness {
    limit: Duration,
    retention: Duration,
    clock: Listening,
    nodes: BTreeMap<Arc<str>, LastReport>,
    /// The same nodes by the moment at which they become stale or are forgotten.
    due: BTreeSet<(Duration, Arc<str>)>,
}

/// The consequence of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The node was not known.
    Joined,
    /// The node had gone stale.
    Returned,
    /// The node was known and not stale.
    Stayed,
}

/// The consequence of a node's silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// The silence reached the limit: the node takes no sessions until the node reports again.
    Stale {
        /// The node.
        id: Arc<str>,
        /// The length of the silence.
        silent: Duration,
    },
    /// The silence outlasted the retention: the node is forgotten.
    Forgotten {
        /// The node.
        id: Arc<str>,
        /// The length of the silence.
        silent: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
struct LastReport {
    at: Duration,
    stale: bool,
}

/// A clock that stands still while nobody listens. Its readings are durations since the start.
#[derive(Debug)]
struct Listening {
    counted: Duration,
    since: Option<Instant>,
}

impl Liveness {
    /// Creates an empty list, with the clock stopped.
    #[must_use]
    pub fn new(limit: Duration, retention: Duration) -> Self {
        let clock = Listening { counted: limit, since: None };
        Self { limit, retention, clock, nodes: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Counts silence against nodes from `now` on.
    pub fn listen(&mut self, now: Instant) {
        self.clock.start(now);
    }

    /// Stops counting silence against nodes from `now` on.
    pub fn pause(&mut self, now: Instant) {
        self.clock.stop(now);
    }

    /// Takes the last `time` up to `now` off every node's silence: in that time this process did not listen.
    pub fn forgive(&mut self, now: Instant, time: Duration) {
        self.clock.set_back(now, time);
    }

    /// Records that the node `id` reported `age` before `now`.
    pub fn reported(&mut self, id: &Arc<str>, now: Instant, age: Duration) -> Reported {
        let at = self.clock.read(now).saturating_sub(age);
        let before = self.nodes.get(id).copied();
        // An old report that is read again while the view is rebuilt does not make a node's last report older.
        let at = before.map_or(at, |seen| seen.at.max(at));
        self.place(id, before, LastReport { at, stale: false });
        match before {
            None => Reported::Joined,
            Some(seen) if seen.stale => Reported::Returned,
            Some(_) => Reported::Stayed,
        }
    }

    /// Records that the last report of the node `id` is gone though the node did not announce its leaving: the node is
    /// stale from `now` on, without waiting for the limit. Returns `None` where the node is stale or unknown.
    pub fn vanished(&mut self, id: &Arc<str>, now: Instant) -> Option<Lapse> {
        let before = self.nodes.get(id).copied().filter(|seen| !seen.stale)?;
        self.place(id, Some(before), LastReport { at: before.at, stale: true });
        Some(Lapse::Stale { id: Arc::clone(id), silent: self.silent(before, now) })
    }

    /// Removes the node `id`, which left. Returns whether the node was known.
    pub fn left(&mut self, id: &str) -> bool {
        let Some((id, seen)) = self.nodes.remove_entry(id) else { return false };
        self.due.remove(&(self.due_at(seen), id));
        true
    }

    /// Returns the nodes that became stale or were forgotten by `now`, the longest silent first.
    pub fn lapsed(&mut self, now: Instant) -> Vec<Lapse> {
        let reading = self.clock.read(now);
        let mut lapses = Vec::new();
        while let Some((at, id)) = self.due.first().cloned() {
            if at > reading {
                break;
            }
            let Some(seen) = self.nodes.get(&id).copied() else {
                self.due.pop_first();
                continue;
            };
            let silent = self.silent(seen, now);
            if seen.stale {
                self.left(&id);
                lapses.push(Lapse::Forgotten { id, silent });
            } else {
                self.place(&id, Some(seen), LastReport { stale: true, ..seen });
                lapses.push(Lapse::Stale { id, silent });
            }
        }
        lapses
    }

    /// The next moment at which [`Liveness::lapsed`] returns something, if nothing changes until then.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.clock.since?;
        let (at, _) = self.due.first()?;
        now.checked_add(at.saturating_sub(self.clock.read(now)))
    }

    /// Every node that is not stale.
    pub fn live(&self) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.iter().filter(|(_, seen)| !seen.stale).map(|(id, _)| id)
    }

    fn place(&mut self, id: &Arc<str>, before: Option<LastReport>, seen: LastReport) {
        if let Some(before) = before {
            self.due.remove(&(self.due_at(before), Arc::clone(id)));
        }
        self.due.insert((self.due_at(seen), Arc::clone(id)));
        self.nodes.insert(Arc::clone(id), seen);
    }

    fn due_at(&self, seen: LastReport) -> Duration {
        seen.at + self.limit + if seen.stale { self.retention } else { Duration::ZERO }
    }

    fn silent(&self, seen: LastReport, now: Instant) -> Duration {
        self.clock.read(now).saturating_sub(seen.at)
    }
}

impl Listening {
    fn start(&mut self, now: Instant) {
        self.stop(now);
        self.since = Some(now);
    }

    fn stop(&mut self, now: Instant) {
        self.counted = self.read(now);
        self.since = None;
    }

    fn set_back(&mut self, now: Instant, time: Duration) {
        if self.since.is_some() {
            self.counted = self.read(now).saturating_sub(time);
            self.since = Some(now);
        }
    }

    fn read(&self, now: Instant) -> Duration {
        self.counted + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            liveness.lapsed(hand.forward(RETENTION.as_secs())),
            [Lapse::Forgotten { id: Arc::clone(&a), silent }]
        );
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
}
