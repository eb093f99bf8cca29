//! A hand: a worker that the front holds, with the orders on their way to it.
//!
//! Orders leave in the order of events, so that a worker sees a change before the questions that came after it. What
//! does not fit into the worker's socket waits here: the front's task itself never waits for a worker.

use crate::worker::{Encoded, Order, Orders, Worker};

/// Bytes of orders that wait for a worker to read them; past that it is hopelessly behind, and a new one is cheaper.
pub(super) const ORDERS_WAITING_BYTES: usize = 256 << 20;

/// A worker, and what it has still to be told.
#[derive(Debug)]
pub(super) struct Hand {
    number: u64,
    worker: Worker,
    orders: Orders,
    /// How many choices of all chains it was born with.
    choices: u64,
}

impl Hand {
    pub(super) fn new(number: u64, worker: Worker, orders: Orders, choices: u64) -> Self {
        Self { number, worker, orders, choices }
    }

    /// How many choices of all chains it was born with. Those that came after it is told where it takes a lane: a worker
    /// that waits for one need not hear of each.
    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    /// The number under which its words come.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.worker
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
        self.worker.peer_mut().send_some(&mut self.orders);
        if self.orders.bytes() > ORDERS_WAITING_BYTES {
            self.worker.kill();
        }
    }

    /// Lets it end.
    pub(super) fn retire(self) {
        tokio::spawn(self.worker.retire());
    }
}
