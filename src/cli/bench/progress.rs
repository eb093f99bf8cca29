//! How far it is, on a terminal; elsewhere nothing.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::plain::plain;

/// How often it moves: each move is paid by what is measured.
const PERIOD: Duration = Duration::from_millis(200);

/// A bar over the whole of a bench.
#[derive(Debug)]
pub(super) struct BenchProgress {
    bar: ProgressBar,
    moved: Instant,
}

impl BenchProgress {
    /// A bar that is full after `time`.
    #[must_use]
    pub(super) fn over(time: Duration) -> Self {
        // Standard error; the library draws nothing where that is no terminal.
        let bar = ProgressBar::new(millis(time));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { bar, moved: Instant::now() }
    }

    /// What is measured from now on.
    pub(super) fn begins(&mut self, what: &str) {
        self.bar.set_message(plain(what).into_owned());
        self.moved = Instant::now();
    }

    /// Moves it, where that is worth it.
    pub(super) fn tick(&mut self) {
        let since = self.moved.elapsed();
        if since >= PERIOD {
            self.bar.inc(millis(since));
            self.moved = Instant::now();
        }
    }

    /// Takes it away.
    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
