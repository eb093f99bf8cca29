//! The progress of a bench, on a terminal; elsewhere nothing.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::plain::plain;

/// The interval between two moves of the bar: each move costs time of the measured process.
const PERIOD: Duration = Duration::from_millis(200);

/// A bar over the whole of a bench.
#[derive(Debug)]
pub(super) struct BenchProgress {
    bar: ProgressBar,
    moved: Instant,
}

impl BenchProgress {
    /// Returns a bar that is full after `time`.
    #[must_use]
    pub(super) fn over(time: Duration) -> Self {
        // Standard error; the library draws nothing where that is no terminal.
        let bar = ProgressBar::new(millis(time));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { bar, moved: Instant::now() }
    }

    /// Shows `what` as the thing that is measured from now on.
    pub(super) fn begins(&mut self, what: &str) {
        self.bar.set_message(plain(what).into_owned());
        self.moved = Instant::now();
    }

    /// Moves the bar, at most once in a `PERIOD`.
    pub(super) fn tick(&mut self) {
        let since = self.moved.elapsed();
        if since >= PERIOD {
            self.bar.inc(millis(since));
            self.moved = Instant::now();
        }
    }

    /// Removes the bar.
    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
