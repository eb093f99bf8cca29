//! The sources of an agent beside the machine itself: static data, sessions, metrics, each followed by a separate task.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::AgentSettings;
use super::metrics::{self, AgentMetrics};
use super::sessions::{self, SessionsInForce};
use super::static_data::{self, StaticData, StaticDataError};

/// The sources of an agent, with the last value of each.
#[derive(Debug)]
pub(super) struct Sources {
    static_data: WordSource<StaticData>,
    sessions: WordSource<SessionsInForce>,
    metrics: WordSource<AgentMetrics>,
}

/// The values of the sources at the same moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) static_data: StaticData,
    pub(super) sessions: SessionsInForce,
    pub(super) metrics: AgentMetrics,
}

/// A source: the receiver of its values, and the sender until a task takes the sender.
#[derive(Debug)]
struct WordSource<T> {
    values: watch::Receiver<T>,
    sender: Option<watch::Sender<T>>,
}

impl<T> WordSource<T> {
    fn new(first: T, is_there: bool) -> Self {
        let (sender, values) = watch::channel(first);
        Self { values, sender: is_there.then_some(sender) }
    }
}

impl Sources {
    /// Creates the sources that `settings` name; the static data is read already.
    ///
    /// # Errors
    /// [`StaticDataError`] where the static data cannot be read.
    pub(super) fn new(settings: &AgentSettings) -> Result<Self, StaticDataError> {
        let data = settings.static_data.as_deref().map(static_data::read).transpose()?.unwrap_or_default();
        let first = StaticData { data: Arc::new(data), fault: None };
        Ok(Self {
            static_data: WordSource::new(first, settings.static_data.is_some()),
            sessions: WordSource::new(SessionsInForce::default(), settings.sessions.is_some()),
            metrics: WordSource::new(AgentMetrics::default(), settings.metrics.is_some()),
        })
    }

    /// Reads sessions and metrics once.
    pub(super) async fn ask(&self, settings: &AgentSettings) {
        if let (Some(source), Some(sender)) = (&settings.sessions, &self.sessions.sender) {
            let now = match sessions::list(source).await {
                Ok(list) => SessionsInForce { list: Some(Arc::new(list)), fault: None },
                Err(error) => SessionsInForce { list: None, fault: Some(error.to_string()) },
            };
            sender.send_replace(now);
        }
        if let (Some(folder), Some(sender)) = (&settings.metrics, &self.metrics.sender) {
            sender.send_replace(metrics::ask(folder, &AgentMetrics::default()).await);
        }
    }

    /// Starts following all sources; the sessions are listed at once after each start of a session, of which `started`
    /// tells. The tasks end with the returned set, and so does any command that they run.
    pub(super) fn follow(&mut self, settings: &AgentSettings, started: &Arc<Notify>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if let (Some(path), Some(sender)) = (settings.static_data.clone(), self.static_data.sender.take()) {
            tasks.spawn(static_data::follow(path, sender));
        }
        if let (Some(source), Some(sender)) = (settings.sessions.clone(), self.sessions.sender.take()) {
            tasks.spawn(sessions::follow(source, sender, Arc::clone(started)));
        }
        if let (Some(folder), Some(sender)) = (settings.metrics.clone(), self.metrics.sender.take()) {
            tasks.spawn(metrics::follow(folder, sender));
        }
        tasks
    }

    /// Returns when a source has a new value; never where there is no source.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.static_data.values.changed() => {}
            Ok(()) = self.sessions.values.changed() => {}
            Ok(()) = self.metrics.values.changed() => {}
            else => std::future::pending().await,
        }
    }

    /// Marks the present values as known.
    pub(super) fn mark_unchanged(&mut self) {
        self.static_data.values.mark_unchanged();
        self.sessions.values.mark_unchanged();
        self.metrics.values.mark_unchanged();
    }

    /// Returns the present values.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            static_data: self.static_data.values.borrow().clone(),
            sessions: self.sessions.values.borrow().clone(),
            metrics: self.metrics.values.borrow().clone(),
        }
    }
}
