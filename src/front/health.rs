//! The health of the front: for `/readyz`, for logs, for the supervisor that restarts the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::status::ReplicaStatus;

/// The state of the front.
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
    /// The time since the last proof that the node list misses nothing, in milliseconds; absent where the list was
    /// never read.
    pub view_age_ms: Option<u64>,
    /// The number of nodes in the cluster, by state.
    pub nodes: BTreeMap<&'static str, usize>,
    /// Notes for the operator.
    pub notes: Vec<String>,
    /// The whole status, for `/api/status`.
    #[serde(skip)]
    pub status: Arc<ReplicaStatus>,
}
