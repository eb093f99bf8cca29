//! What the front tells of its own state: for `/readyz`, for logs, for whoever restarts it.

use std::collections::BTreeMap;

use serde::Serialize;

/// The front's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether requests can be decided: a worker is there and the node list has been read.
    pub ready: bool,
    /// Whether a worker is there.
    pub worker: bool,
    /// Whether NATS is connected.
    pub bus: bool,
    /// Whether the node list was read since the start.
    pub nodes_known: bool,
    /// How long ago it was last proven that the node list misses nothing; absent where it was never read.
    pub view_age_ms: Option<u64>,
    /// Nodes in the cluster, by state.
    pub nodes: BTreeMap<&'static str, usize>,
    /// What a person should know.
    pub notes: Vec<String>,
}
