//! A process of ours at the other end of a socket: started, spoken to in frames, heard, ended.
//!
//! Workers and the runner are such processes. What their frames say is none of this file's business.

use std::fmt;
use std::io;
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

use crate::resources;

use super::frame;
use super::outgoing::Orders;
use super::process_guard::ProcessGuard;

/// Frames that may wait for the process to read them.
const FRAMES_WAITING: usize = 64;
/// What is read from its socket at once.
const SOCKET_BYTES: usize = 64 << 10;
/// How long a process may live on after its socket has ended.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// The allocator would otherwise commit a gigabyte at its start, all of which a memory limit counts.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_ARENA_RESERVE", "65536")];

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEnd {
    /// In words: it …
    pub how: String,
    /// Whether it was killed, which no script does to its own process.
    pub killed: bool,
    /// Whether it was told to stop: by Ctrl-C on the terminal, or by a service manager, both of which tell all processes of a
    /// service.
    pub stopped: bool,
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}

/// Where what a process says is read from.
pub type Words = BufReader<OwnedReadHalf>;

/// A process that was just started, and that nobody supervises yet. It is killed when this is dropped.
pub struct UnsupervisedProcess {
    process: Child,
    orders: OwnedWriteHalf,
    words: Words,
    leash: Arc<ProcessGuard>,
    pid: u32,
    patience: Option<Duration>,
}

impl UnsupervisedProcess {
    /// Starts `program` with the one argument `command` and an empty environment; its standard input is the socket. It is
    /// started from the thread of the runtime that calls this, which must live as long as the service.
    ///
    /// # Errors
    /// What the system says.
    pub fn spawn(program: &Path, command: &str, log: Stdio) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let process = Command::new(program)
            .arg(command)
            .env_clear()
            .envs(ALLOCATOR)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().unwrap_or_default();
        // It waits for its first frame, so that it finds the limit when it begins.
        resources::give_former_descriptors(pid);
        let leash = Arc::new(ProcessGuard::take(pid));
        let (words, orders) = UnixStream::from_std(ours)?.into_split();
        let words = BufReader::with_capacity(SOCKET_BYTES, words);
        Ok(Self { process, orders, words, leash, pid, patience: Some(LAST_BREATH) })
    }

    /// Lets the process take as long as it needs to end once its socket has ended.
    #[must_use]
    pub fn patiently(self) -> Self {
        Self { patience: None, ..self }
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.orders.write_all(frame).await
    }

    /// What it says.
    pub fn words(&mut self) -> &mut Words {
        &mut self.words
    }

    /// Makes sure that it has ended, and says how.
    pub async fn end(mut self) -> ProcessEnd {
        end(&mut self.process, self.patience).await
    }

    /// Supervises it from here on: each frame becomes the events that `read` makes of it, and nonsense, of which it makes
    /// none, ends the process; its end becomes the event that `exited` makes of it, the last one.
    pub fn settle<E: Send + 'static>(
        self,
        events: mpsc::Sender<E>,
        read: impl Fn(&[u8]) -> Option<Vec<E>> + Send + 'static,
        exited: impl FnOnce(ProcessEnd) -> E + Send + 'static,
    ) -> SupervisedProcess {
        let Self { mut process, orders, mut words, leash, pid, patience } = self;
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
        let (written, spent) = mpsc::channel(FRAMES_WAITING);
        tokio::spawn(write(orders, waiting, written));
        let held = Arc::clone(&leash);
        let supervisor = tokio::spawn(async move {
            read_frames(&mut words, &held, &mut process, &events, read).await;
            let ended = end(&mut process, patience).await;
            // Where nobody listens any more, nobody needs to know.
            drop(events.send(exited(ended)).await);
        });
        SupervisedProcess { frames, spent, leash, pid, supervisor }
    }
}

/// A process that is supervised.
#[derive(Debug)]
pub struct SupervisedProcess {
    frames: mpsc::Sender<Vec<u8>>,
    /// Frames that were written, to be used again.
    spent: mpsc::Receiver<Vec<u8>>,
    leash: Arc<ProcessGuard>,
    pid: u32,
    supervisor: JoinHandle<()>,
}

impl SupervisedProcess {
    /// Sends the frame that comes before all others; there is room for it.
    pub fn send_first(&self, frame: Vec<u8>) {
        // Where there is none any more, the process is gone, which its event will say.
        drop(self.frames.try_send(frame));
    }

    /// Sends `orders` in order, waiting for room: for a new process's snapshot, which nothing else waits behind.
    /// Returns false where it is gone, which its event will say too.
    pub async fn send_all(&self, mut orders: Orders) -> bool {
        while let Some(frame) = orders.pop() {
            if self.frames.send(frame).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Sends as many of `orders` as there is room for, in order, and takes those out; never waits, because whoever
    /// holds a process must go on reading its words.
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

    /// A hold on the process that outlives this.
    #[must_use]
    pub fn guard(&self) -> Arc<ProcessGuard> {
        Arc::clone(&self.leash)
    }

    /// Ends the process at once; its exit will be told.
    pub fn kill(&self) {
        self.leash.kill();
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

    /// Lets the process finish what it was sent and end; waits until it has.
    pub async fn retire(self) {
        drop(self.frames);
        drop(self.supervisor.await);
    }
}

async fn write(mut orders: OwnedWriteHalf, mut waiting: mpsc::Receiver<Vec<u8>>, written: mpsc::Sender<Vec<u8>>) {
    while let Some(frame) = waiting.recv().await {
        if orders.write_all(&frame).await.is_err() {
            // The process is gone; the reading side tells.
            return;
        }
        // Where nobody takes it back, its memory is freed.
        drop(written.try_send(frame));
    }
    drop(orders.shutdown().await);
}

/// Passes on what the process says until it ends. One that says nonsense, and one whose words nobody hears any more, is
/// killed.
async fn read_frames<E>(
    words: &mut Words,
    leash: &ProcessGuard,
    process: &mut Child,
    events: &mpsc::Sender<E>,
    read: impl Fn(&[u8]) -> Option<Vec<E>>,
) {
    let (mut body, mut asked) = (Vec::new(), false);
    loop {
        let there = tokio::select! {
            there = frame::read_frame_async(words, &mut body) => there,
            () = leash.asked(), if !asked => {
                // What it said before is heard all the same.
                asked = true;
                drop(process.start_kill());
                continue;
            }
        };
        let heard = match there {
            Ok(true) => read(&body),
            Ok(false) => return,
            Err(_cut) => None,
        };
        let Some(heard) = heard else { return drop(process.start_kill()) };
        for event in heard {
            if events.send(event).await.is_err() {
                return drop(process.start_kill());
            }
        }
    }
}

/// Makes sure that the process has ended, and says how.
async fn end(process: &mut Child, patience: Option<Duration>) -> ProcessEnd {
    use std::os::unix::process::ExitStatusExt;
    // The socket's end comes a moment before the exit; a process that lives on without it is of no use.
    let (status, ours) = match patience {
        None => (process.wait().await, false),
        Some(patience) => match tokio::time::timeout(patience, process.wait()).await {
            Ok(status) => (status, false),
            Err(_late) => {
                drop(process.start_kill());
                (process.wait().await, true)
            }
        },
    };
    let told = status.as_ref().ok().and_then(|status| status.signal()).filter(|_| !ours);
    let stopped = [Signal::INT, Signal::TERM].iter().any(|stop| told == Some(stop.as_raw()));
    let killed = stopped || told == Some(Signal::KILL.as_raw());
    let how = match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => format!("exited with code {code}"),
        Ok((None, Some(signal))) => format!("was ended by signal {signal}"),
        Ok((None, None)) => "ended".to_owned(),
        Err(error) => format!("was lost: {error}"),
    };
    ProcessEnd { how, killed, stopped }
}
