//! The start of a process that runs until a signal ends it: the log, closed memory, file descriptors.

use clap::ValueEnum;

use crate::{log, pulse, resources};

use super::exit::{self, CommandExit};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Starts the log, closes this process's memory to other processes, and lets the process open as many descriptors as
/// the system allows. From here on a panic is in the log, and ends the process.
pub(super) fn begin(format: LogFormat) -> Result<(), CommandExit> {
    let format = match format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    log::start(format)
        .map_err(|error| CommandExit::new(exit::OTHER, format!("the log could not be started: {error}")))?;
    pulse::end_on_panic();
    if let Err(error) = resources::close_memory() {
        tracing::warn!(%error, "other processes of this user may read this one's memory");
    }
    if let Err(error) = resources::raise_descriptors() {
        tracing::warn!(%error, "the soft limit of descriptors stays as it is");
    }
    Ok(())
}
