//! Coverage of a test run: what of each script ran, over all workers that ran it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::script::{CoverageKind, CoveragePoint, ScriptCounts};

/// The counts of all scripts, by their paths.
#[derive(Clone, Debug, Default)]
pub struct CoverageBook {
    scripts: BTreeMap<String, BookedScript>,
}

#[derive(Clone, Debug, Default)]
struct BookedScript {
    source: Arc<str>,
    points: Vec<CoveragePoint>,
    counts: Vec<u64>,
}

/// What of one script ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCoverage {
    /// The script's path.
    pub path: String,
    /// Its source.
    pub source: Arc<str>,
    /// The lines on which a statement begins, each with how often one did.
    pub lines: BTreeMap<u32, u64>,
    /// The branches, in the order of the source.
    pub branches: Vec<BranchCoverage>,
}

/// Which ways of a branch were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchCoverage {
    /// The line of its first way.
    pub line: u32,
    /// How often each way was taken.
    pub ways: Vec<u64>,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many were reached.
    pub reached: usize,
    /// How many there are.
    pub total: usize,
}

impl CoverageBook {
    /// Notes that the script at `path` is tested; `source` is its text.
    pub fn expect(&mut self, path: &str, source: &Arc<str>) {
        let script = self.scripts.entry(path.to_owned()).or_default();
        if script.source != *source {
            *script = BookedScript { source: Arc::clone(source), ..BookedScript::default() };
        }
    }

    /// Adds what a worker counted of the script at `path`.
    pub fn add(&mut self, path: &str, counted: &ScriptCounts) {
        let script = self.scripts.entry(path.to_owned()).or_default();
        if script.points.is_empty() && !counted.points.is_empty() {
            script.points.clone_from(&counted.points);
            script.counts = vec![0; counted.points.len()];
        }
        for (place, count) in &counted.counts {
            let own = usize::try_from(*place).ok().and_then(|place| script.counts.get_mut(place));
            if let Some(own) = own {
                *own = own.saturating_add(*count);
            }
        }
    }

    /// The scripts that were counted.
    #[must_use]
    pub fn scripts(&self) -> Vec<ScriptCoverage> {
        let counted = self.scripts.iter().filter(|(_, script)| !script.points.is_empty());
        counted.map(|(path, script)| covered(path, script)).collect()
    }

    /// The paths of the scripts that were not counted, though they are tested.
    #[must_use]
    pub fn uncounted(&self) -> Vec<&str> {
        let uncounted = self.scripts.iter().filter(|(_, script)| script.points.is_empty());
        uncounted.map(|(path, _)| path.as_str()).collect()
    }
}

fn covered(path: &str, script: &BookedScript) -> ScriptCoverage {
    let mut lines = BTreeMap::new();
    let mut branches: BTreeMap<u32, Vec<(CoveragePoint, u64)>> = BTreeMap::new();
    for (point, count) in script.points.iter().zip(&script.counts) {
        match point.kind {
            CoverageKind::Statement => {
                // Of several statements on a line the one that ran most often stands for the line, as in Istanbul.
                let line: &mut u64 = lines.entry(point.line).or_default();
                *line = (*line).max(*count);
            }
            CoverageKind::Way(branch) => branches.entry(branch).or_default().push((*point, *count)),
        }
    }
    let mut branches: Vec<_> = branches.into_values().collect();
    branches.sort_by_key(|ways| ways.first().map(|(point, _)| (point.line, point.column)));
    let branch = |ways: Vec<(CoveragePoint, u64)>| BranchCoverage {
        line: ways.first().map_or(1, |(point, _)| point.line),
        ways: ways.into_iter().map(|(_, count)| count).collect(),
    };
    let branches = branches.into_iter().map(branch).collect();
    ScriptCoverage { path: path.to_owned(), source: Arc::clone(&script.source), lines, branches }
}

impl ScriptCoverage {
    /// How many of its lines ran.
    #[must_use]
    pub fn line_part(&self) -> Part {
        Part { reached: self.lines.values().filter(|count| **count > 0).count(), total: self.lines.len() }
    }

    /// How many of the ways of its branches were taken.
    #[must_use]
    pub fn way_part(&self) -> Part {
        let ways = || self.branches.iter().flat_map(|branch| &branch.ways);
        Part { reached: ways().filter(|count| **count > 0).count(), total: ways().count() }
    }

    /// The lines that did not run, neighbours together: `3, 7-9`.
    #[must_use]
    pub fn missed_lines(&self) -> String {
        let missed = self.lines.iter().filter(|(_, count)| **count == 0).map(|(line, _)| *line);
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for line in missed {
            match runs.last_mut() {
                Some((_, last)) if self.lines.range(*last + 1..line).next().is_none() => *last = line,
                _ => runs.push((line, line)),
            }
        }
        let words = runs.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The lines of the branches of which not every way was taken.
    #[must_use]
    pub fn missed_branches(&self) -> String {
        let missed = self.branches.iter().filter(|branch| branch.ways.contains(&0));
        let mut lines: Vec<_> = missed.map(|branch| branch.line.to_string()).collect();
        lines.dedup();
        lines.join(", ")
    }

    /// The script as JSON, for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (lines, ways) = (self.line_part(), self.way_part());
        let counts: serde_json::Map<_, _> =
            self.lines.iter().map(|(line, count)| (line.to_string(), json!(count))).collect();
        let branches: Vec<_> =
            self.branches.iter().map(|branch| json!({ "line": branch.line, "ways": branch.ways })).collect();
        json!({
            "file": self.path,
            "lines": { "reached": lines.reached, "total": lines.total, "counts": counts },
            "branches": { "reached": ways.reached, "total": ways.total, "counts": branches },
        })
    }
}

impl Part {
    /// Of a hundred; a hundred of nothing at all.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.total == 0 { 100.0 } else { self.reached as f64 / self.total as f64 * 100.0 }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({:.1} %)", self.reached, self.total, self.percent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coverage of a script with two lines, of which one is a branch.
    pub(crate) fn sample() -> ScriptCoverage {
        let point = |line, column, kind| CoveragePoint { line, column, kind };
        let points = vec![
            point(1, 1, CoverageKind::Statement),
            point(1, 9, CoverageKind::Way(0)),
            point(1, 14, CoverageKind::Way(0)),
            point(2, 1, CoverageKind::Statement),
            point(4, 1, CoverageKind::Statement),
        ];
        let mut book = CoverageBook::default();
        book.expect("a.js", &"if (a) <b>();\nc();\n// x\nd()".into());
        book.add(
            "a.js",
            &ScriptCounts { file: "a.js".into(), points: points.clone(), counts: vec![(0, 3), (1, 2)], last: Some(1) },
        );
        book.add("a.js", &ScriptCounts { file: "a.js".into(), points, counts: vec![(0, 1)], last: Some(0) });
        book.scripts().remove(0)
    }

    #[test]
    fn counts_of_several_workers_add_up() {
        let script = sample();
        assert_eq!(script.lines, BTreeMap::from([(1, 4), (2, 0), (4, 0)]));
        assert_eq!(script.branches, [BranchCoverage { line: 1, ways: vec![2, 0] }]);
        assert_eq!((script.line_part().to_string(), script.way_part().reached), ("1 of 3 (33.3 %)".to_owned(), 1));
        assert_eq!((script.missed_lines().as_str(), script.missed_branches().as_str()), ("2-4", "1"));
        assert_eq!(
            crate::suite::lcov::lcov(std::slice::from_ref(&script)),
            "TN:\nSF:a.js\nBRDA:1,0,0,2\nBRDA:1,0,1,0\nBRF:2\nBRH:1\nDA:1,4\nDA:2,0\nDA:4,0\nLF:3\nLH:1\nend_of_record\n"
        );
        let page = crate::suite::html::script(&script);
        assert!(page.contains("if (a) &lt;b&gt;();") && page.contains("missed"), "{page}");
    }
}
