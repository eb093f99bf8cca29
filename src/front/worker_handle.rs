//! A worker handle: a worker that the service holds, with the orders on their way to it.
//!
//! Orders leave in the order of events, so that a worker sees a change before the questions that came after it. What
//! does not fit into the worker's socket waits here: the front's task itself never waits for a worker.

use crate::worker::{Encoded, Order, Orders};

use super::ports::NewWorker;

/// Bytes of orders that wait for a worker to read them; past that it is hopelessly behind, and a new one is cheaper.
pub(super) const ORDERS_WAITING_BYTES: usize = 256 << 20;

/// A worker, and what it has still to be told.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    number: u64,
    worker: NewWorker,
    orders: Orders,
    /// How many choices of all chains it was born with.
    choices: u64,
}

impl WorkerHandle {
    pub(super) fn new(number: u64, worker: NewWorker, orders: Orders, choices: u64) -> Self {
        Self { number, worker, orders, choices }
    }

    /// How many choices of all chains it was born with. Those that came after it is told where it takes a slot: a worker
    /// that waits for one need not hear of each.
    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    /// The number under which its words come.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The worker's process id.
    pub(super) fn pid(&self) -> u32 {
        self.worker.link.pid()
    }

    /// Bytes of memory that the worker has now; absent where that is not known.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        self.worker.link.memory_bytes()
    }

    /// What the worker's seal lacks.
    pub(super) fn lacks(&self) -> &[String] {
        &self.worker.lacks
    }

    /// What is probably a mistake in a script.
    pub(super) fn remarks(&self) -> &[String] {
        &self.worker.remarks
    }

    /// Ends the worker at once; its exit will be told.
    pub(super) fn kill(&self) {
        self.worker.link.kill();
    }

    pub(super) fn order(&mut self, order: &Order) {
        self.orders.push(order);
    }

    pub(super) fn tell(&mut self, order: &Encoded) {
        self.orders.push_encoded(order);
    }

    /// Bytes of orders that were not sent yet.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.orders.bytes()
    }

    /// Sends what there is room for.
    pub(super) fn send(&mut self) {
        self.worker.link.send(&mut self.orders);
        if self.orders.bytes() > ORDERS_WAITING_BYTES {
            self.kill();
        }
    }

    /// Lets it end.
    pub(super) fn retire(self) {
        self.worker.link.retire();
    }
}

#[cfg(test)]
mod tests;
