//! A tree of winners: finds, among numbered places, the place that wins against all others.

/// The place that wins where no place takes part.
pub(super) const NOBODY: u32 = u32::MAX;

/// The winners of pairs, of pairs of pairs, and so on.
#[derive(Debug, Default)]
pub(super) struct Winners {
    /// A binary tree: the top is index 1, the children of index `n` are `2 * n` and `2 * n + 1`, the last half are the
    /// places.
    winners: Vec<u32>,
}

impl Winners {
    /// Returns a tree over `count` places in which no place has won yet.
    pub(super) fn new(count: usize) -> Self {
        let leaves = count.next_power_of_two();
        let mut winners = vec![NOBODY; leaves];
        winners.extend((0..).take(count));
        winners.resize(2 * leaves, NOBODY);
        Self { winners }
    }

    /// Decides the pairs above `place` anew. `winner` returns which of two places wins; the lower place is passed
    /// first.
    pub(super) fn update(&mut self, place: u32, winner: impl Fn(u32, u32) -> u32) {
        let mut at = (self.winners.len() / 2 + place as usize) / 2;
        while at > 0 {
            self.decide(at, &winner);
            at /= 2;
        }
    }

    /// Decides all pairs anew.
    pub(super) fn update_all(&mut self, winner: impl Fn(u32, u32) -> u32) {
        (1..self.winners.len() / 2).rev().for_each(|at| self.decide(at, &winner));
    }

    /// Returns the place that wins against all others; `None` where no place takes part.
    pub(super) fn top(&self) -> Option<u32> {
        self.winners.get(1).copied().filter(|place| *place != NOBODY)
    }

    fn decide(&mut self, at: usize, winner: impl Fn(u32, u32) -> u32) {
        let below = |side: usize| self.winners.get(2 * at + side).copied().unwrap_or(NOBODY);
        let won = winner(below(0), below(1));
        if let Some(place) = self.winners.get_mut(at) {
            *place = won;
        }
    }
}
