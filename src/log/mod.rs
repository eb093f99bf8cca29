//! The log of a process that runs for long: lines for standard error, which nothing in the process waits for.
//!
//! The reader of standard error may be gone, stuck, or a full disk. A log line is then lost, counted, and reported once
//! lines can be written again; no task ever waits for the reader or fails with the reader. Rejected:
//! `tracing-appender`, which bounds lines and not bytes, does not count lines that could not be written, and prints to
//! standard output from its guard when the process ends.

mod filter;
mod lines;
mod queue;
mod ring;

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

use crate::plain::{PlainEvents, PlainFields};

use filter::LogFilter;
use lines::LineLayer;
use queue::LineQueue;

pub use filter::LogFilterError;
pub use ring::{KeptLine, LineLevel, LogRing, MAX_LINE_BYTES, MAX_RING_BYTES};

/// The time for which the end of a process waits until the last lines are read.
pub const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines that wait to be written; absent before the start.
static QUEUE: OnceLock<LineQueue> = OnceLock::new();
/// The last lines, for readers elsewhere.
static RING: OnceLock<LogRing> = OnceLock::new();
/// The filter; absent before the start.
static FILTER: OnceLock<LogFilter> = OnceLock::new();

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
    let usual = filter::of_environment();
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&usual));
    let log = tracing_subscriber::registry().with(filter);
    let (ring, formatted) = (ring(), fmt::layer().with_writer(Lines(queue)));
    match format {
        Format::Text if io::IsTerminal::is_terminal(&io::stderr()) => {
            log.with(formatted.fmt_fields(PlainFields)).with(LineLayer { ring, queue: None }).init();
        }
        Format::Text => log.with(LineLayer { ring, queue: Some(queue) }).init(),
        Format::Json => {
            let json = formatted.json().map_event_format(PlainEvents);
            log.with(json).with(LineLayer { ring, queue: None }).init();
        }
    }
    let _second = FILTER.set(LogFilter::new(handle, usual));
    Ok(())
}

/// Returns the last lines of this process; none where this process has no log.
#[must_use]
pub fn ring() -> &'static LogRing {
    RING.get_or_init(LogRing::default)
}

/// Sets the filter of log events: a level, or a list of parts with levels. Returns the filter in force from here on.
///
/// # Errors
/// [`LogFilterError`] where the text is no filter, or this process has no log.
pub fn set_filter(text: &str) -> Result<String, LogFilterError> {
    FILTER.get().ok_or(LogFilterError::NoLog)?.set(text)
}

/// Sets the filter of the start again. Returns that filter.
///
/// # Errors
/// [`LogFilterError::NoLog`] where this process has no log.
pub fn restore_filter() -> Result<String, LogFilterError> {
    FILTER.get().ok_or(LogFilterError::NoLog)?.restore()
}

/// Returns the filter in force; `None` where this process has no log.
#[must_use]
pub fn present_filter() -> Option<String> {
    FILTER.get().map(LogFilter::present)
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
