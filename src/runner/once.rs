//! A program that is started for a single request: given the document, read from, ended.
//!
//! The exit of the program counts, never the end of the output: a background child may hold the output open for ever.
//! All that was written before the exit is in the pipes by then, so nothing has to be waited for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::chain::ProgramSpec;
use crate::ipc::awake;
use crate::model::{LimitKind, Thrown};
use crate::script::{ScriptError, ScriptLimits};

use super::capture::{Capture, Over};
use super::crowd::{PACE_ONCE, crowd};
use super::feed::feed;
use super::protocol::ProgramSet;
use super::reaper::{ProgramExit, Reaper};
use super::spawn::{self, Started};
use super::telling;

/// The number of bytes of a program's standard error that are kept.
pub(super) const STDERR_KEPT: usize = 64 << 10;
/// How long a program may take to end after SIGTERM.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// A program to run.
pub(super) struct Job {
    /// The step's name.
    pub(super) name: Arc<str>,
    pub(super) program: ProgramSpec,
    pub(super) edition: Arc<ProgramSet>,
    /// The name of the run, which the program's processes carry in their environment.
    pub(super) run: String,
    /// The standard input of the program, in pieces.
    pub(super) document: Vec<Bytes>,
}

/// The result of a run.
pub(super) struct RunOutcome {
    /// The standard output, or the reason why the program gave no answer.
    pub(super) said: Result<Vec<u8>, ScriptError>,
    /// The lines of standard error.
    pub(super) log: Vec<String>,
    /// The wall time in microseconds.
    pub(super) cost_us: u64,
}

/// The reason for which a run is ended before the program exits.
enum RunTrouble {
    Output(&'static str, Over),
    Crowd(u32),
    Late,
}

/// Runs `job` and calls `tell` with the result; returns when nothing of the program is left.
pub(super) async fn run(job: Job, reaper: Rc<Reaper>, tell: impl AsyncFnOnce(RunOutcome)) {
    let begun = Instant::now();
    let limits = job.edition.limits;
    let wall_ms = job.program.wall_ms.unwrap_or(limits.wall_ms);
    let wall = Duration::from_millis(u64::from(wall_ms));
    let cost_us = || u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let started = match spawn::start(&job.program, &job.edition, &job.run, wall, &reaper).await {
        Ok(started) => started,
        Err(why) => {
            return tell(RunOutcome { said: Err(why.into_error()), log: Vec::new(), cost_us: cost_us() }).await;
        }
    };
    // The time that the machine took to start the program does not count against the program, nor does time in which
    // nothing ran.
    let Started { pid, stdin, stdout, stderr, mut exit } = started;
    let mut outputs = OutputCaptures {
        stdout: Capture::new(stdout, limits.stdout_bytes, limits.stdout_bytes),
        stderr: Capture::new(stderr, limits.stderr_bytes, STDERR_KEPT),
    };
    let feeding = feed(stdin, &job.document);
    let ended = tokio::select! {
        ended = awake::within(wall, outputs.out(feeding, &mut exit)) => ended.unwrap_or(Err(RunTrouble::Late)),
        () = crowd(pid, &reaper, limits.processes, PACE_ONCE) => Err(RunTrouble::Crowd(limits.processes)),
    };
    let said = match &ended {
        Ok(exit) => outputs.output_of(*exit, &job.name, &limits.script),
        Err(trouble) => Err(trouble.in_words(&job.name, wall_ms)),
    };
    let log = outputs.log(limits.script.log_lines);
    tell(RunOutcome { said, log, cost_us: cost_us() }).await;
    match ended {
        Ok(_) => {}
        Err(RunTrouble::Late) => end(pid, &reaper, &mut exit).await,
        Err(RunTrouble::Output(..) | RunTrouble::Crowd(_)) => {
            reaper.signal(pid, Signal::KILL);
            drop(exit.await);
        }
    }
}

/// Ends the program: by SIGTERM, and by SIGKILL where the program has not ended within [`GRACE`].
pub(super) async fn end(pid: Pid, reaper: &Reaper, exit: &mut oneshot::Receiver<ProgramExit>) {
    reaper.signal(pid, Signal::TERM);
    if timeout(GRACE, &mut *exit).await.is_err() {
        reaper.signal(pid, Signal::KILL);
        drop(exit.await);
    }
}

/// The captures of a program's two outputs.
struct OutputCaptures {
    stdout: Capture,
    stderr: Capture,
}

impl OutputCaptures {
    /// Reads the outputs until the program ends.
    async fn out(
        &mut self,
        feeding: impl Future<Output = ()>,
        exit: &mut oneshot::Receiver<ProgramExit>,
    ) -> Result<ProgramExit, RunTrouble> {
        let stdout = |over| RunTrouble::Output("standard output", over);
        let stderr = |over| RunTrouble::Output("standard error", over);
        tokio::pin!(feeding);
        let mut fed = false;
        let ended = loop {
            tokio::select! {
                ended = &mut *exit => break ended.unwrap_or(ProgramExit::Signal(Signal::KILL.as_raw())),
                more = self.stdout.more(), if !self.stdout.has_ended() => more.map_err(stdout)?,
                more = self.stderr.more(), if !self.stderr.has_ended() => more.map_err(stderr)?,
                () = &mut feeding, if !fed => fed = true,
            }
        };
        self.stdout.drain().map_err(stdout)?;
        self.stderr.drain().map_err(stderr)?;
        Ok(ended)
    }

    /// Returns the answer of the program, by the way in which the program ended.
    fn output_of(&self, exit: ProgramExit, name: &str, limits: &ScriptLimits) -> Result<Vec<u8>, ScriptError> {
        match exit {
            ProgramExit::Code(0) => Ok(self.stdout.bytes().to_vec()),
            ProgramExit::Code(_) => {
                let line = telling::line(&self.stderr.text(), &self.stdout.text());
                let message = line.unwrap_or_else(|| format!("the program {} and said nothing", exit.in_words()));
                Err(thrown(limits.cut(&message)))
            }
            ProgramExit::Signal(_) => {
                Err(ScriptError::Limit(LimitKind::Crash, format!("step {name} {}", exit.in_words())))
            }
        }
    }

    fn log(&self, most: usize) -> Vec<String> {
        let text = self.stderr.text();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(most)..).unwrap_or_default();
        last.iter().map(|line| (*line).to_owned()).collect()
    }
}

impl RunTrouble {
    fn in_words(&self, name: &str, wall_ms: u32) -> ScriptError {
        match self {
            Self::Output(where_to, Over { most }) => {
                let message = format!("step {name} printed more than {} KiB on {where_to}", most >> 10);
                ScriptError::Limit(LimitKind::Output, message)
            }
            Self::Crowd(most) => {
                ScriptError::Limit(LimitKind::Crash, format!("step {name} started more than {most} processes"))
            }
            Self::Late => ScriptError::Limit(LimitKind::Time, late(name, wall_ms)),
        }
    }
}

/// The message that the step `name` was too slow.
pub(super) fn late(name: &str, wall_ms: u32) -> String {
    format!("step {name} gave no answer within {wall_ms} ms")
}

/// An error with the program's own message.
pub(super) fn thrown(message: String) -> ScriptError {
    ScriptError::Thrown(Thrown { name: "Error".to_owned(), message }, None)
}
