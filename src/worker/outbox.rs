//! Replies on their way out of a worker, and its last words.
//!
//! The process is ended by a thread that does nothing else. Whoever speaks last words may be in the middle of an
//! allocation or of a panic, deep inside an engine, and `exit` runs the destructors of the thread that calls it: they
//! would take the engine's heap apart in whatever state it is in, which takes its time where it does not crash.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::frame;
use super::protocol::{Overrun, Reply, Word};

/// The exit code of a worker that named a culprit.
const CULPRIT: i32 = 70;
/// The stack of the thread that ends the process.
const STACK_BYTES: usize = 64 << 10;

/// Replies on their way out, shared by all who may have the last word.
pub(super) struct Outbox {
    socket: UnixStream,
    pub(super) replies: Vec<Reply>,
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
        Ok(Self { socket, replies: Vec::new(), done, end: end.thread().clone() })
    }

    pub(super) fn say(&mut self, word: &Word) -> io::Result<()> {
        frame::write(&mut self.socket, word)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        let replies = std::mem::take(&mut self.replies);
        self.say(&Word::Replies(replies))
    }

    /// Sends what is finished, then the culprit, and ends the process: what it holds is not to be trusted any more.
    /// Nobody else has a word after that, because the caller goes on holding the outbox.
    pub(super) fn leave(&mut self, overrun: Overrun) -> ! {
        drop(self.flush());
        drop(self.say(&Word::Overrun(overrun)));
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
