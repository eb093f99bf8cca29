//! When a chain last chose each node: what breaks ties, and all that round robin needs.

use crate::model::SlotIndex;

/// The order of a chain's past choices, by slot.
#[derive(Debug, Default)]
pub struct Recency {
    chosen: u64,
    last: Vec<u64>,
}

impl Recency {
    /// When the node in `slot` was last chosen: 0 for never, greater for later.
    #[must_use]
    pub fn of(&self, slot: SlotIndex) -> u64 {
        self.last.get(slot.index()).copied().unwrap_or_default()
    }

    /// Notes that the node in `slot` is chosen now.
    pub fn choose(&mut self, slot: SlotIndex) {
        self.chosen += 1;
        if self.last.len() <= slot.index() {
            self.last.resize(slot.index() + 1, 0);
        }
        if let Some(last) = self.last.get_mut(slot.index()) {
            *last = self.chosen;
        }
    }

    /// Forgets the node in `slot`, whose place another may take.
    pub fn forget(&mut self, slot: SlotIndex) {
        if let Some(last) = self.last.get_mut(slot.index()) {
            *last = 0;
        }
    }
}
