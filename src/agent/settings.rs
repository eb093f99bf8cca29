//! The settings of an agent, and why an agent with such settings cannot run.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::facts::FactSource;
use super::metrics::MetricsFolder;
use super::report::{NodeIdentity, Unreportable};
use super::sessions::SessionsSource;
use super::starts::StartSettings;
use super::static_data::StaticDataError;
use crate::config::{Keeping, Namespace};
use crate::model::report::MAX_ID_BYTES;

/// The settings of an agent: the node's data, their sources and the destination.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// The namespace of the cluster.
    pub namespace: Namespace,
    /// The identity of the node.
    pub identity: NodeIdentity,
    /// The metadata of the node.
    pub metadata: Map<String, Value>,
    /// The file of the node's static data.
    pub static_data: Option<PathBuf>,
    /// The source of the node's sessions.
    pub sessions: Option<SessionsSource>,
    /// The folder of executables that print the node's metrics.
    pub metrics: Option<MetricsFolder>,
    /// The countable facts whose counts are among the metrics.
    pub facts: Vec<FactSource>,
    /// The starts of sessions on this node; `None` where this agent starts none.
    pub starts: Option<StartSettings>,
    /// The time between two reports when nothing changes.
    pub interval: Duration,
    /// The time that a report lives in a bucket that the agent has to make.
    pub liveness: Duration,
    /// The storage of a bucket that the agent has to make.
    pub keeping: Keeping,
}

/// The reason why an agent cannot run at all.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The node's id is not usable.
    #[error("a node id has 1 to {MAX_ID_BYTES} bytes without control characters, `{}` has not", crate::plain::plain(.0))]
    Id(String),
    /// The node would be stale between two reports.
    #[error("an interval of {} s is too long: a node that is silent for {} s counts as gone", .interval.as_secs_f64(), .liveness.as_secs_f64())]
    Interval {
        /// The interval.
        interval: Duration,
        /// The limit.
        liveness: Duration,
    },
    /// The static data cannot be read at start.
    #[error(transparent)]
    StaticData(#[from] StaticDataError),
    /// The metrics folder cannot be read at start.
    #[error("the metrics folder `{}` cannot be read: {reason}", path.display())]
    Metrics {
        /// The folder.
        path: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}")]
    Chance(std::io::Error),
    /// The node's document would be refused.
    #[error(transparent)]
    Document(#[from] Unreportable),
}
