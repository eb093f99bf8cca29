//! The resumption of a suspended decision on the present state of the cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chain::ask::Ask;
use crate::chain::candidates::{Places, Remaining};
use crate::chain::spec::OnUnplaceable;
use crate::chain::suspended::{ProgramAnswer, ShownCandidates, Suspended};
use crate::chain::{Chain, Store, verdict};
use crate::model::diagnosis::LogLevel;
use crate::model::{Candidate, Cluster, LostReason};
use crate::script::{Element, LogBook, ReturnedValue, ScriptError};

use super::{Evaluation, EvaluationContext, Progress, StepOutcome, Trace};

/// Resumes the decision `suspended` on the present cluster, with the answer of the suspended step's program. A choice
/// that was good when the program was shown the nodes, and no longer is, suspends the decision again: then the program
/// has to choose again, as any script has to after a refusal at commit.
#[must_use]
pub fn resume(
    chain: &Chain,
    ask: &Ask,
    suspended: Suspended,
    answer: ProgramAnswer,
    context: EvaluationContext<'_>,
    store: &mut Store,
) -> Progress {
    let number = suspended.step;
    let mut evaluation = Evaluation::again(chain, ask, suspended, context);
    let Some(step) = chain.steps.get(number) else { return Progress::Decided(evaluation.exhausted()) };
    if let Some(taken) = evaluation.taken(&answer) {
        return Progress::Suspended(Suspended { taken: Some(taken), ..evaluation.suspend(number) });
    }
    evaluation.reached = number + 1;
    let outcome = evaluation.accept_answer(answer);
    match evaluation.conclude(step, outcome) {
        Some(decision) => Progress::Decided(decision),
        None => evaluation.run(number + 1, store),
    }
}

/// Asks the program that `suspended` waits for again, about the candidates of the present cluster: the program's choice
/// was refused.
#[must_use]
pub fn ask_again(
    chain: &Chain,
    ask: &Ask,
    suspended: Suspended,
    context: EvaluationContext<'_>,
    store: &mut Store,
) -> Progress {
    let step = suspended.step;
    Evaluation::again(chain, ask, suspended, context).run(step, store)
}

/// Returns the list of a program without those nodes in `seen` that are no candidates any more: a node that leaves
/// while a program runs is no mistake of the program's.
fn still_there(
    returned: ReturnedValue,
    seen: &[Arc<str>],
    candidates: &[Candidate],
    cluster: &Cluster,
) -> ReturnedValue {
    let ReturnedValue::List(mut elements) = returned else { return returned };
    let places = Places::of(candidates);
    let seen: BTreeSet<_> = seen.iter().map(|id| &**id).collect();
    let has_left = |id: &str| {
        let is_there = cluster.find(id).is_some_and(|slot| places.find(slot).is_some());
        !is_there && seen.contains(id)
    };
    elements.retain(|element| match element {
        Element::Id(id) | Element::Node(id, _) => !has_left(id),
        Element::Given(_) | Element::Other(_) => true,
    });
    ReturnedValue::List(elements)
}

impl<'a> Evaluation<'a> {
    /// Restores the suspended evaluation on the present cluster.
    fn again(chain: &'a Chain, ask: &'a Ask, suspended: Suspended, context: EvaluationContext<'a>) -> Self {
        let Suspended { shown, mut diagnosis, logged, .. } = suspended;
        let candidates = match shown {
            ShownCandidates::Eligible => {
                diagnosis.excluded = context.eligibility.left_out(ask.about.as_ref());
                Remaining::eligible()
            }
            ShownCandidates::Listed(held) => {
                let mut candidates = Vec::with_capacity(held.len());
                for held in held {
                    let candidate = held.to_candidate(context.cluster);
                    let node = candidate.as_ref().and_then(|candidate| context.cluster.node(candidate.slot));
                    match (node.map(|node| ask.cooling.reason_against(node, &chain.spec)), candidate) {
                        (Some(None), Some(candidate)) => candidates.push(candidate),
                        (Some(Some(reason)), _) => diagnosis.excluded.add(reason, &held.node),
                        _ => diagnosis.excluded.add(LostReason::Left, &held.node),
                    }
                }
                Remaining::narrowed(candidates)
            }
        };
        Self {
            chain,
            ask,
            context,
            candidates,
            log: LogBook::after(logged, *context.limits),
            diagnosis,
            overran: None,
            reached: 0,
        }
    }

    /// Returns the node that a program chose among the nodes that the program was shown, where the node can no longer
    /// take the request, with the reason.
    fn taken(&self, answer: &ProgramAnswer) -> Option<(Arc<str>, LostReason)> {
        let Ok(ReturnedValue::Id(chosen)) = &answer.said else { return None };
        let chosen = answer.seen.iter().find(|seen| ***seen == **chosen)?;
        let reason = match self.context.cluster.get(chosen) {
            Some(node) => self.ask.cooling.reason_against(node, &self.chain.spec)?,
            None => LostReason::Left,
        };
        (self.chain.spec.on_unplaceable != OnUnplaceable::Allow).then(|| (Arc::clone(chosen), reason))
    }

    /// Turns the answer of a program into the outcome of the step, on the present cluster.
    fn accept_answer(&self, answer: ProgramAnswer) -> StepOutcome {
        let ProgramAnswer { said, seen, cost_us, log } = answer;
        log.iter().for_each(|line| self.log.write(LogLevel::Info, line));
        let answer = said.map_err(ScriptError::into_failure).and_then(|returned| {
            let cluster = self.context.cluster;
            // Only a list concerns the candidates, and making the list of candidates costs a look at every node.
            let candidates: &[Candidate] = if matches!(returned, ReturnedValue::List(_)) { self.list() } else { &[] };
            let returned = still_there(returned, &seen, candidates, cluster);
            verdict::read(returned, candidates, cluster, self.context.limits)
        });
        StepOutcome { answer, trace: Trace { calls: 1, cost_us, ..Trace::of(self.ask) } }
    }
}
