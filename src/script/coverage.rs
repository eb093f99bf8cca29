//! Coverage: which lines and branches of scripts ran, counted by the engines that can.
//!
//! An engine lists the points of a source when it loads the script, and counts each time that one of them is reached.
//! Points are told apart by their place in that list, so that counts cross between processes as a few numbers. Counts
//! are atomic: another thread reads them while a script runs, where a script has passed a limit and is about to be ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A place of a source that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CoveragePoint {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is counted there.
    pub kind: CoverageKind,
}

/// What is counted at a [`CoveragePoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CoverageKind {
    /// How often a statement began.
    Statement,
    /// How often one way of a branch was taken; the ways of one branch have its number.
    Way(u32),
}

/// The counts of one script since they were told the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptCounts {
    /// The script, as its step names it.
    pub file: Arc<str>,
    /// The points of its source; empty where they were told before.
    pub points: Vec<CoveragePoint>,
    /// The points that were reached, by their places in that list, each with how often.
    pub counts: Vec<(u32, u64)>,
    /// The place in that list of the point that was reached last, ever; absent where none was.
    pub last: Option<u32>,
}

/// The counts of all scripts of one evaluator.
#[derive(Debug, Default)]
pub struct Coverage {
    scripts: Mutex<Vec<CountedScript>>,
}

#[derive(Debug)]
struct CountedScript {
    file: Arc<str>,
    points: Vec<CoveragePoint>,
    is_told: bool,
    counter: PointCounter,
}

impl Coverage {
    /// Returns the counter of the script called `file`, whose source has `points`.
    #[must_use]
    pub fn script(&self, file: &Arc<str>, points: Vec<CoveragePoint>) -> PointCounter {
        let counts = points.iter().map(|_| AtomicU64::new(0)).collect();
        let counter = PointCounter(Arc::new(PointCounts { counts, last: AtomicU64::new(u64::MAX) }));
        let script = CountedScript { file: Arc::clone(file), points, is_told: false, counter: counter.clone() };
        self.lock().push(script);
        counter
    }

    /// Returns what was counted since the last time, of the scripts of which there is something to tell.
    pub fn take(&self) -> Vec<ScriptCounts> {
        let mut scripts = self.lock();
        let told = scripts.iter_mut().filter_map(|script| {
            let points = match std::mem::replace(&mut script.is_told, true) {
                true => Vec::new(),
                false => script.points.clone(),
            };
            let PointCounts { counts, last } = &*script.counter.0;
            let taken = counts.iter().map(|count| count.swap(0, Ordering::Relaxed)).enumerate();
            let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
            let counts: Vec<_> =
                taken.filter(|(_, count)| *count > 0).map(|(place, count)| (number(place), count)).collect();
            let last = u32::try_from(last.load(Ordering::Relaxed)).ok();
            let is_news = !points.is_empty() || !counts.is_empty();
            is_news.then(|| ScriptCounts { file: Arc::clone(&script.file), points, counts, last })
        });
        told.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<CountedScript>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the points of one script.
#[derive(Clone, Debug)]
pub struct PointCounter(Arc<PointCounts>);

#[derive(Debug)]
struct PointCounts {
    counts: Box<[AtomicU64]>,
    /// The place of the point that was reached last; `u64::MAX` where none was.
    last: AtomicU64,
}

impl PointCounter {
    /// Counts that the point at `place` was reached; a place that the script does not have counts nowhere.
    pub fn reach(&self, place: usize) {
        if let Some(count) = self.0.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
            self.0.last.store(place as u64, Ordering::Relaxed);
        }
    }

    /// Takes back that the point at `place` was reached, where another way shows that the point was passed by.
    pub fn take_back(&self, place: usize) {
        if let Some(count) = self.0.counts.get(place) {
            // One thread counts; the other one only takes.
            count.store(count.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_once_and_points_with_the_first() {
        let coverage = Coverage::default();
        let point = |line| CoveragePoint { line, column: 1, kind: CoverageKind::Statement };
        let counter = coverage.script(&"a.js".into(), vec![point(1), point(2)]);
        counter.reach(1);
        counter.reach(1);
        counter.reach(7);
        let first = coverage.take();
        assert_eq!((first[0].points.len(), first[0].counts.clone(), first[0].last), (2, vec![(1, 2)], Some(1)));
        assert_eq!(coverage.take(), []);
        counter.reach(0);
        assert_eq!((coverage.take()[0].points.len(), coverage.take().len()), (0, 0));
    }
}
