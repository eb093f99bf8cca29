//! A trial: the first decision of each row is taken as `place` takes a decision, in a process that may die.
//!
//! So a script that does not compile, hangs or takes all memory is reported as everywhere else, and the decisions that
//! are then measured in this process are known to come to an end.

use crate::cli::exit::{self, CommandExit};
use crate::cli::{one_shot, request};
use crate::model::{Change, FailureName, Outcome};
use crate::runner::{ProgramLimits, ProgramSet};

use super::contender::BenchChain;
use super::users::BenchUsers;

/// Lets `contender` decide the first request of `users` once over the cluster that `reports` make.
///
/// # Errors
/// The error with which `place` would end. That no node was left is no error: the row counts such decisions.
pub(super) fn run(contender: &BenchChain, reports: Vec<Change>, users: &BenchUsers) -> Result<(), CommandExit> {
    let init = &contender.init;
    let text = users.texts().next().map(|text| &**text).unwrap_or("{}");
    let asked = serde_json::from_str(text).map_err(CommandExit::usage)?;
    let question = request::question(&asked, init.limits.request_bytes, Some(1), None)?;
    let programs = ProgramSet::of(1, &init.set, Vec::new(), ProgramLimits::default());
    match one_shot::decide(init, &programs, reports, question)?.outcome {
        Outcome::Failed(failure) if failure.name != FailureName::NoNode => {
            Err(CommandExit::new(exit::code(failure.name), format!("{}: {failure}", contender.label)))
        }
        Outcome::Failed(_) | Outcome::Placed(_) => Ok(()),
    }
}
