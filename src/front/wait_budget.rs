//! The budget of requests that wait for a free node: bounds on the bytes of these requests, in all and per user. A
//! request may wait for ten minutes, and must meanwhile not take the room of requests that are answered at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Failure, FailureName};

/// The most bytes of requests that wait for a free node, of all chains.
pub(super) const WAITING_BYTES: usize = 16 << 20;
/// The most bytes of requests of a single user that wait for a free node.
pub(super) const WAITING_BYTES_PER_USER: usize = 4 << 20;

/// The bytes of the requests that wait.
#[derive(Debug, Default)]
pub(super) struct WaitBudget {
    bytes: usize,
    of_user: BTreeMap<Arc<str>, usize>,
    /// The number of requests that were refused since the start.
    refused: u64,
}

impl WaitBudget {
    /// Makes sure that another request of `bytes` bytes of `user` may wait.
    ///
    /// # Errors
    /// `overloaded`.
    pub(super) fn room(&mut self, user: &str, bytes: usize) -> Result<(), Failure> {
        let own = self.of_user.get(user).copied().unwrap_or_default();
        let words = if self.bytes.saturating_add(bytes) > WAITING_BYTES {
            format!(
                "the requests that wait for a node have {} MiB, the most there may be, and this one of {bytes} bytes may \
                 not wait too",
                WAITING_BYTES >> 20
            )
        // Requests without a login may be of different users.
        } else if !user.is_empty() && own.saturating_add(bytes) > WAITING_BYTES_PER_USER {
            format!(
                "this user's requests that wait for a node have {own} bytes, and with this one of {bytes} they would have \
                 more than the {} MiB that one user may have",
                WAITING_BYTES_PER_USER >> 20
            )
        } else {
            return Ok(());
        };
        self.refused += 1;
        Err(Failure::new(FailureName::Overloaded, format!("{words}; no node is free; ask again later")))
    }

    /// Adds a request of `bytes` bytes of `user`.
    pub(super) fn add(&mut self, user: &Arc<str>, bytes: usize) {
        self.bytes += bytes;
        *self.of_user.entry(Arc::clone(user)).or_default() += bytes;
    }

    /// Removes a request of `bytes` bytes of `user`, which is answered.
    pub(super) fn remove(&mut self, user: &str, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(own) = self.of_user.get_mut(user) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                self.of_user.remove(user);
            }
        }
    }

    /// The bytes of the requests that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of requests that were refused since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_fills_a_part_of_the_room_and_all_together_the_whole() {
        let mut budget = WaitBudget::default();
        let fill = |budget: &mut WaitBudget, user: &str| {
            let requests = (0..100).take_while(|_| {
                let may = budget.room(user, 1 << 20).is_ok();
                if may {
                    budget.add(&user.into(), 1 << 20);
                }
                may
            });
            requests.count()
        };
        assert_eq!([fill(&mut budget, "ann"), fill(&mut budget, "bob"), fill(&mut budget, "")], [4, 4, 8]);
        let refused = budget.room("cy", 1).unwrap_err();
        assert!(refused.message.starts_with("the requests that wait for a node have 16 MiB"), "{refused}");
        budget.remove("", 1 << 20);
        let refused = budget.room("ann", 1).unwrap_err();
        assert!(refused.message.starts_with("this user's requests that wait for a node have 4194304"), "{refused}");
        assert!(budget.room("cy", 1).is_ok());
        assert_eq!(budget.refused(), 5);
        (0..7).for_each(|_| budget.remove("", 1 << 20));
        ["ann", "bob"].iter().for_each(|user| (0..4).for_each(|_| budget.remove(user, 1 << 20)));
        assert!(budget.bytes() == 0 && budget.of_user.is_empty());
    }
}
