//! The filters of a plan that depend on the request.

use crate::chain::asking::{NodeVerdict, PerNodeEvaluation};
use crate::chain::evaluate::EvaluationContext;
use crate::chain::result_cache::RequestCache;
use crate::chain::{Chain, StepKind};
use crate::model::{Failure, FailureName};
use crate::script::{Arity, PerNode, Script, ScriptShape};

use super::index::Index;
use super::{PlanPart, Shunned};

/// A filter that depends on the request.
pub(super) struct RequestFilter<'a> {
    /// The position of the filter in the plan.
    pub(super) part: usize,
    pub(super) step: usize,
    pub(super) script: &'a dyn Script,
    pub(super) functions: PerNode,
    pub(super) shunned: Shunned<'a>,
    /// The opened script with the cached results; `None` until the filter is first needed.
    pub(super) open: Option<(PerNodeEvaluation<'a>, RequestCache)>,
}

/// Returns the filters of the index's plan that depend on the request, in order.
pub(super) fn late<'a>(chain: &'a Chain, index: &Index, context: EvaluationContext<'a>) -> Vec<RequestFilter<'a>> {
    let sieves = index.plan.parts.iter().enumerate().filter_map(|(part, sieve)| match sieve {
        PlanPart::Sieve(step, Arity::NodeAndRequest) => Some((part, *step)),
        PlanPart::Sieve(_, Arity::Node) | PlanPart::Nominate(_) => None,
    });
    let late = sieves.filter_map(|(part, step)| {
        let at = chain.steps.get(step)?;
        let StepKind::Script(script) = &at.kind else { return None };
        let ScriptShape::PerNode(functions) = script.shape() else { return None };
        let shunned = context.quarantine.nodes(&at.spec.name);
        Some(RequestFilter { part, step, script: &**script, functions, shunned, open: None })
    });
    late.collect()
}

/// The answer of a request's filters about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sieved {
    Passes,
    Fails,
    /// A filter passed a limit, and may answer next time.
    Unsure,
}

impl Sieved {
    pub(super) fn by(verdict: &NodeVerdict) -> Self {
        match verdict {
            NodeVerdict::Keep => Self::Passes,
            NodeVerdict::Failed(failure) if is_limit(failure) => Self::Unsure,
            NodeVerdict::Scored(_) | NodeVerdict::Lost(_) | NodeVerdict::Failed(_) => Self::Fails,
        }
    }
}

/// Whether `failure` says that a limit was passed.
pub(super) fn is_limit(failure: &Failure) -> bool {
    failure.name == FailureName::ScriptLimit
}
