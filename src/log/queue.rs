//! The log lines that wait to be written, and the single thread that writes them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

/// The most bytes of lines that wait. Past that the newest line is lost: the lines that led to the trouble are worth
/// more than those that follow.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// The size in bytes of a batch of lines from which the next line begins another batch; a batch is written with a call.
const BATCH_BYTES: usize = 64 << 10;
/// The time that the writer waits after a write, so that lines which come fast are written together: to wake a thread
/// for each line costs more than the line.
const GATHERING: Duration = Duration::from_millis(1);
/// The time that the writer pauses after the output refused a line: a full disk, a reader that is gone.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// The lines in the order in which they were logged.
pub(super) struct LineQueue {
    waiting: Mutex<WaitingLines>,
    /// Signals that a line was added.
    came: Condvar,
    /// Signals that all lines are written or lost.
    written: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct WaitingLines {
    /// The lines, joined to batches: memory for each line would cost more than the line.
    batches: VecDeque<Vec<u8>>,
    /// The bytes of all batches.
    bytes: usize,
    /// A batch that was written, to be filled again.
    spare: Vec<u8>,
    /// Whether the writer holds lines that are not written yet.
    is_writing: bool,
}

impl LineQueue {
    pub(super) fn new() -> Self {
        let waiting = Mutex::new(WaitingLines::default());
        Self { waiting, came: Condvar::new(), written: Condvar::new(), lost: AtomicU64::new(0) }
    }

    /// Puts `line` at the end, or counts it as lost where too much waits already. Never waits for the writer.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > MAX_WAITING_BYTES {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += line.len();
        let is_first = waiting.batches.is_empty();
        match waiting.batches.back_mut().filter(|batch| batch.len() < BATCH_BYTES) {
            Some(batch) => batch.extend_from_slice(line),
            None => {
                let mut batch = std::mem::take(&mut waiting.spare);
                batch.clear();
                batch.extend_from_slice(line);
                waiting.batches.push_back(batch);
            }
        }
        drop(waiting);
        if is_first {
            self.came.notify_one();
        }
    }

    /// The number of lines that were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until every line is written or lost, for `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut waiting = self.lock();
        while waiting.is_writing || !waiting.batches.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.written.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns the next lines as a single text; waits for lines. The caller has written `before`, the text that was
    /// returned before.
    pub(super) fn take(&self, before: Vec<u8>) -> Vec<u8> {
        let mut waiting = self.lock();
        waiting.is_writing = false;
        waiting.spare = before;
        loop {
            if let Some(batch) = waiting.batches.pop_front() {
                waiting.bytes -= batch.len();
                waiting.is_writing = true;
                return batch;
            }
            self.written.notify_all();
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, WaitingLines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that writes the lines of `queue` to standard error for as long as the process lives.
///
/// # Errors
/// Where no thread can be started.
pub(super) fn write_from(queue: &'static LineQueue) -> io::Result<()> {
    let mut writer = Writer { queue, written: Vec::new(), reported: 0, is_torn: false };
    let work = move || {
        loop {
            writer.write_next();
            thread::sleep(GATHERING);
        }
    };
    thread::Builder::new().name("log".to_owned()).spawn(work).map(drop)
}

/// The state of the writing thread.
struct Writer {
    queue: &'static LineQueue,
    /// The text that was written last.
    written: Vec<u8>,
    /// The number of lost lines that the log told of.
    reported: u64,
    /// Whether the last line that was written lacks an end.
    is_torn: bool,
}

impl Writer {
    fn write_next(&mut self) {
        let mut batch = self.queue.take(std::mem::take(&mut self.written));
        if self.is_torn {
            // After half a line the next text starts on a new line.
            batch.insert(0, b'\n');
        }
        let (written, unwritten) = batch.split_at(write(&batch));
        if let Some(last) = written.last() {
            self.is_torn = *last != b'\n';
        }
        if !unwritten.is_empty() {
            let lines = unwritten.iter().filter(|byte| **byte == b'\n').count();
            self.queue.lost.fetch_add(lines as u64, Ordering::Relaxed);
            thread::sleep(PAUSE_AFTER_FAILURE);
            return;
        }
        self.written = batch;
        let lost = self.queue.lost().saturating_sub(self.reported);
        if lost > 0 {
            self.reported += lost;
            tracing::warn!(lines = lost, "{lost} log lines were lost: standard error did not take them");
        }
    }
}

/// Writes `bytes` to standard error, and returns the number of bytes written. Waits for a slow reader, and for ever for
/// a stuck reader; the queue's bound holds meanwhile.
fn write(bytes: &[u8]) -> usize {
    let (mut output, mut rest) = (io::stderr(), bytes);
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => break,
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process made the pipe non-blocking; that state is shared by all processes that hold the pipe.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _again = poll(&mut [PollFd::new(&output, PollFlags::OUT)], None);
            }
            Err(_refused) => break,
        }
    }
    bytes.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> LineQueue {
        LineQueue::new()
    }

    #[test]
    fn lines_come_out_in_order_as_one_text() {
        let queue = queue();
        ["a\n", "b\n"].iter().for_each(|line| queue.push(line.as_bytes()));
        assert_eq!(queue.take(Vec::new()), b"a\nb\n");
        assert_eq!(queue.lost(), 0);
    }

    #[test]
    fn a_batch_ends_where_it_is_long() {
        let (queue, line) = (queue(), vec![b'x'; BATCH_BYTES]);
        (0..2).for_each(|_| queue.push(&line));
        assert_eq!([queue.take(Vec::new()), queue.take(Vec::new())], [line.clone(), line]);
    }

    #[test]
    fn what_is_too_much_is_lost_and_counted() {
        let (queue, line) = (queue(), vec![b'x'; MAX_WAITING_BYTES / 4]);
        (0..6).for_each(|_| queue.push(&line));
        assert_eq!(queue.lost(), 2);
        drop(queue.take(Vec::new()));
        queue.push(&line);
        assert_eq!(queue.lost(), 2, "there is room again");
    }

    #[test]
    fn nobody_waits_longer_than_said_for_a_stuck_writer() {
        let queue = queue();
        queue.flush(Duration::from_secs(3600));
        queue.push(b"a\n");
        queue.flush(Duration::from_millis(1));
        drop(queue.take(Vec::new()));
        queue.flush(Duration::from_millis(1));
        assert!(queue.lock().is_writing);
    }
}
