//! Coverage: which lines and branches of scripts ran, counted by the engines that can.
//!
//! An engine lists the points of a source when it loads the script, and counts each time that one of them is reached.
//! Points are told apart by their place in that list, so that counts cross between processes as a few numbers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

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
}

/// The counts of all scripts of one evaluator.
#[derive(Debug, Default)]
pub struct Coverage {
    scripts: RefCell<Vec<CountedScript>>,
}

#[derive(Debug)]
struct CountedScript {
    file: Arc<str>,
    points: Vec<CoveragePoint>,
    is_told: bool,
    counts: Vec<u64>,
}

impl Coverage {
    /// Returns the counter of the script called `file`, whose source has `points`.
    #[must_use]
    pub fn script(self: &Rc<Self>, file: &Arc<str>, points: Vec<CoveragePoint>) -> PointCounter {
        let mut scripts = self.scripts.borrow_mut();
        let counts = vec![0; points.len()];
        scripts.push(CountedScript { file: Arc::clone(file), points, is_told: false, counts });
        PointCounter { coverage: Rc::clone(self), script: scripts.len() - 1 }
    }

    /// Returns what was counted since the last time, of the scripts of which there is something to tell.
    pub fn take(&self) -> Vec<ScriptCounts> {
        let mut scripts = self.scripts.borrow_mut();
        let told = scripts.iter_mut().filter_map(|script| {
            let points = match std::mem::replace(&mut script.is_told, true) {
                true => Vec::new(),
                false => script.points.clone(),
            };
            let reached = script.counts.iter_mut().enumerate().filter(|(_, count)| **count > 0);
            let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
            let counts: Vec<_> = reached.map(|(place, count)| (number(place), std::mem::take(count))).collect();
            let is_news = !points.is_empty() || !counts.is_empty();
            is_news.then(|| ScriptCounts { file: Arc::clone(&script.file), points, counts })
        });
        told.collect()
    }
}

/// Counts the points of one script.
#[derive(Clone, Debug)]
pub struct PointCounter {
    coverage: Rc<Coverage>,
    script: usize,
}

impl PointCounter {
    /// Counts that the point at `place` was reached; a place that the script does not have counts nowhere.
    pub fn reach(&self, place: usize) {
        self.change(place, |count| count.saturating_add(1));
    }

    /// Takes back that the point at `place` was reached, where another way shows that the point was passed by.
    pub fn take_back(&self, place: usize) {
        self.change(place, |count| count.saturating_sub(1));
    }

    fn change(&self, place: usize, change: impl FnOnce(u64) -> u64) {
        let mut scripts = self.coverage.scripts.borrow_mut();
        let count = scripts.get_mut(self.script).and_then(|script| script.counts.get_mut(place));
        if let Some(count) = count {
            *count = change(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_once_and_points_with_the_first() {
        let coverage = Rc::new(Coverage::default());
        let point = |line| CoveragePoint { line, column: 1, kind: CoverageKind::Statement };
        let counter = coverage.script(&"a.js".into(), vec![point(1), point(2)]);
        counter.reach(1);
        counter.reach(1);
        counter.reach(7);
        let first = coverage.take();
        assert_eq!((first[0].points.len(), first[0].counts.clone()), (2, vec![(1, 2)]));
        assert_eq!(coverage.take(), []);
        counter.reach(0);
        assert_eq!((coverage.take()[0].points.len(), coverage.take().len()), (0, 0));
    }
}
