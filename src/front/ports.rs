//! What the service holds of the world: the processes that work for it, and its view of the cluster.
//!
//! Both are handed in. In a running service they stand for real processes and for the registry, in a simulation for what
//! is simulated.

use std::fmt;
use std::time::{Duration, Instant};

use crate::ipc::Orders;
use crate::registry::Registry;
use crate::registry::marks::Mark;

/// A worker or a runner: where orders go. What the process says comes as events.
pub trait ProcessLink: fmt::Debug + Send {
    /// Sends as many of `orders` as there is room for, in order, and takes those out; never waits.
    fn send(&mut self, orders: &mut Orders);

    /// Ends the process at once; its exit will be told.
    fn kill(&self);

    /// The process's id.
    fn pid(&self) -> u32;

    /// Bytes of memory that the process has now; absent where that is not known.
    fn memory_bytes(&self) -> Option<u64>;

    /// Lets the process finish what it was sent, and end.
    fn retire(self: Box<Self>);

    /// Ends what the process left behind when it was killed.
    fn kill_and_reap(self: Box<Self>);
}

/// A worker that is ready.
#[derive(Debug)]
pub struct NewWorker {
    /// Where its orders go.
    pub link: Box<dyn ProcessLink>,
    /// What the worker's seal lacks, a sentence each.
    pub lacks: Vec<String>,
    /// What is probably a mistake in one of the scripts, a sentence each.
    pub remarks: Vec<String>,
}

/// What the service may ask of its view of the cluster at any moment.
pub trait ClusterView: fmt::Debug + Send {
    /// What is held against `node`, with who, when and why.
    fn mark(&self, node: &str) -> Option<Mark>;

    /// How long before `now` it was last proven that the view has all that there is; absent where it never was whole.
    fn age(&self, now: Instant) -> Option<Duration>;

    /// The last moment before `now` up to which all changes were handed on as events; absent where there is none.
    fn looked(&self, now: Instant) -> Option<Instant>;
}

impl ClusterView for Registry {
    fn mark(&self, node: &str) -> Option<Mark> {
        Self::mark(self, node)
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.view_age(now)
    }

    fn looked(&self, now: Instant) -> Option<Instant> {
        Self::looked(self, now)
    }
}
