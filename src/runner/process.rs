//! The runner as its holder has it: started, given orders, heard, ended; and what is done when it was killed.

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

/// How often and how long apart it is looked for what a killed runner left behind.
const LOOKS: u32 = 100;
const APART: Duration = Duration::from_millis(5);

/// What a runner does that its holder must know.
#[derive(Debug)]
pub enum RunnerEvent {
    /// The programs of these questions are about to be asked.
    Asking(Vec<u64>),
    /// What was heard from the program of a question.
    Heard(u64, ProgramAnswer),
    /// The deadline of a question passed before its program was asked.
    Late(u64),
    /// A resident program, by its step's name, logged a line.
    Logged(Arc<str>, String),
    /// A resident program ended, or was ended for what it did.
    Ended(Arc<str>, String),
    /// The runner is gone.
    Exited(ProcessEnd),
}

/// A runner process.
#[derive(Debug)]
pub struct RunnerProcess {
    peer: SupervisedProcess,
}

impl RunnerProcess {
    /// Starts `program` as a runner, whose events come under `number`; must be called within a runtime. From here on
    /// this process is what orphans of its programs fall to where the runner is killed; [`kill_and_reap`] ends them.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(
        program: &Path,
        birth: &RunnerInit,
        number: u64,
        events: mpsc::Sender<(u64, RunnerEvent)>,
    ) -> std::io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let newborn = UnsupervisedProcess::spawn(program, child::COMMAND, Stdio::inherit())?.patiently();
        let read = move |body: &[u8]| read(body).map(|heard| heard.into_iter().map(|event| (number, event)).collect());
        let peer = newborn.settle(events, read, move |ended| (number, RunnerEvent::Exited(ended)));
        peer.send_first(frame::encode(birth)?);
        Ok(Self { peer })
    }

    /// The process.
    #[must_use]
    pub fn peer(&self) -> &SupervisedProcess {
        &self.peer
    }

    /// The process, to send it something.
    pub fn peer_mut(&mut self) -> &mut SupervisedProcess {
        &mut self.peer
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.peer.pid()
    }

    /// Lets it end its programs and itself; waits until it has.
    pub async fn retire(self) {
        self.peer.retire().await;
    }
}

/// Ends what the runner `pid` left behind when it was killed: its programs and all theirs have become children of this
/// process by now.
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

/// Whether a child of ours was one of the runner whose runs have this prefix. Most say so; one that hides it is known by
/// a group and a program that are not ours, and one that has ended by its name.
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
    let event = |word: RunnerFrame| match word {
        RunnerFrame::Asking(tickets) => RunnerEvent::Asking(tickets),
        RunnerFrame::Heard(ticket, heard) => RunnerEvent::Heard(ticket, heard),
        RunnerFrame::Late(ticket) => RunnerEvent::Late(ticket),
        RunnerFrame::Logged(step, line) => RunnerEvent::Logged(step, line),
        RunnerFrame::Ended(step, how) => RunnerEvent::Ended(step, how),
    };
    frame::values::<RunnerFrame>(body).map(|word| word.ok().map(event)).collect()
}
