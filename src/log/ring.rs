//! The last log lines of this process, kept in memory for readers elsewhere.
//!
//! A line is kept as plain text: what a terminal would obey is written out when the line is logged, so no reader has to
//! be careful. The ring is bounded by bytes, and a line by a few kilobytes; what is older is forgotten, and a reader
//! who comes too late is told how many lines he missed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::Context;

use crate::plain::{PlainFields, plain};

/// The most bytes of lines that are kept.
pub const MAX_RING_BYTES: usize = 1 << 20;
/// The most bytes of a line; the rest is cut off.
pub const MAX_LINE_BYTES: usize = 4 << 10;
/// The bytes of a line beside its text and target, as the ring counts them.
const LINE_BYTES: usize = 64;

/// The weight of a log line: the smaller, the more important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineLevel {
    /// A fault.
    Error,
    /// A doubt.
    Warn,
    /// An event of interest.
    Info,
    /// For the search of a fault.
    Debug,
    /// For whoever wrote the code.
    Trace,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLine {
    /// The number of the line, which grows with each line of this process.
    pub seq: u64,
    /// The time, in Unix milliseconds.
    pub at_ms: i64,
    /// The level.
    pub level: LineLevel,
    /// The part of the program that wrote the line.
    pub target: String,
    /// The message, then the fields as `name=value`; plain text.
    pub text: String,
}

/// The last lines of a process.
#[derive(Debug, Default)]
pub struct LogRing {
    kept: Mutex<KeptLines>,
}

#[derive(Debug, Default)]
struct KeptLines {
    lines: VecDeque<KeptLine>,
    bytes: usize,
    /// The number of the next line.
    next: u64,
}

impl LineLevel {
    fn of(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Info,
            Level::DEBUG => Self::Debug,
            Level::TRACE => Self::Trace,
        }
    }

    /// Returns the level in capitals, as log lines show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

impl LogRing {
    /// Adds a line.
    pub(super) fn push(&self, at_ms: i64, level: LineLevel, target: &str, mut text: String) {
        if text.len() > MAX_LINE_BYTES {
            text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
            text.push('…');
        }
        let mut kept = self.lock();
        let line = KeptLine { seq: kept.next, at_ms, level, target: target.to_owned(), text };
        kept.next += 1;
        kept.bytes += size(&line);
        kept.lines.push_back(line);
        while kept.bytes > MAX_RING_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= size(&oldest);
        }
    }

    /// The number of the next line.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.lock().next
    }

    /// Returns the lines from number `from` on that `wanted` holds of, up to `most_bytes` of them; then the number to go
    /// on from, and the number of lines from `from` on that are forgotten already.
    #[must_use]
    pub fn read(&self, from: u64, most_bytes: usize, wanted: impl Fn(&KeptLine) -> bool) -> (Vec<KeptLine>, u64, u64) {
        let kept = self.lock();
        let first = kept.lines.front().map_or(kept.next, |line| line.seq);
        let lost = first.saturating_sub(from);
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for line in kept.lines.iter().skip(skipped).filter(|line| wanted(line)) {
            bytes += size(line);
            if bytes > most_bytes && !lines.is_empty() {
                return (lines, line.seq, lost);
            }
            lines.push(line.clone());
        }
        (lines, kept.next, lost)
    }

    fn lock(&self) -> MutexGuard<'_, KeptLines> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(line: &KeptLine) -> usize {
    line.text.len() + line.target.len() + LINE_BYTES
}

/// The layer that puts each event into a ring.
pub(super) struct RingLayer(pub(super) &'static LogRing);

impl<S: Subscriber> Layer<S> for RingLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = String::new();
        if PlainFields.format_fields(Writer::new(&mut text), event).is_err() {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let (level, target) = (*event.metadata().level(), plain(event.metadata().target()));
        self.0.push(at_ms, LineLevel::of(level), &target, text);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn texts(lines: &[KeptLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn events_are_kept_as_plain_lines() {
        let ring: &'static LogRing = Box::leak(Box::default());
        let subscriber = tracing_subscriber::registry().with(RingLayer(ring));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(node = "a\nb", count = 3, "node `{}` is \u{1b}[31mback", "a\nb");
            tracing::warn!("hm");
        });
        let (lines, next, lost) = ring.read(0, usize::MAX, |_| true);
        assert_eq!((next, lost), (2, 0));
        assert_eq!(texts(&lines), ["node `a\\nb` is \\u{1b}[31mback node=\"a\\nb\" count=3", "hm"]);
        assert_eq!((lines[0].level, lines[1].level), (LineLevel::Info, LineLevel::Warn));
        assert!(lines[0].target.starts_with("whither::log") && lines[0].at_ms > 1_700_000_000_000);
    }

    #[test]
    fn what_is_old_is_forgotten_and_said_so() {
        let ring = LogRing::default();
        let text = "x".repeat(MAX_LINE_BYTES * 2);
        let count = 3 * MAX_RING_BYTES / MAX_LINE_BYTES;
        (0..count).for_each(|_| ring.push(0, LineLevel::Info, "t", text.clone()));
        let (lines, next, lost) = ring.read(0, usize::MAX, |_| true);
        assert_eq!((next, lost + lines.len() as u64), (count as u64, count as u64));
        assert!(lines.len() > 200 && lines[0].text.len() < MAX_LINE_BYTES + 4 && lines[0].text.ends_with('…'));
    }

    #[test]
    fn reading_goes_on_where_it_ended() {
        let ring = LogRing::default();
        (0..10).for_each(|number| ring.push(0, LineLevel::Info, "t", number.to_string()));
        let (lines, next, _) = ring.read(0, 3 * (LINE_BYTES + 2), |_| true);
        assert_eq!((texts(&lines), next), (vec!["0", "1", "2"], 3));
        let (lines, next, lost) = ring.read(next, usize::MAX, |line| line.text != "5");
        assert_eq!((texts(&lines).len(), next, lost), (6, 10, 0));
        assert_eq!(ring.read(10, usize::MAX, |_| true), (Vec::new(), 10, 0));
        assert_eq!(ring.read(99, usize::MAX, |_| true).0, [], "from the future");
        assert_eq!(ring.read(0, 1, |_| true).0.len(), 1, "at least a line");
    }
}
