//! Who looks on while a chain runs: a watchdog that must be able to name the culprit, and a count of calls.

use std::cell::Cell;
use std::sync::Arc;

/// Is told what runs, so that a watchdog can name the culprit. Knows nothing of time itself.
pub trait Witness {
    /// Step `step` of the current decision begins.
    fn step(&self, step: usize);
    /// A per-node function is asked about `node`; it is `pure` where the answer hangs on the node's document alone.
    fn node(&self, node: &Arc<str>, pure: bool);
    /// The per-node functions have been asked about all nodes.
    fn nodes_done(&self);
}

/// A witness that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Witness for Unwatched {
    fn step(&self, _step: usize) {}
    fn node(&self, _node: &Arc<str>, _pure: bool) {}
    fn nodes_done(&self) {}
}

/// Counts calls of script functions.
#[derive(Debug, Default)]
pub struct Calls(Cell<u64>);

impl Calls {
    /// One more call.
    pub fn count(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// How many there were.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.0.get()
    }
}
