//! The timeline of a simulation: planned events, in the order of simulated time; events of the same moment happen in
//! the order in which they were planned.

use std::collections::BTreeMap;
use std::time::Duration;

/// The events of a simulation that have not happened yet.
#[derive(Debug)]
pub(super) struct Timeline<E> {
    ahead: BTreeMap<(Duration, u64), E>,
    planned: u64,
    now: Duration,
}

impl<E> Timeline<E> {
    /// Creates an empty timeline, at time 0.
    pub(super) fn new() -> Self {
        Self { ahead: BTreeMap::new(), planned: 0, now: Duration::ZERO }
    }

    /// Returns the time since the start of the simulation.
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Plans `event` for `at`, or for now where `at` is past.
    pub(super) fn at(&mut self, at: Duration, event: E) {
        self.planned += 1;
        self.ahead.insert((at.max(self.now), self.planned), event);
    }

    /// Plans `event` after `time`.
    pub(super) fn after(&mut self, time: Duration, event: E) {
        self.at(self.now + time, event);
    }

    /// Removes and returns the next event, where an event is planned before `end`.
    pub(super) fn next(&mut self, end: Duration) -> Option<E> {
        let ((at, _), _) = self.ahead.first_key_value()?;
        if *at >= end {
            self.now = self.now.max(end);
            return None;
        }
        let ((at, _), event) = self.ahead.pop_first()?;
        self.now = at;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_planning() {
        let mut timeline = Timeline::new();
        let ms = Duration::from_millis;
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b'), (9, 'z')] {
            timeline.at(ms(at), event);
        }
        let mut seen = String::new();
        while let Some(event) = timeline.next(ms(9)) {
            seen.push(event);
            if event == 'b' {
                timeline.after(ms(1), 'x');
                timeline.at(ms(0), 'y');
            }
        }
        assert_eq!(seen, "abyxcd");
        assert_eq!(timeline.now(), ms(9));
    }
}
