//! The executor: carries out the effects of the service.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use crate::front::health::Health;
use crate::front::metrics::Metrics;
use crate::front::{
    AssignOrder, Effect, FactOrder, FrontEvent, MarkKind, MarkOrder, NewWorker, ProcessLink, ReloadRequest, TokenCheck,
};
use crate::ipc::Orders;
use crate::model::{Arrangement, Failure, FailureName, Marks};
use crate::nats::message::Outgoing;
use crate::nats::peers::PeerMessage;
use crate::nats::wire;
use crate::registry::assignments::AssignmentError;
use crate::registry::facts::Fact;
use crate::registry::mark::MarkAuthor;
use crate::registry::marks::{Edited, MarkError};
use crate::registry::{Registry, RegistryEvent};
use crate::runner::{self, RunnerProcess};
use crate::worker::Worker;

use super::Board;
use super::inbox::Links;
use super::processes::{RunnerLink, WorkerLink};
use super::starts::StartTasks;

/// The most claims that are under way at once; more wait.
const CLAIMS_AT_ONCE: usize = 256;

/// The most tokens that are verified at once: requests must not take all processors.
const VERIFIED_AT_ONCE: usize = 2;

/// The channels to which the executor sends.
#[derive(Clone, Debug)]
pub struct EffectSinks {
    /// To requesters.
    pub replies: mpsc::Sender<Outgoing>,
    /// To other replicas.
    pub gossip: mpsc::Sender<PeerMessage>,
    /// To the HTTP port.
    pub board: Board,
    /// To the task that reads the config.
    pub reloads: mpsc::Sender<ReloadRequest>,
}

/// Carries out the effects of a service. Must be used within a tokio runtime.
#[derive(Debug)]
pub struct Executor {
    registry: Registry,
    metrics: Arc<Metrics>,
    sinks: EffectSinks,
    links: Links,
    starts: StartTasks,
    claims: Arc<Semaphore>,
    verifications: Arc<Semaphore>,
    /// The runners that are about to end.
    goodbyes: TaskTracker,
}

impl Executor {
    /// Creates an executor that writes to `registry` and `sinks`, sends results over `links`, and begins `starts`.
    #[must_use]
    pub(super) fn new(
        registry: Registry,
        metrics: Arc<Metrics>,
        sinks: EffectSinks,
        links: Links,
        starts: StartTasks,
    ) -> Self {
        let claims = Arc::new(Semaphore::new(CLAIMS_AT_ONCE));
        let verifications = Arc::new(Semaphore::new(VERIFIED_AT_ONCE));
        Self { registry, metrics, sinks, links, starts, claims, verifications, goodbyes: TaskTracker::new() }
    }

    /// Carries out an effect, or begins to. Returns the resulting event where the result is known at once.
    pub(super) fn carry_out(&mut self, effect: Effect) -> Option<FrontEvent> {
        match effect {
            Effect::Reply(outgoing) => self.reply(outgoing),
            Effect::ReplyLater(after, outgoing) => {
                let replies = self.sinks.replies.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // The requester asks again where the reply cannot be sent.
                    let _full = replies.try_send(outgoing);
                });
            }
            Effect::Gossip(peer_message) => self.gossip(peer_message),
            Effect::Claim(ticket, claim) => {
                let (events, claims) = (self.links.events.clone(), self.registry.claims().clone());
                self.in_turn(async move {
                    let claimed = claims.take(&claim).await;
                    drop(events.send(FrontEvent::Claimed(ticket, claimed)).await);
                });
            }
            Effect::WriteOff(node, ids) => self.write_off(node, ids),
            Effect::TakeFacts(ticket, claim) => {
                let (events, facts) = (self.links.events.clone(), self.registry.facts().clone());
                self.in_turn(async move {
                    let taken = facts.take(&claim).await;
                    drop(events.send(FrontEvent::FactsTaken(ticket, taken)).await);
                });
            }
            Effect::GiveFactBack(name, ids) => self.give_fact_back(name, ids),
            Effect::SetFact(order) => self.set_fact(order),
            Effect::Mark(order) => self.mark(order),
            Effect::Assign(order) => self.assign(*order),
            Effect::CoolDown { node, pause_ms, word } => self.cool_down(node, pause_ms, word),
            Effect::Verify(check) => self.verify(*check),
            Effect::Start(start) => self.starts.begin(*start),
            Effect::Reload(request) => self.reload(request),
            Effect::LookSoon => self.registry.look_soon(),
            Effect::BoundCoolDowns(pause_ms) => self.registry.bound_cool_downs(pause_ms),
            Effect::StartWorker { number, program, birth, snapshot } => {
                let Links { events, worker_events, .. } = self.links.clone();
                tokio::spawn(async move {
                    let worker = Worker::start(&program, &birth, number, worker_events).await;
                    let worker = match worker {
                        Ok(worker) => Ok(begin(worker, snapshot).await),
                        Err(error) => Err(error),
                    };
                    // Where the service has ended, the result is dropped.
                    drop(events.send(FrontEvent::Born(number, worker)).await);
                });
            }
            Effect::StartRunner { number, program } => {
                return Some(FrontEvent::RunnerStarted(number, self.start_runner(number, &program)));
            }
            Effect::Show(health) => self.show(health),
        }
        None
    }

    /// Waits until the runners that were told to end have ended.
    pub(super) async fn wait_for_goodbyes(&self) {
        self.goodbyes.close();
        self.goodbyes.wait().await;
    }

    /// Verifies a token on a thread that may take its time.
    fn verify(&self, check: TokenCheck) {
        let (events, turns) = (self.links.events.clone(), Arc::clone(&self.verifications));
        tokio::spawn(async move {
            let _turn = turns.acquire().await;
            let lost = check.lost();
            let verdict = tokio::task::spawn_blocking(move || check.run()).await.unwrap_or(lost);
            // Where the service has ended, the result is dropped.
            drop(events.send(FrontEvent::Token(verdict)).await);
        });
    }

    /// Sends a reply; where thousands of replies wait for NATS already, the reply is dropped and counted.
    fn reply(&self, outgoing: Outgoing) {
        if self.sinks.replies.try_send(outgoing).is_err() {
            self.metrics.lost_replies.inc();
        }
    }

    /// Sends gossip. A dropped message to all is noticed by the others when they next compare counts.
    fn gossip(&self, peer_message: PeerMessage) {
        let untaken = self.sinks.gossip.try_send(peer_message).err().map(mpsc::error::TrySendError::into_inner);
        if let Some(PeerMessage::One(_, incoming)) = untaken {
            let message = "the replica that made the reservation could not be asked; ask again in a moment";
            self.reply(Outgoing::failed(&incoming, &Failure::new(FailureName::Overloaded, message)));
        }
    }

    fn show(&self, health: Health) {
        self.sinks.board.send_if_modified(|shown| {
            let changed = *shown != health;
            *shown = health;
            changed
        });
    }

    /// Does `work` in a task of its own, once there is a turn: so many claims and facts are written at a time.
    fn in_turn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let turns = Arc::clone(&self.claims);
        tokio::spawn(async move {
            let _turn = turns.acquire().await;
            work.await;
        });
    }

    fn write_off(&self, node: Arc<str>, ids: BTreeSet<Arc<str>>) {
        let claims = self.registry.claims().clone();
        self.in_turn(async move {
            if let Err(error) = claims.write_off(&node, &ids).await {
                tracing::debug!(%node, %error, "claims stay written down for now");
            }
        });
    }

    fn give_fact_back(&self, name: Arc<str>, ids: BTreeSet<Arc<str>>) {
        let facts = self.registry.facts().clone();
        self.in_turn(async move {
            if let Err(error) = facts.give_back(&name, &ids).await {
                tracing::debug!(fact = %name, %error, "holds of a fact stay written down for now");
            }
        });
    }

    /// Sets or deletes a fact; the reply waits for that, and by then the fact counts.
    fn set_fact(&self, order: FactOrder) {
        let (replies, events) = (self.sinks.replies.clone(), self.links.events.clone());
        let registry = self.registry.clone();
        tokio::spawn(async move {
            let FactOrder { incoming, name, setting } = order;
            let written = registry.set_fact(&name, setting.as_ref()).await;
            let told = match &written {
                Ok((before, entry)) => {
                    let event = RegistryEvent::Fact(Arc::clone(&name), entry.clone());
                    drop(events.send(FrontEvent::Registry(event)).await);
                    let [before, now] = [before.as_ref(), entry.fact.as_ref()].map(|fact| fact.map(Fact::figures));
                    Ok(serde_json::json!({"fact": name, "before": before, "now": now}))
                }
                Err(error) => Err(Failure::new(FailureName::Internal, error.to_string())),
            };
            match (incoming, told) {
                (Some(incoming), Ok(told)) => {
                    tracing::info!(fact = %name, ?setting, "the fact `{name}` was set or deleted by an administrator");
                    // The requester asks again where the reply cannot be sent.
                    let _full = replies.try_send(Outgoing::new(&incoming, told.to_string().into(), None));
                }
                (Some(incoming), Err(failure)) => {
                    let _full = replies.try_send(Outgoing::failed(&incoming, &failure));
                }
                (None, Ok(_)) => {}
                (None, Err(failure)) => tracing::warn!(fact = %name, "{}", failure.message),
            }
        });
    }

    /// Writes a mark; the reply waits for that, and by then the mark counts.
    fn mark(&self, order: MarkOrder) {
        let (replies, events) = (self.sinks.replies.clone(), self.links.events.clone());
        let registry = self.registry.clone();
        tokio::spawn(async move {
            let MarkOrder { incoming, node, kind, word, was_cooling } = order;
            let (state, written) = match kind {
                MarkKind::Drain => ("draining", registry.drain(&node, word).await),
                MarkKind::Cordon => ("cordoned", registry.cordon(&node, word).await),
                MarkKind::Uncordon => ("uncordoned", registry.uncordon(&node, word).await),
                MarkKind::Accept => ("accepted", registry.accept(&node, word).await),
                MarkKind::Forget => ("forgotten", registry.forget(&node, word).await),
            };
            let outgoing = match written {
                Ok(mark) => {
                    let told = serde_json::json!({"node": node, "state": state});
                    let cooling_down = was_cooling && mark.cooling_down.is_some();
                    let marks = Marks { cordoned: registry.keeps_out(&mark), cooling_down };
                    drop(events.send(FrontEvent::Marked(node, marks)).await);
                    Outgoing::new(&incoming, told.to_string().into(), None)
                }
                Err(error) => {
                    let name = match error {
                        MarkError::BadId => FailureName::BadRequest,
                        MarkError::Full => FailureName::Overloaded,
                        _ => FailureName::Internal,
                    };
                    Outgoing::failed(&incoming, &Failure::new(name, error.to_string()))
                }
            };
            // The requester asks again where the reply cannot be sent.
            let _full = replies.try_send(outgoing);
        });
    }

    /// Writes an assignment; the reply waits for that, and by then the assignment counts.
    fn assign(&self, order: AssignOrder) {
        let (replies, events) = (self.sinks.replies.clone(), self.links.events.clone());
        let registry = self.registry.clone();
        tokio::spawn(async move {
            let AssignOrder { incoming, login, user, assignment, author, warnings } = order;
            let outgoing = match registry.assign((&user, &login), assignment.as_ref(), author).await {
                Ok(before) => {
                    let node = assignment.as_ref().map(|assignment| assignment.node.clone());
                    let before = before.map(|before| before.node).filter(|before| Some(before) != node.as_ref());
                    let told = wire::assigned(&login, node.as_deref(), before.as_deref(), &warnings);
                    let event = RegistryEvent::Assigned(user, assignment);
                    drop(events.send(FrontEvent::Registry(event)).await);
                    Outgoing::new(&incoming, told.to_string().into(), None)
                }
                Err(error) => {
                    let name = match error {
                        AssignmentError::BadUser => FailureName::BadRequest,
                        _ => FailureName::Internal,
                    };
                    Outgoing::failed(&incoming, &Failure::new(name, error.to_string()))
                }
            };
            // The requester asks again where the reply cannot be sent.
            let _full = replies.try_send(outgoing);
        });
    }

    fn cool_down(&self, node: Arc<str>, pause_ms: u64, word: MarkAuthor) {
        let (events, registry) = (self.links.events.clone(), self.registry.clone());
        tokio::spawn(async move {
            match registry.cool_down(&node, pause_ms, word).await {
                Ok(Edited { mark, revision: Some(_) }) => {
                    let marks = Marks { cordoned: registry.keeps_out(&mark), cooling_down: pause_ms > 0 };
                    drop(events.send(FrontEvent::Marked(node, marks)).await);
                }
                // The node cools down already.
                Ok(_) => {}
                Err(error) => tracing::warn!(%node, %error, "the cool-down could not be written down"),
            }
        });
    }

    /// Passes a request for a reload of the config to the task that reads the config, which answers the request.
    fn reload(&self, request: ReloadRequest) {
        if let Err(error) = self.sinks.reloads.try_send(request) {
            let message = "too many requests to read the config again wait already";
            let failure = Failure::new(FailureName::Overloaded, message);
            self.reply(Outgoing::failed(&error.into_inner().incoming, &failure));
        }
    }

    fn start_runner(&self, number: u64, program: &Path) -> std::io::Result<Box<dyn ProcessLink>> {
        let birth = runner::RunnerInit { arrangement: Arrangement::ById };
        let runner = RunnerProcess::start(program, &birth, number, self.links.runner.clone())?;
        Ok(Box::new(RunnerLink { runner, goodbyes: self.goodbyes.clone() }))
    }
}

/// Sends `snapshot` to `worker`, which then mirrors the cluster.
async fn begin(worker: Worker, snapshot: Orders) -> NewWorker {
    worker.send_all(snapshot).await;
    let (lacks, remarks) = (worker.lacks().to_vec(), worker.remarks().to_vec());
    NewWorker { link: Box::new(WorkerLink(worker)), lacks, remarks }
}
