//! A service from the config to the end: started, connected, reloaded, stopped.
//!
//! Where the config comes from is the caller's choice: [`ConfigSource`] reads the config for the start and for each
//! reload, with the options of the command line and the environment of FastX, which nothing here knows.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use crate::config::{Config, Namespace};
use crate::front::Setup;
use crate::host;
use crate::nats::service::MicroService;
use crate::nats::{Bus, Connection};
use crate::pulse;
use crate::worker::{Worker, WorkerInit};

use super::error::ServiceError;
use super::readiness::{Readiness, ReloadOutcome};
use super::reload::Reloads;
use super::running::{self, ServiceParts};
use super::signals::{Instruction, Signals};
use super::{http, settings};

/// A config with the further inputs of a start or a reload.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The config.
    pub config: Config,
    /// The environment of programs.
    pub environment: Vec<(String, String)>,
    /// The connection to NATS.
    pub connection: Connection,
    /// The namespace of the subjects.
    pub namespace: Namespace,
}

impl ServiceConfig {
    /// Returns the settings of the service that this config describes.
    #[must_use]
    pub fn setup(&self) -> Setup {
        settings::service(&self.config, self.environment.clone())
    }
}

/// The place that the config of a service is read from.
pub trait ConfigSource: Send + Sync {
    /// Reads the config. The disk may take its time: callers give this a thread that may wait.
    ///
    /// # Errors
    /// Every problem of the config, as a person reads it.
    fn read(&self) -> Result<ServiceConfig, String>;

    /// Returns the name of the place, for the log.
    fn name(&self) -> String;
}

/// Runs the service of `first` until `signals` or an error end the service; a reload reads `source`. `http` is the
/// address of the HTTP port, over the config's.
///
/// # Errors
/// A script that does not compile, before any port opens; a port that cannot be opened; settings that can never
/// connect; a task that ended.
pub async fn run(
    first: ServiceConfig,
    source: Arc<dyn ConfigSource>,
    http: Option<SocketAddr>,
    mut signals: Signals,
) -> Result<(), ServiceError> {
    let setup = first.setup();
    let ServiceConfig { config, connection, namespace, .. } = first;
    rehearse(&setup.birth).await?;
    let listener = match http.or(config.http) {
        Some(address) => Some(http::bind(address).await.map_err(|error| ServiceError::Listen(address, error))?),
        None => None,
    };
    if let Some(address) = listener.as_ref().and_then(|listener| listener.local_addr().ok()) {
        tracing::info!(%address, "http: /healthz, /readyz, /metrics, /api/status");
    }
    let bus = Bus::open(&connection).await?;
    // Requests may come faster than they are read, and the server then drops the connection; the view must be
    // unaffected.
    let view = Bus::open_for("view", &connection).await?;
    let (mut running, bus_setup, mut reloads_asked) =
        ServiceParts { config: &config, namespace, setup, bus, view }.start(listener)?;
    tokio::spawn(running::try_pings(running.bus.clone(), connection.clone(), running.events.clone()));
    let (mut bus_setup, mut service) = (Some(bus_setup), None);
    let mut can_answer = pin!(running.can_answer());
    let mut reloads = Reloads::new(source, &connection, running.events.clone(), running.replies());
    let mut readiness = Readiness::new(running.bus.clone());
    loop {
        tokio::select! {
            biased;
            // Without NATS no request can be answered yet; the signals must work all the same.
            instruction = signals.next() => match instruction {
                Instruction::Stop => break,
                Instruction::Reload => {
                    readiness.reloading();
                    reloads.ask();
                }
            },
            Some(asked) = reloads_asked.recv() => {
                readiness.reloading();
                reloads.ask_for(asked);
            }
            failed = running.failed() => return Err(failed),
            digest = reloads.done() => {
                if !reloads.is_under_way() {
                    readiness.reloaded(digest.as_ref().map_or(ReloadOutcome::Refused, |_taken| ReloadOutcome::Taken));
                }
                if let (Some(service), Some(digest)) = (&service, digest) {
                    MicroService::micro(service).describe("chains", json!(*digest));
                }
            }
            () = &mut can_answer, if bus_setup.is_some() => {
                if let Some(bus_setup) = bus_setup.take() {
                    service = Some(running.listen(bus_setup).await?);
                    readiness.ready();
                }
            }
        }
    }
    pulse::notify_stopping();
    // The last reply is sent when no task is left that could send a reply.
    drop(reloads);
    running.end(service).await;
    Ok(())
}

/// Starts a worker once before any port opens, so that a script that does not compile ends the service here. Returns a
/// sentence for each probable mistake in a script.
///
/// # Errors
/// The worker did not start.
pub async fn rehearse(init: &WorkerInit) -> Result<Vec<String>, ServiceError> {
    let (frames, _ignored) = mpsc::channel(1);
    let worker = Worker::start(&host::program(), init, 0, frames).await?;
    worker.tiers().iter().for_each(|tier| tracing::info!("{tier}"));
    let remarks = worker.remarks().to_vec();
    worker.kill();
    Ok(remarks)
}
