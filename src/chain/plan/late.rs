//! The filters of a plan that hang on the request.

use crate::chain::asking::{Asking, Word};
use crate::chain::evaluate::Stage;
use crate::chain::kept::Memory;
use crate::chain::{Chain, StepKind};
use crate::model::{Failure, FailureName};
use crate::script::{Arity, PerNode, Script, Shape};

use super::index::Index;
use super::{Part, Shunned};

/// A filter that hangs on the request.
pub(super) struct Late<'a> {
    /// Where it stands in the plan.
    pub(super) part: usize,
    pub(super) step: usize,
    pub(super) script: &'a dyn Script,
    pub(super) functions: PerNode,
    pub(super) shunned: Shunned<'a>,
    /// Its script on its way, with what is kept of it; none until it is asked for the first time.
    pub(super) open: Option<(Asking<'a>, Memory)>,
}

/// The filters of the index's plan that hang on the request, in order.
pub(super) fn late<'a>(chain: &'a Chain, index: &Index, stage: Stage<'a>) -> Vec<Late<'a>> {
    let sieves = index.plan.parts.iter().enumerate().filter_map(|(part, sieve)| match sieve {
        Part::Sieve(step, Arity::NodeAndRequest) => Some((part, *step)),
        Part::Sieve(_, Arity::Node) | Part::Nominate(_) => None,
    });
    let late = sieves.filter_map(|(part, step)| {
        let at = chain.steps.get(step)?;
        let StepKind::Script(script) = &at.kind else { return None };
        let Shape::PerNode(functions) = script.shape() else { return None };
        let shunned = stage.quarantine.nodes(&at.spec.name);
        Some(Late { part, step, script: &**script, functions, shunned, open: None })
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
    pub(super) fn by(word: &Word) -> Self {
        match word {
            Word::Keep => Self::Passes,
            Word::Failed(failure) if is_limit(failure) => Self::Unsure,
            Word::Scored(_) | Word::Lost(_) | Word::Failed(_) => Self::Fails,
        }
    }
}

/// Whether it says that a limit was passed.
pub(super) fn is_limit(failure: &Failure) -> bool {
    failure.name == FailureName::ScriptLimit
}
