//! The evaluation of a per-node script over all candidates. Without a cache the evaluation makes every call, and is the
//! reference for plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::{Alarm, Overtime};
use crate::model::lost::LostNodes;
use crate::model::{Candidate, Failure, FailureName, LostReason, Node, Verdict};
use crate::script::{Arity, CallContext, NodeFunction, PerNode, Script};

use super::Recency;
use super::asking::{NodeVerdict, PerNodeEvaluation};
use super::observer::{Calls, StepObserver};
use super::quarantine::LimitRecord;
use super::result_cache::{RequestCache, ResultCache};
use super::scores::Scores;

/// Evaluates `script` for every candidate.
///
/// # Errors
/// The error that the script's top level or `key` threw; the limit, where the step has used up the time allowed,
/// because an answer about some candidates would be taken for an answer about all; or, where no candidate is left and a
/// candidate was lost to an error, the first such error in candidate order.
pub(super) fn evaluate(
    script: &dyn Script,
    functions: PerNode,
    call_context: CallContext<'_>,
    candidates: &[Candidate],
    mut context: PerNodeContext<'_>,
) -> Result<Verdict, Failure> {
    let keys = context.kept.as_deref_mut().map(|tables| &mut tables.keys);
    let mut evaluation = PerNodeEvaluation::open(script, functions, call_context, keys, context.calls)?;
    evaluation.begin(functions, context.calls)?;
    let memory = context.kept.as_deref_mut().map(|tables| tables.lend(evaluation.key()));
    let mut round = PerNodeRound { evaluation, functions, call_context, memory, context };
    let verdict = round.over(candidates);
    if let (Some(tables), Some(memory)) = (round.context.kept, round.memory) {
        tables.take_back(memory);
    }
    verdict
}

/// The inputs of the evaluation beside the script, and the records that the evaluation fills.
pub(super) struct PerNodeContext<'a> {
    /// The past choices of the chain, which break ties.
    pub(super) recency: &'a Recency,
    /// The observer that is notified of the node that a function is called for.
    pub(super) observer: &'a dyn StepObserver,
    /// The alarm that goes off when the script has used up the time allowed.
    pub(super) alarm: &'a dyn Alarm,
    /// The nodes that the script is not asked about, with the limits that were passed on them.
    pub(super) shunned: Option<&'a BTreeMap<Arc<str>, LimitRecord>>,
    /// The cached results of the script, where their use is allowed.
    pub(super) kept: Option<&'a mut ResultCache>,
    /// The nodes that are lost, with the reasons.
    pub(super) lost: &'a mut LostNodes,
    /// The scores, collected if the decision is to be explained.
    pub(super) scores: Option<&'a mut Scores>,
    /// The counter of script calls.
    pub(super) calls: &'a Calls<'a>,
}

/// An evaluation of a script over the candidates of a single request.
struct PerNodeRound<'a> {
    evaluation: PerNodeEvaluation<'a>,
    functions: PerNode,
    call_context: CallContext<'a>,
    memory: Option<RequestCache>,
    context: PerNodeContext<'a>,
}

impl PerNodeRound<'_> {
    fn over(&mut self, candidates: &[Candidate]) -> Result<Verdict, Failure> {
        let mut kept = Vec::new();
        let mut best: Option<(f64, u64, &Candidate)> = None;
        let mut first_failure = None;
        for candidate in candidates {
            let Some(node) = self.call_context.cluster.node(candidate.slot) else { continue };
            if let Some(limited) = self.context.shunned.and_then(|shunned| shunned.get(node.id())) {
                self.context.lost.add_failure(LostReason::ScriptLimit, node.id(), &limited.message);
                first_failure.get_or_insert_with(|| Arc::new(limited.failure()));
                continue;
            }
            match self.about(candidate, node)? {
                NodeVerdict::Keep => kept.push(candidate.clone()),
                NodeVerdict::Scored(score) => {
                    let recency = self.context.recency.of(candidate.slot);
                    if let Some(scores) = &mut self.context.scores {
                        scores.add(node.id(), (-score, recency), (score, ""));
                    }
                    if best.is_none_or(|(top, since, _)| score > top || (score == top && recency < since)) {
                        best = Some((score, recency, candidate));
                    }
                }
                NodeVerdict::Lost(reason) => self.context.lost.add(reason, node.id()),
                NodeVerdict::Failed(failure) if self.context.alarm.overtime() == Some(Overtime::Step) => {
                    return Err(Arc::unwrap_or_clone(failure));
                }
                NodeVerdict::Failed(failure) => {
                    let reason = match failure.name {
                        FailureName::ScriptLimit => LostReason::ScriptLimit,
                        _ => LostReason::ScriptError,
                    };
                    self.context.lost.add_failure(reason, node.id(), &failure.message);
                    first_failure.get_or_insert(failure);
                }
            }
        }
        self.context.observer.nodes_done();
        match (best, first_failure) {
            (Some((_, _, candidate)), _) => Ok(Verdict::Select(candidate.slot)),
            (None, Some(failure)) if kept.is_empty() => Err(Arc::unwrap_or_clone(failure)),
            (None, _) => Ok(Verdict::Narrow(kept)),
        }
    }

    /// Returns the joint answer of the script's functions about `candidate`.
    fn about(&mut self, candidate: &Candidate, node: &Node) -> Result<NodeVerdict, Failure> {
        if let Some(arity) = self.functions.filter {
            match self.ask(NodeFunction::Filter, arity, candidate, node)? {
                NodeVerdict::Keep => {}
                verdict => return Ok(verdict),
            }
        }
        match self.functions.score {
            Some(arity) => self.ask(NodeFunction::Score, arity, candidate, node),
            None => Ok(NodeVerdict::Keep),
        }
    }

    /// Returns the answer of `function` about `candidate`, from the cache where the cache holds the answer.
    fn ask(
        &mut self,
        function: NodeFunction,
        arity: Arity,
        candidate: &Candidate,
        node: &Node,
    ) -> Result<NodeVerdict, Failure> {
        let PerNodeContext { calls, observer, .. } = self.context;
        // Cached results concern the cluster's data: a node with an overlay is always asked about.
        let is_plain = candidate.overlay.is_none();
        let results = self.memory.as_mut().filter(|_| is_plain).and_then(|memory| memory.of(function, arity));
        if let Some(verdict) = results.as_ref().and_then(|results| results.get(candidate.slot, node)) {
            return Ok(verdict.clone());
        }
        observer.node(node.id(), arity == Arity::Node && is_plain);
        let verdict = self.evaluation.ask(function, arity, candidate, calls)?;
        if let Some(results) = results {
            results.put(candidate.slot, self.call_context.cluster, &verdict);
        }
        Ok(verdict)
    }
}
