//! The last log lines of this process, kept in memory for readers elsewhere.
//!
//! A line is kept as plain text: what a terminal would obey is written out when the line is logged, so no reader has to
//! be careful. The ring is bounded by bytes, and a line by a few kilobytes; what is older is forgotten, and a reader
//! who comes too late is told how many lines he missed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::Level;

use crate::plain::plain;

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

/// A line as the ring holds it.
#[derive(Debug)]
struct RingLine {
    seq: u64,
    at_ms: i64,
    level: LineLevel,
    target: &'static str,
    text: Box<str>,
}

#[derive(Debug, Default)]
struct KeptLines {
    lines: VecDeque<RingLine>,
    bytes: usize,
    /// The number of the next line.
    next: u64,
}

impl LineLevel {
    pub(super) fn of(level: Level) -> Self {
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
    /// Adds a line with this plain `text`.
    pub(super) fn push(&self, at_ms: i64, level: LineLevel, target: &'static str, text: &str) {
        let text: Box<str> = match text.len() > MAX_LINE_BYTES {
            true => format!("{}…", text.get(..text.floor_char_boundary(MAX_LINE_BYTES)).unwrap_or_default()).into(),
            false => text.into(),
        };
        let mut kept = self.lock();
        let line = RingLine { seq: kept.next, at_ms, level, target, text };
        kept.next += 1;
        kept.bytes += line.bytes();
        kept.lines.push_back(line);
        while kept.bytes > MAX_RING_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.bytes();
        }
    }

    /// The number of the next line.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.lock().next
    }

    /// Returns the lines from number `from` on that `wanted` holds of, after a look at up to `most_bytes` of lines;
    /// then the number to go on from, and the number of lines from `from` on that are forgotten already. Threads that
    /// log wait meanwhile, so a look is bounded.
    #[must_use]
    pub fn read(&self, from: u64, most_bytes: usize, wanted: impl Fn(&KeptLine) -> bool) -> (Vec<KeptLine>, u64, u64) {
        let kept = self.lock();
        let first = kept.lines.front().map_or(kept.next, |line| line.seq);
        let lost = first.saturating_sub(from);
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for line in kept.lines.iter().skip(skipped) {
            let is_first = bytes == 0;
            bytes += line.bytes();
            if bytes > most_bytes && !is_first {
                return (lines, line.seq, lost);
            }
            let told = line.told();
            if wanted(&told) {
                lines.push(told);
            }
        }
        (lines, kept.next, lost)
    }

    fn lock(&self) -> MutexGuard<'_, KeptLines> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RingLine {
    /// The bytes of the line, as the ring counts them.
    fn bytes(&self) -> usize {
        self.text.len() + self.target.len() + LINE_BYTES
    }

    fn told(&self) -> KeptLine {
        let (target, text) = (plain(self.target).into_owned(), self.text.to_string());
        KeptLine { seq: self.seq, at_ms: self.at_ms, level: self.level, target, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[KeptLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn what_is_old_is_forgotten_and_said_so() {
        let ring = LogRing::default();
        let text = "x".repeat(MAX_LINE_BYTES * 2);
        let count = 3 * MAX_RING_BYTES / MAX_LINE_BYTES;
        (0..count).for_each(|_| ring.push(0, LineLevel::Info, "t", &text));
        let (lines, next, lost) = ring.read(0, usize::MAX, |_| true);
        assert_eq!((next, lost + lines.len() as u64), (count as u64, count as u64));
        assert!(lines.len() > 200 && lines[0].text.len() < MAX_LINE_BYTES + 4 && lines[0].text.ends_with('…'));
    }

    #[test]
    fn reading_goes_on_where_it_ended() {
        let ring = LogRing::default();
        (0..10).for_each(|number| ring.push(0, LineLevel::Info, "t", &number.to_string()));
        let (lines, next, _) = ring.read(0, 3 * (LINE_BYTES + 2), |_| true);
        assert_eq!((texts(&lines), next), (vec!["0", "1", "2"], 3));
        let (lines, next, lost) = ring.read(next, usize::MAX, |line| line.text != "5");
        assert_eq!((texts(&lines).len(), next, lost), (6, 10, 0));
        assert_eq!(ring.read(10, usize::MAX, |_| true), (Vec::new(), 10, 0));
        assert_eq!(ring.read(99, usize::MAX, |_| true).0, [], "from the future");
        assert_eq!(ring.read(0, 1, |_| true).0.len(), 1, "at least a line");
    }
}
