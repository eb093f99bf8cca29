//! A worker as the front holds it: start it, write orders, read its words, kill it.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::script::ScriptCounts;

use super::orders::Orders;
use super::peer::{Ended, Newborn, Peer, Words};
use super::protocol::{Audience, Birth, CompileProblem, Overrun, Reply, Running, Waiting, Word};
use super::{awake, child, frame};

/// Replies that usually come in a frame.
const USUAL_REPLIES: usize = 16;
/// How long a worker may take from its start until it is ready.
const BIRTH_LIMIT: Duration = Duration::from_secs(60);

/// Why there is no new worker.
#[derive(Debug)]
pub enum BirthError {
    /// These steps do not compile.
    Refused(Vec<CompileProblem>),
    /// It died before it was ready, while compiling this step if any.
    Died(Option<Arc<str>>, String),
    /// It could not be started.
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

/// What a running worker does that its holder must know.
#[derive(Debug)]
pub enum WorkerEvent {
    /// It is about to run this, for a question that is narrated.
    Running(Running),
    /// It is at work on what it is told of the cluster.
    Reading,
    /// What of its scripts ran, for a test run.
    Covered(Vec<ScriptCounts>),
    /// It decided.
    Replies(Vec<Reply>),
    /// It came to an executable step.
    Waiting(Waiting),
    /// A script in it passed a limit; it is about to exit.
    Overrun(Overrun),
    /// It is gone.
    Exited(Ended),
}

/// A worker process that is ready.
#[derive(Debug)]
pub struct Worker {
    peer: Peer,
    lacks: Vec<String>,
    remarks: Vec<String>,
}

impl Worker {
    /// Starts `program` as a worker, waits until it is ready, and then sends its events under `number`.
    ///
    /// # Errors
    /// [`BirthError`]: a script that does not compile, or a process that dies.
    pub async fn start(
        program: &Path,
        birth: &Birth,
        number: u64,
        events: mpsc::Sender<(u64, WorkerEvent)>,
    ) -> Result<Self, BirthError> {
        let log = match birth.audience {
            Audience::Front => Stdio::inherit(),
            Audience::Person | Audience::Coverage => Stdio::null(),
        };
        let mut newborn = Newborn::spawn(program, child::COMMAND, log)?;
        let mut loading = None;
        let ready = async {
            newborn.write(&born_with(birth)?).await?;
            ready(newborn.words(), &mut loading).await
        };
        let born = awake::within(BIRTH_LIMIT, ready).await;
        let (lacks, remarks) = match born {
            Some(Ok(First::Ready { lacks, remarks })) => (lacks, remarks),
            Some(Ok(First::Died)) => return Err(BirthError::Died(loading, newborn.end().await.how)),
            Some(Err(error)) => return Err(error),
            None => return Err(BirthError::Died(loading, "hung".to_owned())),
        };
        let read = move |body: &[u8]| read(body).map(|heard| heard.into_iter().map(|event| (number, event)).collect());
        let peer = newborn.settle(events, read, move |ended| (number, WorkerEvent::Exited(ended)));
        Ok(Self { peer, lacks, remarks })
    }

    /// The process.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The process, to send it something.
    pub fn peer_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// As [`Peer::send_all`].
    pub async fn send_all(&self, orders: Orders) -> bool {
        self.peer.send_all(orders).await
    }

    /// Ends the process at once; its exit will be told.
    pub fn kill(&self) {
        self.peer.kill();
    }

    /// What is probably a mistake in one of its scripts, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What its seal lacks, a sentence each: found out by the worker itself, which tried (docs/src/internals/seal.md).
    #[must_use]
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// Lets the worker finish what it was sent and end; waits until it has.
    pub async fn retire(self) {
        self.peer.retire().await;
    }
}

/// The frame that a worker is born with.
fn born_with(birth: &Birth) -> std::io::Result<Vec<u8>> {
    // Nothing else in it is large.
    let too_large = |_too_large| {
        let most = frame::MAX_FRAME_BYTES >> 20;
        std::io::Error::other(format!(
            "all scripts together have more than {most} MiB; use fewer or smaller components"
        ))
    };
    frame::encode(birth).map_err(too_large)
}

/// How a worker's start went.
enum First {
    /// It is ready; its seal lacks this, and this is probably a mistake in a script.
    Ready { lacks: Vec<String>, remarks: Vec<String> },
    /// It ended.
    Died,
}

/// Waits for the ready word; `loading` is the step that is being compiled.
async fn ready(words: &mut Words, loading: &mut Option<Arc<str>>) -> Result<First, BirthError> {
    let mut body = Vec::new();
    while frame::read_frame_async(words, &mut body).await? {
        for word in frame::values::<Word>(&body) {
            match word? {
                Word::Loading(step) => *loading = Some(step),
                Word::Ready { lacks, remarks } => return Ok(First::Ready { lacks, remarks }),
                Word::Refused(problems) => return Err(BirthError::Refused(problems)),
                Word::Running(_)
                | Word::Reading
                | Word::Covered(_)
                | Word::Reply(_)
                | Word::Waiting(_)
                | Word::Overrun(_) => {
                    return Ok(First::Died);
                }
            }
        }
    }
    Ok(First::Died)
}

/// The events of one frame, replies together; absent where it holds nonsense.
fn read(body: &[u8]) -> Option<Vec<WorkerEvent>> {
    let (mut events, mut replies) = (Vec::new(), Vec::with_capacity(USUAL_REPLIES));
    for word in frame::values::<Word>(body) {
        let event = match word.ok()? {
            Word::Reply(reply) => {
                replies.push(reply);
                continue;
            }
            Word::Running(running) => WorkerEvent::Running(running),
            Word::Reading => WorkerEvent::Reading,
            Word::Covered(counts) => WorkerEvent::Covered(counts),
            Word::Waiting(waiting) => WorkerEvent::Waiting(waiting),
            Word::Overrun(overrun) => WorkerEvent::Overrun(overrun),
            Word::Loading(_) | Word::Ready { .. } | Word::Refused(_) => continue,
        };
        if !replies.is_empty() {
            // What it decided before counts before what it says of itself.
            events.push(WorkerEvent::Replies(std::mem::take(&mut replies)));
        }
        events.push(event);
    }
    if !replies.is_empty() {
        events.push(WorkerEvent::Replies(replies));
    }
    Some(events)
}
