//! The places that a bench holds on a cluster: a bounded number, the oldest given back for each new place.
//!
//! Without this bound, a chain that reserves would fill the cluster within milliseconds, and the bench would then
//! measure the speed of the answer `no-node`.

use std::collections::VecDeque;
use std::sync::Arc;

/// The most reservations that are held at a time.
const MOST: usize = 64;

/// The reservations that stand, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Holdings {
    held: VecDeque<Arc<str>>,
    most: usize,
}

impl Holdings {
    /// Returns empty holdings for a cluster of `nodes` nodes: a place for every second node at most, which leaves room
    /// wherever there was any.
    #[must_use]
    pub(super) fn on(nodes: usize) -> Self {
        let most = (nodes / 2).clamp(1, MOST);
        Self { held: VecDeque::with_capacity(most + 1), most }
    }

    /// Holds `reservation`; returns the reservation to release in turn, where the bound is exceeded.
    pub(super) fn hold(&mut self, reservation: Arc<str>) -> Option<Arc<str>> {
        self.held.push_back(reservation);
        if self.held.len() > self.most { self.held.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_stands_and_the_oldest_goes_first() {
        for (nodes, most) in [(0, 1), (1, 1), (10, 5), (100_000, MOST)] {
            let mut holdings = Holdings::on(nodes);
            assert_eq!(holdings.most, most);
            for number in 0..1000_usize {
                let released = holdings.hold(number.to_string().into());
                assert_eq!(released, number.checked_sub(most).map(|oldest| oldest.to_string().into()));
                assert!(holdings.held.len() <= most && holdings.held.capacity() < 4 * MOST);
            }
        }
    }
}
