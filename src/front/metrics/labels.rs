//! The labels of the service's metrics.

use prometheus_client::encoding::EncodeLabelSet;

/// The labels of decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DecisionLabels {
    /// The chain's action.
    pub chain: String,
    /// `placed`, `explained`, or the name of the failure.
    pub outcome: String,
}

/// The labels of limits that were passed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// The script, by the name of the step; empty where none is known.
    pub script: String,
    /// The limit.
    pub limit: String,
}

/// The labels of what compiled code did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CompiledLabels {
    /// The script, by the name of the step.
    pub script: String,
    /// The cause.
    pub cause: String,
}

/// The label of a script.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ScriptLabel {
    /// The script, by the name of the step.
    pub script: String,
}

/// The label of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChainLabel {
    /// The chain's action.
    pub chain: String,
}

/// The label of a stage of pending requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabel {
    /// The stage.
    pub(super) stage: &'static str,
}

/// The label of starts, and of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    /// `started`, `text`, `deferred`, `accepted`, `ignored`, or the name of the failure.
    pub(super) outcome: &'static str,
}

/// The label of a state of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StateLabel {
    /// The state.
    pub(super) state: &'static str,
}

/// The label of the build.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BuildLabel {
    /// The release.
    pub(super) version: String,
}
