//! A single process of a resident program: started, written to and read from until the process ends.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::chain::ProgramSpec;
use crate::model::LimitKind;
use crate::script::ScriptError;

use super::capture::Capture;
use super::crowd::{PACE_RESIDENT, crowd};
use super::feed;
use super::once::{GRACE, STDERR_KEPT, end, thrown};
use super::protocol::ProgramSet;
use super::reaper::{ProgramExit, Reaper};
use super::spawn::{self, NotStarted, Started};
use super::telling;

/// The number of log lines that are searched for the cause of an exit.
const LAST_LINES: usize = 50;

/// An event of the process.
pub(super) enum RunEvent {
    /// The process runs, and reads the texts that are sent on this channel.
    Runs(Pid, mpsc::Sender<Vec<u8>>),
    /// All input was written.
    Fed,
    /// The program printed these lines.
    Answered(Vec<Vec<u8>>),
    /// The program did something forbidden.
    Misbehaved(ScriptError),
    /// The program does not read any more.
    StoppedReading,
    /// The program logged these lines.
    Logged(Vec<Vec<u8>>),
    /// The process ended, or could not be started, as the text says.
    Ended(String, KilledBy),
}

/// The cause of a program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KilledBy {
    /// The program itself.
    Itself,
    /// Another process: the runner, an administrator, or the kernel for want of memory.
    Other,
    /// The machine, which lacked the resources to start the program.
    Machine,
}

/// Starts a program and reports events until the process ends. Closing the channel of [`RunEvent::Runs`] ends the
/// program.
pub(super) async fn live(
    program: ProgramSpec,
    edition: Arc<ProgramSet>,
    run: String,
    reaper: Rc<Reaper>,
    tell: impl AsyncFn(RunEvent),
) {
    let wall = Duration::from_millis(u64::from(program.wall_ms.unwrap_or(edition.limits.wall_ms)));
    let Started { pid, stdin, stdout, stderr, mut exit } =
        match spawn::start(&program, &edition, &run, wall, &reaper).await {
            Ok(started) => started,
            Err(NotStarted::Program(message)) => return tell(RunEvent::Ended(message, KilledBy::Itself)).await,
            Err(NotStarted::Machine(message)) => return tell(RunEvent::Ended(message, KilledBy::Machine)).await,
        };
    let (input, fed) = mpsc::channel(1);
    tell(RunEvent::Runs(pid, input)).await;
    let limits = edition.limits;
    let mut outputs = OutputReaders {
        stdout: Capture::lines(stdout, limits.stdout_bytes),
        stderr: Capture::new(stderr, usize::MAX, STDERR_KEPT),
        last: String::new(),
    };
    let crowded = async {
        crowd(pid, &reaper, limits.processes, PACE_RESIDENT).await;
        let message = format!("the program started more than {} processes", limits.processes);
        tell(RunEvent::Misbehaved(ScriptError::Limit(LimitKind::Crash, message))).await;
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        () = crowded => None,
        ended = outputs.out(&mut exit, &tell) => ended,
        () = write(stdin, fed, &tell) => {
            // The program's input has ended, and so shall the program.
            match timeout(GRACE, outputs.out(&mut exit, &tell)).await {
                Ok(ended) => ended,
                Err(_late) => {
                    end(pid, &reaper, &mut exit).await;
                    None
                }
            }
        }
    };
    reaper.signal(pid, Signal::KILL);
    let how = match ended {
        Some(exit) => match telling::line(&outputs.last, "") {
            Some(line) => format!("{}: {line}", exit.in_words()),
            None => exit.in_words(),
        },
        None => "was ended".to_owned(),
    };
    let killed = ended == Some(ProgramExit::Signal(Signal::KILL.as_raw()));
    let killer = if killed { KilledBy::Other } else { KilledBy::Itself };
    tell(RunEvent::Ended(format!("the program {how}"), killer)).await;
}

/// Writes the texts that come, until the channel is closed.
async fn write(stdin: OwnedFd, mut fed: mpsc::Receiver<Vec<u8>>, tell: &impl AsyncFn(RunEvent)) {
    let mut stdin = feed::sender(stdin);
    while let Some(bytes) = fed.recv().await {
        let written = match &mut stdin {
            Ok(stdin) => stdin.write_all(&bytes).await.is_ok(),
            Err(_refused) => false,
        };
        if !written {
            // A program that is ending reads no more either, and the exit is reported in a moment.
            sleep(GRACE).await;
            tell(RunEvent::StoppedReading).await;
            // The sender waits for the process to end, and closes the channel where the program is to be ended first.
            while fed.recv().await.is_some() {}
            return;
        }
        tell(RunEvent::Fed).await;
    }
}

/// The error that an answer is longer than `most` bytes.
pub(super) fn too_long(most: usize) -> ScriptError {
    ScriptError::Limit(LimitKind::Output, format!("the program printed a line of more than {} KiB", most >> 10))
}

/// The error that the program printed something else than an answer.
pub(super) fn no_answer(nonsense: &str) -> ScriptError {
    thrown(format!("the program printed what is no answer: {nonsense}"))
}

/// The captures of the program's two outputs.
struct OutputReaders {
    stdout: Capture,
    stderr: Capture,
    /// The last lines that the program logged.
    last: String,
}

impl OutputReaders {
    /// Reads the outputs until the program ends.
    async fn out(
        &mut self,
        exit: &mut tokio::sync::oneshot::Receiver<ProgramExit>,
        tell: &impl AsyncFn(RunEvent),
    ) -> Option<ProgramExit> {
        let ended = loop {
            let over = tokio::select! {
                ended = &mut *exit => break ended.ok(),
                more = self.stdout.more(), if !self.stdout.has_ended() => more.err(),
                more = self.stderr.more(), if !self.stderr.has_ended() => more.ok().and(None),
            };
            self.pass_on(tell).await;
            if let Some(over) = over {
                tell(RunEvent::Misbehaved(too_long(over.most))).await;
            }
        };
        // Where that is too much, the whole lines before still count.
        let _over = (self.stdout.drain(), self.stderr.drain());
        self.pass_on(tell).await;
        ended
    }

    async fn pass_on(&mut self, tell: &impl AsyncFn(RunEvent)) {
        let answers = self.stdout.take_lines();
        if !answers.is_empty() {
            tell(RunEvent::Answered(answers)).await;
        }
        let lines = self.stderr.take_lines();
        if !lines.is_empty() {
            let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
            self.last = last.iter().map(|line| String::from_utf8_lossy(line) + "\n").collect();
            tell(RunEvent::Logged(lines)).await;
        }
    }
}
