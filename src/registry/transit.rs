//! How long the messages of another replica were on their way, by two clocks that began at different moments.
//!
//! A message carries its time of sending by its sender's monotonic clock. The difference to the receiver's clock is the
//! same for all messages but for their time on the way, so the least difference of the last minutes stands for a
//! message that came at once, and any excess is delay: in a socket's buffer while this process was paused, say.
//! Rejected: the wall clocks of both hosts, either of which may be wrong.

/// The time after which the least difference is forgotten, in milliseconds; twice that at most. A sender with a clock
/// that stood still for a while would else look late for ever.
const WINDOW_MS: u64 = 60_000;
/// The number of messages that establish the least difference; only after them is a smaller difference an event.
const ESTABLISHED: u32 = 5;

/// The transit times of the messages of a sender.
#[derive(Debug, Default)]
pub struct Transit {
    /// The least difference of the present window and of the window before, in milliseconds.
    least: [Option<i64>; 2],
    window_began_ms: u64,
    messages: u32,
}

/// The delay of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// The time by which the message was on its way for longer than others of its sender, in milliseconds.
    pub late_ms: u64,
    /// The time by which the message undercuts all others, in milliseconds: the receiver's clock stood still meanwhile,
    /// as that of a paused virtual machine does.
    pub early_ms: u64,
}

impl Transit {
    /// Takes in a message that was sent at `sent_ms` by its sender's clock, and was read at `now_ms` by the receiver's
    /// clock.
    pub fn take(&mut self, sent_ms: u64, now_ms: u64) -> Delay {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let difference = signed(now_ms).saturating_sub(signed(sent_ms));
        let [present, former] = self.least;
        let least = present.into_iter().chain(former).min().unwrap_or(difference);
        let present = present.map_or(difference, |present| present.min(difference));
        if now_ms.saturating_sub(self.window_began_ms) > WINDOW_MS {
            self.window_began_ms = now_ms;
            self.least = [Some(difference), Some(present)];
        } else {
            self.least = [Some(present), former];
        }
        self.messages = self.messages.saturating_add(1);
        let over = difference.saturating_sub(least);
        let early_ms = if self.messages > ESTABLISHED { over.min(0).unsigned_abs() } else { 0 };
        Delay { late_ms: over.max(0).unsigned_abs(), early_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages that are sent each second and arrive after 5 ms, at a receiver with a clock that is 1,000 s ahead.
    fn settled() -> Transit {
        let mut transit = Transit::default();
        for second in 0..10 {
            let sent_ms = 1_000_000 + second * 1000;
            assert_eq!(transit.take(sent_ms, sent_ms + 1_000_005), Delay::default());
        }
        transit
    }

    #[test]
    fn what_waited_in_a_buffer_is_late_by_that() {
        let mut transit = settled();
        for second in 10..30 {
            let delay = transit.take(1_000_000 + second * 1000, 2_030_005);
            assert_eq!(delay, Delay { late_ms: 30_000 - second * 1000, early_ms: 0 });
        }
        assert_eq!(transit.take(1_030_000, 2_030_005), Delay::default());
    }

    #[test]
    fn a_receiver_whose_clock_stood_still_learns_of_it() {
        let mut transit = settled();
        assert_eq!(transit.take(1_030_000, 2_010_005), Delay { late_ms: 0, early_ms: 20_000 });
        assert_eq!(transit.take(1_031_000, 2_011_005), Delay::default());
    }

    #[test]
    fn a_sender_whose_clock_stood_still_is_not_late_for_ever() {
        let mut transit = settled();
        let delays = (10..200).map(|second| transit.take(1_000_000 + second * 1000, 2_003_005 + second * 1000).late_ms);
        let delays: Vec<_> = delays.collect();
        assert_eq!((delays[0], delays[189]), (3000, 0));
    }

    #[test]
    fn clocks_of_strangers_overflow_nothing() {
        let mut transit = Transit::default();
        for (sent_ms, now_ms) in [(u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (0, 0)] {
            transit.take(sent_ms, now_ms);
        }
    }
}
