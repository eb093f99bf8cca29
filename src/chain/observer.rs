//! The observer of a running chain, for a watchdog that must be able to name the culprit, and a count of calls.

use std::cell::Cell;
use std::sync::Arc;

/// Receives a call for each step, node and script call, so that a watchdog can name the culprit. An observer knows no
/// time.
pub trait StepObserver {
    /// Step `step` of the current decision begins.
    fn step(&self, step: usize);
    /// A per-node function is called for `node`; the call is `pure` where the answer depends on the node's document
    /// alone.
    fn node(&self, node: &Arc<str>, pure: bool);
    /// A function of step `step` is called for `node` on behalf of all later requests: the call's time is measured
    /// separately, and counts towards no other limit.
    fn alone(&self, step: usize, node: &Arc<str>);
    /// Step `step`, which had begun, goes on: the steps of a plan take turns, node by node.
    fn back_to(&self, step: usize);
    /// The per-node functions have been called for all nodes.
    fn nodes_done(&self);
    /// Code of the script begins to run: the time until [`StepObserver::returned`] counts as the script's. The time
    /// between calls (plans, ordering, cached results) counts as no script's.
    fn called(&self) {}
    /// Code of the script has returned.
    fn returned(&self) {}
}

/// An observer that ignores every call.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl StepObserver for NoObserver {
    fn step(&self, _step: usize) {}
    fn node(&self, _node: &Arc<str>, _pure: bool) {}
    fn alone(&self, _step: usize, _node: &Arc<str>) {}
    fn back_to(&self, _step: usize) {}
    fn nodes_done(&self) {}
}

/// Makes calls of a script: counts the calls, and notifies the observer when the script's own time begins and ends.
pub struct Calls<'a> {
    observer: &'a dyn StepObserver,
    made: Cell<u64>,
}

impl<'a> Calls<'a> {
    /// Returns a counter without calls; `observer` is notified of each call.
    #[must_use]
    pub fn new(observer: &'a dyn StepObserver) -> Self {
        Self { observer, made: Cell::new(0) }
    }

    /// Makes and counts a call.
    pub fn make<T>(&self, call: impl FnOnce() -> T) -> T {
        self.made.set(self.made.get() + 1);
        self.on_script_time(call)
    }

    /// Makes calls that are answered together, as many as `calls` returns, and counts them.
    ///
    /// # Errors
    /// The error of `calls`, which count as none then.
    pub fn make_many<E>(&self, calls: impl FnOnce() -> Result<usize, E>) -> Result<usize, E> {
        let answered = self.on_script_time(calls)?;
        self.made.set(self.made.get() + answered as u64);
        Ok(answered)
    }

    /// Runs code of the script that is no call of a function: the top level, or a component's update of the table of
    /// nodes.
    pub fn on_script_time<T>(&self, run: impl FnOnce() -> T) -> T {
        self.observer.called();
        let result = run();
        self.observer.returned();
        result
    }

    /// Returns the number of calls made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.get()
    }
}
