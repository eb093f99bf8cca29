//! The command line, a file per command. `whither` has all commands, `whither-agent` the agent alone.

use std::process::ExitCode;

use owo_colors::OwoColorize;

use crate::log;

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "service")]
pub mod assign;
#[cfg(feature = "service")]
pub mod bench;
pub mod bus;
#[cfg(feature = "service")]
pub mod chains;
#[cfg(feature = "service")]
pub mod check;
#[cfg(feature = "service")]
pub mod completions;
mod daemon;
#[cfg(feature = "service")]
pub mod demo;
#[cfg(feature = "service")]
pub mod drain;
pub mod exit;
#[cfg(feature = "service")]
pub mod explain;
#[cfg(feature = "service")]
pub mod fact;
#[cfg(feature = "service")]
pub mod fastx;
#[cfg(feature = "service")]
pub mod groups;
#[cfg(feature = "service")]
mod hired_worker;
#[cfg(feature = "service")]
pub mod import;
#[cfg(feature = "service")]
pub mod logs;
#[cfg(feature = "service")]
pub mod man;
#[cfg(feature = "service")]
pub mod new;
#[cfg(feature = "service")]
mod node_ids;
#[cfg(feature = "service")]
pub mod nodes;
#[cfg(feature = "service")]
pub mod nodes_file;
#[cfg(feature = "service")]
pub mod one_shot;
pub mod output;
#[cfg(feature = "service")]
pub mod place;
pub mod problem;
#[cfg(feature = "service")]
mod processes;
#[cfg(feature = "service")]
mod recorded;
#[cfg(feature = "service")]
pub mod reload;
#[cfg(feature = "service")]
pub mod remote;
#[cfg(feature = "service")]
pub mod request;
#[cfg(feature = "service")]
pub mod requests;
#[cfg(feature = "service")]
pub mod rules;
#[cfg(feature = "service")]
pub mod serve;
#[cfg(feature = "service")]
pub mod simulate;
#[cfg(feature = "service")]
pub mod start;
#[cfg(feature = "service")]
pub mod status;
#[cfg(feature = "service")]
pub mod table;
#[cfg(feature = "service")]
pub mod test;
#[cfg(feature = "service")]
pub mod token;
#[cfg(feature = "service")]
pub mod types;
#[cfg(feature = "service")]
mod watch;
#[cfg(feature = "service")]
pub mod whither;

use exit::CommandExit;

/// Returns the exit code of a process whose command ended with `outcome`, and prints the message that is still to
/// print.
fn end(outcome: Result<(), CommandExit>) -> ExitCode {
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandExit { code, message, .. }) => {
            if !message.is_empty() {
                output::aside(format_args!("{} {message}", "error:".red().bold()));
            }
            ExitCode::from(code)
        }
    };
    log::flush(log::LAST_LINES);
    code
}
