//! A decision: what a chain said in the end, a node or why none.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnosis::Diagnosis;
use super::failure::Failure;
use super::shared;

/// How a decision ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// With this node.
    Placed(#[serde(deserialize_with = "shared::string")] Arc<str>),
    /// Without one.
    Failed(Failure),
}

/// What a chain said of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The chain's action.
    #[serde(deserialize_with = "shared::string")]
    pub chain: Arc<str>,
    /// The cluster's generation that the last step saw.
    pub generation: u64,
    /// The step that chose the node; absent where none did.
    pub decided_by: Option<Arc<str>>,
    /// A node or why none.
    pub outcome: Outcome,
    /// How it came to that.
    pub diagnosis: Diagnosis,
}
