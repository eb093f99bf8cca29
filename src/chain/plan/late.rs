//! The filters of a plan that hang on the request.

use crate::chain::asking::{NodeVerdict, PerNodeEvaluation};
use crate::chain::evaluate::EvaluationContext;
use crate::chain::result_cache::RequestCache;
use crate::chain::{Chain, StepKind};
use crate::model::{Failure, FailureName};
use crate::script::{Arity, PerNode, Script, ScriptShape};

use super::index::Index;
use super::{PlanPart, Shunned};

/// A filter that hangs on the request.
pub(super) struct RequestFilter<'a> {
    /// Where it stands in the plan.
    pub(super) part: usize,
    pub(super) step: usize,
    pub(super) script: &'a dyn Script,
    pub(super) functions: PerNode,
    pub(super) shunned: Shunned<'a>,
    /// Its script on its way, with what is kept of it; none until it is asked for the first time.
    pub(super) open: Option<(PerNodeEvaluation<'a>, RequestCache)>,
}

/// The filters of the index's plan that hang on the request, in order.
pub(super) fn late<'a>(chain: &'a Chain, index: &Index, stage: EvaluationContext<'a>) -> Vec<RequestFilter<'a>> {
    let sieves = index.plan.parts.iter().enumerate().filter_map(|(part, sieve)| match sieve {
        PlanPart::Sieve(step, Arity::NodeAndRequest) => Some((part, *step)),
        PlanPart::Sieve(_, Arity::Node) | PlanPart::Nominate(_) => None,
    });
    let late = sieves.filter_map(|(part, step)| {
        let at = chain.steps.get(step)?;
        let StepKind::Script(script) = &at.kind else { return None };
        let ScriptShape::PerNode(functions) = script.shape() else { return None };
        let shunned = stage.quarantine.nodes(&at.spec.name);
        Some(RequestFilter { part, step, script: &**script, functions, shunned, open: None })
    });
    late.collect()
}

/// What the filters of a request say of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sieved {
    Passes,
    Fails,
    /// One passed a limit, and may do better next time.
    Unsure,
}

impl Sieved {
    pub(super) fn by(word: &NodeVerdict) -> Self {
        match word {
            NodeVerdict::Keep => Self::Passes,
            NodeVerdict::Failed(failure) if is_limit(failure) => Self::Unsure,
            NodeVerdict::Scored(_) | NodeVerdict::Lost(_) | NodeVerdict::Failed(_) => Self::Fails,
        }
    }
}

/// Whether it says that a limit was passed.
pub(super) fn is_limit(failure: &Failure) -> bool {
    failure.name == FailureName::ScriptLimit
}
