//! The channels of the service's events.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::front::FrontEvent;
use crate::nats::message::Incoming;
use crate::registry::RegistryEvent;
use crate::runner::RunnerEvent;
use crate::worker::WorkerEvent;

/// The most events of workers and of the runner that may wait.
const FRAMES_WAITING: usize = 1024;
/// The most other events that may wait: starts, reloads, the stop.
const EVENTS_WAITING: usize = 16;

/// The receiving ends of the service's events.
pub struct Inbox {
    pub(super) requests: mpsc::Receiver<Incoming>,
    pub(super) registry: mpsc::Receiver<RegistryEvent>,
    pub(super) events: mpsc::Receiver<FrontEvent>,
    pub(super) worker_events: mpsc::Receiver<(u64, WorkerEvent)>,
    pub(super) runner: mpsc::Receiver<(u64, RunnerEvent)>,
    pub(super) peers: mpsc::Receiver<Bytes>,
}

/// The sending ends of the channels that the inbox creates.
#[derive(Clone, Debug)]
pub struct Links {
    /// Starts, reloads and the stop.
    pub events: mpsc::Sender<FrontEvent>,
    pub(super) worker_events: mpsc::Sender<(u64, WorkerEvent)>,
    pub(super) runner: mpsc::Sender<(u64, RunnerEvent)>,
}

impl Inbox {
    /// Creates an inbox over requests, changes of the cluster and gossip, and the links to the inbox.
    #[must_use]
    pub fn new(
        requests: mpsc::Receiver<Incoming>,
        registry: mpsc::Receiver<RegistryEvent>,
        peers: mpsc::Receiver<Bytes>,
    ) -> (Self, Links) {
        let (events_in, events) = mpsc::channel(EVENTS_WAITING);
        let (worker_events_in, worker_events) = mpsc::channel(FRAMES_WAITING);
        let (runner_in, runner) = mpsc::channel(FRAMES_WAITING);
        let links = Links { events: events_in, worker_events: worker_events_in, runner: runner_in };
        (Self { requests, registry, events, worker_events, runner, peers }, links)
    }
}
