//! The queue of a chain: the number of unanswered requests, and the rule whether a user's next request may come.
//!
//! A question that was sent to a worker cannot be taken back, so no request is turned out of a queue for another: room
//! for others is kept when a request comes. A user may have [`TIMES_THE_REST`] times as many requests in the queue as
//! places are left. So a user who asks alone gets most of the queue, a user who floods the queue leaves a fifth,
//! several such users leave less, and a user with few requests in the queue always gets in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Failure, FailureName};

/// The most unanswered requests of a user, in multiples of the places that are left.
const TIMES_THE_REST: usize = 4;

/// The unanswered requests of a chain, by user.
#[derive(Debug, Default)]
pub(super) struct RequestQueue {
    count: usize,
    of_user: BTreeMap<Arc<str>, usize>,
}

impl RequestQueue {
    /// Adds a request of `user` for the chain of `action`, whose queue holds `most`.
    ///
    /// # Errors
    /// `overloaded`, where the queue is full, or as full as this user may make the queue.
    pub(super) fn enter(&mut self, user: &Arc<str>, action: &str, most: usize) -> Result<(), Failure> {
        let (count, own) = (self.count, self.of_user.get(user).copied().unwrap_or_default());
        let left = most.saturating_sub(count);
        let refused = |message| Err(Failure::new(FailureName::Overloaded, message));
        if left == 0 {
            return refused(format!("{count} requests of `{action}` wait already; ask again in a moment"));
        }
        if own >= left.saturating_mul(TIMES_THE_REST) {
            return refused(format!(
                "{own} of the {count} requests of `{action}` that wait already are this user's, and what is left of the \
                 queue is for others; ask again in a moment"
            ));
        }
        self.count += 1;
        *self.of_user.entry(Arc::clone(user)).or_default() += 1;
        Ok(())
    }

    /// Removes a request of `user`, which is answered.
    pub(super) fn leave(&mut self, user: &str) {
        self.count = self.count.saturating_sub(1);
        if let Some(own) = self.of_user.get_mut(user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.of_user.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(queue: &mut RequestQueue, user: &str) -> bool {
        queue.enter(&user.into(), "session/start", 100).is_ok()
    }

    #[test]
    fn whoever_floods_a_queue_leaves_room_for_others() {
        let mut queue = RequestQueue::default();
        assert_eq!((0..1000).filter(|_| enter(&mut queue, "greedy")).count(), 80);
        assert_eq!((0..1000).filter(|_| enter(&mut queue, "second")).count(), 16);
        assert!(enter(&mut queue, "ann") && enter(&mut queue, "bob") && enter(&mut queue, "ann"));
        assert!(!enter(&mut queue, "greedy"));
        let refused = queue.enter(&"greedy".into(), "session/start", 100).unwrap_err();
        assert!(refused.message.starts_with("80 of the 99 requests of `session/start`"), "{refused}");
        assert!(enter(&mut queue, "cy") && !enter(&mut queue, "dan"), "full is full");
        (0..80).for_each(|_| queue.leave("greedy"));
        ["second"; 16].into_iter().chain(["ann", "ann", "bob", "cy"]).for_each(|user| queue.leave(user));
        assert!(queue.count == 0 && queue.of_user.is_empty());
    }

    #[test]
    fn a_small_queue_is_one_users_alone_where_nobody_else_asks() {
        for most in 1..=4 {
            let mut queue = RequestQueue::default();
            let taken = (0..10).filter(|_| queue.enter(&"ann".into(), "a", most).is_ok()).count();
            assert_eq!(taken, most);
        }
    }
}
