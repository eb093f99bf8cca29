//! A worker as the front holds it: start it, write orders, read its words, kill it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::leash::Leash;
use super::orders::Orders;
use super::protocol::{Audience, Birth, CompileProblem, Overrun, Reply, Running, Word};
use super::{child, frame};

/// Frames that may wait for the worker to read them.
const FRAMES_WAITING: usize = 64;
/// Replies that usually come in a frame.
const USUAL_REPLIES: usize = 16;
/// What is read from a worker's socket at once.
const SOCKET_BYTES: usize = 64 << 10;
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
    /// It decided.
    Replies(Vec<Reply>),
    /// A script in it passed a limit; it is about to exit.
    Overrun(Overrun),
    /// It is gone.
    Exited(Ended),
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In words: it …
    pub how: String,
    /// Whether it was killed, which no script does to its own process.
    pub killed: bool,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}

/// A worker process that is ready.
#[derive(Debug)]
pub struct Worker {
    frames: mpsc::Sender<Vec<u8>>,
    /// Frames that were written, to be used again.
    spent: mpsc::Receiver<Vec<u8>>,
    leash: Arc<Leash>,
    pid: u32,
    lacks: Vec<String>,
    supervisor: JoinHandle<()>,
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
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // Spawned from a thread of the runtime, which lives as long as the service: the worker dies with that thread.
        let mut process = Command::new(program)
            .arg(child::COMMAND)
            .env_clear()
            // The allocator would otherwise commit a gigabyte at its start, all of which the memory limit counts.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .env("MIMALLOC_ARENA_RESERVE", "65536")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(match birth.audience {
                Audience::Front => Stdio::inherit(),
                Audience::Person => Stdio::null(),
            })
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().unwrap_or_default();
        let leash = Arc::new(Leash::take(pid));
        let (words, mut orders) = UnixStream::from_std(ours)?.into_split();
        let mut words = BufReader::with_capacity(SOCKET_BYTES, words);
        let ready = async {
            orders.write_all(&frame::encode(birth)?).await?;
            ready(&mut words).await
        };
        let born = tokio::time::timeout(BIRTH_LIMIT, ready).await;
        let lacks = match born {
            Ok(Ok(First::Ready(lacks))) => lacks,
            Ok(Ok(First::Died(loading))) => return Err(BirthError::Died(loading, end(&mut process).await.how)),
            Ok(Err(error)) => return Err(error),
            Err(_late) => return Err(BirthError::Died(None, "hung".to_owned())),
        };
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
        let (written, spent) = mpsc::channel(FRAMES_WAITING);
        tokio::spawn(write(orders, waiting, written));
        let supervisor = tokio::spawn(supervise(process, words, Arc::clone(&leash), number, events));
        Ok(Self { frames, spent, leash, pid, lacks, supervisor })
    }

    /// Sends `orders` in order, waiting for room: for a new worker's snapshot, which nothing else waits behind.
    /// Returns false where the worker is gone, which its event will say too.
    pub async fn send_all(&self, mut orders: Orders) -> bool {
        while let Some(frame) = orders.pop() {
            if self.frames.send(frame).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Sends as many of `orders` as there is room for, in order, and takes those out; never waits, because whoever
    /// holds a worker must go on reading its replies.
    pub fn send_some(&mut self, orders: &mut Orders) {
        while let Ok(frame) = self.spent.try_recv() {
            orders.recycle(frame);
        }
        while !orders.is_empty() {
            let Ok(room) = self.frames.try_reserve() else { return };
            if let Some(frame) = orders.pop() {
                room.send(frame);
            }
        }
    }

    /// Ends the process at once; its exit will be told.
    pub fn kill(&self) {
        self.leash.kill();
    }

    /// What its seal lacks, a sentence each: found out by the worker itself, which tried (ARCHITECTURE.md, The seal).
    #[must_use]
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// Bytes of memory that the process has now; absent where it has ended.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        self.leash.memory_bytes()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the worker finish what it was sent and end; waits until it has.
    pub async fn retire(self) {
        drop(self.frames);
        drop(self.supervisor.await);
    }
}

type Words = BufReader<OwnedReadHalf>;

/// How a worker's start went.
enum First {
    /// It is ready, and its seal lacks this.
    Ready(Vec<String>),
    /// It ended, while it was compiling this step if any.
    Died(Option<Arc<str>>),
}

/// Waits for the ready word.
async fn ready(words: &mut Words) -> Result<First, BirthError> {
    let (mut loading, mut body) = (None, Vec::new());
    while frame::read_frame_async(words, &mut body).await? {
        for word in frame::values::<Word>(&body) {
            match word? {
                Word::Loading(step) => loading = Some(step),
                Word::Ready(lacks) => return Ok(First::Ready(lacks)),
                Word::Refused(problems) => return Err(BirthError::Refused(problems)),
                Word::Running(_) | Word::Reply(_) | Word::Overrun(_) => return Ok(First::Died(loading)),
            }
        }
    }
    Ok(First::Died(loading))
}

async fn write(mut orders: OwnedWriteHalf, mut waiting: mpsc::Receiver<Vec<u8>>, written: mpsc::Sender<Vec<u8>>) {
    while let Some(frame) = waiting.recv().await {
        if orders.write_all(&frame).await.is_err() {
            // The worker is gone; the reading side tells.
            return;
        }
        // Where nobody takes it back, its memory is freed.
        drop(written.try_send(frame));
    }
    drop(orders.shutdown().await);
}

async fn supervise(
    mut process: Child,
    mut words: Words,
    leash: Arc<Leash>,
    number: u64,
    events: mpsc::Sender<(u64, WorkerEvent)>,
) {
    let mut body = Vec::new();
    loop {
        let read = tokio::select! {
            read = frame::read_frame_async(&mut words, &mut body) => read,
            () = leash.asked() => {
                drop(process.start_kill());
                break;
            }
        };
        if !matches!(read, Ok(true)) || !tell(&body, number, &events).await {
            break;
        }
    }
    let how = end(&mut process).await;
    // Where nobody listens any more, nobody needs to know.
    drop(events.send((number, WorkerEvent::Exited(how))).await);
}

/// Passes on the words of one frame, replies together; whether there is somebody to pass them on to.
async fn tell(body: &[u8], number: u64, events: &mpsc::Sender<(u64, WorkerEvent)>) -> bool {
    let mut replies = Vec::with_capacity(USUAL_REPLIES);
    for word in frame::values::<Word>(body) {
        let event = match word {
            Ok(Word::Reply(reply)) => {
                replies.push(reply);
                continue;
            }
            Ok(Word::Running(running)) => WorkerEvent::Running(running),
            Ok(Word::Overrun(overrun)) => WorkerEvent::Overrun(overrun),
            Ok(Word::Loading(_) | Word::Ready(_) | Word::Refused(_)) => continue,
            Err(_nonsense) => return false,
        };
        // What it decided before counts before what it says of itself.
        let before = WorkerEvent::Replies(std::mem::take(&mut replies));
        if events.send((number, before)).await.is_err() || events.send((number, event)).await.is_err() {
            return false;
        }
    }
    replies.is_empty() || events.send((number, WorkerEvent::Replies(replies))).await.is_ok()
}

/// Makes sure that the process has ended, and says how.
async fn end(process: &mut Child) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    // The socket's end comes a moment before the exit; a process that lives on without it is of no use.
    let (status, ours) = match tokio::time::timeout(Duration::from_secs(1), process.wait()).await {
        Ok(status) => (status, false),
        Err(_late) => {
            drop(process.start_kill());
            (process.wait().await, true)
        }
    };
    let (how, killed) = match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => (format!("exited with code {code}"), false),
        Ok((None, Some(signal))) => (format!("was ended by signal {signal}"), signal == Signal::KILL.as_raw() && !ours),
        Ok((None, None)) => ("ended".to_owned(), false),
        Err(error) => (format!("was lost: {error}"), false),
    };
    Ended { how, killed }
}
