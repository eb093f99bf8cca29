//! The time order of a chain's past choices, which breaks ties, and alone decides `builtin:round-robin`.

use crate::model::SlotIndex;

/// The order of a chain's past choices, by slot.
#[derive(Clone, Debug, Default)]
pub struct Recency {
    chosen: u64,
    last: Vec<u64>,
}

impl Recency {
    /// Returns the number of the last choice of the node in `slot`: 0 for never, greater for later.
    #[must_use]
    pub fn of(&self, slot: SlotIndex) -> u64 {
        self.last.get(slot.index()).copied().unwrap_or_default()
    }

    /// Records that the node in `slot` is chosen now.
    pub fn choose(&mut self, slot: SlotIndex) {
        self.chosen += 1;
        if self.last.len() <= slot.index() {
            self.last.resize(slot.index() + 1, 0);
        }
        if let Some(last) = self.last.get_mut(slot.index()) {
            *last = self.chosen;
        }
    }

    /// Forgets the node in `slot`, because another node may take the slot.
    pub fn forget(&mut self, slot: SlotIndex) {
        if let Some(last) = self.last.get_mut(slot.index()) {
            *last = 0;
        }
    }
}
