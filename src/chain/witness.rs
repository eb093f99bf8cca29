//! Who looks on while a chain runs: a watchdog that must be able to name the culprit, and a count of calls.

use std::cell::Cell;
use std::sync::Arc;

/// Is told what runs, so that a watchdog can name the culprit. Knows nothing of time itself.
pub trait Witness {
    /// Step `step` of the current decision begins.
    fn step(&self, step: usize);
    /// A per-node function is asked about `node`; it is `pure` where the answer hangs on the node's document alone.
    fn node(&self, node: &Arc<str>, pure: bool);
    /// A function of step `step` is asked about `node` for all requests to come: the time that it takes is its own, and
    /// counts for nothing else.
    fn alone(&self, step: usize, node: &Arc<str>);
    /// Goes back to step `step`, which had begun: several steps are asked about one node after another.
    fn back_to(&self, step: usize);
    /// The per-node functions have been asked about all nodes.
    fn nodes_done(&self);
}

/// A witness that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Witness for Unwatched {
    fn step(&self, _step: usize) {}
    fn node(&self, _node: &Arc<str>, _pure: bool) {}
    fn alone(&self, _step: usize, _node: &Arc<str>) {}
    fn back_to(&self, _step: usize) {}
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
