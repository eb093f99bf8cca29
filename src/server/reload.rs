//! Reloads: the config is read again beside the running service, which is never kept waiting by the reading.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::front::{FrontEvent, ReloadRequest, Setup};
use crate::model::{Failure, FailureName};
use crate::nats::Connection;
use crate::nats::message::Outgoing;

use super::service::{ConfigSource, rehearse};

/// The most requests that wait for the end of a reload.
const WAITING: usize = 64;

/// The result of a reload that read a good config.
struct ReloadedConfig {
    setup: Setup,
    /// The warnings for the requester of the reload, a sentence each.
    notes: Vec<String>,
}

/// The reloads of a service, one at a time.
pub(super) struct Reloads {
    source: Arc<dyn ConfigSource>,
    present: Connection,
    events: mpsc::Sender<FrontEvent>,
    replies: mpsc::Sender<Outgoing>,
    running: Option<JoinHandle<Result<ReloadedConfig, String>>>,
    /// The requests that the running reload answers.
    waiting: Vec<ReloadRequest>,
    /// Whether a reload was requested while a reload was running, which may have read the files before they were
    /// changed.
    is_asked_again: bool,
    /// The requests that the next reload answers.
    waiting_next: Vec<ReloadRequest>,
}

impl Reloads {
    /// Returns the reloads of a service that is connected by `present` and reads its config from `source`.
    pub(super) fn new(
        source: Arc<dyn ConfigSource>,
        present: &Connection,
        events: mpsc::Sender<FrontEvent>,
        replies: mpsc::Sender<Outgoing>,
    ) -> Self {
        Self {
            source,
            present: present.clone(),
            events,
            replies,
            running: None,
            waiting: Vec::new(),
            is_asked_again: false,
            waiting_next: Vec::new(),
        }
    }

    /// Starts a reload, or notes that another reload is to follow the running reload.
    pub(super) fn ask(&mut self) {
        if self.running.is_some() {
            tracing::info!("reload: one is under way, another one follows");
            self.is_asked_again = true;
            return;
        }
        self.waiting = std::mem::take(&mut self.waiting_next);
        let (source, present) = (Arc::clone(&self.source), self.present.clone());
        self.running = Some(tokio::spawn(read(source, present)));
    }

    /// Whether a reload is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.running.is_some()
    }

    /// Starts or notes a reload for a request, which is answered with the result of the reload.
    pub(super) fn ask_for(&mut self, asked: ReloadRequest) {
        if self.waiting_next.len() >= WAITING {
            let failure = Failure::new(FailureName::Overloaded, "too many wait for the next reload already");
            let _full = self.replies.try_send(Outgoing::failed(&asked.incoming, &failure));
            return;
        }
        self.waiting_next.push(asked);
        self.ask();
    }

    /// Waits for the running reload, for ever where there is none, and sends the new setup to the front, which takes
    /// the setup over once a worker is ready. Returns the digest of the new chains, or `None` where the old chains
    /// stay.
    pub(super) async fn done(&mut self) -> Option<Arc<str>> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let read = running.await.unwrap_or_else(|error| Err(format!("the reload ended: {error}")));
        self.running = None;
        self.answer(&read);
        if std::mem::take(&mut self.is_asked_again) {
            self.ask();
        }
        let (event, digest) = match read {
            Ok(ReloadedConfig { setup, .. }) => {
                let digest = Arc::clone(&setup.digest);
                (FrontEvent::Reload(Box::new(setup)), Some(digest))
            }
            Err(reason) => (FrontEvent::ReloadFailed(reason), None),
        };
        drop(self.events.send(event).await);
        digest
    }

    fn answer(&mut self, read: &Result<ReloadedConfig, String>) {
        for ReloadRequest { incoming, replicas } in self.waiting.drain(..) {
            let body = match read {
                Ok(ReloadedConfig { setup, notes }) => {
                    json!({"state": "reloaded", "chains": &*setup.digest, "notes": notes, "replicas": replicas})
                }
                Err(problems) => json!({"state": "failed", "problems": problems, "replicas": replicas}),
            };
            // The requester asks again where the reply cannot be sent.
            let _full = self.replies.try_send(Outgoing::new(&incoming, body.to_string().into(), None));
        }
    }
}

/// Reads the config and tries the scripts. Where the reload fails, the log and the error say why.
async fn read(source: Arc<dyn ConfigSource>, present: Connection) -> Result<ReloadedConfig, String> {
    let (reading, name) = (Arc::clone(&source), source.name());
    // The disk may take its time, and all answers of the service wait for this thread.
    let read = tokio::task::spawn_blocking(move || reading.read()).await.unwrap_or_else(|error| Err(error.to_string()));
    let read = read.inspect_err(|_shown| {
        tracing::error!(config = name, "reload: the config is broken, the old one stays");
    })?;
    let setup = read.setup();
    let mut notes = rehearse(&setup.birth).await.map_err(|error| {
        tracing::error!(%error, "reload: the scripts cannot be used, the old ones stay");
        error.to_string()
    })?;
    notes.extend(changes(&present, &read.connection));
    Ok(ReloadedConfig { setup, notes })
}

/// Returns and logs a note for each kind of change under `[nats]`: when the change takes effect.
fn changes(present: &Connection, read: &Connection) -> Vec<String> {
    let mut notes = Vec::new();
    if !present.has_login_of(read) {
        let note = "the login to NATS has changed; it is used from the next connect on";
        tracing::info!("reload: {note}");
        notes.push(note.to_owned());
    }
    if !present.leads_where(read) {
        let note = "changes under [nats] count at the next start, as do those of [http] and liveness_s";
        tracing::warn!("reload: {note}");
        notes.push(note.to_owned());
    }
    notes
}
