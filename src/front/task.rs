//! The front: the whole state of the service, and the handling of each event.

mod settling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::Subject;
use crate::clock::Now;
use crate::ipc::Encoded;
use crate::model::{Arrangement, Change, Cluster, Failure};
use crate::nats::message::{Incoming, Outgoing};
use crate::registry::assignments::Assignments;
use crate::registry::ledger::Ledger;
use crate::worker::{Ticket, WorkerCommand, WorkerEvent};

use super::bucket::TokenBucket;
use super::claims::PendingClaims;
use super::compiled::InterpretedFunctions;
use super::costly::CostlyQuestions;
use super::crowding::Crowding;
use super::deadline::Arrivals;
use super::effects::Effect;
use super::events::{FrontEvent, Setup};
use super::fact_table::FactTable;
use super::failures::Failures;
use super::holds::HoldWatch;
use super::metrics::{DecisionFigures, Metrics};
use super::minutes::RequestMinutes;
use super::pause::CatchUp;
use super::placement_reply::PlacementReply;
use super::ports::ClusterView;
use super::quarantine::Quarantine;
use super::queue::RequestQueue;
use super::recorder::Recorder;
use super::replicas::Replicas;
use super::requests::Requests;
use super::rng::FrontRng;
use super::runner_client::RunnerClient;
use super::tokens::Tokens;
use super::turns::Turns;
use super::wait_budget::WaitBudget;
use super::wait_queue::WaitQueue;
use super::worker_pool::WorkerPool;

/// The confirmations and releases of unknown reservations that are answered `gone`: so many at once, and so many a
/// second. Launchers that outlive a restart of all replicas name as many; a client that guesses ids is slowed down.
const UNKNOWN_AT_ONCE: u64 = 10_000;
const UNKNOWN_A_SECOND: u64 = 200;
/// The state of the front.
pub struct Front {
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger<PlacementReply>,
    pub(super) replicas: Replicas,
    pub(super) claims: PendingClaims,
    pub(super) catch_up: CatchUp,
    /// The requests without an answer.
    pub(super) requests: Requests,
    /// The costly questions of administrators that wait.
    pub(super) costly: CostlyQuestions,
    /// The requests that wait for a free node, by action.
    pub(super) wait_queues: BTreeMap<Arc<str>, WaitQueue>,
    /// The bytes of these requests.
    pub(super) wait_budget: WaitBudget,
    pub(super) crowding: Crowding,
    /// The number of changes so far by which a place may have been freed.
    pub(super) frees: u64,
    /// The value of `frees` when the waiting requests were last asked again.
    pub(super) frees_told: u64,
    pub(super) workers: WorkerPool,
    pub(super) runner: RunnerClient,
    pub(super) turns: Turns,
    /// The starts that failed lately.
    pub(super) failures: Failures,
    /// The users who are assigned to nodes, by their names as names are compared.
    pub(super) assignments: Assignments,
    /// The countable facts.
    pub(super) facts: FactTable,
    /// What is remembered of the holds of facts.
    pub(super) holds: HoldWatch,
    pub(super) quarantine: Quarantine,
    /// The scripts, and nodes at scripts, that passed a limit once without a question, with the time in milliseconds.
    pub(super) suspects: BTreeMap<Subject, u64>,
    /// The unanswered requests of each chain, by action.
    pub(super) queues: BTreeMap<Arc<str>, RequestQueue>,
    pub(super) sequences: BTreeMap<Arc<str>, u64>,
    pub(super) view: Box<dyn ClusterView>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) counters: BTreeMap<(Arc<str>, &'static str), DecisionFigures>,
    /// The requests of the last hour.
    pub(super) minutes: RequestMinutes,
    /// The choices of each chain, numbered in order over all chains.
    pub(super) chosen: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>,
    pub(super) choices: u64,
    /// The effects that were not carried out yet, in order.
    effects: Vec<Effect>,
    pub(super) replica: Arc<str>,
    /// The name of this machine, where it was told.
    pub(super) host: Arc<str>,
    rng: FrontRng,
    /// The deadlines of late, right and wrong.
    pub(super) arrivals: Arrivals,
    /// The tokens of requests.
    pub(super) tokens: Tokens,
    /// The budget of answers about unknown reservations.
    pub(super) unknown: TokenBucket,
    numbers: u64,
    /// The time of the last event.
    pub(super) now: Now,
    started: Instant,
    pub(super) ticks: u64,
    /// The inputs of the last decisions, where they are recorded.
    pub(super) recorder: Recorder,
    pub(super) interpreted: InterpretedFunctions,
    pub(super) nodes_known: bool,
    pub(super) bus: bool,
    /// The reason why the view is not kept, while it is not.
    pub(super) view_trouble: Option<String>,
    pub(super) stopping: Option<Instant>,
    pub(super) notes: BTreeMap<&'static str, String>,
    /// The gaps in the workers' seals.
    pub(super) lacks: BTreeSet<String>,
    /// The remarks about probable mistakes in scripts that were logged.
    pub(super) remarks: BTreeSet<String>,
}

impl Front {
    /// Creates a front that begins at `now` and will start workers for `setup`; `entropy` seeds the random numbers.
    #[must_use]
    pub fn new(setup: Setup, view: Box<dyn ClusterView>, metrics: Arc<Metrics>, entropy: [u8; 32], now: Now) -> Self {
        let mut rng = FrontRng::new(entropy);
        let replica = rng.name();
        let mut cluster = Cluster::new(Arrangement::ById);
        cluster.set_names(setup.birth.set.names);
        let mut front = Self {
            cluster,
            ledger: Ledger::new(setup.ledger_rules()),
            replicas: Replicas::new(Arc::clone(&replica)),
            claims: PendingClaims::new(),
            catch_up: CatchUp::default(),
            requests: Requests::default(),
            costly: CostlyQuestions::new(),
            wait_queues: BTreeMap::new(),
            wait_budget: WaitBudget::default(),
            crowding: Crowding::default(),
            frees: 0,
            frees_told: 0,
            quarantine: Quarantine::new(setup.quarantine),
            workers: WorkerPool::new(setup),
            runner: RunnerClient::default(),
            turns: Turns::default(),
            failures: Failures::default(),
            assignments: Assignments::new(),
            facts: FactTable::default(),
            holds: HoldWatch::default(),
            suspects: BTreeMap::new(),
            queues: BTreeMap::new(),
            sequences: BTreeMap::new(),
            counters: BTreeMap::new(),
            minutes: RequestMinutes::default(),
            chosen: BTreeMap::new(),
            choices: 0,
            replica,
            host: "".into(),
            numbers: 0,
            now,
            started: now.instant,
            ticks: 0,
            recorder: Recorder::default(),
            interpreted: InterpretedFunctions::default(),
            nodes_known: false,
            bus: false,
            view_trouble: None,
            stopping: None,
            notes: BTreeMap::new(),
            lacks: BTreeSet::new(),
            remarks: BTreeSet::new(),
            view,
            metrics,
            effects: Vec::new(),
            rng,
            arrivals: Arrivals::default(),
            tokens: Tokens::default(),
            unknown: TokenBucket::new(UNKNOWN_AT_ONCE, UNKNOWN_A_SECOND),
        };
        front.bound_cool_downs();
        front.publish_programs();
        front
    }

    /// Returns this replica's name, which the decisions and reservations carry.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Returns the monotonic milliseconds since the start.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the time from `then` to now.
    pub(super) fn since(&self, then: Instant) -> Duration {
        self.now.instant.saturating_duration_since(then)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.rng.seed()
    }

    /// Returns the number of the next question, and the id of the question's decision. The number stays within the
    /// service; the id is sent to the requester, and cannot be guessed.
    pub(super) fn number(&mut self) -> (Ticket, Arc<str>) {
        self.numbers += 1;
        (self.numbers, self.rng.id(&self.replica))
    }

    /// Adds an effect.
    pub(super) fn order(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Removes and returns the effects, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.append(&mut self.replicas.outgoing);
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

    /// Applies a change of the cluster here and in all workers.
    pub(super) fn change(&mut self, change: Change) {
        self.spread(change, None);
    }

    /// Applies a change that the worker in `slot` applied itself when deciding.
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
        let order = WorkerCommand::Change(change);
        let encoded = Encoded::new(&order);
        self.workers.broadcast(&encoded, except);
        self.runner.enqueue(&encoded);
        if let WorkerCommand::Change(change) = order {
            self.cluster.apply(change);
        }
    }

    /// Handles an event at `now`. The effects of the event are added to the buffer, and more after the next
    /// [`Front::settle`].
    pub fn handle(&mut self, now: Now, event: FrontEvent) {
        self.now = now;
        self.requests.set_now(now.instant);
        match event {
            FrontEvent::Request(incoming) => self.request(incoming),
            FrontEvent::Worker(number, event) => self.worker_event(number, event),
            FrontEvent::Runner(number, event) => self.runner_event(number, event),
            FrontEvent::Registry(event) => self.receive(event),
            FrontEvent::Gossip(text) => self.receive_peer(&text),
            FrontEvent::StoodStill(gap) => self.was_paused(gap),
            FrontEvent::Tick(tick) => self.tick(tick),
            FrontEvent::RunnerStarted(number, runner) => self.runner_started(number, runner),
            FrontEvent::Born(number, worker) => match self.workers.started(number, worker, now.instant) {
                Ok(()) => drop(self.notes.remove("worker")),
                Err(error) => {
                    tracing::error!(%error, "no new worker; those that are there go on");
                    self.notes.insert("worker", error.to_string());
                }
            },
            FrontEvent::Reload(setup) => {
                tracing::info!("reload: starting workers for the new configuration");
                self.metrics.reload_successful.set(1);
                self.notes.remove("reload");
                self.workers.prepare(*setup);
            }
            FrontEvent::ReloadFailed(reason) => {
                self.metrics.reload_successful.set(0);
                self.notes.insert("reload", format!("it failed, the old config stays: {reason}"));
                self.show();
            }
            FrontEvent::Claimed(ticket, claimed) => self.claimed(ticket, claimed),
            FrontEvent::FactsTaken(ticket, taken) => self.facts_taken(ticket, taken),
            FrontEvent::FrozenKept(kept) => {
                self.metrics.frozen_kept.set(i64::from(kept));
                self.look_at_pings();
            }
            FrontEvent::Token(verdict) => self.token_verified(verdict),
            FrontEvent::Untaken(id) => self.untaken(&id),
            FrontEvent::Marked(node, marks) => self.change(Change::Mark(node, marks)),
            FrontEvent::Stop => {
                tracing::info!(unanswered = self.requests.len(), "stopping: answering what was received");
                self.stopping = Some(now.instant);
                self.take_leave();
                self.show();
            }
        }
    }

    fn worker_event(&mut self, number: u64, event: WorkerEvent) {
        let Some((place, slot)) = self.workers.slot_of(number) else {
            match event {
                WorkerEvent::Exited(ended) => self.workers.gone(number, &ended, self.now.instant),
                WorkerEvent::Overrun(overrun) => self.unasked_overrun(overrun),
                WorkerEvent::Replies(_)
                | WorkerEvent::Running(_)
                | WorkerEvent::Reading
                | WorkerEvent::Covered(_)
                | WorkerEvent::Tiers(..)
                | WorkerEvent::Waiting(_) => {}
            }
            return;
        };
        slot.note_frame();
        match event {
            WorkerEvent::Replies(replies) => {
                replies.into_iter().for_each(|reply| self.decided(place, reply.ticket, reply.decision));
            }
            WorkerEvent::Running(running) => slot.runs(running),
            WorkerEvent::Reading | WorkerEvent::Covered(_) => {}
            WorkerEvent::Tiers(ticket, report) => self.compiled(ticket, report),
            WorkerEvent::Waiting(waiting) => self.wait(place, waiting),
            WorkerEvent::Overrun(overrun) => self.overrun(place, overrun),
            WorkerEvent::Exited(ended) => self.worker_lost(place, &ended),
        }
    }
}

#[cfg(test)]
mod tests;
