//! Replies on their way out of a worker, and its last words.
//!
//! The process is ended by a thread that does nothing else. Whoever speaks last words may be in the middle of an
//! allocation or of a panic, deep inside an engine, and `exit` runs the destructors of the thread that calls it: they
//! would take the engine's heap apart in whatever state it is in, which takes its time where it does not crash.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::ipc::frame;

use super::protocol::{Overrun, WorkerFrame};

/// The exit code of a worker that named a culprit.
const CULPRIT: i32 = 70;
/// Orders that are read without a word, in bytes. Worth a fraction of the silence that is always borne, on the slowest
/// machine; and few words even where changes come by the megabyte.
const SIGN_BYTES: usize = 256 << 10;
/// The stack of the thread that ends the process.
const STACK_BYTES: usize = 64 << 10;

/// Replies on their way out, shared by all who may have the last word.
pub(super) struct Outbox {
    socket: UnixStream,
    /// Words that wait for company, in a frame whose memory is used again.
    frame: Vec<u8>,
    waiting: usize,
    /// Bytes of orders that were read since the last word.
    read_bytes: usize,
    done: Arc<AtomicBool>,
    end: Thread,
}

impl Outbox {
    /// An outbox over `socket`. It starts a thread.
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

    /// Says `word` as soon as others are said too; returns how many wait.
    pub(super) fn add(&mut self, word: &WorkerFrame) -> usize {
        // Only sequences of unknown length cannot be encoded, and a word has none.
        let frame = postcard::to_extend(word, std::mem::take(&mut self.frame));
        self.frame = frame.unwrap_or_else(|_never| frame::open());
        self.waiting += 1;
        self.waiting
    }

    /// So many bytes of orders were read: says so where much was read since the last word, so that the worker is not
    /// taken for a silent one.
    pub(super) fn has_read(&mut self, bytes: usize) -> io::Result<()> {
        self.read_bytes += bytes;
        if self.read_bytes < SIGN_BYTES { Ok(()) } else { self.send(&WorkerFrame::Reading) }
    }

    /// Says what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.read_bytes = 0;
        frame::close(&mut self.frame);
        let said = self.socket.write_all(&self.frame);
        self.frame.truncate(frame::HEADER_BYTES);
        self.waiting = 0;
        said
    }

    /// Says `word` now, after what waits.
    pub(super) fn send(&mut self, word: &WorkerFrame) -> io::Result<()> {
        self.add(word);
        self.flush()
    }

    /// Sends what is finished, then the culprit, and ends the process: what it holds is not to be trusted any more.
    /// Nobody else has a word after that, because the caller goes on holding the outbox.
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
