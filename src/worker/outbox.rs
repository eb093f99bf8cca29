//! The outbox of a worker: replies on their way to the front, and the last frame before the process ends.
//!
//! The process is ended by a thread that does nothing else. The thread that sends the last frame may be in the middle
//! of an allocation or of a panic, deep inside an engine, and `exit` runs the destructors of the thread that calls
//! `exit`: they would take the engine's heap apart in any state, which takes time where that does not crash.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::ipc::frame;

use super::protocol::{Overrun, WorkerFrame};

/// The exit code of a worker that named the script at fault.
const CULPRIT: i32 = 70;
/// The number of bytes of commands that are read before a sign of life is sent. On the slowest machine, reading so many
/// takes a fraction of the silence that the front always accepts; and few frames are sent even where changes come by
/// the megabyte.
const SIGN_BYTES: usize = 256 << 10;
/// The stack size of the thread that ends the process.
const STACK_BYTES: usize = 64 << 10;

/// The outgoing replies, shared by the threads that may send the last frame.
pub(super) struct Outbox {
    socket: UnixStream,
    /// Replies that wait to be sent together, in a frame whose memory is used again.
    frame: Vec<u8>,
    waiting: usize,
    /// The number of bytes of commands that were read since the last frame was sent.
    read_bytes: usize,
    done: Arc<AtomicBool>,
    end: Thread,
}

impl Outbox {
    /// Creates an outbox over `socket`, and starts the thread that ends the process.
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let end = move || {
            while !seen.load(Ordering::Acquire) {
                thread::park();
            }
            std::process::exit(CULPRIT)
        };
        let end: thread::JoinHandle<()> =
            thread::Builder::new().name("end".to_owned()).stack_size(STACK_BYTES).spawn(end)?;
        Ok(Self { socket, frame: frame::open(), waiting: 0, read_bytes: 0, done, end: end.thread().clone() })
    }

    /// Adds `message` to the frame that is sent next; returns the number of values in that frame.
    pub(super) fn add(&mut self, message: &WorkerFrame) -> usize {
        // Only sequences of unknown length cannot be encoded, and a `WorkerFrame` has none.
        let frame = postcard::to_extend(message, std::mem::take(&mut self.frame));
        self.frame = frame.unwrap_or_else(|_never| frame::open());
        self.waiting += 1;
        self.waiting
    }

    /// Counts `bytes` bytes of commands as read. Where many were read since the last frame, sends a sign of life, so
    /// that the front does not take the worker for hung.
    pub(super) fn has_read(&mut self, bytes: usize) -> io::Result<()> {
        self.read_bytes += bytes;
        if self.read_bytes < SIGN_BYTES { Ok(()) } else { self.send(&WorkerFrame::Reading) }
    }

    /// Sends the values that wait.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.read_bytes = 0;
        frame::close(&mut self.frame);
        let written = self.socket.write_all(&self.frame);
        self.frame.truncate(frame::HEADER_BYTES);
        self.waiting = 0;
        written
    }

    /// Sends `message` now, after the values that wait.
    pub(super) fn send(&mut self, message: &WorkerFrame) -> io::Result<()> {
        self.add(message);
        self.flush()
    }

    /// Sends the finished replies, then `overrun`, and ends the process, whose state is not to be trusted any more. No
    /// other thread sends anything after that, because the caller goes on holding the outbox.
    pub(super) fn leave(&mut self, overrun: Overrun) -> ! {
        drop(self.send(&WorkerFrame::Overrun(overrun)));
        self.done.store(true, Ordering::Release);
        self.end.unpark();
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

pub(super) fn lock(outbox: &Mutex<Outbox>) -> MutexGuard<'_, Outbox> {
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}
