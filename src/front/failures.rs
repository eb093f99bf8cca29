//! Starts that failed lately, by node and user: a broken profile keeps its own user off a node, not everybody.
//!
//! A node where a start failed is left alone for that user at once. Only where the starts of several users fail is the
//! node left alone for all, by a mark that every replica reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most failures that are remembered; past that the oldest are forgotten.
const REMEMBERED: usize = 10_000;

/// The failures that have not cooled down.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_user: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>,
    by_node: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The end of each failure, with node and user.
    by_end: BTreeSet<(u64, Arc<str>, Arc<str>)>,
}

impl Failures {
    /// Adds a failed start of `user` on `node`, which is left alone for that user until `end_ms`, by the monotonic
    /// clock. Returns the number of users whose starts failed there lately.
    pub(super) fn add(&mut self, node: &Arc<str>, user: &Arc<str>, end_ms: u64) -> usize {
        self.remove(node, user);
        self.by_user.entry(Arc::clone(user)).or_default().insert(Arc::clone(node), end_ms);
        self.by_end.insert((end_ms, Arc::clone(node), Arc::clone(user)));
        let users = self.by_node.entry(Arc::clone(node)).or_default();
        users.insert(Arc::clone(user));
        let count = users.len();
        if self.by_end.len() > REMEMBERED {
            self.pop_first();
        }
        count
    }

    /// Returns the nodes that are left alone for `user`.
    pub(super) fn of(&self, user: &str) -> Vec<Arc<str>> {
        self.by_user.get(user).map(|nodes| nodes.keys().cloned().collect()).unwrap_or_default()
    }

    /// Removes the failures on `node`: an administrator has put the node back into service, or the node is gone.
    pub(super) fn forget(&mut self, node: &Arc<str>) {
        for user in self.by_node.get(node).cloned().unwrap_or_default() {
            self.remove(node, &user);
        }
    }

    /// Removes the failures that have cooled down by `now_ms`; returns whether there were any.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let before = self.by_end.len();
        while self.by_end.first().is_some_and(|(end_ms, ..)| *end_ms <= now_ms) {
            self.pop_first();
        }
        self.by_end.len() < before
    }

    fn pop_first(&mut self) {
        if let Some((_, node, user)) = self.by_end.first().cloned() {
            self.remove(&node, &user);
        }
    }

    fn remove(&mut self, node: &Arc<str>, user: &Arc<str>) {
        let Some(nodes) = self.by_user.get_mut(user) else { return };
        let Some(end_ms) = nodes.remove(node) else { return };
        if nodes.is_empty() {
            self.by_user.remove(user);
        }
        if let Some(users) = self.by_node.get_mut(node) {
            users.remove(user);
            if users.is_empty() {
                self.by_node.remove(node);
            }
        }
        self.by_end.remove(&(end_ms, Arc::clone(node), Arc::clone(user)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(failures: &mut Failures, node: &str, user: &str, end_ms: u64) -> usize {
        failures.add(&node.into(), &user.into(), end_ms)
    }

    #[test]
    fn failures_count_by_node_and_user_and_cool_down() {
        let mut failures = Failures::default();
        assert_eq!(add(&mut failures, "a", "joe", 10), 1);
        assert_eq!(add(&mut failures, "a", "joe", 20), 1, "the same user again");
        assert_eq!(add(&mut failures, "a", "mia", 15), 2);
        assert_eq!(add(&mut failures, "b", "joe", 30), 1);
        assert_eq!(failures.of("joe"), ["a".into(), "b".into()]);
        assert!(failures.expire(15) && !failures.expire(15));
        assert_eq!((failures.of("mia").len(), failures.of("joe").len()), (0, 2));
        failures.forget(&"a".into());
        assert_eq!(failures.of("joe"), ["b".into()]);
        assert!(failures.expire(30) && failures.by_node.is_empty() && failures.by_user.is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten_where_there_are_too_many() {
        let mut failures = Failures::default();
        for number in 0..REMEMBERED as u64 + 5 {
            add(&mut failures, "a", &format!("u{number}"), number);
        }
        assert_eq!((failures.by_end.len(), failures.of("u4").len(), failures.of("u5").len()), (REMEMBERED, 0, 1));
    }
}
