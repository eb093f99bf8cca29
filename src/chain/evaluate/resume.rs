//! A suspended decision, taken up again on the cluster as it is by now.

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

/// Takes `suspended` up again, on the cluster as it is now, with what was heard from the program at its step. A choice
/// that was a good one when the program was shown the nodes, and is none any more, suspends the decision again: there the
/// program has to make another one, as any script has whose choice is refused when it is committed.
#[must_use]
pub fn resume(
    chain: &Chain,
    ask: &Ask,
    suspended: Suspended,
    heard: ProgramAnswer,
    stage: EvaluationContext<'_>,
    store: &mut Store,
) -> Progress {
    let number = suspended.step;
    let mut evaluation = Evaluation::again(chain, ask, suspended, stage);
    let Some(step) = chain.steps.get(number) else { return Progress::Decided(evaluation.exhausted()) };
    if let Some(taken) = evaluation.taken(&heard) {
        return Progress::Suspended(Suspended { taken: Some(taken), ..evaluation.suspend(number) });
    }
    evaluation.reached = number + 1;
    let told = evaluation.accept_answer(heard);
    match evaluation.conclude(step, told) {
        Some(decision) => Progress::Decided(decision),
        None => evaluation.run(number + 1, store),
    }
}

/// Asks the program again that `suspended` waits for, about the candidates as they are now: what it said was refused.
#[must_use]
pub fn ask_again(
    chain: &Chain,
    ask: &Ask,
    suspended: Suspended,
    stage: EvaluationContext<'_>,
    store: &mut Store,
) -> Progress {
    let step = suspended.step;
    Evaluation::again(chain, ask, suspended, stage).run(step, store)
}

/// What a program returned, without those in `seen` that are no candidates any more: a node that leaves while a program
/// thinks is no mistake of the program's.
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
    /// What was suspended, on the cluster as it is now.
    fn again(chain: &'a Chain, ask: &'a Ask, suspended: Suspended, stage: EvaluationContext<'a>) -> Self {
        let Suspended { shown, mut diagnosis, logged, .. } = suspended;
        let candidates = match shown {
            ShownCandidates::Eligible => {
                diagnosis.excluded = stage.roll.left_out(ask.about.as_ref());
                Remaining::eligible()
            }
            ShownCandidates::Listed(held) => {
                let mut candidates = Vec::with_capacity(held.len());
                for held in held {
                    let candidate = held.to_candidate(stage.cluster);
                    let node = candidate.as_ref().and_then(|candidate| stage.cluster.node(candidate.slot));
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
            stage,
            candidates,
            log: LogBook::after(logged, *stage.limits),
            diagnosis,
            overran: None,
            reached: 0,
        }
    }

    /// The node that a program chose among those that it was shown, and that can take the request no more.
    fn taken(&self, heard: &ProgramAnswer) -> Option<(Arc<str>, LostReason)> {
        let Ok(ReturnedValue::Id(chosen)) = &heard.said else { return None };
        let chosen = heard.seen.iter().find(|seen| ***seen == **chosen)?;
        let reason = match self.stage.cluster.get(chosen) {
            Some(node) => self.ask.cooling.reason_against(node, &self.chain.spec)?,
            None => LostReason::Left,
        };
        (self.chain.spec.on_unplaceable != OnUnplaceable::Allow).then(|| (Arc::clone(chosen), reason))
    }

    /// What a program's answer means here and now.
    fn accept_answer(&self, heard: ProgramAnswer) -> StepOutcome {
        let ProgramAnswer { said, seen, cost_us, log } = heard;
        log.iter().for_each(|line| self.log.write(LogLevel::Info, line));
        let answer = said.map_err(ScriptError::into_failure).and_then(|returned| {
            let cluster = self.stage.cluster;
            // Only a list has to do with the candidates, and making theirs costs a look at every node.
            let candidates = if matches!(returned, ReturnedValue::List(_)) { self.list() } else { &[] };
            let returned = still_there(returned, &seen, candidates, cluster);
            verdict::read(returned, candidates, cluster, self.stage.limits)
        });
        StepOutcome { answer, trace: Trace { calls: 1, cost_us, ..Trace::of(self.ask) } }
    }
}
