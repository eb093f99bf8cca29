//! A token bucket: a burst of tokens, and a rate at which tokens come back.

/// A bucket of tokens that come back with time. Time is handed in as monotonic milliseconds.
#[derive(Debug)]
pub(super) struct TokenBucket {
    /// The number of tokens that come back each second.
    rate: u64,
    /// The most tokens, in thousandths of a token.
    most: u64,
    /// The present tokens, in thousandths of a token.
    left: u64,
    /// The time when tokens last came back, in monotonic milliseconds.
    filled_ms: u64,
}

impl TokenBucket {
    /// Creates a full bucket of `most` tokens, to which `rate` come back each second.
    pub(super) fn new(most: u64, rate: u64) -> Self {
        let most = most.saturating_mul(1000);
        Self { rate, most, left: most, filled_ms: 0 }
    }

    /// Takes a token at `now_ms`; returns false where the bucket is empty.
    pub(super) fn take(&mut self, now_ms: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        self.filled_ms = self.filled_ms.max(now_ms);
        self.left = self.left.saturating_add(passed_ms.saturating_mul(self.rate)).min(self.most);
        let is_there = self.left >= 1000;
        self.left -= if is_there { 1000 } else { 0 };
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let mut bucket = TokenBucket::new(3, 2);
        assert_eq!((0..5).filter(|_| bucket.take(10)).count(), 3);
        assert!(!bucket.take(400));
        assert!(bucket.take(510) && !bucket.take(600));
        assert_eq!((0..5).filter(|_| bucket.take(1_000_000)).count(), 3, "no more than the bucket holds");
        assert!(!bucket.take(0), "time that goes back brings none");
        assert_eq!((0..5).filter(|_| bucket.take(u64::MAX)).count(), 3);
    }
}
