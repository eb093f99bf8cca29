//! A worker handle: a worker that the service holds, with the commands on their way there.
//!
//! Commands leave in the order of events, so that a worker sees a change before the questions that came after the
//! change. Commands that do not fit into the worker's socket wait here: the front's task itself never waits for a
//! worker.

use crate::ipc::{Encoded, Orders};
use crate::worker::WorkerCommand;

use super::ports::NewWorker;

/// The most bytes of commands that wait for a worker to read them; past that the worker is hopelessly behind, and a new
/// worker is cheaper.
pub(super) const ORDERS_WAITING_BYTES: usize = 256 << 20;

/// A worker, and the commands that were not sent yet.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    number: u64,
    worker: NewWorker,
    orders: Orders,
    /// The number of choices of all chains in the worker's snapshot.
    choices: u64,
}

impl WorkerHandle {
    pub(super) fn new(number: u64, worker: NewWorker, orders: Orders, choices: u64) -> Self {
        Self { number, worker, orders, choices }
    }

    /// Returns the number of choices of all chains in the worker's snapshot. Later choices are sent when the worker
    /// takes a slot: a spare need not receive each.
    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    /// Returns the number of the worker in events.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the process id of the worker.
    pub(super) fn pid(&self) -> u32 {
        self.worker.link.pid()
    }

    /// Returns the memory of the worker in bytes, or `None` where that is not known.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        self.worker.link.memory_bytes()
    }

    /// Returns the gaps in the worker's seal.
    pub(super) fn lacks(&self) -> &[String] {
        &self.worker.lacks
    }

    /// Returns the probable mistakes in scripts.
    pub(super) fn remarks(&self) -> &[String] {
        &self.worker.remarks
    }

    /// Kills the worker at once; the exit event follows.
    pub(super) fn kill(&self) {
        self.worker.link.kill();
    }

    pub(super) fn order(&mut self, order: &WorkerCommand) {
        self.orders.push(order);
    }

    pub(super) fn enqueue(&mut self, order: &Encoded) {
        self.orders.push_encoded(order);
    }

    /// Returns the size in bytes of the commands that were not sent yet.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.orders.bytes()
    }

    /// Sends as much as there is room for, and kills a worker that is hopelessly behind.
    pub(super) fn send(&mut self) {
        self.worker.link.send(&mut self.orders);
        if self.orders.bytes() > ORDERS_WAITING_BYTES {
            self.kill();
        }
    }

    /// Lets the worker end.
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
