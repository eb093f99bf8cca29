//! A worker as the front holds the process: starts the worker, sends commands, reads replies, kills the worker.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::ipc::outgoing::Orders;
use crate::ipc::process::{ProcessEnd, SupervisedProcess, UnsupervisedProcess, Words};
use crate::ipc::{awake, frame};
use crate::script::{ScriptCounts, TierReport};

use super::child;
use super::protocol::{
    CompileProblem, Overrun, RunningStep, Ticket, WaitingDecision, WorkerAudience, WorkerFrame, WorkerInit, WorkerReply,
};

/// The number of replies that a frame usually holds.
const USUAL_REPLIES: usize = 16;
/// How long a worker may take from the start of the process until the worker is ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The error of a worker that did not start.
#[derive(Debug)]
pub enum BirthError {
    /// Steps do not compile.
    Refused(Vec<CompileProblem>),
    /// The worker died before being ready, while compiling the named step if any.
    Died(Option<Arc<str>>, String),
    /// The process could not be started.
    Io(std::io::Error),
}

impl fmt::Display for BirthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(problems) => {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Died(Some(step), why) => write!(f, "{step}: the script could not be compiled: the compiler {why}"),
            Self::Died(None, why) => write!(f, "the worker process {why} before it was ready"),
            Self::Io(error) => write!(f, "a worker process could not be started: {error}"),
        }
    }
}

impl std::error::Error for BirthError {}

impl From<std::io::Error> for BirthError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// An event of a running worker that the front must know.
#[derive(Debug)]
pub enum WorkerEvent {
    /// The worker is about to run this step, for a question that is narrated.
    Running(RunningStep),
    /// The worker is busy with reading changes of the cluster.
    Reading,
    /// The counts of the statements and branches that ran, for a test run.
    Covered(Vec<ScriptCounts>),
    /// What became of compiled functions while this question was decided, whose reply follows.
    Tiers(Ticket, TierReport),
    /// The worker decided.
    Replies(Vec<WorkerReply>),
    /// A decision came to an executable step.
    Waiting(WaitingDecision),
    /// A script passed a limit; the worker is about to exit.
    Overrun(Overrun),
    /// The worker has exited.
    Exited(ProcessEnd),
}

/// A worker process that is ready.
#[derive(Debug)]
pub struct Worker {
    peer: SupervisedProcess,
    lacks: Vec<String>,
    remarks: Vec<String>,
    tiers: Vec<String>,
}

impl Worker {
    /// Starts `program` as a worker, waits until the worker is ready, and then sends the worker's events under
    /// `number`.
    ///
    /// # Errors
    /// [`BirthError`]: a script that does not compile, or a process that dies.
    pub async fn start(
        program: &Path,
        init: &WorkerInit,
        number: u64,
        events: mpsc::Sender<(u64, WorkerEvent)>,
    ) -> Result<Self, BirthError> {
        let log = match init.audience {
            WorkerAudience::Front => Stdio::inherit(),
            WorkerAudience::Person | WorkerAudience::Coverage => Stdio::null(),
        };
        let mut spawned = UnsupervisedProcess::spawn(program, child::COMMAND, log)?;
        let mut loading = None;
        let ready = async {
            spawned.write(&init_frame(init)?).await?;
            ready(spawned.words(), &mut loading).await
        };
        let started = awake::within(START_LIMIT, ready).await;
        let (lacks, remarks, tiers) = match started {
            Some(Ok(WorkerStart::Ready { lacks, remarks, tiers })) => (lacks, remarks, tiers),
            Some(Ok(WorkerStart::Died)) => return Err(BirthError::Died(loading, spawned.end().await.how)),
            Some(Err(error)) => return Err(error),
            None => return Err(BirthError::Died(loading, "hung".to_owned())),
        };
        let read =
            move |body: &[u8]| read(body).map(|decoded| decoded.into_iter().map(|event| (number, event)).collect());
        let peer = spawned.settle(events, read, move |ended| (number, WorkerEvent::Exited(ended)));
        Ok(Self { peer, lacks, remarks, tiers })
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

    /// Sends all of `orders`, as [`SupervisedProcess::send_all`] does.
    pub async fn send_all(&self, orders: Orders) -> bool {
        self.peer.send_all(orders).await
    }

    /// Kills the process at once; an [`WorkerEvent::Exited`] follows.
    pub fn kill(&self) {
        self.peer.kill();
    }

    /// The probable mistakes in the worker's scripts, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Returns the tier that runs each function of the worker's scripts, where the language has more than one.
    #[must_use]
    pub fn tiers(&self) -> &[String] {
        &self.tiers
    }

    /// The gaps in the worker's seal, a sentence each: found by the worker, which tried every operation
    /// (docs/src/internals/seal.md).
    #[must_use]
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// Lets the worker finish the commands that were sent, and waits until the worker has ended.
    pub async fn retire(self) {
        self.peer.retire().await;
    }
}

/// The frame with [`WorkerInit`], the first that a worker is sent.
fn init_frame(init: &WorkerInit) -> std::io::Result<Vec<u8>> {
    // Nothing else in the frame is large.
    let too_large = |_too_large| {
        let most = frame::MAX_FRAME_BYTES >> 20;
        std::io::Error::other(format!(
            "all scripts together have more than {most} MiB; use fewer or smaller components"
        ))
    };
    frame::encode(init).map_err(too_large)
}

/// The result of a worker's start.
enum WorkerStart {
    /// The worker is ready, with the gaps in the seal, and the probable mistakes in scripts.
    Ready { lacks: Vec<String>, remarks: Vec<String>, tiers: Vec<String> },
    /// The worker ended.
    Died,
}

/// Waits until the worker reports that the start succeeded or failed; `loading` is set to the step that is being
/// compiled.
async fn ready(reader: &mut Words, loading: &mut Option<Arc<str>>) -> Result<WorkerStart, BirthError> {
    let mut body = Vec::new();
    while frame::read_frame_async(reader, &mut body).await? {
        for message in frame::values::<WorkerFrame>(&body) {
            match message? {
                WorkerFrame::Loading(step) => *loading = Some(step),
                WorkerFrame::Ready { lacks, remarks, tiers } => {
                    return Ok(WorkerStart::Ready { lacks, remarks, tiers });
                }
                WorkerFrame::Refused(problems) => return Err(BirthError::Refused(problems)),
                WorkerFrame::Running(_)
                | WorkerFrame::Reading
                | WorkerFrame::Covered(_)
                | WorkerFrame::Tiers(..)
                | WorkerFrame::Reply(_)
                | WorkerFrame::Waiting(_)
                | WorkerFrame::Overrun(_) => {
                    return Ok(WorkerStart::Died);
                }
            }
        }
    }
    Ok(WorkerStart::Died)
}

/// Returns the events of one frame, replies together, or `None` where the frame cannot be decoded.
fn read(body: &[u8]) -> Option<Vec<WorkerEvent>> {
    let (mut events, mut replies) = (Vec::new(), Vec::with_capacity(USUAL_REPLIES));
    for message in frame::values::<WorkerFrame>(body) {
        let event = match message.ok()? {
            WorkerFrame::Reply(reply) => {
                replies.push(reply);
                continue;
            }
            WorkerFrame::Running(running) => WorkerEvent::Running(running),
            WorkerFrame::Reading => WorkerEvent::Reading,
            WorkerFrame::Covered(counts) => WorkerEvent::Covered(counts),
            WorkerFrame::Tiers(ticket, report) => WorkerEvent::Tiers(ticket, report),
            WorkerFrame::Waiting(waiting) => WorkerEvent::Waiting(waiting),
            WorkerFrame::Overrun(overrun) => WorkerEvent::Overrun(overrun),
            WorkerFrame::Loading(_) | WorkerFrame::Ready { .. } | WorkerFrame::Refused(_) => continue,
        };
        if !replies.is_empty() {
            // The decisions before a report on the worker itself count first.
            events.push(WorkerEvent::Replies(std::mem::take(&mut replies)));
        }
        events.push(event);
    }
    if !replies.is_empty() {
        events.push(WorkerEvent::Replies(replies));
    }
    Some(events)
}
