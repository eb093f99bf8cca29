//! The requests of the last hour, minute by minute: how many, how they ended, and how long they took.
//!
//! Kept in slots of ten seconds, so that the last minute is the last minute, and not what is over of a minute that just
//! began. Metrics have the same figures since the start, from which a page without a time series can say nothing of now.

use std::collections::VecDeque;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::model::FailureName;

/// The length of a slot in milliseconds.
const SLOT_MS: u64 = 10_000;
/// The slots of a minute.
const SLOTS_A_MINUTE: u64 = 6;
/// The most minutes that are kept.
pub(super) const MINUTES: u64 = 60;
/// The longest time of a request that is told apart; longer times count as this.
const LONGEST_US: u64 = 60_000_000;
/// The digits of a time that are kept: a request of 1.23 ms counts as one of 1.2 ms.
const DIGITS: u8 = 1;

/// The way in which a request ended, as far as a minute tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestEnd {
    /// The request was answered as asked.
    Answered,
    /// No node may be chosen, or a fact is exhausted: an answer, too, and one that an operator wants to see.
    NoNode,
    /// Any other failure.
    Failed,
}

impl RequestEnd {
    /// Reads the `outcome` label of a decision's metrics.
    pub(super) fn of(outcome: &str) -> Self {
        match outcome {
            "placed" | "explained" => Self::Answered,
            failure if failure == FailureName::NoNode.as_str() => Self::NoNode,
            failure if failure == FailureName::FactExhausted.as_str() => Self::NoNode,
            _ => Self::Failed,
        }
    }
}

/// The figures of a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MinuteFigures {
    /// The number of requests that were answered.
    pub requests: u64,
    /// The number of them that were answered `no-node` or `fact-exhausted`.
    pub no_node: u64,
    /// The number of them that were answered with any other failure.
    pub errors: u64,
    /// The median time from receipt to reply, without the wait for a free node, in microseconds.
    pub p50_us: u64,
    /// The time that one in a hundred requests took longer than, in microseconds.
    pub p99_us: u64,
    /// The longest time, in microseconds.
    pub max_us: u64,
}

/// The requests of the last [`MINUTES`].
#[derive(Debug, Default)]
pub(super) struct RequestMinutes {
    /// The slots in which there were requests, the newest last.
    slots: VecDeque<MinuteSlot>,
}

/// The requests of ten seconds.
#[derive(Debug)]
struct MinuteSlot {
    number: u64,
    figures: MinuteFigures,
    /// The times in microseconds; absent where no histogram can be made, which these bounds rule out.
    times: Option<Histogram<u32>>,
}

impl RequestMinutes {
    /// Counts a request that `ended` at `now_ms`, after `taken`.
    pub(super) fn count(&mut self, now_ms: u64, ended: RequestEnd, taken: Duration) {
        let number = now_ms / SLOT_MS;
        if self.slots.back().is_none_or(|slot| slot.number != number) {
            while self.slots.front().is_some_and(|slot| slot.number + MINUTES * SLOTS_A_MINUTE <= number) {
                self.slots.pop_front();
            }
            self.slots.push_back(MinuteSlot { number, figures: MinuteFigures::default(), times: times() });
        }
        let Some(slot) = self.slots.back_mut() else { return };
        slot.figures.requests += 1;
        match ended {
            RequestEnd::Answered => {}
            RequestEnd::NoNode => slot.figures.no_node += 1,
            RequestEnd::Failed => slot.figures.errors += 1,
        }
        if let Some(times) = &mut slot.times {
            times.saturating_record(u64::try_from(taken.as_micros()).unwrap_or(LONGEST_US));
        }
    }

    /// Returns the figures of the last `count` minutes up to `now_ms`, the last minute first.
    pub(super) fn last(&self, now_ms: u64, count: u64) -> Vec<MinuteFigures> {
        let present = now_ms / SLOT_MS;
        let of_minute = |minute: u64| {
            let slots = self.slots.iter().filter(move |slot| {
                let age = present.saturating_sub(slot.number);
                age / SLOTS_A_MINUTE == minute
            });
            sum(slots)
        };
        (0..count.min(MINUTES)).map(of_minute).collect()
    }
}

fn times() -> Option<Histogram<u32>> {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok()
}

fn sum<'a>(slots: impl Iterator<Item = &'a MinuteSlot>) -> MinuteFigures {
    let (mut figures, mut all) = (MinuteFigures::default(), times());
    for slot in slots {
        figures.requests += slot.figures.requests;
        figures.no_node += slot.figures.no_node;
        figures.errors += slot.figures.errors;
        if let (Some(all), Some(times)) = (&mut all, &slot.times) {
            // Both have the same bounds.
            let _added = all.add(times);
        }
    }
    if let Some(all) = all.filter(|all| !all.is_empty()) {
        figures.p50_us = all.value_at_quantile(0.5);
        figures.p99_us = all.value_at_quantile(0.99);
        figures.max_us = all.max();
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    #[test]
    fn requests_are_counted_in_the_minute_before_now() {
        let mut minutes = RequestMinutes::default();
        for (at_ms, ended) in [(0, RequestEnd::Failed), (55_000, RequestEnd::NoNode), (61_000, RequestEnd::Answered)] {
            minutes.count(at_ms, ended, Duration::from_millis(2));
        }
        let last = minutes.last(61_000, 2);
        assert_eq!((last[0].requests, last[0].no_node, last[0].errors), (2, 1, 0));
        assert_eq!((last[1].requests, last[1].no_node, last[1].errors), (1, 0, 1));
        let later = minutes.last(61_000 + 5 * MINUTE_MS, 7);
        assert_eq!(later.iter().map(|minute| minute.requests).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 2, 1]);
    }

    #[test]
    fn percentiles_are_of_the_whole_minute() {
        let mut minutes = RequestMinutes::default();
        for number in 1..=200_u64 {
            minutes.count(number * 100, RequestEnd::Answered, Duration::from_micros(number * 10));
        }
        let last = minutes.last(20_000, 1).remove(0);
        let near = |us: u64, expected: u64| us.abs_diff(expected) <= expected / 10;
        assert!(near(last.p50_us, 1000) && near(last.p99_us, 1980) && near(last.max_us, 2000), "{last:?}");
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut minutes = RequestMinutes::default();
        for second in 0..3 * 3600 {
            minutes.count(second * 1000, RequestEnd::Answered, Duration::from_secs(3600));
        }
        assert!(minutes.slots.len() as u64 <= MINUTES * SLOTS_A_MINUTE, "{}", minutes.slots.len());
        let last = minutes.last(3 * 3600 * 1000 - 1, 1000);
        assert_eq!(last.len() as u64, MINUTES);
        assert!(last.iter().all(|minute| minute.requests == 60 && minute.max_us > 50_000_000), "{last:?}");
    }
}
