//! The front's one task: its state, and what each event makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::Subject;
use crate::clock::Now;
use crate::model::{Arrangement, Change, Cluster, Failure, FailureName, Reservation};
use crate::nats::message::{Incoming, Outgoing};
use crate::registry::ledger::Ledger;
use crate::registry::peers::End;
use crate::worker::{Encoded, Order, Ticket, WorkerEvent};

use super::bucket::TokenBucket;
use super::chance::Chance;
use super::claims::Claims;
use super::deadline::Arrivals;
use super::effects::Effect;
use super::events::{Event, Setup, Tick};
use super::failures::Failures;
use super::metrics::{DecisionFigures, Metrics};
use super::pause::CatchUp;
use super::placement_reply::PlacementReply;
use super::ports::ClusterView;
use super::quarantine::Quarantine;
use super::queue::Queue;
use super::recorder::Recorder;
use super::replicas::Replicas;
use super::requests::Requests;
use super::runner_client::RunnerClient;
use super::turns::Turns;
use super::wait_queue::WaitQueue;
use super::worker_pool::WorkerPool;

/// Ticks between two looks at the whole cluster for the figures.
const TICKS_A_SHOW: u64 = 10;
/// Silence of a busy worker that is always borne, and for each node what it may take to bring up to date what is kept of
/// it. A worker that reads what it was told of nodes is not silent: it says so, by the bytes (`worker/outbox.rs`).
const LEAST_SILENCE: Duration = Duration::from_secs(1);
const READING_US: u64 = 200;
/// Memory of a worker that a byte of a node's document takes, and a reservation: the mirror and what engines keep of it.
const DOCUMENT_FACTOR: u64 = 8;
const RESERVATION_BYTES: u64 = 4 << 10;
/// Confirmations and releases of reservations that this replica does not know: so many at once, and so many a second, are
/// answered `gone`. Launchers that outlive a restart of all replicas name as many; whoever guesses ids is slowed down.
const UNKNOWN_AT_ONCE: u64 = 10_000;
const UNKNOWN_A_SECOND: u64 = 200;
/// How long a stopping front waits for the answers that it owes.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// The state of the front.
pub struct Front {
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger<PlacementReply>,
    pub(super) replicas: Replicas,
    pub(super) claims: Claims,
    pub(super) catch_up: CatchUp,
    /// The requests without an answer.
    pub(super) requests: Requests,
    /// By action, those of them that wait for a free node.
    pub(super) wait_queues: BTreeMap<Arc<str>, WaitQueue>,
    /// The number of changes so far by which a place may have been freed.
    pub(super) frees: u64,
    /// The value of `frees` when the waiting requests were last asked again.
    pub(super) frees_told: u64,
    pub(super) workers: WorkerPool,
    pub(super) runner: RunnerClient,
    pub(super) turns: Turns,
    /// Starts that failed lately.
    pub(super) failures: Failures,
    pub(super) quarantine: Quarantine,
    /// Scripts, and nodes at scripts, that passed a limit once while nobody asked, with the moment of that.
    pub(super) suspects: BTreeMap<Subject, u64>,
    /// By action, the unanswered requests of its chain.
    pub(super) queues: BTreeMap<Arc<str>, Queue>,
    pub(super) sequences: BTreeMap<Arc<str>, u64>,
    pub(super) view: Box<dyn ClusterView>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) counters: BTreeMap<(Arc<str>, &'static str), DecisionFigures>,
    /// The choices of each chain, numbered in order over all of them.
    pub(super) chosen: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>,
    pub(super) choices: u64,
    /// What is to be done, in order.
    effects: Vec<Effect>,
    replica: Arc<str>,
    chance: Chance,
    /// How right the deadlines of requests were lately.
    pub(super) arrivals: Arrivals,
    /// How many more unknown reservations are answered for.
    pub(super) unknown: TokenBucket,
    numbers: u64,
    /// The time, as the last event told it.
    pub(super) now: Now,
    started: Instant,
    ticks: u64,
    /// The inputs of the last decisions, where they are recorded.
    pub(super) recorder: Recorder,
    pub(super) nodes_known: bool,
    pub(super) bus: bool,
    pub(super) stopping: Option<Instant>,
    pub(super) notes: BTreeMap<&'static str, String>,
    /// What the machine does not keep from the workers.
    pub(super) lacks: BTreeSet<String>,
    /// What was said of scripts that are probably mistaken.
    pub(super) remarks: BTreeSet<String>,
}

impl Front {
    /// A front that begins at `now` and will start workers for `setup`; `entropy` is what its random numbers come from.
    #[must_use]
    pub fn new(setup: Setup, view: Box<dyn ClusterView>, metrics: Arc<Metrics>, entropy: [u8; 32], now: Now) -> Self {
        let mut chance = Chance::new(entropy);
        let replica = chance.name();
        let mut cluster = Cluster::new(Arrangement::ById);
        cluster.set_names(setup.birth.set.names);
        let mut front = Self {
            cluster,
            ledger: Ledger::new(setup.ledger_rules()),
            replicas: Replicas::new(Arc::clone(&replica)),
            claims: Claims::new(),
            catch_up: CatchUp::default(),
            requests: Requests::default(),
            wait_queues: BTreeMap::new(),
            frees: 0,
            frees_told: 0,
            quarantine: Quarantine::new(setup.quarantine),
            workers: WorkerPool::new(setup),
            runner: RunnerClient::default(),
            turns: Turns::default(),
            failures: Failures::default(),
            suspects: BTreeMap::new(),
            queues: BTreeMap::new(),
            sequences: BTreeMap::new(),
            counters: BTreeMap::new(),
            chosen: BTreeMap::new(),
            choices: 0,
            replica,
            numbers: 0,
            now,
            started: now.instant,
            ticks: 0,
            recorder: Recorder::default(),
            nodes_known: false,
            bus: false,
            stopping: None,
            notes: BTreeMap::new(),
            lacks: BTreeSet::new(),
            remarks: BTreeSet::new(),
            view,
            metrics,
            effects: Vec::new(),
            chance,
            arrivals: Arrivals::default(),
            unknown: TokenBucket::new(UNKNOWN_AT_ONCE, UNKNOWN_A_SECOND),
        };
        front.bound_cool_downs();
        front.publish_programs();
        front
    }

    /// This replica's name, which its decisions and reservations carry.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Monotonic milliseconds since the start.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// How long before this moment `then` was.
    pub(super) fn since(&self, then: Instant) -> Duration {
        self.now.instant.saturating_duration_since(then)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.chance.seed()
    }

    /// The number of the next question, and the id of its decision. The number stays within the service; the id is told to
    /// the requester, and nobody can guess it.
    pub(super) fn number(&mut self) -> (Ticket, Arc<str>) {
        self.numbers += 1;
        (self.numbers, self.chance.id(&self.replica))
    }

    /// Lets `effect` be done.
    pub(super) fn order(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Takes out what is to be done, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.append(&mut self.replicas.said);
        std::mem::take(&mut self.effects)
    }

    /// Sends a reply.
    pub(super) fn reply(&mut self, outgoing: Outgoing) {
        self.order(Effect::Reply(outgoing));
    }

    fn bound_cool_downs(&mut self) {
        let pause_ms = self.workers.setup().cooldown_ms;
        self.order(Effect::BoundCoolDowns(pause_ms));
    }

    pub(super) fn fail(&mut self, incoming: &Incoming, failure: &Failure) {
        self.reply(Outgoing::failed(incoming, failure));
    }

    /// Makes a change of the cluster count here and in all workers.
    pub(super) fn change(&mut self, change: Change) {
        self.spread(change, None);
    }

    /// Makes a change count that the worker in `slot` made itself when it decided.
    pub(super) fn commit(&mut self, change: Change, slot: usize) {
        self.spread(change, Some(slot));
    }

    fn spread(&mut self, change: Change, except: Option<usize>) {
        if !matches!(change, Change::Reserve(_) | Change::Stale(_)) {
            self.note_freed();
        }
        if let Change::Reserve(reservation) = &change {
            self.turns.placed(&reservation.node);
        }
        let order = Order::Change(change);
        let encoded = Encoded::new(&order);
        self.workers.tell(&encoded, except);
        self.runner.tell(&encoded);
        if let Order::Change(change) = order {
            self.cluster.apply(change);
        }
    }

    /// Takes in what happened at `now`. What is to be done for that stands among the effects, and more after the next
    /// [`Front::settle`].
    pub fn handle(&mut self, now: Now, event: Event) {
        self.now = now;
        match event {
            Event::Request(incoming) => self.request(incoming),
            Event::Worker(number, event) => self.words(number, event),
            Event::Runner(number, event) => self.runner_words(number, event),
            Event::Registry(event) => self.hear(event),
            Event::Gossip(text) => self.hear_peer(&text),
            Event::StoodStill(gap) => self.was_paused(gap),
            Event::Tick(tick) => self.tick(tick),
            Event::RunnerStarted(number, runner) => self.runner_started(number, runner),
            Event::Born(number, worker) => match self.workers.born(number, worker, now.instant) {
                Ok(()) => drop(self.notes.remove("worker")),
                Err(error) => {
                    tracing::error!(%error, "no new worker; those that are there go on");
                    self.notes.insert("worker", error.to_string());
                }
            },
            Event::Reload(setup) => {
                tracing::info!("reload: starting workers for the new configuration");
                self.metrics.reload_successful.set(1);
                self.notes.remove("reload");
                self.workers.prepare(*setup);
            }
            Event::ReloadFailed(reason) => {
                self.metrics.reload_successful.set(0);
                self.notes.insert("reload", format!("it failed, the old config stays: {reason}"));
                self.show();
            }
            Event::Claimed(ticket, claimed) => self.claimed(ticket, claimed),
            Event::FrozenKept(kept) => {
                self.metrics.frozen_kept.set(i64::from(kept));
                self.look_at_pings();
            }
            Event::Untaken(id) => self.untaken(&id),
            Event::Marked(node, marks) => self.change(Change::Mark(node, marks)),
            Event::Stop => {
                tracing::info!(unanswered = self.requests.len(), "stopping: answering what was received");
                self.stopping = Some(now.instant);
                self.take_leave();
                self.show();
            }
        }
    }

    fn words(&mut self, number: u64, event: WorkerEvent) {
        let Some((place, slot)) = self.workers.slot_of(number) else {
            match event {
                WorkerEvent::Exited(ended) => self.workers.gone(number, &ended, self.now.instant),
                WorkerEvent::Overrun(overrun) => self.unasked_overrun(overrun),
                WorkerEvent::Replies(_)
                | WorkerEvent::Running(_)
                | WorkerEvent::Reading
                | WorkerEvent::Covered(_)
                | WorkerEvent::Waiting(_) => {}
            }
            return;
        };
        slot.heard();
        match event {
            WorkerEvent::Replies(replies) => {
                replies.into_iter().for_each(|reply| self.decided(place, reply.ticket, reply.decision));
            }
            WorkerEvent::Running(running) => slot.runs(running),
            WorkerEvent::Reading | WorkerEvent::Covered(_) => {}
            WorkerEvent::Waiting(waiting) => self.wait(place, waiting),
            WorkerEvent::Overrun(overrun) => self.overrun(place, overrun),
            WorkerEvent::Exited(ended) => self.worker_lost(place, &ended),
        }
    }

    /// What time brings.
    fn tick(&mut self, Tick { passed, is_drained }: Tick) {
        let now_ms = self.now_ms();
        let expired = self.ledger.expire(now_ms);
        if let Some(first) = expired.first() {
            let Reservation { id, node, .. } = &first.reservation;
            tracing::info!(count = expired.len(), first = %id, at = %node, "reservations expired");
        }
        self.metrics.expired_reservations.inc_by(expired.len() as u64);
        for entry in expired {
            self.end_claim(&entry, End::Expired, false);
            self.change(Change::Release(entry.reservation.id));
        }
        self.write_off_lingering();
        if self.failures.expire(now_ms) {
            self.note_freed();
        }
        let free = self.quarantine.release(now_ms);
        self.set_free(free);
        let nodes = self.cluster.len() as u64;
        let limits = self.workers.setup().birth.limits;
        let reading = Duration::from_micros(READING_US * nodes);
        let slowest = |chain: &_| limits.chain_wall(chain, nodes).max(LEAST_SILENCE) + reading;
        for limit in self.workers.kill_silent(passed, slowest) {
            tracing::warn!("a worker has said nothing for {limit:?}: killing it");
        }
        if self.runner.kill_if_silent(passed) {
            tracing::warn!("the runner has said nothing for longer than any program may take: killing it");
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_A_SHOW) {
            self.workers.tire(self.mirror_bytes());
            self.look_at_view();
            self.look_at_clocks();
            self.look_at_pings();
            self.show();
        }
        self.go_on_with_time(is_drained);
    }

    /// Memory in bytes that the cluster as it is may take of a worker.
    fn mirror_bytes(&self) -> u64 {
        let documents: u64 = self.cluster.nodes().map(|(_, node)| node.report().text.len() as u64).sum();
        let reservations = self.ledger.len() as u64;
        documents.saturating_mul(DOCUMENT_FACTOR).saturating_add(reservations.saturating_mul(RESERVATION_BYTES))
    }

    /// Staffs the slots, starts whoever is missing, and asks what can be asked: after a batch of events, with whether there
    /// was a tick among them.
    pub fn settle(&mut self, time: bool) {
        if let Some(queued) = self.workers.take_over(&self.requests) {
            self.take_over();
            self.submit_again(queued);
        }
        let ready = self.workers.is_ready();
        for taken in self.workers.staff() {
            self.metrics.recycled_workers.inc_by(u64::from(taken.recycled));
            self.recall(&taken);
        }
        if !ready && self.workers.is_ready() {
            tracing::info!(slots = self.workers.slot_count(), "each chain has its worker");
            self.notes.remove("worker");
            self.look_at_seals();
            self.show();
        }
        self.ask_waiting(time);
        self.speak(time);
        let strays = self.workers.strays();
        self.submit_again(strays);
        if self.workers.is_short(self.now.instant) {
            let snapshot = self.snapshot();
            let started = self.workers.start((&snapshot, self.choices), self.now.instant);
            self.effects.extend(started);
        }
        self.staff_runner();
        self.runner.send(time);
        let now_ms = self.now.unix_ms;
        for ticket in self.workers.pump(time, &mut self.requests, |pending| pending.is_late(now_ms)) {
            let Some(pending) = self.requests.take(ticket) else { continue };
            self.metrics.past_deadline.inc();
            let message = "the deadline passed before the request's turn came";
            self.give_up(pending, &Failure::new(FailureName::Overloaded, message));
        }
    }

    /// Lets the new configuration be in force, for which each slot has its worker.
    fn take_over(&mut self) {
        let setup = self.workers.setup();
        let (quarantine, birth) = (setup.quarantine, Arc::clone(&setup.birth));
        tracing::info!(chains = birth.set.chains.len(), "the new configuration is in force");
        self.ledger.set_rules(setup.ledger_rules());
        self.cluster.set_names(birth.set.names);
        self.bound_cool_downs();
        self.notes.remove("worker");
        // Other sources may stand under the same names.
        self.suspects.clear();
        let free = self.quarantine.reload(quarantine, &birth.set);
        self.set_free(free);
        self.publish_programs();
    }

    /// Whether the service was told to stop and has answered what it owes.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stopping.is_some_and(|since| self.owed() == 0 || self.since(since) > LAST_ANSWERS)
    }

    /// Answers what is still unanswered when the front gives up waiting, and lets the runner end.
    pub fn close(&mut self) {
        let failure = Failure::new(FailureName::Internal, "the service is stopping");
        // Nobody is asked any more.
        self.turns = Turns::default();
        self.wait_queues.clear();
        self.answer_held_back(&failure);
        self.requests.drain().for_each(|pending| self.give_up(pending, &failure));
        self.runner.retire();
    }
}

#[cfg(test)]
mod tests;
