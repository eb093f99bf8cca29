//! A child process of whither at the other end of a socket: started, sent frames, read from, ended.
//!
//! Workers and the runner are such processes. This file does not know the content of their frames.

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

/// The most frames that may wait for the process to read them.
const FRAMES_WAITING: usize = 64;
/// The size of the read buffer of the socket.
const SOCKET_BYTES: usize = 64 << 10;
/// How long a process may live on after the process's socket has ended.
const EXIT_LIMIT: Duration = Duration::from_secs(1);

/// The allocator would otherwise commit a gigabyte when the process starts, all of which a memory limit counts.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_ARENA_RESERVE", "65536")];

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEnd {
    /// The end of the process as a predicate: *exited with code 1*.
    pub how: String,
    /// Whether the process was killed, which no script does to its own process.
    pub killed: bool,
    /// Whether the process was told to stop: by Ctrl-C on the terminal, or by a service manager, both of which signal
    /// all processes of a service.
    pub stopped: bool,
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}

/// The reading half of the process's socket.
pub type Words = BufReader<OwnedReadHalf>;

/// A process that was just started and has no supervisor yet. The process is killed when the value is dropped.
pub struct UnsupervisedProcess {
    process: Child,
    writer: OwnedWriteHalf,
    reader: Words,
    guard: Arc<ProcessGuard>,
    pid: u32,
    patience: Option<Duration>,
}

impl UnsupervisedProcess {
    /// Starts `program` with the one argument `command` and an empty environment, and with the socket as standard
    /// input. Must be called on a thread of the runtime that lives as long as the service.
    ///
    /// # Errors
    /// The error of the system.
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
        // The process waits for the first frame, so that the limit is in force when the work begins.
        resources::give_former_descriptors(pid);
        let guard = Arc::new(ProcessGuard::take(pid));
        let (reader, writer) = UnixStream::from_std(ours)?.into_split();
        let reader = BufReader::with_capacity(SOCKET_BYTES, reader);
        Ok(Self { process, writer, reader, guard, pid, patience: Some(EXIT_LIMIT) })
    }

    /// Lets the process take any time to end once the process's socket has ended.
    #[must_use]
    pub fn patiently(self) -> Self {
        Self { patience: None, ..self }
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// The error of the socket.
    pub async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.writer.write_all(frame).await
    }

    /// Returns the stream of frames that the process sends.
    pub fn words(&mut self) -> &mut Words {
        &mut self.reader
    }

    /// Makes sure that the process has ended, and returns how.
    pub async fn end(mut self) -> ProcessEnd {
        end(&mut self.process, self.patience).await
    }

    /// Starts the supervision of the process. Each frame becomes the events that `read` returns; a frame for which
    /// `read` returns `None` ends the process. The end of the process becomes the last event, which `exited` returns.
    pub fn settle<E: Send + 'static>(
        self,
        events: mpsc::Sender<E>,
        read: impl Fn(&[u8]) -> Option<Vec<E>> + Send + 'static,
        exited: impl FnOnce(ProcessEnd) -> E + Send + 'static,
    ) -> SupervisedProcess {
        let Self { mut process, writer, mut reader, guard, pid, patience } = self;
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
        let (written, spent) = mpsc::channel(FRAMES_WAITING);
        tokio::spawn(write(writer, waiting, written));
        let held = Arc::clone(&guard);
        let supervisor = tokio::spawn(async move {
            read_frames(&mut reader, &held, &mut process, &events, read).await;
            let ended = end(&mut process, patience).await;
            // Where nobody receives events any more, nobody needs to know.
            drop(events.send(exited(ended)).await);
        });
        SupervisedProcess { frames, spent, guard, pid, supervisor }
    }
}

/// A process with a supervisor.
#[derive(Debug)]
pub struct SupervisedProcess {
    frames: mpsc::Sender<Vec<u8>>,
    /// The frames that were written, to be used again.
    spent: mpsc::Receiver<Vec<u8>>,
    guard: Arc<ProcessGuard>,
    pid: u32,
    supervisor: JoinHandle<()>,
}

impl SupervisedProcess {
    /// Sends the first of all frames, for which the channel has room.
    pub fn send_first(&self, frame: Vec<u8>) {
        // Where the channel is closed, the process is gone, which the exit event will say.
        drop(self.frames.try_send(frame));
    }

    /// Sends `orders` in order, waiting for room: for the snapshot of a new process, which nothing else waits behind.
    /// Returns false where the process is gone, which the exit event will say too.
    pub async fn send_all(&self, mut orders: Orders) -> bool {
        while let Some(frame) = orders.pop() {
            if self.frames.send(frame).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Sends as many of `orders` as there is room for, in order, and removes those; never waits, because the holder of
    /// a process must go on reading the process's frames.
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

    /// Returns a handle of the process that outlives this value.
    #[must_use]
    pub fn guard(&self) -> Arc<ProcessGuard> {
        Arc::clone(&self.guard)
    }

    /// Kills the process at once; the exit event follows.
    pub fn kill(&self) {
        self.guard.kill();
    }

    /// Returns the memory of the process in bytes, or `None` where the process has ended.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        self.guard.memory_bytes()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the process finish the commands that were sent, and waits until the process has ended.
    pub async fn retire(self) {
        drop(self.frames);
        drop(self.supervisor.await);
    }
}

async fn write(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Vec<u8>>, written: mpsc::Sender<Vec<u8>>) {
    while let Some(frame) = waiting.recv().await {
        if writer.write_all(&frame).await.is_err() {
            // The process is gone; the reading side reports that.
            return;
        }
        // Where the frame cannot be given back, the memory is freed.
        drop(written.try_send(frame));
    }
    drop(writer.shutdown().await);
}

/// Passes on the frames of the process until the process ends. A process that sends nonsense, and a process whose
/// events nobody receives any more, is killed.
async fn read_frames<E>(
    reader: &mut Words,
    guard: &ProcessGuard,
    process: &mut Child,
    events: &mpsc::Sender<E>,
    read: impl Fn(&[u8]) -> Option<Vec<E>>,
) {
    let (mut body, mut asked) = (Vec::new(), false);
    loop {
        let there = tokio::select! {
            there = frame::read_frame_async(reader, &mut body) => there,
            () = guard.asked(), if !asked => {
                // Frames that the process sent before are read all the same.
                asked = true;
                drop(process.start_kill());
                continue;
            }
        };
        let decoded = match there {
            Ok(true) => read(&body),
            Ok(false) => return,
            Err(_cut) => None,
        };
        let Some(decoded) = decoded else { return drop(process.start_kill()) };
        for event in decoded {
            if events.send(event).await.is_err() {
                return drop(process.start_kill());
            }
        }
    }
}

/// Makes sure that the process has ended, and returns how.
async fn end(process: &mut Child, patience: Option<Duration>) -> ProcessEnd {
    use std::os::unix::process::ExitStatusExt;
    // The socket's end comes a moment before the exit; a process that lives on without the socket is of no use.
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
    let signal = status.as_ref().ok().and_then(|status| status.signal()).filter(|_| !ours);
    let stopped = [Signal::INT, Signal::TERM].iter().any(|stop| signal == Some(stop.as_raw()));
    let killed = stopped || signal == Some(Signal::KILL.as_raw());
    let how = match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => format!("exited with code {code}"),
        Ok((None, Some(signal))) => format!("was ended by signal {signal}"),
        Ok((None, None)) => "ended".to_owned(),
        Err(error) => format!("was lost: {error}"),
    };
    ProcessEnd { how, killed, stopped }
}
