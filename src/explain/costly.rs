//! The lines of a script on which its time went: those that ran most often, counted by a worker that counts.
//!
//! A script is counted once it has passed a limit, in a run of its own under the same limits: counters cost as much as the
//! statements behind them, so nothing is counted beforehand. Rejected: a clock around each line, which measures the
//! clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Position;
use crate::script::{CoverageKind, CoveragePoint, ScriptCounts};

/// The most lines that are told.
const MAX_LINES: usize = 3;
/// A script in which no line ran so often hangs within one: in a loop without statements, or in a function of the
/// language.
const OFTEN: u64 = 1_000;
/// A line that cost less than such a part of the most costly one is not told.
const WORTH_TELLING: u64 = 1_000;

/// The lines of one script that ran most often, and the place that was reached last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostlyLines {
    file: Arc<str>,
    /// The lines, most costly first.
    lines: Vec<CountedLine>,
    last: Option<CoveragePoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CountedLine {
    line: u32,
    /// The column of the first statement on the line.
    column: u32,
    /// How often the statement of the line ran that ran most often.
    runs: u64,
    /// How many statements ran on the line together.
    cost: u64,
}

impl CostlyLines {
    /// Returns the costly lines of the script `file` in `counted`, which a worker told in this order, or `None` if
    /// nothing of the script was counted.
    #[must_use]
    pub fn of(file: &Arc<str>, counted: &[ScriptCounts]) -> Option<Self> {
        let own = || counted.iter().filter(|counts| counts.file == *file);
        let points = own().find(|counts| !counts.points.is_empty())?.points.as_slice();
        let point = |place: u32| usize::try_from(place).ok().and_then(|place| points.get(place));
        let mut lines: BTreeMap<u32, CountedLine> = BTreeMap::new();
        for (place, count) in own().flat_map(|counts| &counts.counts) {
            let Some(point) = point(*place).filter(|point| point.kind == CoverageKind::Statement) else { continue };
            let CoveragePoint { line, column, .. } = *point;
            let known = lines.entry(line).or_insert(CountedLine { line, column, runs: 0, cost: 0 });
            known.column = known.column.min(column);
            known.runs = known.runs.max(*count);
            known.cost = known.cost.saturating_add(*count);
        }
        let mut lines: Vec<_> = lines.into_values().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.cost));
        let least = lines.first().map_or(0, |most| most.cost / WORTH_TELLING);
        lines.retain(|line| line.cost > least);
        lines.truncate(MAX_LINES);
        let last = own().filter_map(|counts| counts.last).next_back().and_then(point).copied();
        (!lines.is_empty()).then(|| Self { file: Arc::clone(file), lines, last })
    }

    /// Returns the place to look at first.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let (line, column) = match (self.lines.first(), self.last) {
            (Some(CountedLine { runs: 0..OFTEN, .. }), Some(last)) => (last.line, last.column),
            (Some(first), _) => (first.line, first.column),
            (None, _) => return None,
        };
        Some(Position { file: Arc::clone(&self.file), line, column })
    }
}

impl std::fmt::Display for CostlyLines {
    /// As a part of a sentence: `line 4 ran 81,203 times, line 3 ran 812 times; the run ended in line 4`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Some(CountedLine { runs: 0..OFTEN, .. }), Some(last)) = (self.lines.first(), self.last) {
            return write!(f, "the run did not get past line {}", last.line);
        }
        for (place, CountedLine { line, runs, .. }) in self.lines.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            match runs {
                1 => write!(f, "{comma}line {line} ran once")?,
                runs => write!(f, "{comma}line {line} ran {} times", grouped(*runs))?,
            }
        }
        match self.last {
            Some(last) => write!(f, "; the run ended in line {}", last.line),
            None => Ok(()),
        }
    }
}

/// Returns `number` with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counts: Vec<(u32, u64)>, last: u32) -> Vec<ScriptCounts> {
        let point = |line, column| CoveragePoint { line, column, kind: CoverageKind::Statement };
        let points = vec![point(1, 1), point(2, 3), point(2, 9), point(3, 1), point(4, 1)];
        vec![ScriptCounts { file: "a.js".into(), points, counts, last: Some(last) }]
    }

    #[test]
    fn the_lines_that_ran_most_often_come_first() {
        let counted = counted(vec![(0, 1), (1, 1_234_567), (2, 1_234_566), (3, 1_500_000), (4, 7_000)], 3);
        let costly = CostlyLines::of(&"a.js".into(), &counted).unwrap();
        let words =
            "line 2 ran 1,234,567 times, line 3 ran 1,500,000 times, line 4 ran 7,000 times; the run ended in line 3";
        assert_eq!(costly.to_string(), words);
        let position = costly.position().unwrap();
        assert_eq!((position.line, position.column), (2, 3));
        assert_eq!(CostlyLines::of(&"b.js".into(), &counted), None);
    }

    #[test]
    fn a_script_that_hangs_within_a_line_hangs_in_the_last() {
        let costly = CostlyLines::of(&"a.js".into(), &counted(vec![(0, 1), (4, 1)], 4)).unwrap();
        assert_eq!(costly.to_string(), "the run did not get past line 4");
        assert_eq!(costly.position().unwrap().line, 4);
    }
}
