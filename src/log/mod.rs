//! The log of a process that runs for long: lines for standard error, which nothing in the process waits for.
//!
//! The reader of standard error may be gone, stuck, or a full disk. A log line is then lost, counted, and reported once
//! lines can be written again; no task ever waits for the reader or fails with the reader. Rejected:
//! `tracing-appender`, which bounds lines and not bytes, does not count lines that could not be written, and prints to
//! standard output from its guard when the process ends.

mod queue;

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::plain::{PlainEvents, PlainFields};

use queue::LineQueue;

/// The filter of log events where `WHITHER_LOG` is not set.
const DEFAULT_FILTER: &str = "info,async_nats=off";
/// The time for which the end of a process waits until the last lines are read.
pub const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines that wait to be written; absent before the start.
static QUEUE: OnceLock<LineQueue> = OnceLock::new();

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people; in colour on a terminal.
    Text,
    /// A JSON object in each line.
    Json,
}

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// Where the thread that writes the lines cannot be started.
pub fn start(format: Format) -> io::Result<()> {
    if QUEUE.set(LineQueue::new()).is_err() {
        return Ok(());
    }
    let Some(queue) = QUEUE.get() else { return Ok(()) };
    queue::write_from(queue)?;
    let filter = EnvFilter::try_from_env("WHITHER_LOG").unwrap_or_else(|_unset| EnvFilter::new(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(queue));
    match format {
        Format::Text => log.fmt_fields(PlainFields).with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        Format::Json => log.json().map_event_format(PlainEvents).init(),
    }
    Ok(())
}

/// Writes `text`, which ends in a line feed, to standard error: after the lines of the log where this process has a
/// log, at once elsewhere. A missing reader is no error.
pub fn print_line(text: &str) {
    match QUEUE.get() {
        Some(queue) => queue.push(text.as_bytes()),
        None => drop(io::Write::write_all(&mut io::stderr(), text.as_bytes())),
    }
}

/// The number of lines that were lost since the start.
#[must_use]
pub fn lost_lines() -> u64 {
    QUEUE.get().map_or(0, LineQueue::lost)
}

/// Waits until all lines are written, for `patience` at most. The last call of a process that ends.
pub fn flush(patience: Duration) {
    if let Some(queue) = QUEUE.get() {
        queue.flush(patience);
    }
}

/// Makes the writers that the log's formatter asks for.
struct Lines(&'static LineQueue);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = EventWriter;

    fn make_writer(&'a self) -> EventWriter {
        EventWriter(self.0)
    }
}

/// Takes a formatted event, and never fails.
struct EventWriter(&'static LineQueue);

impl io::Write for EventWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
