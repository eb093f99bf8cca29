//! How long the messages of another replica were on their way, by two clocks that began at different moments.
//!
//! A message says when it was sent by its sender's monotonic clock. The difference to the receiver's clock is the same for
//! all messages but for their time on the way, so the least difference of the last minutes stands for a message that came
//! at once, and what is above it is delay: in a socket's buffer while this process was paused, say. Rejected: the wall
//! clocks of both hosts, either of which may be wrong.

/// The least difference is forgotten after one to two of these, in milliseconds: a sender whose clock stood still for a
/// while would else look late for ever.
const WINDOW_MS: u64 = 60_000;
/// So many messages say what the least difference is, before it is an event that a message undercuts it.
const ESTABLISHED: u32 = 5;

/// What the messages of one sender tell of their way.
#[derive(Debug, Default)]
pub struct Transit {
    /// The least difference of the present window and of the one before it, in milliseconds.
    least: [Option<i64>; 2],
    window_began_ms: u64,
    messages: u32,
}

/// What one message tells of its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// How much longer than others of its sender the message was on its way, in milliseconds.
    pub late_ms: u64,
    /// How far the message undercuts all others, in milliseconds: the receiver's clock stood still meanwhile, as that of a
    /// paused virtual machine does.
    pub early_ms: u64,
}

impl Transit {
    /// Takes in a message that was sent at `sent_ms` by its sender's clock, and is read at `now_ms` by the receiver's.
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

    /// Messages that are sent each second and arrive after 5 ms, at a receiver whose clock is 1,000 s ahead.
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
