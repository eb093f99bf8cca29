//! The evaluation of a per-node script over all candidates. With nothing kept it makes every call, and is the reference
//! for plans.

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

/// Asks `script` about every candidate.
///
/// # Errors
/// What the script's top level or its `key` threw; the limit, where the step has used up its time, because an answer of
/// some candidates would be taken for one of all; or, where no candidate is left and at least one was lost to an error,
/// the first such error in candidate order.
pub(super) fn evaluate(
    script: &dyn Script,
    functions: PerNode,
    scene: CallContext<'_>,
    candidates: &[Candidate],
    mut surroundings: PerNodeContext<'_>,
) -> Result<Verdict, Failure> {
    let keys = surroundings.kept.as_deref_mut().map(|tables| &mut tables.keys);
    let mut asking = PerNodeEvaluation::open(script, functions, scene, keys, surroundings.calls)?;
    asking.begin(functions, surroundings.calls)?;
    let memory = surroundings.kept.as_deref_mut().map(|tables| tables.lend(asking.key()));
    let mut round = PerNodeRound { asking, functions, scene, memory, surroundings };
    let verdict = round.over(candidates);
    if let (Some(tables), Some(memory)) = (round.surroundings.kept, round.memory) {
        tables.take_back(memory);
    }
    verdict
}

/// What the evaluation reads and notes beside the script's words.
pub(super) struct PerNodeContext<'a> {
    /// Breaks ties.
    pub(super) recency: &'a Recency,
    /// Is told which node is being asked about.
    pub(super) witness: &'a dyn StepObserver,
    /// Rings when the script has used up its time.
    pub(super) alarm: &'a dyn Alarm,
    /// The nodes that the script is not asked about, with why.
    pub(super) shunned: Option<&'a BTreeMap<Arc<str>, LimitRecord>>,
    /// What the script said before, where that may be used.
    pub(super) kept: Option<&'a mut ResultCache>,
    /// The nodes that are lost, with the reasons.
    pub(super) lost: &'a mut LostNodes,
    /// Collects the scores, if the decision is to be explained.
    pub(super) scores: Option<&'a mut Scores>,
    /// Counts calls of script functions.
    pub(super) calls: &'a Calls<'a>,
}

/// One round of a script through the candidates of a request.
struct PerNodeRound<'a> {
    asking: PerNodeEvaluation<'a>,
    functions: PerNode,
    scene: CallContext<'a>,
    memory: Option<RequestCache>,
    surroundings: PerNodeContext<'a>,
}

impl PerNodeRound<'_> {
    fn over(&mut self, candidates: &[Candidate]) -> Result<Verdict, Failure> {
        let mut kept = Vec::new();
        let mut best: Option<(f64, u64, &Candidate)> = None;
        let mut first_failure = None;
        for candidate in candidates {
            let Some(node) = self.scene.cluster.node(candidate.slot) else { continue };
            if let Some(limited) = self.surroundings.shunned.and_then(|shunned| shunned.get(node.id())) {
                self.surroundings.lost.add_failure(LostReason::ScriptLimit, node.id(), &limited.message);
                first_failure.get_or_insert_with(|| Arc::new(limited.failure()));
                continue;
            }
            match self.about(candidate, node)? {
                NodeVerdict::Keep => kept.push(candidate.clone()),
                NodeVerdict::Scored(score) => {
                    let recency = self.surroundings.recency.of(candidate.slot);
                    if let Some(scores) = &mut self.surroundings.scores {
                        scores.add(node.id(), (-score, recency), (score, ""));
                    }
                    if best.is_none_or(|(top, since, _)| score > top || (score == top && recency < since)) {
                        best = Some((score, recency, candidate));
                    }
                }
                NodeVerdict::Lost(reason) => self.surroundings.lost.add(reason, node.id()),
                NodeVerdict::Failed(failure) if self.surroundings.alarm.overtime() == Some(Overtime::Step) => {
                    return Err(Arc::unwrap_or_clone(failure));
                }
                NodeVerdict::Failed(failure) => {
                    let reason = match failure.name {
                        FailureName::ScriptLimit => LostReason::ScriptLimit,
                        _ => LostReason::ScriptError,
                    };
                    self.surroundings.lost.add_failure(reason, node.id(), &failure.message);
                    first_failure.get_or_insert(failure);
                }
            }
        }
        self.surroundings.witness.nodes_done();
        match (best, first_failure) {
            (Some((_, _, candidate)), _) => Ok(Verdict::Select(candidate.slot)),
            (None, Some(failure)) if kept.is_empty() => Err(Arc::unwrap_or_clone(failure)),
            (None, _) => Ok(Verdict::Narrow(kept)),
        }
    }

    /// What the script's functions say of `candidate` together.
    fn about(&mut self, candidate: &Candidate, node: &Node) -> Result<NodeVerdict, Failure> {
        if let Some(arity) = self.functions.filter {
            match self.word(NodeFunction::Filter, arity, candidate, node)? {
                NodeVerdict::Keep => {}
                word => return Ok(word),
            }
        }
        match self.functions.score {
            Some(arity) => self.word(NodeFunction::Score, arity, candidate, node),
            None => Ok(NodeVerdict::Keep),
        }
    }

    /// What `function` says of `candidate`, from memory where that holds it.
    fn word(
        &mut self,
        function: NodeFunction,
        arity: Arity,
        candidate: &Candidate,
        node: &Node,
    ) -> Result<NodeVerdict, Failure> {
        let PerNodeContext { calls, witness, .. } = self.surroundings;
        // What was kept is of the cluster's data: a node with an overlay is always asked about.
        let is_plain = candidate.overlay.is_none();
        let results = self.memory.as_mut().filter(|_| is_plain).and_then(|memory| memory.of(function, arity));
        if let Some(word) = results.as_ref().and_then(|results| results.get(candidate.slot, node)) {
            return Ok(word.clone());
        }
        witness.node(node.id(), arity == Arity::Node && is_plain);
        let word = self.asking.ask(function, arity, candidate, calls)?;
        if let Some(results) = results {
            results.put(candidate.slot, self.scene.cluster, &word);
        }
        Ok(word)
    }
}
