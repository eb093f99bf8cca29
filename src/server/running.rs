//! The service while it runs: the tasks, the channels between them, and the order in which they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Namespace, NewNodes};
use crate::front::health::Health;
use crate::front::metrics::Metrics;
use crate::front::{Front, FrontEvent, ReloadRequest, Setup};
use crate::host;
use crate::nats::admission::Admission;
use crate::nats::logs::{self, LogProcess};
use crate::nats::message::Outgoing;
use crate::nats::micro::ServiceIdentity;
use crate::nats::peers::{self, PeerMessage};
use crate::nats::service::{self, MicroService, RequestIntake, Stats};
use crate::nats::subjects::SERVICE;
use crate::nats::{Bus, Connection, frozen};
use crate::pulse::{self, Pulse};
use crate::registry::journal::HistoryRecord;
use crate::registry::{Registry, RegistrySettings};
use crate::system_clock::now;

use super::error::ServiceError;
use super::starts::StartTasks;
use super::telemetry::{TracedService, Tracing};
use super::{EffectSinks, Executor, Inbox, http, notify};

/// The most requests that may wait for the front's task; a batch of NATS is far smaller.
const REQUESTS_WAITING: usize = 16_384;
/// The most replies that may wait for NATS.
const REPLIES_WAITING: usize = 65_536;
/// The most untaken places that may wait for the front.
const UNTAKEN_WAITING: usize = 1024;
/// The most requests to read the config again that may wait.
const RELOADS_WAITING: usize = 64;
/// The least time between two tests of how long NATS keeps a frozen client.
const BETWEEN_FREEZES: Duration = Duration::from_secs(60);
/// How long a service that is connected waits for the node list before the service answers without the list: requests
/// are told the reason then, which is better than no answer.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// How long a service that begins to receive requests waits for NATS to confirm the subscriptions.
const ECHO_PATIENCE: Duration = Duration::from_secs(2);
/// How long the stop waits for NATS to deliver the last messages and to take the last replies.
const LAST_MESSAGES: Duration = Duration::from_secs(5);

/// The parts that a service is made from.
pub(super) struct ServiceParts<'a> {
    pub(super) config: &'a Config,
    pub(super) namespace: Namespace,
    pub(super) setup: Setup,
    /// The connection for requests and replies.
    pub(super) bus: Bus,
    /// The connection for the buckets and for the other replicas.
    pub(super) view: Bus,
}

/// The tasks of a service.
pub(super) struct RunningService {
    pub(super) bus: Bus,
    view: Bus,
    pub(super) events: mpsc::Sender<FrontEvent>,
    namespace: Namespace,
    stats: Stats,
    replies: mpsc::Sender<Outgoing>,
    starts: StartTasks,
    tracing: Tracing,
    front: JoinHandle<()>,
    responder: JoinHandle<()>,
    http: Option<JoinHandle<()>>,
    stop: CancellationToken,
    pulse: Arc<Pulse>,
    health: watch::Receiver<Health>,
    /// Whether requests are received; `/readyz` says no before.
    listens: Arc<AtomicBool>,
}

/// The parts that the connected bus needs.
pub(super) struct BusSetup {
    replica: String,
    identity: ServiceIdentity,
    intake: RequestIntake,
    peer_texts: mpsc::Sender<Bytes>,
    peer_messages: mpsc::Receiver<PeerMessage>,
}

/// The channel on which the front passes requests to read the config again.
pub(super) type ReloadsAsked = mpsc::Receiver<ReloadRequest>;

impl ServiceParts<'_> {
    /// Starts all tasks that need no NATS.
    pub(super) fn start(
        self,
        listener: Option<TcpListener>,
    ) -> Result<(RunningService, BusSetup, ReloadsAsked), ServiceError> {
        let Self { config, namespace, setup, bus, view } = self;
        let stop = CancellationToken::new();
        let (registry, changes) = Registry::start(&view, registry_settings(config, &namespace), stop.clone());
        let (metrics, board) = (Arc::new(Metrics::new()), super::board());
        let (shown, health) = (board.subscribe(), board.subscribe());
        let (replies, outgoing) = mpsc::channel(REPLIES_WAITING);
        let (requests, incoming) = mpsc::channel(REQUESTS_WAITING);
        let (gossip, peer_messages) = mpsc::channel(peers::SAYINGS_WAITING);
        let (peer_texts, received) = mpsc::channel(peers::HEARD_WAITING);
        let (inbox, links) = Inbox::new(incoming, changes, received);
        let events = links.events.clone();
        let entropy = host::bytes().map_err(ServiceError::Host)?;
        let digest = setup.digest.to_string();
        let pulse = watched_pulse()?;
        let (reloads, reloads_asked) = mpsc::channel(RELOADS_WAITING);
        let sinks = EffectSinks { replies: replies.clone(), gossip, board, reloads };
        let front = Front::new(setup, Box::new(registry.clone()), Arc::clone(&metrics), entropy, now());
        let admission = Arc::<Admission>::default();
        let front = front.on_host(&host::name()).admitted_by(Arc::clone(&admission));
        let intake = RequestIntake { requests, admission };
        let starts = StartTasks::new(&bus, namespace.clone(), replies.clone(), Arc::clone(&metrics));
        let executor = Executor::new(registry.clone(), Arc::clone(&metrics), sinks, links, starts.clone());
        let replica = front.replica().to_owned();
        tracing::info!(replica, namespace = namespace.as_str(), digest, "whither serve {}", env!("CARGO_PKG_VERSION"));
        let service = TracedService { replica: &replica, host: &host::name(), namespace: &namespace };
        let tracing = Tracing::start(config.tracing.as_ref(), service, &metrics)?;
        let (stats, listens) = (service::stats(), Arc::<AtomicBool>::default());
        let (untaken, sink) = (untaken(&events), tracing.sink.clone());
        let responder = service::respond(bus.client().clone(), stats.clone(), outgoing, untaken, sink);
        let page = http::HealthPage {
            health: shown,
            pulse: Arc::clone(&pulse),
            link: bus.link(),
            metrics,
            registry,
            listens: Arc::clone(&listens),
        };
        let running = RunningService {
            front: tokio::spawn(super::run(front, inbox, executor, Arc::clone(&pulse))),
            http: listener.map(|listener| tokio::spawn(serve_http(http::serve(listener, page)))),
            responder: tokio::spawn(responder),
            bus,
            view,
            events,
            namespace,
            stats,
            replies,
            starts,
            tracing,
            stop,
            pulse,
            health,
            listens,
        };
        let identity = identity(&replica, &digest);
        Ok((running, BusSetup { replica, identity, intake, peer_texts, peer_messages }, reloads_asked))
    }
}

impl RunningService {
    /// Returns when requests can be answered: NATS is connected, and the node list was read. A replica that joins others
    /// must take no request that the others could have answered. Where the list does not come, the wait ends after
    /// [`LIST_PATIENCE`].
    pub(super) fn can_answer(&self) -> impl Future<Output = ()> + use<> {
        let (bus, mut health) = (self.bus.clone(), self.health.clone());
        async move {
            bus.connected().await;
            let is_known = health.wait_for(|health| health.worker && health.nodes_known);
            let _missing = tokio::time::timeout(LIST_PATIENCE, is_known).await;
        }
    }

    /// Receives requests and the messages of other replicas from now on.
    pub(super) async fn listen(&self, bus_setup: BusSetup) -> Result<MicroService, ServiceError> {
        let BusSetup { replica, identity, intake, peer_texts, peer_messages } = bus_setup;
        let (client, view, namespace) = (self.bus.client(), self.view.client(), &self.namespace);
        peers::listen(view, namespace, &replica, peer_texts, intake.requests.clone(), &self.tracing.sampler)
            .await
            .map_err(refused)?;
        let records = self.tracing.sink.clone();
        tokio::spawn(peers::publish_peer_messages(view.clone(), namespace.clone(), peer_messages, records));
        let started =
            MicroService::start(client, namespace, identity, &self.stats, intake, &self.replies, &self.tracing.sampler);
        let service = started.await.map_err(refused)?;
        self.await_echo().await;
        self.listens.store(true, Ordering::Relaxed);
        let process = LogProcess { kind: "serve", name: replica, host: host::name() };
        tokio::spawn(logs::serve(self.view.clone(), namespace.clone(), process));
        tracing::info!(servers = self.bus.servers(), "answering");
        Ok(service)
    }

    /// Waits until a message of this replica to itself comes back: then the server knows the subscriptions before, too.
    async fn await_echo(&self) {
        let client = self.bus.client();
        let inbox = client.new_inbox();
        let echo = async {
            let mut echoes = client.subscribe(inbox.clone()).await.ok()?;
            client.publish(inbox, Bytes::new()).await.ok()?;
            echoes.next().await
        };
        if !matches!(tokio::time::timeout(ECHO_PATIENCE, echo).await, Ok(Some(_))) {
            tracing::warn!("NATS did not confirm within {ECHO_PATIENCE:?} that it hands on requests");
        }
    }

    /// Returns the channel for replies.
    pub(super) fn replies(&self) -> mpsc::Sender<Outgoing> {
        self.replies.clone()
    }

    /// Returns when a task has ended that was to run until the stop, with the error about that task.
    pub(super) async fn failed(&mut self) -> ServiceError {
        let http = async {
            match &mut self.http {
                Some(http) => drop(http.await),
                None => std::future::pending().await,
            }
        };
        let task = tokio::select! {
            _ = &mut self.front => "front",
            _ = &mut self.responder => "responder",
            () = http => "http",
        };
        ServiceError::TaskEnded(task)
    }

    /// Answers the requests that were received, and ends.
    pub(super) async fn end(self, service: Option<MicroService>) {
        let Self { events, replies, starts, tracing, front, responder, http, stop, pulse, .. } = self;
        // Their steps are requests, which this replica may have to answer itself.
        starts.end().await;
        drain(service).await;
        // The front's task ends only once everything is answered; then the responder's channel closes.
        drop((events.send(FrontEvent::Stop).await, replies, starts));
        drop(front.await);
        pulse.ends();
        stop.cancel();
        if tokio::time::timeout(LAST_MESSAGES, responder).await.is_err() {
            tracing::warn!("NATS did not take the last replies in time");
        }
        tracing.end().await;
        if let Some(http) = http {
            http.abort();
        }
        tracing::info!("stopped");
    }
}

/// Tests how long NATS keeps a client that is frozen, each time that the connection is established: the server may be
/// another, or have another config. Where the test is not possible, nothing is reported.
pub(super) async fn try_pings(bus: Bus, connection: Connection, events: mpsc::Sender<FrontEvent>) {
    let mut link = bus.link();
    loop {
        bus.connected().await;
        let connects = bus.connects();
        if let Some(kept) = frozen::is_kept(connection.clone()).await
            && events.send(FrontEvent::FrozenKept(kept)).await.is_err()
        {
            return;
        }
        tokio::time::sleep(BETWEEN_FREEZES).await;
        while bus.connects() == connects {
            if link.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Takes no more messages, and waits for the messages that NATS had delivered already.
async fn drain(service: Option<MicroService>) {
    let Some(service) = service else { return };
    if tokio::time::timeout(LAST_MESSAGES, service.drain()).await.is_err() {
        tracing::warn!("NATS did not hand over what it still had in time");
    }
}

/// Returns a pulse that is watched from now on.
fn watched_pulse() -> Result<Arc<Pulse>, ServiceError> {
    let pulse = Arc::new(Pulse::default());
    pulse::watch(Arc::clone(&pulse)).map_err(ServiceError::Host)?;
    Ok(pulse)
}

fn registry_settings(config: &Config, namespace: &Namespace) -> RegistrySettings {
    RegistrySettings {
        namespace: namespace.clone(),
        liveness: Duration::from_secs(u64::from(config.service.liveness_s)),
        max_missed: config.service.max_missed,
        holds: config.service.new_nodes == NewNodes::Hold,
        news: news(&config.service.notify),
        keeping: config.nats.keeping,
        ..RegistrySettings::default()
    }
}

/// Returns a channel for what happens to nodes, from which `program` is told; `None` where there is no program.
fn news(program: &[String]) -> Option<mpsc::Sender<HistoryRecord>> {
    let program = Some(program.to_vec()).filter(|program| !program.is_empty())?;
    let (news, events) = mpsc::channel(notify::EVENTS_WAITING);
    tokio::spawn(notify::tell(program, events));
    Some(news)
}

/// Returns a channel for the places that were not taken, from which they are passed to the front.
fn untaken(events: &mpsc::Sender<FrontEvent>) -> mpsc::Sender<Arc<str>> {
    let (untaken, mut places) = mpsc::channel(UNTAKEN_WAITING);
    let events = events.clone();
    tokio::spawn(async move {
        while let Some(place) = places.recv().await {
            if events.send(FrontEvent::Untaken(place)).await.is_err() {
                return;
            }
        }
    });
    untaken
}

/// Serves the port until the stop; where serving ends before, the log says why.
async fn serve_http(served: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = served.await {
        tracing::error!(%error, "the HTTP port cannot be served any more");
    }
}

fn identity(replica: &str, digest: &str) -> ServiceIdentity {
    ServiceIdentity {
        name: SERVICE.to_owned(),
        id: replica.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: "To which node? Placements of sessions on a cluster".to_owned(),
        metadata: Map::from_iter([("chains".to_owned(), json!(digest))]),
    }
}

fn refused(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Subscribe(error.to_string())
}
