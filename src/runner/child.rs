//! The runner process: reads commands from the socket, writes frames, and leaves no process behind at the end.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, set_child_subreaper};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

use crate::ipc::frame;
use crate::plain::Plain;
use crate::resources;
use crate::worker::sandbox;

use super::priority::Priority;
use super::protocol::{RunnerCommand, RunnerFrame, RunnerInit};
use super::reaper::Reaper;
use super::scheduler::{RunnerScheduler, SchedulerEvent};
use super::{family, kernel};

/// The hidden command under which the binary is a runner.
pub const COMMAND: &str = "__runner";
/// The most frames that may wait for the scheduler.
const FRAMES_WAITING: usize = 16;
/// The most events that may wait for the scheduler before a task has to wait.
const EVENTS_WAITING: usize = 256;
/// The most events that are handled before the scheduler proceeds.
const BATCH: usize = 256;
/// The size in bytes from which the collected frames are sent at once: frames are bounded.
const FRAME_BYTES: usize = 4 << 20;
/// How long programs may take to end when the front is gone, and the number of searches for the processes that programs
/// leave behind.
const EXIT_LIMIT: Duration = Duration::from_millis(300);
const LOOKS: u32 = 50;
/// The longest delay of a sweep while other programs are started.
const MOST_LATE: Duration = Duration::from_millis(50);

/// Runs a runner over the socket on standard input.
#[must_use]
pub fn run() -> ExitCode {
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| LocalSet::new().block_on(&runtime, serve()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The front reads the exit code and this line; nobody else can be told.
            drop(writeln!(io::stderr(), "whither runner: {}", Plain(error)));
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    // The runner is not killed with the front: only the runner knows the processes that programs left behind.
    sandbox::wake_at_parents_end()?;
    // The memory holds requests, which no other program may read.
    resources::close_memory()?;
    // A kernel without that call lets programs inherit the descriptors that the service inherited, which does no harm.
    drop(kernel::keep_descriptors());
    let socket = std::os::unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let (mut reader, writer) = UnixStream::from_std(socket)?.into_split();
    let mut body = Vec::new();
    if !frame::read_frame_async(&mut reader, &mut body).await? {
        return Ok(());
    }
    let init: RunnerInit = postcard::from_bytes(&body).map_err(io::Error::other)?;
    let reaper = Rc::new(Reaper::new(Priority::keep()));
    let (events, happened) = mpsc::channel(EVENTS_WAITING);
    let scheduler = RunnerScheduler::new(init.arrangement, Rc::clone(&reaper), events);
    let (frames, ordered) = mpsc::channel(FRAMES_WAITING);
    spawn_local(read(reader, frames));
    let served = RunnerTask { scheduler, ordered, happened, writer, frame: frame::open() }.serve(&reaper).await;
    leave_nothing(&reaper).await;
    served
}

/// Reads frames until the front is gone.
async fn read(mut reader: OwnedReadHalf, frames: mpsc::Sender<Vec<u8>>) {
    let mut body = Vec::new();
    while frame::read_frame_async(&mut reader, &mut body).await.unwrap_or(false) {
        if frames.send(std::mem::take(&mut body)).await.is_err() {
            return;
        }
    }
}

/// The scheduler with its channels and its socket.
struct RunnerTask {
    scheduler: RunnerScheduler,
    ordered: mpsc::Receiver<Vec<u8>>,
    happened: mpsc::Receiver<SchedulerEvent>,
    writer: OwnedWriteHalf,
    frame: Vec<u8>,
}

impl RunnerTask {
    async fn serve(&mut self, reaper: &Rc<Reaper>) -> io::Result<()> {
        let mut ended = signal(SignalKind::child())?;
        // A service manager or terminal that stops the service tells the front, which ends this process when done. The
        // signals are caught and not ignored: a signal that is ignored here would be ignored in programs too.
        let mut stops = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let (mut frames, mut events) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                biased;
                _ = ended.recv() => reaper.look(),
                1.. = self.happened.recv_many(&mut events, BATCH) => {
                    for event in events.drain(..) {
                        let messages = self.scheduler.event(event);
                        self.send(messages);
                        if self.frame.len() > FRAME_BYTES {
                            self.flush().await?;
                        }
                    }
                }
                count = self.ordered.recv_many(&mut frames, FRAMES_WAITING) => {
                    if count == 0 {
                        return Ok(());
                    }
                    for frame in frames.drain(..) {
                        for order in frame::values::<RunnerCommand>(&frame) {
                            let messages = self.scheduler.order(order?);
                            self.send(messages);
                        }
                    }
                }
                () = until(self.scheduler.due()) => {}
                () = until(reaper.due()) => {}
                () = any(&mut stops) => {}
            }
            let (messages, actions) = self.scheduler.proceed();
            self.send(messages);
            // The front is told before a program is asked, so that no question is asked twice.
            self.flush().await?;
            // A program that is to be started goes before the processes that other programs left behind.
            let is_calm = actions.is_empty();
            self.scheduler.act(actions);
            let late = if is_calm { Duration::ZERO } else { MOST_LATE };
            if reaper.due().is_some_and(|due| due + late <= Instant::now()) {
                reaper.sweep();
            }
        }
    }

    fn send(&mut self, messages: Vec<RunnerFrame>) {
        for message in messages {
            // Only sequences of unknown length cannot be encoded, and a `RunnerFrame` has none.
            let frame = postcard::to_extend(&message, std::mem::take(&mut self.frame));
            self.frame = frame.unwrap_or_else(|_never| frame::open());
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.frame.len() > frame::HEADER_BYTES {
            frame::close(&mut self.frame);
            self.writer.write_all(&self.frame).await?;
            self.frame.truncate(frame::HEADER_BYTES);
        }
        Ok(())
    }
}

async fn any(signals: &mut [io::Result<Signals>]) {
    let each = signals.iter_mut().flatten().map(|signal| Box::pin(signal.recv()));
    match each.collect::<Vec<_>>() {
        none if none.is_empty() => std::future::pending().await,
        each => drop(futures_util::future::select_all(each).await),
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Ends every program, and all processes that programs left behind.
async fn leave_nothing(reaper: &Reaper) {
    reaper.signal_all(Signal::TERM);
    let ended = async {
        while !reaper.is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            reaper.look();
        }
    };
    if tokio::time::timeout(EXIT_LIMIT, ended).await.is_err() {
        reaper.signal_all(Signal::KILL);
    }
    for _ in 0..LOOKS {
        reaper.look();
        reaper.sweep();
        if reaper.is_idle() && family::children(getpid()).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
