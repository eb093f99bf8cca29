//! The administrator's commands that the agent runs: with a time limit, an output limit, and no process left behind.
//!
//! The commands are guarded against accidents, not against the administrator: any process of a command's process group
//! that is left behind is killed, also where the agent stops in the middle of a run. A process that left the group is
//! found by the run in the environment of the process (`strays.rs`). The exception is the command that starts a
//! session: the processes that such a command leaves behind on success are the session.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::strays::{self, CommandRun, RunEnd};
use crate::resources;

/// The time that the output of a background process of the command is waited for.
const DRAIN: Duration = Duration::from_millis(200);
const MAX_ERROR_OUTPUT: usize = 4096;

/// The reason why a command brought no output.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command could not be started.
    #[error("cannot be started: {0}")]
    Start(std::io::Error),
    /// The command was still running at the time limit.
    #[error("took longer than {} s", .0.as_secs_f64())]
    Slow(Duration),
    /// The command printed too much.
    #[error("printed more than {} KiB", .0 / 1024)]
    Output(usize),
    /// The command reported a failure.
    #[error("ended with {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Failed {
        /// The exit status.
        status: String,
        /// The last line of standard error.
        said: String,
    },
}

/// The limits of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLimits {
    /// The longest time that the command may take.
    pub time: Duration,
    /// The most bytes of output.
    pub output: usize,
}

/// A command that has ended by itself. Processes of the command's group that are left are killed when this value is
/// dropped.
pub(super) struct EndedCommand {
    /// The exit status.
    pub(super) exit: ExitStatus,
    /// The standard output.
    pub(super) output: Vec<u8>,
    /// The last bytes of standard error.
    error_output: Vec<u8>,
    group: ProcessGroup,
}

impl EndedCommand {
    /// Returns the last line of standard error that says something.
    pub(super) fn said(&self) -> String {
        last_line(&self.error_output)
    }

    /// Lets the processes that are left of the command's group live on.
    pub(super) fn leave_alone(&mut self) {
        self.group.0 = None;
    }
}

/// Returns the last line of `output` that says something.
pub(super) fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// Runs `command` for at most `limit` and returns the command's output, at most `max_output` bytes. A lack of resources
/// at the start, or a command file that is just being written, is waited out first, for a bounded time.
pub(super) async fn run(mut command: Command, limit: Duration, max_output: usize) -> Result<Vec<u8>, CommandError> {
    let run = CommandRun::begin();
    command.env(strays::VARIABLE, run.name());
    let ended = execute(command, None, CommandLimits { time: limit, output: max_output }).await;
    let is_clean = ended.as_ref().is_ok_and(|ended| ended.exit.success() && ended.group.0.is_none());
    let output = ended.and_then(|ended| match ended.exit.success() {
        true => Ok(ended.output),
        false => Err(CommandError::Failed { status: ended.exit.to_string(), said: ended.said() }),
    });
    drop(run);
    strays::sweep_after(if is_clean { RunEnd::Clean } else { RunEnd::Doubtful }).await;
    output
}

/// Runs `command` as [`run`] does, with `input` on standard input, and returns the end whatever the exit status is.
pub(super) async fn execute(
    mut command: Command,
    input: Option<Vec<u8>>,
    limits: CommandLimits,
) -> Result<EndedCommand, CommandError> {
    let limit = limits.time;
    command
        // The agent's own login must not reach the command.
        .env_remove("WHITHER_TOKEN")
        .env_remove("WHITHER_NATS")
        // systemd listens to the agent alone, and complains of the words of others.
        .env_remove("NOTIFY_SOCKET")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let start = || resources::with_former_descriptors(|| command.spawn());
    let mut child = resources::wait_out_writer(limit, start).await.map_err(CommandError::Start)?;
    let mut group = ProcessGroup(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (mut output, mut error_output) = (Vec::new(), Vec::new());
    let talking = read_output(&mut child, input, limits.output, &mut output, &mut error_output);
    let status = match timeout(limit, talking).await {
        Ok(read) => read?,
        Err(_elapsed) => return Err(CommandError::Slow(limit)),
    };
    if status.drained {
        // No process of the group is left, and the group's number may be given to others.
        group.0 = None;
    }
    Ok(EndedCommand { exit: status.exit, output, error_output, group })
}

/// The end of a command, and whether all processes have closed the command's output.
struct Status {
    exit: ExitStatus,
    drained: bool,
}

/// Reads both outputs until the command ends, and a little longer for bytes that are left in the pipes. Waiting for the
/// end of the pipes alone would wait for a background process that inherited them.
async fn read_output(
    child: &mut Child,
    input: Option<Vec<u8>>,
    max_output: usize,
    output: &mut Vec<u8>,
    error_output: &mut Vec<u8>,
) -> Result<Status, CommandError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let reading = async {
        let (read, written) = (read(stdout, max_output, output), write(stdin, input));
        let (output, _error_output, ()) = tokio::join!(read, read_end(stderr, error_output), written);
        output
    };
    tokio::pin!(reading);
    let ended = tokio::select! {
        exit = child.wait() => exit.map_err(CommandError::Start)?,
        read = &mut reading => {
            read?;
            let exit = child.wait().await.map_err(CommandError::Start)?;
            return Ok(Status { exit, drained: true });
        }
    };
    match timeout(DRAIN, &mut reading).await {
        Ok(read) => read.map(|()| Status { exit: ended, drained: true }),
        Err(_held_open) => Ok(Status { exit: ended, drained: false }),
    }
}

/// Writes `input` and closes the pipe. A command need not read the input.
async fn write(pipe: Option<ChildStdin>, input: Option<Vec<u8>>) {
    if let (Some(mut pipe), Some(input)) = (pipe, input) {
        let _unread = pipe.write_all(&input).await;
    }
}

/// Reads all of `pipe`, up to the limit. A pipe that fails counts as closed.
async fn read(
    pipe: Option<impl AsyncRead + Unpin>,
    max_output: usize,
    output: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while pipe.read_buf(output).await.is_ok_and(|bytes| bytes > 0) {
        if output.len() > max_output {
            return Err(CommandError::Output(max_output));
        }
    }
    Ok(())
}

/// Reads all of `pipe` and keeps the end.
async fn read_end(pipe: Option<impl AsyncRead + Unpin>, end: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    while pipe.read_buf(end).await.is_ok_and(|bytes| bytes > 0) {
        let surplus = end.len().saturating_sub(MAX_ERROR_OUTPUT);
        end.drain(..surplus);
    }
}

/// A process group that is killed when this value is dropped, also where the agent stops in the middle of a run.
struct ProcessGroup(Option<Pid>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // A group without any process left is no failure.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
