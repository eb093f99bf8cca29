//! Who looks on while a chain runs: a watchdog that must be able to name the culprit, and a count of calls.

use std::cell::Cell;
use std::sync::Arc;

/// Is told what runs, so that a watchdog can name the culprit. Knows nothing of time itself.
pub trait StepObserver {
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
    /// Code of the script begins to run: the time is its own until [`StepObserver::returned`]. What happens between calls (plans,
    /// orders, kept results) is nobody's.
    fn called(&self) {}
    /// Code of the script has run.
    fn returned(&self) {}
}

/// A witness that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl StepObserver for NoObserver {
    fn step(&self, _step: usize) {}
    fn node(&self, _node: &Arc<str>, _pure: bool) {}
    fn alone(&self, _step: usize, _node: &Arc<str>) {}
    fn back_to(&self, _step: usize) {}
    fn nodes_done(&self) {}
}

/// Makes calls of a script: counts them, and lets the witness know when the script's own time runs.
pub struct Calls<'a> {
    witness: &'a dyn StepObserver,
    made: Cell<u64>,
}

impl<'a> Calls<'a> {
    /// No call yet; `witness` is told of each.
    #[must_use]
    pub fn new(witness: &'a dyn StepObserver) -> Self {
        Self { witness, made: Cell::new(0) }
    }

    /// Makes one call.
    pub fn make<T>(&self, call: impl FnOnce() -> T) -> T {
        self.made.set(self.made.get() + 1);
        self.on_script_time(call)
    }

    /// Runs code of the script that is no call of its functions: its top level, or the telling of its table.
    pub fn on_script_time<T>(&self, run: impl FnOnce() -> T) -> T {
        self.witness.called();
        let result = run();
        self.witness.returned();
        result
    }

    /// How many calls there were.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.get()
    }
}
