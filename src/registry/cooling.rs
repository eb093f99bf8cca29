//! The nodes that cool down, each until a moment of this process's monotonic clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// The nodes that cool down.
#[derive(Debug, Default)]
pub(super) struct CoolingNodes {
    by_node: BTreeMap<Arc<str>, Instant>,
    by_end: BTreeSet<(Instant, Arc<str>)>,
}

impl CoolingNodes {
    /// Lets `node` cool down until `end`; without an end the cool-down of the node is over.
    pub(super) fn set(&mut self, node: &Arc<str>, end: Option<Instant>) {
        let before = match end {
            Some(end) => self.by_node.insert(Arc::clone(node), end),
            None => self.by_node.remove(node),
        };
        if let Some(before) = before {
            self.by_end.remove(&(before, Arc::clone(node)));
        }
        self.by_end.extend(end.map(|end| (end, Arc::clone(node))));
    }

    /// Whether `node` cools down.
    pub(super) fn is_on(&self, node: &str) -> bool {
        self.by_node.contains_key(node)
    }

    /// Removes and returns a node that has cooled down by `now`.
    pub(super) fn pop_over(&mut self, now: Instant) -> Option<Arc<str>> {
        let (_, node) = self.by_end.first().filter(|(end, _)| *end <= now).cloned()?;
        self.set(&node, None);
        Some(node)
    }

    /// The moment at which the next node has cooled down.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_end.first().map(|(end, _)| *end)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nodes_cool_down_in_turn_and_the_last_word_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (mut cooling, a, b) = (CoolingNodes::default(), Arc::from("a"), Arc::from("b"));
        cooling.set(&a, Some(at(9)));
        cooling.set(&b, Some(at(5)));
        cooling.set(&a, Some(at(3)));
        assert_eq!((cooling.next(), cooling.pop_over(at(2))), (Some(at(3)), None));
        assert_eq!(
            (cooling.pop_over(at(6)).as_deref(), cooling.is_on("a"), cooling.is_on("b")),
            (Some("a"), false, true)
        );
        cooling.set(&b, None);
        assert_eq!((cooling.next(), cooling.pop_over(at(60)), cooling.is_on("b")), (None, None, false));
    }
}
