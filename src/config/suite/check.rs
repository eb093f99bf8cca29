//! What is checked of a case as a whole, when each part of it has been read.

use super::super::problem::{Notes, Problem, quoted};
use super::super::section::Section;
use super::{Case, MAX_QUESTIONS, NodeSource};

/// What is wrong with a case though each part of it is right.
pub(super) fn check(case: &Case, section: &Section<'_>, notes: &mut Notes) {
    let clusters = match case.nodes {
        NodeSource::ForAll { clusters, .. } => u64::from(clusters),
        _ => 1,
    };
    let questions = clusters * case.requests.len() as u64 * u64::from(case.repeat);
    if questions > MAX_QUESTIONS {
        let problem =
            format!("the case {} asks {questions} questions, at most {MAX_QUESTIONS} are accepted", quoted(&case.name));
        notes.at(&section.span, Problem::new(problem).help("ask fewer requests, less often, or on fewer clusters"));
    }
    let is_of_all =
        |request: &super::CaseRequest| request.expected.spread.is_some() || request.expected.order.is_some();
    let misplaced = case.requests.iter().any(is_of_all);
    if misplaced {
        let problem = format!("the case {} expects a `spread` or an `order` of one request", quoted(&case.name));
        notes.at(&section.span, Problem::new(problem).help("put the expectation into `expect` of the case"));
    }
    if case.expected.is_empty() && case.requests.iter().all(|request| request.expected.is_empty()) {
        let problem = Problem::new(format!("the case {} expects nothing", quoted(&case.name)));
        notes.missing(Some(&section.span), problem.help("`expect = { node = \"ID\" }` says what must come"));
    }
}
