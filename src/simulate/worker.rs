//! A worker of a simulation: an evaluator in this process, at the other end of a queue of frames.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chain::{NoObserver, Progress};
use crate::clock::{Silent, Stopped};
use crate::evaluator::{Evaluator, EvaluatorHost};
use crate::front::{NewWorker, ProcessLink};
use crate::ipc::{Orders, frame};
use crate::model::{Change, Cluster};
use crate::worker::protocol::{CompileProblem, WaitingDecision, WorkerReply};
use crate::worker::{BirthError, WorkerCommand, WorkerEvent, WorkerInit, answer};

/// The most frames that may wait for a worker to read them.
const FRAMES_WAITING: usize = 64;

/// The frames that a worker has not read, and the calls on the link.
#[derive(Debug, Default)]
struct WorkerWire {
    frames: VecDeque<Vec<u8>>,
    is_killed: bool,
    is_retired: bool,
}

/// The service's handle of a worker.
#[derive(Debug)]
struct SimulatedLink {
    number: u64,
    wire: Arc<Mutex<WorkerWire>>,
}

/// A worker.
pub(super) struct SimulatedWorker {
    evaluator: Evaluator,
    wire: Arc<Mutex<WorkerWire>>,
    /// Whether releases are ignored: a mistake that is made on purpose.
    ignores_releases: bool,
}

impl SimulatedWorker {
    /// Creates a worker that was started with `birth` and `snapshot`, and the service's handle.
    ///
    /// # Errors
    /// The scripts that do not compile.
    pub(super) fn start(
        birth: &WorkerInit,
        number: u64,
        mut snapshot: Orders,
    ) -> Result<(Self, NewWorker), BirthError> {
        let host =
            EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
        let evaluator = Evaluator::new(&birth.set, birth.arrangement, host, &mut |_| {})
            .map_err(|errors| BirthError::Refused(errors.into_iter().map(CompileProblem::from).collect()))?;
        let wire = Arc::new(Mutex::new(WorkerWire::default()));
        let mut worker = Self { evaluator, wire: Arc::clone(&wire), ignores_releases: false };
        while let Some(frame) = snapshot.pop() {
            worker.read(&frame, 0, &mut Vec::new());
        }
        let link = Box::new(SimulatedLink { number, wire });
        Ok((worker, NewWorker { link, lacks: Vec::new(), remarks: Vec::new() }))
    }

    /// Ignores releases from here on.
    pub(super) fn ignore_releases(&mut self) {
        self.ignores_releases = true;
    }

    /// Reads all frames, at Unix time `unix_ms`, and returns the worker's events.
    pub(super) fn work(&mut self, unix_ms: i64) -> Vec<WorkerEvent> {
        let frames = std::mem::take(&mut lock(&self.wire).frames);
        let mut events = Vec::new();
        frames.iter().for_each(|frame| self.read(frame, unix_ms, &mut events));
        events
    }

    /// Whether there are frames that the worker has not read.
    pub(super) fn has_work(&self) -> bool {
        !lock(&self.wire).frames.is_empty()
    }

    /// Returns how the service dismissed the worker, if at all.
    pub(super) fn is_dismissed(&self) -> Option<WorkerStop> {
        let wire = lock(&self.wire);
        match (wire.is_killed, wire.is_retired) {
            (true, _) => Some(WorkerStop::Killed),
            (false, true) => Some(WorkerStop::Retired),
            (false, false) => None,
        }
    }

    /// Returns the cluster as the worker sees the cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        self.evaluator.cluster()
    }

    fn read(&mut self, frame: &[u8], unix_ms: i64, events: &mut Vec<WorkerEvent>) {
        let body = frame.get(frame::HEADER_BYTES..).unwrap_or_default();
        for order in frame::values::<WorkerCommand>(body).map_while(Result::ok) {
            match order {
                WorkerCommand::Change(Change::Release(_)) if self.ignores_releases => {}
                WorkerCommand::Change(change) => self.evaluator.apply(change),
                WorkerCommand::Recall(action, node) => self.evaluator.recall(&action, &node),
                WorkerCommand::Quarantine(subject, limited) => self.evaluator.quarantine(subject, limited),
                WorkerCommand::Ask(question) => match answer::decide(&mut self.evaluator, &question, unix_ms) {
                    Progress::Decided(mut decision) => {
                        answer::shorten(&question, &mut decision);
                        events.push(WorkerEvent::Replies(vec![WorkerReply { ticket: question.ticket, decision }]));
                    }
                    Progress::Suspended(suspended) => {
                        let encoded = postcard::to_stdvec(&suspended).unwrap_or_default();
                        let (ticket, step) = (question.ticket, suspended.step);
                        let waiting =
                            WaitingDecision { ticket, step, suspended: encoded.into(), taken: suspended.taken };
                        events.push(WorkerEvent::Waiting(waiting));
                    }
                },
            }
        }
    }
}

/// The way in which the service dismissed a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerStop {
    /// The worker was killed.
    Killed,
    /// The worker was told to end after reading all frames.
    Retired,
}

/// As with a real process, the stream of commands ends when the link is dropped.
impl Drop for SimulatedLink {
    fn drop(&mut self) {
        lock(&self.wire).is_retired = true;
    }
}

impl ProcessLink for SimulatedLink {
    fn send(&mut self, orders: &mut Orders) {
        let mut wire = lock(&self.wire);
        while wire.frames.len() < FRAMES_WAITING {
            let Some(frame) = orders.pop() else { return };
            wire.frames.push_back(frame);
        }
    }

    fn kill(&self) {
        lock(&self.wire).is_killed = true;
    }

    fn pid(&self) -> u32 {
        u32::try_from(self.number).unwrap_or(u32::MAX)
    }

    fn memory_bytes(&self) -> Option<u64> {
        None
    }

    fn retire(self: Box<Self>) {}

    fn kill_and_reap(self: Box<Self>) {}
}

fn lock(wire: &Mutex<WorkerWire>) -> MutexGuard<'_, WorkerWire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}
