//! What became of the cases of a test run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::judge::Complaint;

/// What became of the cases of one file.
#[derive(Clone, Debug)]
pub struct SuiteResult {
    /// The file of tests.
    pub file: Arc<str>,
    /// Its cases that were run, in the order of the file.
    pub cases: Vec<CaseResult>,
    /// What kept the file from being run, a line each; empty where it was.
    pub problems: String,
    /// Whether the file itself is at fault, and not a script that does not compile.
    pub is_unread: bool,
}

/// What became of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The case's name.
    pub name: Arc<str>,
    /// The line on which it begins.
    pub line: usize,
    /// Whether it passed.
    pub verdict: CaseVerdict,
    /// How long it took.
    pub took: Duration,
    /// How many questions it asked.
    pub questions: u64,
}

/// Whether a case passed.
#[derive(Clone, Debug)]
pub enum CaseVerdict {
    /// Everything was as expected.
    Passed,
    /// Something was not.
    Failed(Box<CaseFailure>),
    /// It could not be run.
    Broken(String),
}

/// How a case failed.
#[derive(Clone, Debug)]
pub struct CaseFailure {
    /// What was not as expected; at least one.
    pub complaints: Vec<Complaint>,
    /// The decision that the first complaint is about, explained as `NS.explain` does.
    pub explanation: Option<Value>,
    /// The cluster on which a case of random clusters failed, made as small as it can be.
    pub cluster: Option<SmallCluster>,
}

/// A cluster that was found by chance and made small.
#[derive(Clone, Debug)]
pub struct SmallCluster {
    /// Which of the case's clusters it was, from 1.
    pub number: u32,
    /// How many nodes it had.
    pub drawn: usize,
    /// What is left of it.
    pub nodes: Vec<Value>,
}

/// How many cases passed, failed and could not be run, and how many files could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that could not be run.
    pub broken: usize,
    /// Files that are no files of tests.
    pub unread: usize,
    /// Questions that were asked.
    pub questions: u64,
}

impl CaseResult {
    /// Whether it passed.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        matches!(self.verdict, CaseVerdict::Passed)
    }
}

impl Totals {
    /// Those of `suites`.
    #[must_use]
    pub fn of(suites: &[SuiteResult]) -> Self {
        let mut totals = Self::default();
        for suite in suites {
            totals.unread += usize::from(!suite.problems.is_empty());
            for case in &suite.cases {
                totals.questions += case.questions;
                match case.verdict {
                    CaseVerdict::Passed => totals.passed += 1,
                    CaseVerdict::Failed(_) => totals.failed += 1,
                    CaseVerdict::Broken(_) => totals.broken += 1,
                }
            }
        }
        totals
    }

    /// Whether nothing failed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.failed == 0 && self.broken == 0 && self.unread == 0
    }
}

/// `suites` as JSON, for programs.
#[must_use]
pub fn to_json(suites: &[SuiteResult]) -> Value {
    let totals = Totals::of(suites);
    json!({
        "passed": totals.passed,
        "failed": totals.failed + totals.broken,
        "unread": totals.unread,
        "questions": totals.questions,
        "files": suites.iter().map(suite_to_json).collect::<Vec<_>>(),
    })
}

fn suite_to_json(suite: &SuiteResult) -> Value {
    let cases: Vec<_> = suite.cases.iter().map(case_to_json).collect();
    match suite.problems.as_str() {
        "" => json!({ "file": suite.file, "cases": cases }),
        problems => json!({ "file": suite.file, "cases": cases, "problems": problems.lines().collect::<Vec<_>>() }),
    }
}

fn case_to_json(case: &CaseResult) -> Value {
    let took = u64::try_from(case.took.as_micros()).unwrap_or(u64::MAX);
    let mut told = json!({ "name": case.name, "line": case.line, "took_us": took, "questions": case.questions });
    let Some(fields) = told.as_object_mut() else { return told };
    match &case.verdict {
        CaseVerdict::Passed => drop(fields.insert("result".to_owned(), json!("passed"))),
        CaseVerdict::Broken(why) => {
            fields.insert("result".to_owned(), json!("broken"));
            fields.insert("why".to_owned(), json!(why));
        }
        CaseVerdict::Failed(failure) => {
            fields.insert("result".to_owned(), json!("failed"));
            let complaints: Vec<_> = failure.complaints.iter().map(complaint_to_json).collect();
            fields.insert("complaints".to_owned(), json!(complaints));
            fields.extend(failure.explanation.iter().map(|told| ("explanation".to_owned(), told.clone())));
            fields.extend(failure.cluster.iter().map(|cluster| {
                let told = json!({ "number": cluster.number, "drawn": cluster.drawn, "nodes": cluster.nodes });
                ("cluster".to_owned(), told)
            }));
        }
    }
    told
}

fn complaint_to_json(complaint: &Complaint) -> Value {
    json!({
        "key": complaint.key,
        "expected": complaint.expected,
        "got": complaint.got,
        "request": complaint.request.map(|request| request + 1),
    })
}
