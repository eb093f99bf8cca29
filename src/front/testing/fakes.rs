//! Fakes for the ports of the front: processes that record their commands, and a view that returns the values that a
//! test sets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::ipc::{Orders, frame};
use crate::registry::mark::Mark;
use crate::worker::{PlacementQuestion, Ticket, WorkerCommand};

use super::super::ports::{ClusterView, NewWorker, ProcessLink};
use super::super::worker_handle::WorkerHandle;

/// A process that records the commands and calls that come.
#[derive(Clone, Debug)]
pub(in crate::front) struct FakeProcess(Arc<Mutex<Record>>);

#[derive(Debug)]
struct Record {
    frames: VecDeque<Vec<u8>>,
    room: usize,
    memory_bytes: Option<u64>,
    is_killed: bool,
    is_retired: bool,
    is_buried: bool,
}

impl FakeProcess {
    /// Creates a process that takes all commands.
    pub(in crate::front) fn new() -> Self {
        let (frames, room, memory_bytes) = (VecDeque::new(), usize::MAX, None);
        let record = Record { frames, room, memory_bytes, is_killed: false, is_retired: false, is_buried: false };
        Self(Arc::new(Mutex::new(record)))
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }

    /// Lets the process take no further frame once `bytes` more have been taken.
    pub(in crate::front) fn set_room(&self, bytes: usize) {
        self.record().room = bytes;
    }

    pub(in crate::front) fn set_memory(&self, bytes: u64) {
        self.record().memory_bytes = Some(bytes);
    }

    pub(in crate::front) fn is_killed(&self) -> bool {
        self.record().is_killed
    }

    pub(in crate::front) fn is_retired(&self) -> bool {
        self.record().is_retired
    }

    pub(in crate::front) fn is_buried(&self) -> bool {
        self.record().is_buried
    }

    /// Removes and returns the commands that were sent since the last call.
    pub(in crate::front) fn orders<O: DeserializeOwned>(&self) -> Vec<O> {
        let frames = std::mem::take(&mut self.record().frames);
        frames.iter().flat_map(|frame| decoded(frame)).collect()
    }

    /// Removes and returns the tickets of the questions that were sent since the last call.
    pub(in crate::front) fn tickets(&self) -> Vec<Ticket> {
        self.questions().iter().map(|question| question.ticket).collect()
    }

    /// Removes and returns the questions that were sent since the last call; other commands are dropped.
    pub(in crate::front) fn questions(&self) -> Vec<Arc<PlacementQuestion>> {
        let asked = self.orders::<WorkerCommand>().into_iter().filter_map(|order| match order {
            WorkerCommand::Ask(question) => Some(question),
            WorkerCommand::Change(_) | WorkerCommand::Recall(..) | WorkerCommand::Quarantine(..) => None,
        });
        asked.collect()
    }

    /// Returns the service's handle of the process.
    pub(in crate::front) fn link(&self) -> Box<dyn ProcessLink> {
        Box::new(self.clone())
    }

    /// Returns the process as a worker that is ready, without gaps or remarks.
    pub(in crate::front) fn ready(&self) -> NewWorker {
        NewWorker { link: self.link(), lacks: Vec::new(), remarks: Vec::new() }
    }

    /// Returns the process as the worker `number`, to which nothing was sent yet.
    pub(in crate::front) fn handle(&self, number: u64) -> WorkerHandle {
        WorkerHandle::new(number, self.ready(), Orders::default(), 0)
    }
}

impl ProcessLink for FakeProcess {
    fn send(&mut self, orders: &mut Orders) {
        let mut record = self.record();
        while record.room > 0 {
            let Some(frame) = orders.pop() else { return };
            record.room = record.room.saturating_sub(frame.len());
            record.frames.push_back(frame);
        }
    }

    fn kill(&self) {
        self.record().is_killed = true;
    }

    fn pid(&self) -> u32 {
        1
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.record().memory_bytes
    }

    fn retire(self: Box<Self>) {
        self.record().is_retired = true;
    }

    fn kill_and_reap(self: Box<Self>) {
        self.record().is_buried = true;
    }
}

fn decoded<O: DeserializeOwned>(frame: &[u8]) -> Vec<O> {
    frame::values(&frame[frame::HEADER_BYTES..]).map(Result::unwrap).collect()
}

/// Returns all commands in `orders`.
pub(in crate::front) fn read_orders<O: DeserializeOwned>(mut orders: Orders) -> Vec<O> {
    let mut read = Vec::new();
    while let Some(frame) = orders.pop() {
        read.extend(decoded(&frame));
    }
    read
}

/// A view of the cluster that returns the values that a test sets.
#[derive(Clone, Debug, Default)]
pub(in crate::front) struct FakeView(Arc<Mutex<Seen>>);

/// The values that a [`FakeView`] returns.
#[derive(Debug, Default)]
pub(in crate::front) struct Seen {
    pub(in crate::front) marks: BTreeMap<String, Mark>,
    pub(in crate::front) age: Option<Duration>,
    pub(in crate::front) looked: Option<Instant>,
}

impl FakeView {
    pub(in crate::front) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

impl ClusterView for FakeView {
    fn mark(&self, node: &str) -> Option<Mark> {
        self.seen().marks.get(node).cloned()
    }

    fn age(&self, _now: Instant) -> Option<Duration> {
        self.seen().age
    }

    fn looked(&self, _now: Instant) -> Option<Instant> {
        self.seen().looked
    }
}
