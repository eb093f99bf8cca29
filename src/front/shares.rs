//! The shares of users in a wait queue, and the user with the most waiting requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The waiting requests by user, each under a number that grows with the time of arrival.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of_user: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// The users by the number of their waiting requests.
    by_size: BTreeSet<(usize, Arc<str>)>,
}

impl Shares {
    /// Adds the waiting request `number` of `user`.
    pub(super) fn insert(&mut self, user: &Arc<str>, number: u64) {
        self.change(user, |numbers| {
            numbers.insert(number);
        });
    }

    /// Removes the request `number` of `user`.
    pub(super) fn remove(&mut self, user: &Arc<str>, number: u64) {
        self.change(user, |numbers| {
            numbers.remove(&number);
        });
    }

    /// Returns the number of waiting requests of `user`.
    pub(super) fn count(&self, user: &str) -> usize {
        self.of_user.get(user).map_or(0, BTreeSet::len)
    }

    /// Returns the largest number of waiting requests of a user, and the newest of these requests.
    pub(super) fn largest(&self) -> Option<(usize, u64)> {
        let (count, user) = self.by_size.last()?;
        Some((*count, *self.of_user.get(user)?.last()?))
    }

    fn change(&mut self, user: &Arc<str>, change: impl FnOnce(&mut BTreeSet<u64>)) {
        let numbers = self.of_user.entry(Arc::clone(user)).or_default();
        let before = numbers.len();
        change(numbers);
        let now = numbers.len();
        if now == 0 {
            self.of_user.remove(user);
        }
        if before != now {
            self.by_size.remove(&(before, Arc::clone(user)));
            self.by_size.extend((now > 0).then(|| (now, Arc::clone(user))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_with_the_most_is_known_with_his_newest() {
        let (mut shares, ann, bob) = (Shares::default(), Arc::from("ann"), Arc::from("bob"));
        assert_eq!((shares.largest(), shares.count("ann")), (None, 0));
        [1, 4].into_iter().for_each(|number| shares.insert(&ann, number));
        [2, 3, 5, 5].into_iter().for_each(|number| shares.insert(&bob, number));
        assert_eq!((shares.largest(), shares.count("ann"), shares.count("bob")), (Some((3, 5)), 2, 3));
        [5, 3, 9].into_iter().for_each(|number| shares.remove(&bob, number));
        assert_eq!((shares.largest(), shares.count("bob")), (Some((2, 4)), 1));
        [1, 4].into_iter().for_each(|number| shares.remove(&ann, number));
        shares.remove(&bob, 2);
        assert!(shares.largest().is_none() && shares.of_user.is_empty() && shares.by_size.is_empty());
    }
}
