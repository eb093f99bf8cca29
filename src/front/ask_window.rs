//! How many questions a worker may hold: about as many as the worker answers in two seconds.
//!
//! A worker reads in order, so the changes of nodes wait behind each question that was sent before them. Where a
//! decision takes a tenth of a second, hundreds of questions would let a large cluster's reports pile up for a minute.
//! As in TCP, the window opens with the answers that come: a fast worker holds thousands within milliseconds.

use std::time::Duration;

/// The questions that a worker may hold whatever it has answered.
const LEAST_ASKED: usize = 32;
/// The most questions that a worker holds; more wait in the queue, where their deadlines are still checked.
pub(super) const MOST_ASKED: usize = 4096;
/// The time for which answers count, and once more.
const PERIOD: Duration = Duration::from_secs(1);

/// The window of a worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AskWindow {
    /// The answers of this period and of the one before.
    now: usize,
    before: usize,
    /// The time since the period began.
    passed: Duration,
}

impl AskWindow {
    /// Returns the number of questions that the worker may hold.
    pub(super) fn size(&self) -> usize {
        (LEAST_ASKED + self.now + self.before).min(MOST_ASKED)
    }

    /// Notes an answer.
    pub(super) fn answered(&mut self) {
        self.now += 1;
    }

    /// Notes that a tick came, `passed` after the tick before.
    pub(super) fn tick(&mut self, passed: Duration) {
        self.passed = self.passed.saturating_add(passed);
        if self.passed >= PERIOD {
            *self = Self { before: self.now, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_with_answers_and_closes_with_time() {
        let mut window = AskWindow::default();
        assert_eq!(window.size(), LEAST_ASKED);
        (0..10).for_each(|_| window.answered());
        assert_eq!(window.size(), LEAST_ASKED + 10);
        window.tick(PERIOD);
        (0..3).for_each(|_| window.answered());
        assert_eq!(window.size(), LEAST_ASKED + 13);
        window.tick(PERIOD / 2);
        assert_eq!(window.size(), LEAST_ASKED + 13, "the period goes on");
        window.tick(PERIOD / 2);
        assert_eq!(window.size(), LEAST_ASKED + 3);
        (0..MOST_ASKED).for_each(|_| window.answered());
        assert_eq!(window.size(), MOST_ASKED);
    }
}
