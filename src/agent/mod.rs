//! The agent: reports a machine as a node of the cluster, at each change and at intervals.
//!
//! The agent writes a single key of the bucket of nodes and reads nothing but the advisory that the bucket was made
//! anew, which the agent can do without, so that no more rights than that are needed. A broker that is away, a bucket
//! that is gone, a command that fails: the agent logs the failure, goes on with the last known data and tries again;
//! the agent ends when told to, and then takes the node out of the cluster.

mod cgroup;
pub mod command;
mod creations;
pub mod facts;
mod file_watch;
pub mod health;
pub mod logins;
pub mod metadata;
pub mod metrics;
mod ping;
mod put;
pub mod report;
mod reporting_log;
pub mod reservations;
pub mod sessions;
mod settings;
mod sources;
pub mod starts;
pub mod static_data;
mod strays;

pub use settings::{AgentError, AgentSettings};

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::backoff::{Backoff, spread};
use crate::model::report::MAX_ID_BYTES;
use crate::nats::logs::{self, LogProcess};
use crate::nats::{Bus, LinkState};
use crate::pulse::Pulse;
use creations::Creations;
use health::HealthSource;
use put::{Bucket, PutError};
use report::{AgentRunFacts, ReportDocument, ReportParts, Unreportable};
use reporting_log::ReportingLog;
use sources::Sources;
use starts::StartDesk;

/// The time in which several changes become a single report.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// The time within which agents report after a connection came up, or the bucket was made, spread so that not all
/// report in the same moment.
const SOON: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An agent.
#[derive(Debug)]
pub struct Agent {
    settings: AgentSettings,
    machine: HealthSource,
    sources: Sources,
    /// This run, by a name that tells it from a run of a copy with the same id, host name and process id, as containers
    /// have them.
    run: AgentRunFacts,
    warned: Vec<String>,
    log: ReportingLog,
}

impl Agent {
    /// Creates an agent with these settings; reads the static data for the first time.
    ///
    /// # Errors
    /// [`AgentError`] where the agent could never report.
    pub fn new(settings: AgentSettings) -> Result<Self, AgentError> {
        let id = &settings.identity.id;
        if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) {
            return Err(AgentError::Id(id.clone()));
        }
        let (interval, liveness) = (settings.interval, settings.liveness);
        if interval.saturating_mul(2) > liveness {
            return Err(AgentError::Interval { interval, liveness });
        }
        if let Some(folder) = &settings.metrics {
            let unreadable = |reason| AgentError::Metrics { path: folder.path.clone(), reason };
            metrics::check(&folder.path).map_err(unreadable)?;
        }
        let mut agent = Self {
            machine: HealthSource::new(),
            sources: Sources::new(&settings)?,
            run: AgentRunFacts {
                name: random_run()?,
                started_ms: Timestamp::now().as_millisecond(),
                interval: settings.interval,
            },
            settings,
            warned: Vec::new(),
            log: ReportingLog::default(),
        };
        // A node that can never be reported is better refused now.
        agent.document()?;
        Ok(agent)
    }

    /// Returns the present document, with sessions and metrics read once: for a look at the document without a cluster.
    ///
    /// # Errors
    /// [`AgentError::Document`] where the document would be refused.
    pub async fn once(mut self) -> Result<ReportDocument, AgentError> {
        self.sources.ask(&self.settings).await;
        Ok(self.document()?)
    }

    /// Reports over `bus` until `stop`, then takes the node out of the cluster. `pulse` beats at each step of this task and
    /// rests in between; waiting for NATS does not count as blocking.
    pub async fn run(mut self, bus: Bus, stop: CancellationToken, pulse: &Pulse) {
        self.log_report(&bus);
        let started = Arc::new(Notify::new());
        let mut tasks = self.sources.follow(&self.settings, &started);
        let desk = self.take_starts(&bus, started, &stop);
        let _answers = self.answer_questions(&bus);
        let mut bucket = Bucket::new(&bus, &self.settings);
        stop.run_until_cancelled(pulse.during(self.report_for_ever(&bus, &mut bucket))).await;
        drop(desk.await);
        // Runs of commands end with their tasks, and what they left is known by that.
        tasks.shutdown().await;
        strays::sweep().await;
        self.leave(&bus, &bucket).await;
    }

    /// Takes requests for starts until `stop`, where this agent starts sessions. The task ends with the last start.
    fn take_starts(&self, bus: &Bus, started: Arc<Notify>, stop: &CancellationToken) -> JoinHandle<()> {
        let AgentSettings { starts, identity, namespace, .. } = &self.settings;
        let (bus, namespace, stop) = (bus.clone(), namespace.clone(), stop.clone());
        let desk = starts.clone().map(|settings| StartDesk::new(settings, &identity.id, started, stop));
        tokio::spawn(async move {
            if let Some(desk) = desk {
                desk.run(bus, namespace).await;
            }
        })
    }

    /// Starts to answer pings and questions for the log, until the result is dropped.
    fn answer_questions(&self, bus: &Bus) -> JoinSet<()> {
        let AgentSettings { namespace, identity, .. } = &self.settings;
        let process = LogProcess { kind: "agent", name: identity.id.clone(), host: identity.hostname.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(logs::serve(bus.clone(), namespace.clone(), process));
        let (id, run) = (identity.id.clone(), self.run.clone());
        tasks.spawn(ping::serve(bus.clone(), namespace.clone(), id, run, self.log.last.subscribe()));
        tasks
    }

    /// Takes the node out of the cluster, if that can be done at once; otherwise the node's report expires.
    async fn leave(&self, bus: &Bus, bucket: &Bucket) {
        let id = &self.settings.identity.id;
        let left = if bus.is_connected() {
            bucket.delete().await
        } else {
            Err(PutError::Silent("the connection is down".to_owned()))
        };
        match left {
            Ok(()) => info!(node = id, "node `{id}` has left the cluster"),
            Err(error) if self.log.reported => {
                warn!(node = id, "node `{id}` could not say that it leaves, so its last report has to expire: {error}");
            }
            // The node never was in the cluster, as far as known.
            Err(error) => debug!(node = id, "{error}"),
        }
    }

    async fn report_for_ever(&mut self, bus: &Bus, bucket: &mut Bucket) {
        let mut link = bus.link();
        let mut creations = Creations::listen(bus, &self.settings.namespace).await;
        let (mut pauses, mut known) = (Backoff::spread(FIRST_PAUSE, LONGEST_PAUSE), 0);
        // The first report waits for the first list of sessions or the first metrics, but not for long.
        let waits = self.settings.sessions.is_some() || self.settings.metrics.is_some();
        let mut due = Instant::now() + if waits { DEBOUNCE * 4 } else { Duration::ZERO };
        loop {
            let connected = link.borrow_and_update().state == LinkState::Connected;
            if connected && bus.connects() != known {
                // The server may have lost the report, or be another server.
                if known > 0 {
                    due = Instant::now() + spread(SOON);
                }
                known = bus.connects();
            }
            tokio::select! {
                Ok(()) = link.changed() => {}
                () = creations.next() => {
                    debug!("the bucket was made: it has no report yet");
                    due = due.min(Instant::now() + spread(SOON));
                }
                () = self.sources.changed() => due = due.min(Instant::now() + DEBOUNCE),
                () = tokio::time::sleep_until(due), if connected => {
                    // Changes up to now are in this report.
                    self.sources.mark_unchanged();
                    due = Instant::now() + match self.report(bucket).await {
                        Ok((revision, bytes)) => {
                            pauses.succeeded();
                            self.log.worked(&self.settings.identity.id, revision, bytes);
                            jittered(self.settings.interval)
                        }
                        Err(reason) => {
                            self.log.failed(reason);
                            pauses.failed().min(self.settings.interval)
                        }
                    };
                }
            }
        }
    }

    /// Makes a report and puts the report into the bucket; returns the report's revision and size, or the reason of the
    /// failure.
    async fn report(&mut self, bucket: &mut Bucket) -> Result<(u64, usize), String> {
        let document = self.document().map_err(|refused| refused.to_string())?;
        self.warn(&document);
        let bytes = document.text.len();
        let revision = bucket.put(document.text).await.map_err(|error| error.to_string())?;
        debug!(revision, bytes, "reported");
        Ok((revision, bytes))
    }

    fn document(&mut self) -> Result<ReportDocument, Unreportable> {
        let sources::Snapshot { static_data, sessions, metrics } = self.sources.snapshot();
        let lister = self.settings.sessions.as_ref().map(|source| source.lister.kind()).unwrap_or_default();
        let sessions_fault = sessions.fault.map(|fault| match &sessions.list {
            Some(_) => format!("the sessions are old: {lister} {fault}"),
            None => format!("the sessions are not known: {lister} {fault}"),
        });
        let static_fault = static_data.fault.map(|fault| format!("the static data is old: {fault}"));
        let (facts, unknown_facts) = facts::counts(&self.settings.facts, &metrics);
        let faults = sessions_fault.into_iter().chain(static_fault);
        report::compose(ReportParts {
            identity: &self.settings.identity,
            run: &self.run,
            health: self.machine.health(Timestamp::now()),
            sessions: sessions.list.as_ref().map(|list| list.as_slice()),
            metadata: &self.settings.metadata,
            static_data: self.settings.static_data.is_some().then_some(&*static_data.data),
            metrics: metrics.values(),
            facts,
            metrics_stale: metrics.stale(),
            warnings: faults.chain(metrics.warnings()).chain(unknown_facts).collect(),
        })
    }

    /// Logs the reductions of the document and the facts without a count, each once; the sources have logged their own faults already.
    fn warn(&mut self, document: &ReportDocument) {
        for warning in document.warnings.iter().filter(|warning| is_news(warning)) {
            // The size in the text changes with every report.
            let kind = warning.split(':').next().unwrap_or_default();
            if !self.warned.iter().any(|known| known == kind) {
                warn!("{warning}");
                self.warned.push(kind.to_owned());
            }
        }
        if document.warnings.is_empty() {
            self.warned.clear();
        }
    }

    fn log_report(&mut self, bus: &Bus) {
        if let Some(shares) = self.machine.shares() {
            info!("this node is {shares} of its machine, as the control group and the affinity of its agent have it");
        }
        let AgentSettings { identity, metadata, static_data, sessions, metrics, interval, namespace, .. } =
            &self.settings;
        let address = identity.urls.first().unwrap_or(&identity.hostname);
        let (bucket, seconds, servers) = (namespace.nodes_bucket(), interval.as_secs_f64(), bus.servers());
        info!(
            node = identity.id,
            "reporting node `{}` at {address} to `{bucket}` on {servers} every {seconds} s", identity.id
        );
        let sessions = sessions.as_ref().map_or("not reported".to_owned(), |source| format!("from {}", source.lister));
        let metrics = metrics.as_ref().map_or("none".to_owned(), |folder| format!("`{}`", folder.path.display()));
        let static_data = static_data.as_ref().map_or("none".to_owned(), |path| format!("`{}`", path.display()));
        let metadata = metadata.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        info!(
            "sessions: {sessions}; metrics: {metrics}; static data: {static_data}; metadata: {}; services: {}",
            if metadata.is_empty() { "none" } else { &metadata },
            identity.services.join(", "),
        );
        if identity.max_sessions.is_some() && self.settings.sessions.is_none() {
            warn!(
                "the node says how many sessions it takes and not how many it has: what runs there counts nowhere, and \
                 with strict capacity nobody is placed there; add --sessions-from or --sessions-command"
            );
        }
    }
}

/// Whether `warning` is logged here: the sources have logged their own.
fn is_news(warning: &str) -> bool {
    report::is_reduction(warning) || facts::is_about_fact(warning)
}

/// Returns a name for a run of an agent that no other run has.
fn random_run() -> Result<String, AgentError> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|error| AgentError::Chance(error.into()))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Returns between 80 and 100 percent of `interval`, so that agents started together do not report together.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.6) + spread(interval.mul_f64(0.4))
}

#[cfg(test)]
mod tests;
