//! A per-node script on its way: its functions asked about one node after another.

use std::sync::Arc;

use serde_json::Value;

use crate::model::{Candidate, Failure, FailureName, LostReason};
use crate::script::{Answer, Argument, Arity, Call, Function, PerNode, Run, Scene, Score, Script, ScriptError};

use super::witness::Calls;

/// What one function of a script said of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// `filter` kept it.
    Keep,
    /// `score` gave it this.
    Scored(f64),
    /// It is left out.
    Lost(LostReason),
    /// The function failed on it.
    Failed(Arc<Failure>),
}

impl Word {
    /// The function failed so.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::Failed(Arc::new(failure))
    }

    fn of(answer: Result<Answer, ScriptError>) -> Self {
        match answer {
            Err(error) => Self::failed(error.into_failure()),
            Ok(Answer::Keep(true)) => Self::Keep,
            Ok(Answer::Keep(false)) => Self::Lost(LostReason::Filtered),
            Ok(Answer::Score(Score::Number(number))) if !number.is_nan() => Self::Scored(number),
            Ok(Answer::Score(Score::Other(found))) => {
                let message =
                    format!("`score` returned {found}; it returns a number, or nothing to leave the node out");
                Self::failed(Failure::new(FailureName::BadVerdict, message))
            }
            Ok(_) => Self::Lost(LostReason::Unscored),
        }
    }
}

/// A script on its way through the nodes.
pub(super) struct Asking<'a> {
    script: &'a dyn Script,
    scene: Scene<'a>,
    key: Option<Value>,
    run: Option<Box<dyn Run + 'a>>,
}

impl<'a> Asking<'a> {
    /// The script with what its `functions` of two parameters depend on: its run for the request, or the request's key.
    ///
    /// # Errors
    /// What the script's top level or its `key` threw, or the limit that it passed.
    pub(super) fn open(
        script: &'a dyn Script,
        functions: PerNode,
        scene: Scene<'a>,
        calls: &Calls,
    ) -> Result<Self, Failure> {
        script.prepare(scene).map_err(ScriptError::into_failure)?;
        let mut asking = Self::pure(script, scene);
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

    /// The script for its functions of one parameter alone, which has been prepared.
    pub(super) fn pure(script: &'a dyn Script, scene: Scene<'a>) -> Self {
        Self { script, scene, key: None, run: None }
    }

    /// The request's key, where the script has functions that depend on that.
    pub(super) fn key(&self) -> Option<&Value> {
        self.key.as_ref()
    }

    /// What `function`, which has this `arity`, says of `candidate`.
    pub(super) fn ask(&mut self, function: Function, arity: Arity, candidate: &Candidate, calls: &Calls) -> Word {
        calls.count();
        let call = |argument| match function {
            Function::Filter => Call::Filter(candidate, argument),
            Function::Score => Call::Score(candidate, argument),
        };
        let argument = match (arity, &mut self.run, &self.key) {
            (Arity::NodeAndRequest, Some(run), _) => return Word::of(run.call(call(Argument::Request))),
            (Arity::NodeAndRequest, None, Some(key)) => Argument::Key(key),
            (Arity::NodeAndRequest, None, None) | (Arity::Node, _, _) => Argument::Nothing,
        };
        // A run of its own, because what one pure call leaves in the script's globals must not reach the next; what a
        // component keeps in its memory is its author's affair.
        let run = self.script.open(Scene { asked: None, ..self.scene });
        Word::of(run.and_then(|mut run| run.call(call(argument))))
    }
}
