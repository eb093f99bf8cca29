//! The evaluation of a per-node script over all candidates: every call made, nothing kept. The reference for plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::{Alarm, Overtime};
use crate::model::diagnosis::LostNodes;
use crate::model::{Candidate, Failure, FailureName, LostReason, Verdict};
use crate::script::{Answer, Argument, Arity, Call, PerNode, Run, Scene, Score, Script, ScriptError};

use super::Recency;
use super::quarantine::Limited;
use super::witness::{Calls, Witness};

/// What the functions of one script said of one node.
enum Word {
    Keep,
    Scored(f64),
    Lost(LostReason),
    Failed(Failure),
}

/// Asks `script` about every candidate.
///
/// # Errors
/// What the script's top level or its `key` threw; the limit, where the step has used up its time, because an answer of
/// some candidates would be taken for one of all; or, where no candidate is left and at least one was lost to an error,
/// the first such error in candidate order.
pub fn evaluate(
    script: &dyn Script,
    functions: PerNode,
    scene: Scene<'_>,
    candidates: &[Candidate],
    surroundings: &mut Surroundings<'_>,
) -> Result<Verdict, Failure> {
    script.prepare(scene).map_err(ScriptError::into_failure)?;
    let mut asking = Asking::prepare(script, functions, scene, surroundings.calls)?;
    let mut kept = Vec::new();
    let mut best: Option<(f64, u64, &Candidate)> = None;
    let mut first_failure = None;
    for candidate in candidates {
        let Some(node) = scene.cluster.node(candidate.slot) else { continue };
        if let Some(limited) = surroundings.shunned.and_then(|shunned| shunned.get(node.id())) {
            surroundings.lost.add_failure(LostReason::ScriptLimit, node.id(), &limited.message);
            first_failure.get_or_insert_with(|| limited.failure());
            continue;
        }
        match asking.about(candidate, node.id(), surroundings) {
            Word::Keep => kept.push(candidate.clone()),
            Word::Scored(score) => {
                let recency = surroundings.recency.of(candidate.slot);
                if best.is_none_or(|(top, since, _)| score > top || (score == top && recency < since)) {
                    best = Some((score, recency, candidate));
                }
            }
            Word::Lost(reason) => surroundings.lost.add(reason, node.id()),
            Word::Failed(failure) if surroundings.alarm.rings() == Some(Overtime::Step) => return Err(failure),
            Word::Failed(failure) => {
                let reason = match failure.name {
                    FailureName::ScriptLimit => LostReason::ScriptLimit,
                    _ => LostReason::ScriptError,
                };
                surroundings.lost.add_failure(reason, node.id(), &failure.message);
                first_failure.get_or_insert(failure);
            }
        }
    }
    surroundings.witness.nodes_done();
    match (best, first_failure) {
        (Some((_, _, candidate)), _) => Ok(Verdict::Select(candidate.slot)),
        (None, Some(failure)) if kept.is_empty() => Err(failure),
        (None, _) => Ok(Verdict::Narrow(kept)),
    }
}

/// What the evaluation reads and notes beside the script's words.
pub struct Surroundings<'a> {
    /// Breaks ties.
    pub recency: &'a Recency,
    /// Is told which node is being asked about.
    pub witness: &'a dyn Witness,
    /// Rings when the script has used up its time.
    pub alarm: &'a dyn Alarm,
    /// The nodes that the script is not asked about, with why.
    pub shunned: Option<&'a BTreeMap<Arc<str>, Limited>>,
    /// The nodes that are lost, with the reasons.
    pub lost: &'a mut LostNodes,
    /// Counts calls of script functions.
    pub calls: &'a Calls,
}

/// A script on its way through the candidates of one request.
struct Asking<'a> {
    script: &'a dyn Script,
    functions: PerNode,
    scene: Scene<'a>,
    key: Option<Value>,
    run: Option<Box<dyn Run + 'a>>,
}

impl<'a> Asking<'a> {
    fn prepare(script: &'a dyn Script, functions: PerNode, scene: Scene<'a>, calls: &Calls) -> Result<Self, Failure> {
        let mut asking = Self { script, functions, scene, key: None, run: None };
        let depends = [functions.filter, functions.score].contains(&Some(Arity::NodeAndRequest));
        if depends && functions.key {
            calls.count();
            let mut run = script.open(scene).map_err(ScriptError::into_failure)?;
            if let Answer::Key(key) = run.call(Call::Key).map_err(ScriptError::into_failure)? {
                asking.key = Some(key);
            }
        } else if depends {
            asking.run = Some(script.open(scene).map_err(ScriptError::into_failure)?);
        }
        Ok(asking)
    }

    fn about(&mut self, candidate: &Candidate, id: &Arc<str>, surroundings: &Surroundings<'_>) -> Word {
        let Surroundings { calls, witness, .. } = *surroundings;
        let pure = |arity| arity == Arity::Node && candidate.overlay.is_none();
        if let Some(arity) = self.functions.filter {
            witness.node(id, pure(arity));
            match self.call(|node, argument| Call::Filter(node, argument), arity, candidate, calls) {
                Err(error) => return Word::Failed(error.into_failure()),
                Ok(Answer::Keep(true)) => {}
                Ok(_) => return Word::Lost(LostReason::Filtered),
            }
        }
        let Some(arity) = self.functions.score else { return Word::Keep };
        witness.node(id, pure(arity));
        match self.call(|node, argument| Call::Score(node, argument), arity, candidate, calls) {
            Err(error) => Word::Failed(error.into_failure()),
            Ok(Answer::Score(Score::Number(number))) if !number.is_nan() => Word::Scored(number),
            Ok(Answer::Score(Score::Other(found))) => {
                let message =
                    format!("`score` returned {found}; it returns a number, or nothing to leave the node out");
                Word::Failed(Failure::new(FailureName::BadVerdict, message))
            }
            Ok(_) => Word::Lost(LostReason::Unscored),
        }
    }

    /// A pure call has a run of its own, because what one call leaves in the script's globals must not reach the next; what
    /// a component keeps in its memory is its author's affair.
    fn call(
        &mut self,
        function: for<'c> fn(&'c Candidate, Argument<'c>) -> Call<'c>,
        arity: Arity,
        candidate: &Candidate,
        calls: &Calls,
    ) -> Result<Answer, ScriptError> {
        calls.count();
        let argument = match (arity, &mut self.run, &self.key) {
            (Arity::NodeAndRequest, Some(run), _) => return run.call(function(candidate, Argument::Request)),
            (Arity::NodeAndRequest, None, Some(key)) => Argument::Key(key),
            (Arity::NodeAndRequest, None, None) | (Arity::Node, _, _) => Argument::Nothing,
        };
        self.script.open(Scene { asked: None, ..self.scene })?.call(function(candidate, argument))
    }
}
