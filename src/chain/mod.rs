//! A chain: the ordered steps for an action, their plain evaluation, and plans that come to the same sooner.
//!
//! The plain evaluation is the reference: it looks at every candidate at every step, keeps nothing between requests, and
//! stays as it is so that faster plans can be tested against it. Neither knows which engines exist.

pub mod ask;
mod asking;
pub mod candidates;
pub mod eligibility;
pub mod eligibility_index;
pub mod evaluate;
mod explain;
pub mod observer;
mod pernode;
pub mod plan;
pub mod quarantine;
pub mod recency;
mod result_cache;
mod scores;
pub mod spec;
pub mod suspended;
pub mod verdict;

use std::sync::Arc;

use crate::model::FailureName;
use crate::script::{Policy, Script};

pub use ask::Ask;
pub use eligibility_index::EligibilityIndex;
pub use evaluate::{EvaluationContext, Progress};
pub use observer::{NoObserver, StepObserver};
pub use plan::Store;
pub use quarantine::{LimitRecord, QuarantineList, Subject};
pub use recency::Recency;
pub use spec::{ChainSet, ChainSpec, Mode, OnFailure, OnUnplaceable, ProgramSpec, Purpose, StepSource, StepSpec};
pub use suspended::{ProgramAnswer, ShownCandidates, Suspended};

/// A chain whose steps are compiled.
pub struct Chain {
    /// What it was made from.
    pub spec: Arc<ChainSpec>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a chain.
pub struct Step {
    /// What it was made from.
    pub spec: StepSpec,
    /// What runs.
    pub kind: StepKind,
    /// The built-in that `on_error = "fallback:NAME"` names.
    pub error_fallback: Option<Box<dyn Policy>>,
    /// The built-in that `on_limit = "fallback:NAME"` names.
    pub limit_fallback: Option<Box<dyn Policy>>,
}

impl Step {
    /// The built-in that ends the chain when the step fails with `name`, where its config names one.
    #[must_use]
    pub fn fallback(&self, name: FailureName) -> Option<&dyn Policy> {
        match name {
            FailureName::ScriptLimit => self.limit_fallback.as_deref(),
            _ => self.error_fallback.as_deref(),
        }
    }
}

/// What runs at a step.
pub enum StepKind {
    /// A script of an engine, in this process.
    Script(Box<dyn Script>),
    /// A built-in policy.
    Policy(Box<dyn Policy>),
    /// A program outside: the decision is suspended until somebody hands in what the program said.
    External,
}
