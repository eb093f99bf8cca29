//! The front's one task: events in, orders and replies out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tokio::sync::mpsc;

use crate::model::{Arrangement, Change, Cluster, Failure, FailureName};
use crate::nats::message::{Incoming, Outgoing};
use crate::nats::wire;
use crate::registry::ledger::{Ledger, RequestKey};
use crate::registry::{Registry, RegistryEvent};
use crate::worker::desk::Ticket;
use crate::worker::{Ended, Order, WorkerEvent};

use super::events::{Event, Links, Setup, unix_ms};
use super::flight::Told;
use super::health::{Board, Health};
use super::lanes::Lane;
use super::metrics::{DecisionCounter, Metrics};

/// How often expiries, silence and figures are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between two looks at the whole cluster for the figures.
const TICKS_A_SHOW: u64 = 10;
/// Events that are handled before orders are sent: what comes in a batch goes out in a batch.
const BATCH: usize = 512;
/// Words of workers that may wait.
const WORDS_WAITING: usize = 1024;
/// Births, reloads and stops that may wait.
const EVENTS_WAITING: usize = 16;
/// How long a stopping front waits for the answers that it owes.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Where the front's events come from.
pub struct Inbox {
    requests: mpsc::Receiver<Incoming>,
    registry: mpsc::Receiver<RegistryEvent>,
    events: mpsc::Receiver<Event>,
    words: mpsc::Receiver<(u64, WorkerEvent)>,
}

impl Inbox {
    /// An inbox for requests and changes of the cluster, and its links.
    #[must_use]
    pub fn new(requests: mpsc::Receiver<Incoming>, registry: mpsc::Receiver<RegistryEvent>) -> (Self, Links) {
        let (events_in, events) = mpsc::channel(EVENTS_WAITING);
        let (words_in, words) = mpsc::channel(WORDS_WAITING);
        (Self { requests, registry, events, words }, Links { events: events_in, words: words_in })
    }
}

/// The state of the front.
pub struct Front {
    pub(super) setup: Setup,
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger<Told>,
    pub(super) lane: Lane,
    pub(super) by_request: BTreeMap<RequestKey, Ticket>,
    pub(super) unanswered: BTreeMap<Arc<str>, usize>,
    pub(super) sequences: BTreeMap<Arc<str>, u64>,
    pub(super) registry: Registry,
    pub(super) metrics: Arc<Metrics>,
    pub(super) counters: BTreeMap<(Arc<str>, &'static str), DecisionCounter>,
    /// The choices of each chain, numbered in order over all of them.
    pub(super) chosen: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>,
    pub(super) choices: u64,
    replies: mpsc::Sender<Outgoing>,
    board: Board,
    replica: String,
    dice: Pcg64Mcg,
    numbers: u64,
    started: Instant,
    ticks: u64,
    nodes_known: bool,
    bus: bool,
    stopping: Option<Instant>,
    notes: BTreeMap<&'static str, String>,
}

impl Front {
    /// A front that is starting its first worker for `setup`; `seed` is what its random numbers come from.
    #[must_use]
    pub fn new(
        setup: Setup,
        registry: Registry,
        metrics: Arc<Metrics>,
        board: Board,
        replies: mpsc::Sender<Outgoing>,
        links: Links,
        seed: [u8; 16],
    ) -> Self {
        let mut dice = Pcg64Mcg::from_seed(seed);
        let mut front = Self {
            cluster: Cluster::new(Arrangement::ById),
            ledger: Ledger::new(setup.reservation_ms),
            lane: Lane::new(links),
            by_request: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            sequences: BTreeMap::new(),
            counters: BTreeMap::new(),
            chosen: BTreeMap::new(),
            choices: 0,
            replica: format!("{:08x}", dice.next_u32()),
            numbers: 0,
            started: Instant::now(),
            ticks: 0,
            nodes_known: false,
            bus: false,
            stopping: None,
            notes: BTreeMap::new(),
            setup,
            registry,
            metrics,
            replies,
            board,
            dice,
        };
        front.start_worker(front.setup.clone());
        front
    }

    /// This replica's name, which its decisions and reservations carry.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Monotonic milliseconds since the start.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.dice.next_u64()
    }

    /// The number of the next question, and the id of its decision.
    pub(super) fn number(&mut self) -> (Ticket, Arc<str>) {
        self.numbers += 1;
        (self.numbers, format!("{}-{}", self.replica, self.numbers).into())
    }

    /// Sends a reply; where NATS has not taken thousands before it, it is dropped and counted.
    pub(super) fn reply(&mut self, outgoing: Outgoing) {
        if self.replies.try_send(outgoing).is_err() {
            self.metrics.lost_replies.inc();
        }
    }

    /// Where replies go that are written later.
    pub(super) fn replies(&self) -> mpsc::Sender<Outgoing> {
        self.replies.clone()
    }

    /// Where what was written down is told.
    pub(super) fn events(&self) -> mpsc::Sender<Event> {
        self.lane.links.events.clone()
    }

    pub(super) fn fail(&mut self, incoming: &Incoming, failure: &Failure) {
        self.reply(Outgoing::failed(incoming, failure));
    }

    /// Makes a change of the cluster count here and in the worker.
    pub(super) fn change(&mut self, change: Change) {
        self.lane.tell(&change);
        self.cluster.apply(change);
    }

    /// Makes a change count that the worker made itself when it decided.
    pub(super) fn commit(&mut self, change: Change) {
        self.lane.tell_newborn(&change);
        self.cluster.apply(change);
    }

    fn start_worker(&mut self, setup: Setup) {
        let mut snapshot: Vec<_> = self.cluster.snapshot().map(Order::Change).collect();
        for (action, nodes) in &self.chosen {
            let mut nodes: Vec<_> = nodes.iter().collect();
            nodes.sort_by_key(|(_, when)| **when);
            snapshot.extend(nodes.into_iter().map(|(node, _)| Order::Recall(Arc::clone(action), Arc::clone(node))));
        }
        self.lane.start(setup, snapshot);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Born(number, worker) => {
                if let Some(error) = self.lane.born(number, worker) {
                    tracing::error!(%error, "no new worker; the old one goes on where there is one");
                    self.notes.insert("worker", error.to_string());
                }
            }
            Event::Reload(setup) => {
                tracing::info!("reload: starting a worker for the new configuration");
                self.start_worker(*setup);
            }
            Event::Marked(node, marks) => self.change(Change::Mark(node, marks)),
            Event::Stop => {
                tracing::info!(unanswered = self.lane.desk.len(), "stopping: answering what was received");
                self.stopping = Some(Instant::now());
                self.show();
            }
        }
    }

    fn hear(&mut self, event: RegistryEvent) {
        match event {
            RegistryEvent::Change(change) => self.cluster_change(change),
            RegistryEvent::Ready { .. } => {
                (self.nodes_known, self.bus) = (true, true);
                self.show();
                tracing::info!(nodes = self.cluster.len(), "the node list is read");
            }
            RegistryEvent::Lost { reason } => {
                self.bus = false;
                self.show();
                tracing::warn!(
                    nodes = self.cluster.len(),
                    reason,
                    "the view is not kept: deciding on the nodes known so far"
                );
            }
            RegistryEvent::Refused { .. } => drop(self.metrics.refused_documents.inc()),
        }
    }

    fn words(&mut self, number: u64, event: WorkerEvent) {
        if !self.lane.hears(number) {
            if let WorkerEvent::Exited(ended) = event {
                self.lane.gone(number, ended.how);
            }
            return;
        }
        match event {
            WorkerEvent::Replies(replies) => {
                for reply in replies {
                    self.decided(reply.ticket, reply.decision);
                }
            }
            WorkerEvent::Running(_) => {}
            WorkerEvent::Overrun(overrun) => {
                tracing::warn!(step = overrun.step.as_deref(), node = overrun.node.as_deref(), "{}", overrun.message);
                if let Some(flight) = self.lane.convicted(&overrun) {
                    let failure = Failure { step: overrun.step, ..Failure::limit(overrun.kind, overrun.message) };
                    self.give_up(flight, &failure);
                }
            }
            WorkerEvent::Exited(Ended { how, killed }) => {
                self.metrics.worker_deaths.inc();
                tracing::warn!(unanswered = self.lane.desk.len(), "the worker {how}: starting another, asking again");
                if let Some((flight, kind)) = self.lane.lost(killed) {
                    let message = format!("the request ended two workers, the last one {how}");
                    self.give_up(flight, &Failure::limit(kind, message));
                }
                if !self.lane.expects() {
                    self.start_worker(self.setup.clone());
                }
            }
        }
    }

    fn tick(&mut self) {
        let now_ms = self.now_ms();
        for entry in self.ledger.expire(now_ms) {
            tracing::info!(reservation = %entry.reservation.id, node = %entry.reservation.node, "reservation expired");
            self.change(Change::Release(Arc::clone(&entry.reservation.id)));
        }
        if self.lane.wants_worker(Instant::now()) {
            self.start_worker(self.setup.clone());
        }
        if self.lane.kill_if_silent(self.silence_limit()) {
            tracing::warn!("the worker has said nothing for {:?}: killing it", self.silence_limit());
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_A_SHOW) {
            self.show();
        }
    }

    /// How long the slowest chain may take in wall time, all its steps at their limits.
    fn silence_limit(&self) -> Duration {
        let (birth, nodes) = (&self.setup.birth, self.cluster.len() as u64);
        let chain_us = |chain: &crate::chain::ChainSpec| -> u64 {
            chain.steps.iter().map(|step| birth.limits.step_us(step.cpu_ms, nodes)).sum()
        };
        let slowest = birth.set.chains.iter().map(chain_us).max().unwrap_or_default();
        Duration::from_micros(slowest.saturating_mul(u64::from(birth.limits.wall_factor)))
    }

    /// Writes the front's state where others read it.
    fn show(&mut self) {
        let mut nodes = BTreeMap::new();
        for (_, node) in self.cluster.nodes() {
            *nodes.entry(wire::state(node)).or_default() += 1;
        }
        self.metrics.nodes.set(self.cluster.len() as i64);
        self.metrics.reservations.set(self.ledger.len() as i64);
        self.metrics.unanswered.set(self.lane.desk.len() as i64);
        let worker = self.lane.is_staffed();
        let health = Health {
            ready: worker && self.nodes_known && self.bus && self.stopping.is_none(),
            worker,
            bus: self.bus,
            nodes_known: self.nodes_known,
            nodes,
            notes: self.notes.iter().map(|(about, note)| format!("{about}: {note}")).collect(),
        };
        self.board.send_if_modified(|shown| {
            let changed = *shown != health;
            *shown = health;
            changed
        });
    }

    fn settle(&mut self) {
        if let Some(setup) = self.lane.hand_over() {
            tracing::info!(pid = self.lane.pid(), chains = setup.birth.set.chains.len(), "a worker is ready");
            self.notes.remove("worker");
            self.ledger.set_lifetime_ms(setup.reservation_ms);
            self.setup = setup;
            self.show();
        }
        let now_ms = unix_ms();
        for flight in self.lane.pump(|flight| flight.is_late(now_ms)) {
            self.metrics.past_deadline.inc();
            self.give_up(
                flight,
                &Failure::new(FailureName::Overloaded, "the deadline passed before the request's turn came"),
            );
        }
    }

    fn is_done(&self) -> bool {
        self.stopping.is_some_and(|since| self.lane.desk.is_empty() || since.elapsed() > LAST_ANSWERS)
    }

    /// Answers what is still unanswered when the front gives up waiting.
    fn close(&mut self) {
        let failure = Failure::new(FailureName::Internal, "the service is stopping");
        let flights: Vec<_> = self.lane.desk.clear().collect();
        for flight in flights {
            self.give_up(flight, &failure);
        }
    }
}

/// Runs the front until it was told to stop and has answered what it owes.
pub async fn run(mut front: Front, mut inbox: Inbox) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut requests, mut changes, mut words) = (Vec::new(), Vec::new(), Vec::new());
    while !front.is_done() || !inbox.requests.is_empty() {
        // Answers come first: they make room. Then the cluster, so that questions see it as it is.
        tokio::select! {
            biased;
            Some(event) = inbox.events.recv() => front.event(event),
            1.. = inbox.words.recv_many(&mut words, BATCH) => {
                words.drain(..).for_each(|(number, event)| front.words(number, event));
            }
            1.. = inbox.registry.recv_many(&mut changes, BATCH) => changes.drain(..).for_each(|event| front.hear(event)),
            1.. = inbox.requests.recv_many(&mut requests, BATCH) => requests.drain(..).for_each(|one| front.request(one)),
            _ = tick.tick() => front.tick(),
        }
        front.settle();
    }
    front.close();
}
