//! Tests of chains: what a case's answers are judged by, how a failing cluster is made small, and what coverage comes to.
//!
//! Everything here is values in and values out: the files are read by `config::suite`, the questions are asked by the
//! command line. It does not know workers, files or terminals.

mod case_nodes;
pub mod coverage;
pub mod html;
pub mod judge;
pub mod junit;
pub mod lcov;
pub mod pattern;
pub mod result;
pub mod shrink;
pub mod vary;

pub use case_nodes::CaseNodes;
pub use coverage::{CoverageBook, ScriptCoverage};
pub use judge::{Complaint, Judge, judge_order};
pub use result::{CaseFailure, CaseResult, CaseVerdict, SmallCluster, SuiteResult, Totals};
pub use shrink::Shrinker;
