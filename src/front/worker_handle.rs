//! A worker handle: a worker that the service holds, with the orders on their way to it.
//!
//! Orders leave in the order of events, so that a worker sees a change before the questions that came after it. What
//! does not fit into the worker's socket waits here: the front's task itself never waits for a worker.

use crate::ipc::{Encoded, Orders};
use crate::worker::WorkerCommand;

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

    pub(super) fn order(&mut self, order: &WorkerCommand) {
        self.orders.push(order);
    }

    pub(super) fn enqueue(&mut self, order: &Encoded) {
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
mod tests {
    use super::*;
    use crate::model::Change;

    use super::super::testing::FakeProcess;

    fn removal(id: &str) -> WorkerCommand {
        WorkerCommand::Change(Change::Remove(id.into()))
    }

    fn ids(process: &FakeProcess) -> Vec<String> {
        let orders = process.orders::<WorkerCommand>().into_iter().map(|order| match order {
            WorkerCommand::Change(Change::Remove(id)) => id.to_string(),
            other => panic!("{other:?}"),
        });
        orders.collect()
    }

    #[test]
    fn orders_leave_as_they_were_given() {
        let process = FakeProcess::new();
        let mut backlog = Orders::default();
        backlog.push(&removal("a"));
        let mut handle = WorkerHandle::new(7, process.ready(), backlog, 3);
        assert_eq!((handle.number(), handle.choices()), (7, 3));
        handle.order(&removal("b"));
        handle.enqueue(&Encoded::new(&removal("c")));
        assert_eq!(ids(&process), [] as [&str; 0], "nothing is sent by itself");
        handle.send();
        assert_eq!(ids(&process), ["a", "b", "c"], "what it was told before it was there comes first");
        assert_eq!(handle.waiting_bytes(), 0);
    }

    #[test]
    fn what_does_not_fit_waits_and_goes_later() {
        let process = FakeProcess::new();
        let mut handle = process.handle(1);
        process.set_room(1);
        let long = "x".repeat(100_000);
        [long.as_str(), "b"].iter().for_each(|id| handle.order(&removal(id)));
        handle.send();
        assert_eq!(ids(&process), [long.as_str()], "a frame that has begun is sent whole");
        assert!((1..100).contains(&handle.waiting_bytes()), "{}", handle.waiting_bytes());
        handle.order(&removal("c"));
        handle.send();
        assert_eq!(ids(&process), [] as [&str; 0]);
        process.set_room(usize::MAX);
        handle.send();
        assert_eq!(ids(&process), ["b", "c"]);
        assert!(!process.is_killed());
    }

    #[test]
    fn a_worker_that_is_hopelessly_behind_is_killed() {
        let process = FakeProcess::new();
        process.set_room(0);
        let mut handle = process.handle(1);
        let order = Encoded::new(&removal(&"x".repeat(ORDERS_WAITING_BYTES / 4)));
        (0..3).for_each(|_| handle.enqueue(&order));
        handle.send();
        assert!(!process.is_killed());
        handle.enqueue(&order);
        handle.send();
        assert!(process.is_killed());
    }

    #[test]
    fn a_worker_tells_of_itself_and_ends_as_it_is_told() {
        let process = FakeProcess::new();
        let ready = NewWorker { lacks: vec!["no seal".into()], remarks: vec!["a slip".into()], ..process.ready() };
        let handle = WorkerHandle::new(1, ready, Orders::default(), 0);
        assert_eq!((handle.lacks(), handle.remarks()), (&["no seal".to_owned()][..], &["a slip".to_owned()][..]));
        assert_eq!((handle.memory_bytes(), handle.pid()), (None, 1));
        process.set_memory(7);
        assert_eq!(handle.memory_bytes(), Some(7));
        handle.kill();
        assert!(process.is_killed() && !process.is_retired());
        handle.retire();
        assert!(process.is_retired());
    }
}
