//! A site: the number of sessions on each node, and the choice of the node for the next session.
//!
//! The service of the site is modelled by its result: a session goes to a ready node of its group with the fewest
//! sessions, and is refused only where every ready node is full. Nodes of equal count are in one list, so a placement
//! costs the same on 50 nodes and on a million.

use crate::clock::Dice;

use super::{GROUPS, SitesScenario};

/// The share of nodes that are down during the whole day.
const DOWN: f64 = 0.01;

/// The nodes of a site, group by group.
#[derive(Debug)]
pub(super) struct Site {
    pools: Vec<Pool>,
}

/// The nodes of a group at a site.
#[derive(Debug)]
pub(super) struct Pool {
    /// The number of nodes, those that are down included.
    pub(super) nodes: u64,
    /// The number of nodes that can take sessions.
    pub(super) ready: u64,
    /// The number of sessions.
    pub(super) sessions: u64,
    /// The number of sessions that a node takes.
    each: u32,
    /// By node: the number of sessions, and the place in the list of that level.
    counts: Vec<(u32, u32)>,
    /// By number of sessions: the ready nodes with that number.
    levels: Vec<Vec<u32>>,
}

impl Site {
    /// Creates the empty site of `scenario`.
    pub(super) fn new(scenario: &SitesScenario, dice: &mut Dice) -> Self {
        let mut left = scenario.nodes;
        let pools = GROUPS.iter().enumerate().map(|(place, group)| {
            let share = (scenario.nodes as f64 * group.nodes).round() as usize;
            let nodes = if place + 1 == GROUPS.len() { left } else { share.min(left) };
            left -= nodes;
            Pool::new(nodes, scenario.max_sessions.unwrap_or(group.sessions), dice)
        });
        Self { pools: pools.collect() }
    }

    /// Returns the nodes of each group, in the order of [`GROUPS`].
    pub(super) fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Places a session on a node of `group`; returns `None` where all nodes are full.
    pub(super) fn place(&mut self, group: u8) -> Option<u32> {
        self.pools.get_mut(usize::from(group))?.place()
    }

    /// Ends a session on the node `node` of `group`.
    pub(super) fn end(&mut self, group: u8, node: u32) {
        if let Some(pool) = self.pools.get_mut(usize::from(group)) {
            pool.end(node);
        }
    }

    /// Whether a node of `group` has room.
    pub(super) fn has_room(&self, group: u8) -> bool {
        self.pools.get(usize::from(group)).is_some_and(|pool| pool.sessions < pool.capacity())
    }

    /// Returns the number of sessions that the ready nodes take.
    pub(super) fn capacity(&self) -> u64 {
        self.pools.iter().map(Pool::capacity).sum()
    }

    /// Returns the number of sessions over the capacity.
    pub(super) fn fill(&self) -> f64 {
        self.pools.iter().map(|pool| pool.sessions).sum::<u64>() as f64 / self.capacity().max(1) as f64
    }
}

impl Pool {
    fn new(nodes: usize, each: u32, dice: &mut Dice) -> Self {
        let ready = (0..nodes as u32).filter(|_| dice.unit() >= DOWN).collect::<Vec<_>>();
        let mut counts = vec![(0, 0); nodes];
        for (place, node) in ready.iter().enumerate() {
            if let Some(count) = counts.get_mut(*node as usize) {
                count.1 = place as u32;
            }
        }
        let mut pool = Self {
            nodes: nodes as u64,
            ready: ready.len() as u64,
            sessions: 0,
            each,
            counts,
            levels: vec![Vec::new(); each as usize + 1],
        };
        pool.levels.first_mut().into_iter().for_each(|level| level.clone_from(&ready));
        pool
    }

    /// Returns the number of sessions that the ready nodes take.
    pub(super) fn capacity(&self) -> u64 {
        self.ready * u64::from(self.each)
    }

    fn place(&mut self) -> Option<u32> {
        let below = self.levels.iter().take(self.each as usize);
        let node = *below.filter_map(|level| level.last()).next()?;
        self.change(node, |count| count + 1);
        self.sessions += 1;
        Some(node)
    }

    fn end(&mut self, node: u32) {
        self.change(node, |count| count.saturating_sub(1));
        self.sessions = self.sessions.saturating_sub(1);
    }

    /// Moves `node` to the level that `changed` returns for the present level.
    fn change(&mut self, node: u32, changed: impl FnOnce(u32) -> u32) {
        let Some((count, place)) = self.counts.get(node as usize).copied() else { return };
        let now = changed(count);
        if let Some(level) = self.levels.get_mut(count as usize).filter(|level| (place as usize) < level.len()) {
            level.swap_remove(place as usize);
            let moved = level.get(place as usize).and_then(|moved| self.counts.get_mut(*moved as usize));
            moved.into_iter().for_each(|(_, moved_place)| *moved_place = place);
        }
        if let Some(level) = self.levels.get_mut(now as usize) {
            level.push(node);
            let place = (level.len() - 1) as u32;
            self.counts.get_mut(node as usize).into_iter().for_each(|entry| *entry = (now, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::plan::dice;

    #[test]
    fn sessions_spread_over_ready_nodes_until_all_are_full() {
        let mut pool = Pool::new(1000, 3, &mut dice(1, 1));
        assert!((970..1000).contains(&pool.ready), "{}", pool.ready);
        let first: std::collections::BTreeSet<_> = (0..pool.ready).filter_map(|_| pool.place()).collect();
        assert_eq!(first.len() as u64, pool.ready, "each node gets one before any gets a second");
        while pool.place().is_some() {}
        assert_eq!((pool.sessions, pool.place()), (pool.capacity(), None));
        let node = *first.first().unwrap();
        pool.end(node);
        assert_eq!((pool.place(), pool.place()), (Some(node), None), "the place that is free is found");
    }
}
