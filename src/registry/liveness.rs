//! The time of each node's last report: which nodes have been silent for too long, and which for so long that they are
//! forgotten.
//!
//! Pure: moments are handed in, and no clock of a node or of the broker plays a part. Time during which nobody listened
//! (the link was down, the view was being rebuilt) does not count against a node: the silence was on the side of this
//! replica. Rejected: letting the bucket's own expiry decide, which a watch does not see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time that a stale node stays known, so that an administrator sees the missing node.
pub const RETENTION: Duration = Duration::from_secs(60 * 60);
/// The default time that a node may be silent.
pub const LIMIT: Duration = Duration::from_secs(90);

/// The number of reports that a node may miss by default before the node is out of sync.
pub const MAX_MISSED: u32 = 3;

/// The last report of a node, as others may ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckIn {
    /// The moment of the report.
    pub at: Instant,
    /// Whether the node missed so many reports that it is out of sync.
    pub is_late: bool,
}

/// The last reports of all nodes, shared with those who ask.
pub(super) type CheckIns = Arc<Mutex<BTreeMap<Arc<str>, CheckIn>>>;

/// The nodes by the time of their last report.
#[derive(Debug)]
pub struct Liveness {
    limit: Duration,
    retention: Duration,
    /// The number of reports that a node may miss before the node is out of sync.
    max_missed: u32,
    shared: CheckIns,
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
    /// The node was out of sync.
    Resumed,
    /// The node was known and not stale.
    Stayed,
}

/// The consequence of a node's silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// The node missed as many reports as it may: the node is out of sync.
    Late {
        /// The node.
        id: Arc<str>,
        /// The length of the silence.
        silent: Duration,
        /// The number of missed reports.
        missed: u32,
    },
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
    standing: Standing,
    /// The silence from which on the node is out of sync; [`Liveness::limit`] and more where it never is before it is
    /// stale.
    late_after: Duration,
}

/// What a node's silence has led to so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Fresh,
    Late,
    Stale,
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
        let (nodes, due) = (BTreeMap::new(), BTreeSet::new());
        Self { limit, retention, max_missed: MAX_MISSED, shared: CheckIns::default(), clock, nodes, due }
    }

    /// Sets the number of reports that a node may miss before the node is out of sync.
    #[must_use]
    pub fn with_max_missed(mut self, max_missed: u32) -> Self {
        self.max_missed = max_missed;
        self
    }

    /// Shares the last reports with those who hold `shared`.
    pub(super) fn sharing(mut self, shared: CheckIns) -> Self {
        self.shared = shared;
        self
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
        let late_after = before.map_or(self.limit, |seen| seen.late_after);
        self.place(id, before, LastReport { at, standing: Standing::Fresh, late_after });
        if let Some(at) = now.checked_sub(age) {
            self.share(|shared| {
                shared.insert(Arc::clone(id), CheckIn { at, is_late: false });
            });
        }
        match before.map(|seen| seen.standing) {
            None => Reported::Joined,
            Some(Standing::Stale) => Reported::Returned,
            Some(Standing::Late) => Reported::Resumed,
            Some(Standing::Fresh) => Reported::Stayed,
        }
    }

    /// Sets the time between two reports of the node `id`: the node is out of sync when it has missed as many as it may
    /// and the next one is late by half of that time. A node that does not tell the time is never out of sync before it is
    /// stale.
    pub fn expect(&mut self, id: &Arc<str>, interval: Option<Duration>) {
        let Some(before) = self.nodes.get(id).copied() else { return };
        let late_after = interval
            .map_or(self.limit, |interval| interval.saturating_mul(self.max_missed).saturating_add(interval / 2));
        if before.late_after != late_after {
            self.place(id, Some(before), LastReport { late_after, ..before });
        }
    }

    /// Records that the last report of the node `id` is gone though the node did not announce its leaving: the node is
    /// stale from `now` on, without waiting for the limit. Returns `None` where the node is stale or unknown.
    pub fn vanished(&mut self, id: &Arc<str>, now: Instant) -> Option<Lapse> {
        let before = self.nodes.get(id).copied().filter(|seen| seen.standing != Standing::Stale)?;
        self.place(id, Some(before), LastReport { standing: Standing::Stale, ..before });
        Some(Lapse::Stale { id: Arc::clone(id), silent: self.silent(before, now) })
    }

    /// Whether the node `id` is stale.
    #[must_use]
    pub fn is_stale(&self, id: &str) -> bool {
        self.nodes.get(id).is_some_and(|seen| seen.standing == Standing::Stale)
    }

    /// Removes the node `id`, which left. Returns whether the node was known.
    pub fn left(&mut self, id: &str) -> bool {
        let Some((id, seen)) = self.nodes.remove_entry(id) else { return false };
        self.due.remove(&(self.due_at(seen), Arc::clone(&id)));
        self.share(|shared| {
            shared.remove(&id);
        });
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
            match seen.standing {
                Standing::Stale => {
                    self.left(&id);
                    lapses.push(Lapse::Forgotten { id, silent });
                }
                Standing::Fresh if seen.late_after < self.limit => {
                    self.place(&id, Some(seen), LastReport { standing: Standing::Late, ..seen });
                    self.share(|shared| {
                        if let Some(known) = shared.get_mut(&id) {
                            known.is_late = true;
                        }
                    });
                    lapses.push(Lapse::Late { id, silent, missed: self.max_missed });
                }
                Standing::Fresh | Standing::Late => {
                    self.place(&id, Some(seen), LastReport { standing: Standing::Stale, ..seen });
                    lapses.push(Lapse::Stale { id, silent });
                }
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
        self.nodes.iter().filter(|(_, seen)| seen.standing != Standing::Stale).map(|(id, _)| id)
    }

    fn place(&mut self, id: &Arc<str>, before: Option<LastReport>, seen: LastReport) {
        if let Some(before) = before {
            self.due.remove(&(self.due_at(before), Arc::clone(id)));
        }
        self.due.insert((self.due_at(seen), Arc::clone(id)));
        self.nodes.insert(Arc::clone(id), seen);
    }

    fn due_at(&self, seen: LastReport) -> Duration {
        seen.at
            + match seen.standing {
                Standing::Fresh => self.limit.min(seen.late_after),
                Standing::Late => self.limit,
                Standing::Stale => self.limit + self.retention,
            }
    }

    fn share(&self, write: impl FnOnce(&mut BTreeMap<Arc<str>, CheckIn>)) {
        write(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
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
mod tests;
