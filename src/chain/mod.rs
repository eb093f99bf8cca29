//! A chain: the ordered steps for an action, their plain evaluation, and plans that come to the same decision sooner.
//!
//! The plain evaluation is the reference: the plain evaluation looks at every candidate at every step, keeps nothing
//! between requests, and stays so simple that faster plans can be tested against it. Neither knows which engines exist.

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
pub use spec::{
    ChainSet, ChainSpec, Mode, OnAssignedUnplaceable, OnFailure, OnUnplaceable, ProgramSpec, Purpose, StepSource,
    StepSpec,
};
pub use suspended::{ProgramAnswer, ShownCandidates, Suspended};

/// A chain with compiled steps.
pub struct Chain {
    /// The specification of the chain.
    pub spec: Arc<ChainSpec>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// A compiled step of a chain.
pub struct Step {
    /// The specification of the step.
    pub spec: StepSpec,
    /// The script, policy or program that runs at the step.
    pub kind: StepKind,
    /// The built-in that `on_error = "fallback:NAME"` names.
    pub error_fallback: Option<Box<dyn Policy>>,
    /// The built-in that `on_limit = "fallback:NAME"` names.
    pub limit_fallback: Option<Box<dyn Policy>>,
}

impl Step {
    /// Returns the built-in that ends the chain when the step fails with `name`, where the step's config names a
    /// built-in.
    #[must_use]
    pub fn fallback(&self, name: FailureName) -> Option<&dyn Policy> {
        match name {
            FailureName::ScriptLimit => self.limit_fallback.as_deref(),
            _ => self.error_fallback.as_deref(),
        }
    }
}

/// The kind of code that runs at a step.
pub enum StepKind {
    /// A script of an engine, in this process.
    Script(Box<dyn Script>),
    /// A built-in policy.
    Policy(Box<dyn Policy>),
    /// A program in another process: the decision is suspended until [`evaluate::resume()`] is called with the program's
    /// answer.
    External,
}
