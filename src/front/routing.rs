//! Routing: maps each chain to the slots that decide for the chain.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::chain::{ChainSet, ChainSpec};

/// The slots of each chain: a slot of the chain's own where there are enough, several where the config says so.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Routing {
    by_action: BTreeMap<Arc<str>, Range<usize>>,
    count: usize,
}

impl Routing {
    /// Returns the routing of the chains of `set`, in slots from 0. Chains that ask for workers get them; the others
    /// have a slot each while there are no more than `most` in all, and share the rest in turn where there would be
    /// more.
    pub(super) fn of(set: &ChainSet, most: usize) -> Self {
        let own = |chain: &ChainSpec| chain.workers.map(|count| count.max(1) as usize);
        let asked: usize = set.chains.iter().filter_map(own).sum();
        let others = set.chains.iter().filter(|chain| chain.workers.is_none()).count();
        let shared = others.min(most.saturating_sub(asked).max(1));
        let (mut by_action, mut next_own, mut next_shared) = (BTreeMap::new(), shared, 0);
        for chain in &set.chains {
            let slots = match own(chain) {
                Some(count) => next_own..next_own + count,
                None => next_shared % shared..next_shared % shared + 1,
            };
            match own(chain) {
                Some(count) => next_own += count,
                None => next_shared += 1,
            }
            by_action.insert(Arc::clone(&chain.action), slots);
        }
        Self { by_action, count: next_own }
    }

    /// Returns the slots that decide for `action`.
    pub(super) fn slots(&self, action: &str) -> Range<usize> {
        self.by_action.get(action).cloned().unwrap_or_default()
    }

    /// Returns the chains that slot `slot` decides for.
    pub(super) fn chains(&self, slot: usize) -> impl Iterator<Item = &Arc<str>> {
        self.by_action.iter().filter(move |(_, slots)| slots.contains(&slot)).map(|(action, _)| action)
    }

    /// Returns the number of slots.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(chains: &[(&str, Option<u32>)]) -> ChainSet {
        let chain = |(action, workers): &(&str, Option<u32>)| ChainSpec {
            workers: *workers,
            ..ChainSpec::new(action, Vec::new())
        };
        ChainSet::new(chains.iter().map(chain).collect())
    }

    #[test]
    fn each_chain_has_a_slot_of_its_own_while_there_are_enough() {
        let routing = Routing::of(&set(&[("a", None), ("b", Some(3)), ("c", None)]), 8);
        assert_eq!((routing.slots("a"), routing.slots("c"), routing.slots("b")), (0..1, 1..2, 2..5));
        assert_eq!(routing.count(), 5);
        assert_eq!(routing.chains(3).map(|action| &**action).collect::<Vec<_>>(), ["b"]);
        assert_eq!(routing.slots("unknown"), 0..0);
    }

    #[test]
    fn past_the_bound_chains_share_and_those_that_ask_do_not() {
        let routing = Routing::of(&set(&[("a", None), ("b", None), ("c", None), ("d", Some(1))]), 3);
        assert_eq!(
            (routing.slots("a"), routing.slots("b"), routing.slots("c"), routing.slots("d")),
            (0..1, 1..2, 0..1, 2..3)
        );
        assert_eq!(routing.count(), 3);
        let crowded = Routing::of(&set(&[("a", Some(4)), ("b", None), ("c", None)]), 2);
        assert_eq!((crowded.slots("b"), crowded.slots("c"), crowded.count()), (0..1, 0..1, 5));
        assert_eq!(Routing::of(&set(&[]), 3).count(), 0);
    }
}
