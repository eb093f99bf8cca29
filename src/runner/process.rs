//! The runner as the front holds the process: starts the runner, sends commands, reads events, and cleans up after a
//! runner that was killed.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, getpgid, getpgrp, getpid, set_child_subreaper};
use tokio::sync::mpsc;

use crate::chain::ProgramAnswer;
use crate::ipc::process::UnsupervisedProcess;
use crate::ipc::{ProcessEnd, SupervisedProcess, frame};

use super::protocol::{RunnerFrame, RunnerInit};
use super::{child, family};

/// The number of searches for the processes that a killed runner left behind, and the time between two searches.
const LOOKS: u32 = 100;
const APART: Duration = Duration::from_millis(5);

/// An event of a runner that the front must know.
#[derive(Debug)]
pub enum RunnerEvent {
    /// The programs of these questions are about to be asked.
    Asking(Vec<u64>),
    /// The answer of the program of a question.
    Heard(u64, ProgramAnswer),
    /// The deadline of a question passed before its program was asked.
    Late(u64),
    /// A resident program, by its step's name, logged a line.
    Logged(Arc<str>, String),
    /// A resident program, by the name of the step, exited, or was killed for a fault.
    Ended(Arc<str>, String),
    /// The runner has exited.
    Exited(ProcessEnd),
}

/// A runner process.
#[derive(Debug)]
pub struct RunnerProcess {
    peer: SupervisedProcess,
}

impl RunnerProcess {
    /// Starts `program` as a runner, whose events come under `number`; must be called within a runtime. From here on
    /// this process is the subreaper: where the runner is killed, orphans of the runner's programs become children of
    /// this process, and [`kill_and_reap`] ends them.
    ///
    /// # Errors
    /// The error of the system.
    pub fn start(
        program: &Path,
        init: &RunnerInit,
        number: u64,
        events: mpsc::Sender<(u64, RunnerEvent)>,
    ) -> std::io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let spawned = UnsupervisedProcess::spawn(program, child::COMMAND, Stdio::inherit())?.patiently();
        let read =
            move |body: &[u8]| read(body).map(|decoded| decoded.into_iter().map(|event| (number, event)).collect());
        let peer = spawned.settle(events, read, move |ended| (number, RunnerEvent::Exited(ended)));
        peer.send_first(frame::encode(init)?);
        Ok(Self { peer })
    }

    /// Returns the process.
    #[must_use]
    pub fn peer(&self) -> &SupervisedProcess {
        &self.peer
    }

    /// Returns the process, for sending.
    pub fn peer_mut(&mut self) -> &mut SupervisedProcess {
        &mut self.peer
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.peer.pid()
    }

    /// Lets the runner end all programs and exit; waits until the runner has ended.
    pub async fn retire(self) {
        self.peer.retire().await;
    }
}

/// Ends the processes that the runner `pid` left behind when the runner was killed: the programs and all their
/// descendants have become children of this process by now.
pub async fn kill_and_reap(pid: u32) {
    let prefix = format!("{pid}-");
    let mut quiet = 0;
    for _ in 0..LOOKS {
        quiet = if family::end(|child| is_left(child, &prefix)) == 0 { quiet + 1 } else { 0 };
        if quiet > 1 {
            return;
        }
        tokio::time::sleep(APART).await;
    }
}

/// Whether a child of ours was a process of the runner whose runs have this prefix. Most say so in their environment; a
/// process that hides the environment is known by a group and a program that are not ours, and a process that has ended
/// by its name.
fn is_left(child: Pid, prefix: &str) -> bool {
    let program = |name: &str| std::fs::read_link(format!("/proc/{name}/exe"));
    match family::run_of(child) {
        Some(run) => run.starts_with(prefix),
        None => match (program(&child.as_raw_nonzero().to_string()), program("self")) {
            (Ok(theirs), Ok(own)) => theirs != own && getpgid(Some(child)).ok() != Some(getpgrp()),
            _ => family::is_strange_zombie(child),
        },
    }
}

fn read(body: &[u8]) -> Option<Vec<RunnerEvent>> {
    let event = |message: RunnerFrame| match message {
        RunnerFrame::Asking(tickets) => RunnerEvent::Asking(tickets),
        RunnerFrame::Heard(ticket, decoded) => RunnerEvent::Heard(ticket, decoded),
        RunnerFrame::Late(ticket) => RunnerEvent::Late(ticket),
        RunnerFrame::Logged(step, line) => RunnerEvent::Logged(step, line),
        RunnerFrame::Ended(step, how) => RunnerEvent::Ended(step, how),
    };
    frame::values::<RunnerFrame>(body).map(|message| message.ok().map(event)).collect()
}
