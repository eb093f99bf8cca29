//! Reloads: the config is read again beside the running service, which goes on meanwhile, whatever the reading waits for.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::fastx::load::{DEFAULT_CONFIG, Loaded};
use crate::front::{Event, Setup};
use crate::nats::Connection;

use super::{ServeArgs, load, rehearse, setup};

/// The reloads of a service, one at a time.
pub(super) struct Reloads {
    args: ServeArgs,
    present: Connection,
    events: mpsc::Sender<Event>,
    running: Option<JoinHandle<Option<Setup>>>,
    /// Whether another one was asked for while one was running, which may have read the files before they were changed.
    is_asked_again: bool,
}

impl Reloads {
    /// No reload yet, of the service that `args` started over the connection `present`.
    pub(super) fn new(args: &ServeArgs, present: &Connection, events: mpsc::Sender<Event>) -> Self {
        Self { args: args.clone(), present: present.clone(), events, running: None, is_asked_again: false }
    }

    /// Starts a reload, or notes that another one is to follow the one that is running.
    pub(super) fn ask(&mut self) {
        if self.running.is_some() {
            tracing::info!("reload: one is under way, another one follows");
            self.is_asked_again = true;
            return;
        }
        let (args, present) = (self.args.clone(), self.present.clone());
        self.running = Some(tokio::spawn(read(args, present)));
    }

    /// Waits for the running reload, for ever where there is none, and hands what it read to the front, which takes that over
    /// once a worker for it is ready. Returns the digest of the new chains; nothing where the old ones stay.
    pub(super) async fn done(&mut self) -> Option<Arc<str>> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let setup = running.await.ok().flatten();
        self.running = None;
        if std::mem::take(&mut self.is_asked_again) {
            self.ask();
        }
        let setup = setup?;
        let digest = Arc::clone(&setup.digest);
        drop(self.events.send(Event::Reload(Box::new(setup))).await);
        Some(digest)
    }
}

/// Reads the config and tries its scripts; the log says why where that came to nothing.
async fn read(args: ServeArgs, present: Connection) -> Option<Setup> {
    let reading = args.clone();
    // The disk may take its time, and all that is answered waits for this thread.
    let loaded: Loaded = match tokio::task::spawn_blocking(move || load(&reading)).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) | Err(_) => {
            let config = args.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG));
            tracing::error!(config = %config.display(), "reload: the config is broken, the old one stays");
            return None;
        }
    };
    loaded.tell();
    let setup = setup(&loaded);
    if let Err(error) = rehearse(&setup.birth).await {
        tracing::error!(%error, "reload: the scripts cannot be used, the old ones stay");
        return None;
    }
    if let Ok((connection, _)) = args.bus.resolve(Some(&loaded.config.nats), "whither serve") {
        tell_of_changes(&present, &connection);
    }
    Some(setup)
}

/// Says what counts when of the settings under `[nats]` that have changed.
fn tell_of_changes(present: &Connection, read: &Connection) {
    if !present.has_login_of(read) {
        tracing::info!("reload: the login to NATS has changed; it is used from the next connect on");
    }
    if !present.leads_where(read) {
        tracing::warn!("reload: changes under [nats] count at the next start, as do those of [http] and liveness_s");
    }
}
