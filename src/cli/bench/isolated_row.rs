//! A row that is measured in a process of its own, which is this binary again.
//!
//! The growth of that process is then the memory that the row needs, whatever was measured before; and a script that
//! hangs at the thousandth decision, where no trial sees the hang, can be ended.

use std::ffi::OsString;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use tokio::process::Command;

use crate::cli::exit::{self, CommandExit};
use crate::host;
use crate::worker::sandbox;

use super::progress::BenchProgress;
use super::row::Row;

/// The hidden option that makes a process measure a single row.
const OPTION: &str = "--heat";
/// The interval at which the running process is polled.
const PERIOD: Duration = Duration::from_millis(200);
/// The memory that the process may use on top of the limit of a worker, and for each node.
const OWN_BYTES: u64 = 1 << 30;
const NODE_BYTES: u64 = 128 << 10;

/// The stack of a worker's evaluating thread: engines bound the depth of scripts for that.
const STACK_BYTES: usize = 64 << 20;

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsolatedRow {
    /// The contender, from 0.
    pub(super) contender: usize,
    /// The number of nodes in the cluster.
    pub(super) size: usize,
}

impl fmt::Display for IsolatedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.contender, self.size)
    }
}

impl FromStr for IsolatedRow {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').and_then(|(left, right)| Some((left.parse().ok()?, right.parse().ok()?)));
        parts.map(|(contender, size)| Self { contender, size }).ok_or("expected CONTENDER:SIZE")
    }
}

impl IsolatedRow {
    /// Measures the row in this very process: the process ends with the parent, may use `worker_bytes`, the limit of a
    /// worker, and some more memory, and runs `measure` on a stack as large as in a worker.
    ///
    /// # Errors
    /// A parent that is gone, errors of the kernel, and errors of `measure`.
    pub(super) fn here(
        self,
        worker_bytes: u64,
        measure: impl FnOnce() -> Result<Row, CommandExit> + Send,
    ) -> Result<Row, CommandExit> {
        let other = |error: std::io::Error| CommandExit::new(exit::OTHER, error);
        if !sandbox::die_with_parent().map_err(other)? {
            return Err(CommandExit::new(exit::OTHER, "whoever wanted this row is gone"));
        }
        sandbox::leave_no_core().map_err(other)?;
        sandbox::bound_memory(OWN_BYTES + worker_bytes + NODE_BYTES * self.size as u64).map_err(other)?;
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("evaluate".to_owned()).stack_size(STACK_BYTES);
            let measured = builder.spawn_scoped(scope, measure).map_err(other)?.join();
            measured.unwrap_or_else(|_panic| Err(CommandExit::new(exit::OTHER, "the measuring thread panicked")))
        })
    }

    /// Measures the row in a process with the arguments of this process; ends that process after `longest`.
    ///
    /// # Errors
    /// The error of the process, or that the process did not end, or was killed.
    pub(super) fn run(self, longest: Duration, progress: &mut BenchProgress) -> Result<Row, CommandExit> {
        let arguments = std::env::args_os().skip(1).chain([OPTION.into(), OsString::from(self.to_string())]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let other = |error: std::io::Error| CommandExit::new(exit::OTHER, format!("a process to measure in: {error}"));
        let output = runtime.map_err(other)?.block_on(async {
            let mut command = Command::new(host::program());
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
            let output = command.spawn().map_err(other)?.wait_with_output();
            let (mut output, mut clock) = (std::pin::pin!(output), tokio::time::interval(PERIOD));
            let late = tokio::time::sleep(longest);
            let mut late = std::pin::pin!(late);
            loop {
                tokio::select! {
                    output = &mut output => return output.map_err(other),
                    _ = clock.tick() => progress.tick(),
                    () = &mut late => {
                        let message = format!("it did not end within {longest:?}: a script hangs now and then");
                        return Err(CommandExit::new(exit::LIMIT, message));
                    }
                }
            }
        })?;
        match output.status.success() {
            true => serde_json::from_slice(&output.stdout).map_err(|error| CommandExit::new(exit::OTHER, error)),
            false => Err(ended(output.status)),
        }
    }
}

/// Returns the exit for a process that measured nothing; a process that exited by itself has printed the reason.
fn ended(status: ExitStatus) -> CommandExit {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => CommandExit::shown(code),
        _ => CommandExit::new(exit::LIMIT, format!("a script took the process down that measured it: {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_row_is_named_on_the_command_line() {
        let isolated = IsolatedRow { contender: 2, size: 10_000 };
        assert_eq!(isolated.to_string().parse(), Ok(isolated));
        for text in ["", "1", "1:", "a:1", "1:-1"] {
            assert!(text.parse::<IsolatedRow>().is_err(), "{text}");
        }
    }

    #[test]
    fn exit_codes_pass_and_signals_are_a_limit() {
        let told =
            |status| (ended(ExitStatus::from_raw(status)).code, ended(ExitStatus::from_raw(status)).message.is_empty());
        assert_eq!((told(4 << 8), told(6)), ((4, true), (exit::LIMIT, false)));
    }
}
