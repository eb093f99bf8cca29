//! A decision: the result of a chain, a node or the reason why none was found.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnosis::Diagnosis;
use super::failure::Failure;
use super::shared;

/// The end of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The decision chose this node.
    Placed(#[serde(deserialize_with = "shared::string")] Arc<str>),
    /// The decision failed.
    Failed(Failure),
}

/// The decision of a chain about a single request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The chain's action.
    #[serde(deserialize_with = "shared::string")]
    pub chain: Arc<str>,
    /// The cluster's generation that the last step saw.
    pub generation: u64,
    /// The step that chose the node; `None` where no step did.
    pub decided_by: Option<Arc<str>>,
    /// The chosen node, or the failure.
    pub outcome: Outcome,
    /// The record of how the decision was made.
    pub diagnosis: Diagnosis,
}
