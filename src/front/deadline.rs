//! Deadlines of requests: how long each may wait, and whether the clocks behind the deadlines can be right.
//!
//! A deadline comes as a moment, which is worth as much as the clocks of requester and service agree, or as a time from
//! the receipt on, for which no clocks have to agree. Where most moments have passed on arrival, some clock is wrong,
//! or requests are late; no single request shows which, so a note is shown to the operator, and the requests are
//! refused as they ask for.

use std::time::Duration;

use crate::model::{Failure, FailureName};
use crate::nats::message::Incoming;

use super::task::Front;

/// How far off a deadline may be, in milliseconds; past that, the deadline comes from a wrong clock.
const HORIZON_MS: u64 = 3_600_000;
/// The length of a window in milliseconds; arrivals are counted over one to two windows.
const WINDOW_MS: u64 = 30_000;
/// The least number of deadlines in that time before a note is made.
const LEAST_ARRIVALS: u64 = 10;

/// The judgement of a request's deadline when the front received the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The request has no deadline.
    None,
    /// The request may be run until this moment, Unix milliseconds by this host's clock.
    Until(i64),
    /// The moment is too far off, ahead or behind, and is ignored.
    Strange,
    /// The deadline passed while the request waited here.
    Passed,
    /// The moment had passed when the request was received.
    PassedBefore,
}

/// The number of deadlines that came as moments lately, and of those that had passed already or were too far off.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The start of the present window, in monotonic milliseconds.
    since_ms: u64,
    now: Counts,
    before: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    all: u64,
    wrong: u64,
}

/// Judges the deadline of a request that was received `waited_ms` ago, at Unix time `now_ms`.
#[must_use]
pub fn judge(deadline_ms: Option<i64>, timeout_ms: Option<u64>, waited_ms: u64, now_ms: i64) -> Judged {
    if let Some(timeout_ms) = timeout_ms {
        return match timeout_ms.checked_sub(waited_ms) {
            Some(left_ms) if left_ms > 0 => Judged::Until(now_ms.saturating_add_unsigned(left_ms)),
            _ => Judged::Passed,
        };
    }
    let Some(deadline_ms) = deadline_ms else { return Judged::None };
    let left_ms = deadline_ms.saturating_sub(now_ms);
    if left_ms.unsigned_abs() > HORIZON_MS {
        Judged::Strange
    } else if left_ms >= 0 {
        Judged::Until(deadline_ms)
    } else if left_ms.saturating_add_unsigned(waited_ms) >= 0 {
        Judged::Passed
    } else {
        Judged::PassedBefore
    }
}

impl Arrivals {
    /// Counts a deadline that came as a moment, at monotonic `now_ms`.
    fn count(&mut self, is_wrong: bool, now_ms: u64) {
        self.turn(now_ms);
        self.now.all += 1;
        self.now.wrong += u64::from(is_wrong);
    }

    /// Returns how many deadlines were wrong on arrival and how many there were, where most were wrong.
    fn mostly_wrong(&mut self, now_ms: u64) -> Option<(u64, u64)> {
        self.turn(now_ms);
        let (all, wrong) = (self.now.all + self.before.all, self.now.wrong + self.before.wrong);
        (all >= LEAST_ARRIVALS && wrong > all / 2).then_some((wrong, all))
    }

    /// Begins another window where the present window is over.
    fn turn(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.since_ms);
        if passed_ms < WINDOW_MS {
            return;
        }
        let last = std::mem::take(&mut self.now);
        self.before = if passed_ms < 2 * WINDOW_MS { last } else { Counts::default() };
        self.since_ms = now_ms;
    }
}

impl Front {
    /// Sets the deadline of `incoming` by this host's clock.
    ///
    /// # Errors
    /// `overloaded`, where the deadline has passed.
    pub(super) fn look_at_deadline(&mut self, incoming: &mut Incoming) -> Result<(), Failure> {
        let waited_ms = u64::try_from(self.since(incoming.received).as_millis()).unwrap_or(u64::MAX);
        let judged = judge(incoming.deadline_ms, incoming.timeout_ms, waited_ms, self.now.unix_ms);
        if incoming.deadline_ms.is_some() && incoming.timeout_ms.is_none() {
            let is_wrong = matches!(judged, Judged::Strange | Judged::PassedBefore);
            let now_ms = self.now_ms();
            self.arrivals.count(is_wrong, now_ms);
        }
        incoming.deadline_ms = None;
        let words = match judged {
            Judged::None => return Ok(()),
            Judged::Strange => {
                self.metrics.strange_deadlines.inc();
                return Ok(());
            }
            Judged::Until(deadline_ms) => {
                incoming.deadline_ms = Some(deadline_ms);
                return Ok(());
            }
            Judged::Passed => "the request's deadline passed before it was taken in",
            Judged::PassedBefore => {
                self.metrics.expired_on_arrival.inc();
                "the request's deadline had passed when it was received; are the clocks right?"
            }
        };
        self.metrics.past_deadline.inc();
        Err(Failure::new(FailureName::Overloaded, words))
    }

    /// Logs when most deadlines begin to be wrong on arrival, and when they are right again.
    pub(super) fn look_at_clocks(&mut self) {
        let now_ms = self.now_ms();
        let wrong = self.arrivals.mostly_wrong(now_ms);
        self.metrics.deadlines_mostly_wrong.set(i64::from(wrong.is_some()));
        match wrong {
            Some((wrong, all)) => {
                let window = Duration::from_millis(2 * WINDOW_MS).as_secs();
                let note = format!(
                    "of the last {all} deadlines, within {window} s, {wrong} had passed on arrival or were more than an \
                     hour off: is this host's clock right? `Whither-Timeout` needs no clocks"
                );
                if self.notes.insert("clock", note.clone()).is_none() {
                    tracing::warn!(wrong, all, "{note}");
                }
            }
            None if self.notes.remove("clock").is_some() => tracing::info!("deadlines are right on arrival again"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::message::Verb;

    use super::super::events::FrontEvent;
    use super::super::testing::{Harness, request, setup};

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_moment_counts_by_the_clock_and_nonsense_is_ignored() {
        let at = |deadline_ms| judge(Some(deadline_ms), None, 0, NOW);
        assert_eq!(judge(None, None, 7, NOW), Judged::None);
        assert_eq!((at(NOW + 5), at(NOW)), (Judged::Until(NOW + 5), Judged::Until(NOW)));
        assert_eq!(at(NOW - 1), Judged::PassedBefore);
        assert_eq!(judge(Some(NOW - 10), None, 10, NOW), Judged::Passed, "it passed here");
        assert_eq!(judge(Some(NOW - 10), None, 9, NOW), Judged::PassedBefore);
        for strange in [i64::MIN, i64::MIN + 1, 0, -1, i64::MAX, NOW - 3_600_001, NOW + 3_600_001] {
            assert_eq!(at(strange), Judged::Strange, "{strange}");
        }
        assert_eq!(judge(Some(i64::MIN), None, u64::MAX, i64::MAX), Judged::Strange);
        assert_eq!(judge(Some(i64::MAX), None, u64::MAX, i64::MIN), Judged::Strange);
    }

    #[test]
    fn a_time_counts_from_the_receipt_whatever_the_clocks_say() {
        for moment in [None, Some(NOW - 5000), Some(i64::MIN), Some(NOW + 90_000_000)] {
            assert_eq!(judge(moment, Some(5000), 0, NOW), Judged::Until(NOW + 5000));
            assert_eq!(judge(moment, Some(5000), 1000, NOW), Judged::Until(NOW + 4000));
            assert_eq!(judge(moment, Some(5000), 5000, NOW), Judged::Passed);
            assert_eq!(judge(moment, Some(0), 0, NOW), Judged::Passed);
        }
        assert_eq!(judge(None, Some(u64::MAX), 0, NOW), Judged::Until(i64::MAX));
    }

    #[test]
    fn most_deadlines_have_to_be_wrong_and_enough_of_them() {
        let mut arrivals = Arrivals::default();
        (0..9).for_each(|_| arrivals.count(true, 0));
        assert_eq!(arrivals.mostly_wrong(0), None, "too few to tell");
        arrivals.count(false, 1);
        assert_eq!(arrivals.mostly_wrong(1), Some((9, 10)));
        assert_eq!(arrivals.mostly_wrong(WINDOW_MS), Some((9, 10)), "the last window counts too");
        (0..8).for_each(|_| arrivals.count(false, WINDOW_MS + 1));
        assert_eq!(arrivals.mostly_wrong(WINDOW_MS + 1), None, "half is not most");
        arrivals.count(true, WINDOW_MS + 2);
        assert_eq!(arrivals.mostly_wrong(WINDOW_MS + 2), Some((10, 19)));
        assert_eq!(arrivals.mostly_wrong(10 * WINDOW_MS), None, "that is long ago");
    }

    /// Sends a request whose deadline is `left_ms` ahead of the clock of the front.
    fn place_until(harness: &mut Harness, left_ms: i64) {
        let deadline_ms = Some(harness.now.unix_ms + left_ms);
        let (_, incoming) = harness.message(Verb::Place, &request("ann"));
        harness.tell(FrontEvent::Request(Incoming { deadline_ms, ..incoming }));
    }

    #[test]
    fn a_person_is_told_while_most_deadlines_are_wrong_on_arrival() {
        let mut harness = Harness::new(setup(), &["a"]);
        let notes = |harness: &mut Harness| {
            harness.tick_for(Duration::from_secs(1));
            harness.health().notes
        };
        (0..6).for_each(|_| place_until(&mut harness, -1000));
        (0..4).for_each(|_| place_until(&mut harness, 5000));
        let told = notes(&mut harness);
        assert!(
            told[0].starts_with("clock: of the last 10 deadlines, within 60 s, 6 had passed on arrival"),
            "{told:?}"
        );
        assert_eq!(harness.figure("whither_deadlines_mostly_wrong"), "1");
        (0..2).for_each(|_| place_until(&mut harness, 5000));
        assert!(notes(&mut harness).is_empty(), "half of them is not most");
        assert_eq!(harness.figure("whither_deadlines_mostly_wrong"), "0");
    }

    #[test]
    fn a_time_from_the_receipt_on_says_nothing_of_clocks() {
        let mut harness = Harness::new(setup(), &["a"]);
        for _ in 0..20 {
            let (_, incoming) = harness.message(Verb::Place, &request("ann"));
            let (deadline_ms, timeout_ms) = (Some(harness.now.unix_ms - 1000), Some(5000));
            harness.tell(FrontEvent::Request(Incoming { deadline_ms, timeout_ms, ..incoming }));
        }
        assert_eq!(harness.asked().len(), 20);
        harness.tick_for(Duration::from_secs(1));
        assert!(harness.health().notes.is_empty());
    }
}
