//! The traits through which the service reaches the outside: worker and runner processes, and the view of the cluster.
//!
//! Implementations are handed in. In a running service they are real processes and the registry, in a simulation
//! simulated processes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ipc::Orders;
use crate::registry::Registry;
use crate::registry::liveness::CheckIn;
use crate::registry::mark::Mark;

/// A handle of a worker or a runner, which takes commands. The events of the process come by
/// [`Front::handle`](super::Front::handle).
pub trait ProcessLink: fmt::Debug + Send {
    /// Sends as many of `orders` as there is room for, in order, and removes those; never waits.
    fn send(&mut self, orders: &mut Orders);

    /// Kills the process at once; the exit event follows.
    fn kill(&self);

    /// Returns the id of the process.
    fn pid(&self) -> u32;

    /// Returns the memory of the process in bytes, or `None` where that is not known.
    fn memory_bytes(&self) -> Option<u64>;

    /// Lets the process finish the commands that were sent, and end.
    fn retire(self: Box<Self>);

    /// Ends the processes that this process left behind when killed.
    fn kill_and_reap(self: Box<Self>);
}

/// A worker that is ready.
#[derive(Debug)]
pub struct NewWorker {
    /// The handle of the process.
    pub link: Box<dyn ProcessLink>,
    /// The gaps in the worker's seal, a sentence each.
    pub lacks: Vec<String>,
    /// The probable mistakes in the scripts, a sentence each.
    pub remarks: Vec<String>,
}

/// The view of the cluster, which the service may query at any moment.
pub trait ClusterView: fmt::Debug + Send {
    /// Returns the marks of `node`, with author, time and reason.
    fn mark(&self, node: &str) -> Option<Mark>;

    /// Returns the last report of `node`, where that is known.
    fn check_in(&self, node: &str) -> Option<CheckIn> {
        let _unknown = node;
        None
    }

    /// Whether `node` waits until an administrator accepts it.
    fn is_held(&self, node: &str) -> bool {
        let _admitted = node;
        false
    }

    /// Returns the nodes that missed so many reports that they are out of sync.
    fn late(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Returns the time between the last proof that the view is complete and `now`, or `None` where the view was never
    /// complete.
    fn age(&self, now: Instant) -> Option<Duration>;

    /// Returns the last moment before `now` up to which all changes were passed on as events, or `None` where there is
    /// none.
    fn looked(&self, now: Instant) -> Option<Instant>;
}

impl ClusterView for Registry {
    fn mark(&self, node: &str) -> Option<Mark> {
        Self::mark(self, node)
    }

    fn check_in(&self, node: &str) -> Option<CheckIn> {
        Self::check_in(self, node)
    }

    fn is_held(&self, node: &str) -> bool {
        Self::is_held(self, node)
    }

    fn late(&self) -> Vec<Arc<str>> {
        Self::late(self)
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.view_age(now)
    }

    fn looked(&self, now: Instant) -> Option<Instant> {
        Self::looked(self, now)
    }
}
