//! The evaluation of a per-node script: the script's functions are called node after node.

use std::sync::Arc;

use serde_json::Value;

use crate::model::{Candidate, Failure, FailureName, LostReason, SlotIndex};
use crate::script::{
    self, Argument, Arity, Call, CallAnswer, CallContext, NodeFunction, PerNode, Run, Score, Script, ScriptError,
};

use super::observer::Calls;
use super::result_cache::KeyCache;

/// The answer of a function of a script about a node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeVerdict {
    /// `filter` kept the node.
    Keep,
    /// `score` gave the node this score.
    Scored(f64),
    /// The function left the node out.
    Lost(LostReason),
    /// The function failed on the node.
    Failed(Arc<Failure>),
}

impl NodeVerdict {
    /// Returns the verdict of a function that failed with `failure`.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::Failed(Arc::new(failure))
    }

    fn of(answer: Result<CallAnswer, ScriptError>) -> Self {
        match answer {
            Err(error) => Self::failed(error.into_failure()),
            Ok(CallAnswer::Keep(true)) => Self::Keep,
            Ok(CallAnswer::Keep(false)) => Self::Lost(LostReason::Filtered),
            Ok(CallAnswer::Score(Score::Number(number))) if !number.is_nan() => Self::Scored(number),
            Ok(CallAnswer::Score(Score::Other(found))) => {
                let message =
                    format!("`score` returned {found}; it returns a number, or nothing to leave the node out");
                Self::failed(Failure::new(FailureName::BadVerdict, message))
            }
            Ok(_) => Self::Lost(LostReason::Unscored),
        }
    }
}

/// A per-node script in evaluation for a single request.
pub(super) struct PerNodeEvaluation<'a> {
    script: &'a dyn Script,
    context: CallContext<'a>,
    second: Second,
    /// The key under which the results of functions of two parameters can be cached.
    key: Option<Value>,
    /// The run that answers functions which see the request.
    run: Option<Box<dyn Run + 'a>>,
}

/// The second argument of functions of two parameters.
enum Second {
    /// The value that `key` returned.
    Key,
    /// The request.
    Request,
}

impl<'a> PerNodeEvaluation<'a> {
    /// Opens the script, with the key of the request where the `functions` depend on a key.
    ///
    /// # Errors
    /// The error that the script's top level or `key` threw, or the limit that was passed.
    pub(super) fn open(
        script: &'a dyn Script,
        functions: PerNode,
        context: CallContext<'a>,
        known: Option<&mut KeyCache>,
        calls: &Calls<'_>,
    ) -> Result<Self, Failure> {
        calls.on_script_time(|| script.prepare(context)).map_err(ScriptError::into_failure)?;
        let mut evaluation = Self::pure(script, context);
        if ![functions.filter, functions.score].contains(&Some(Arity::NodeAndRequest)) {
            return Ok(evaluation);
        }
        let decisive = script.depends().zip(context.asked).map(|(paths, asked)| script::key(paths, asked.request));
        if !functions.key {
            evaluation.key = decisive;
            return Ok(evaluation);
        }
        evaluation.second = Second::Key;
        let mut known = known.zip(decisive.map(|decisive| decisive.to_string()));
        evaluation.key = match known.as_ref().and_then(|(keys, request)| keys.get(request)) {
            Some(key) => Some(key.clone()),
            None => evaluation.ask_key(calls)?,
        };
        if let (Some((keys, request)), Some(key)) = (known.take(), &evaluation.key) {
            keys.put(request, key);
        }
        Ok(evaluation)
    }

    fn ask_key(&self, calls: &Calls<'_>) -> Result<Option<Value>, Failure> {
        let answer = calls.make(|| self.script.open(self.context).and_then(|mut run| run.call(Call::Key)));
        match answer.map_err(ScriptError::into_failure)? {
            CallAnswer::Key(key) => Ok(Some(key)),
            _ => Ok(None),
        }
    }

    /// Opens the script for functions of a single parameter alone; the script has been prepared.
    pub(super) fn pure(script: &'a dyn Script, context: CallContext<'a>) -> Self {
        Self { script, context, second: Second::Request, key: None, run: None }
    }

    /// Returns the key under which the answers of functions of two parameters can be cached: the answers are the same
    /// for every request of this key.
    pub(super) fn key(&self) -> Option<&Value> {
        self.key.as_ref()
    }

    /// Runs the script's top level for the request, where the script's functions see the request and the top level has
    /// not run yet.
    ///
    /// # Errors
    /// The error that the top level threw, or the limit that the top level passed.
    pub(super) fn begin(&mut self, functions: PerNode, calls: &Calls<'_>) -> Result<(), Failure> {
        match [functions.filter, functions.score].contains(&Some(Arity::NodeAndRequest)) {
            true => self.run(calls).map(drop),
            false => Ok(()),
        }
    }

    fn run(&mut self, calls: &Calls<'_>) -> Result<Option<&mut Box<dyn Run + 'a>>, Failure> {
        if let (Second::Request, None) = (&self.second, &self.run) {
            let (script, context) = (self.script, self.context);
            self.run = Some(calls.on_script_time(|| script.open(context)).map_err(ScriptError::into_failure)?);
        }
        Ok(self.run.as_mut())
    }

    /// Returns how many of the first `slots` a `filter` of two parameters leaves out, as far as the script can tell
    /// that for many nodes at once: see [`Run::leading_rejections`].
    ///
    /// # Errors
    /// As [`PerNodeEvaluation::ask`]; the limit of the step, where that was passed.
    pub(super) fn leading_rejections(&mut self, slots: &[SlotIndex], calls: &Calls<'_>) -> Result<usize, Failure> {
        let answered = match self.run(calls)? {
            Some(run) => calls.make_many(|| run.leading_rejections(slots, Argument::Request)),
            None => {
                let Some(key) = &self.key else { return Ok(0) };
                let context = CallContext { asked: None, ..self.context };
                let open = || self.script.open(context);
                calls.make_many(|| open().and_then(|mut run| run.leading_rejections(slots, Argument::Key(key))))
            }
        };
        answered.map_err(ScriptError::into_failure)
    }

    /// Returns the answer of `function`, which has this `arity`, about `candidate`.
    ///
    /// # Errors
    /// The error that the script's top level threw for the request, or the limit that the top level passed.
    pub(super) fn ask(
        &mut self,
        function: NodeFunction,
        arity: Arity,
        candidate: &Candidate,
        calls: &Calls<'_>,
    ) -> Result<NodeVerdict, Failure> {
        let call = |argument| match function {
            NodeFunction::Filter => Call::Filter(candidate, argument),
            NodeFunction::Score => Call::Score(candidate, argument),
        };
        if arity == Arity::NodeAndRequest
            && let Some(run) = self.run(calls)?
        {
            return Ok(NodeVerdict::of(calls.make(|| run.call(call(Argument::Request)))));
        }
        let argument = match (arity, &self.key) {
            (Arity::NodeAndRequest, Some(key)) => Argument::Key(key),
            (Arity::NodeAndRequest, None) | (Arity::Node, _) => Argument::Nothing,
        };
        // Each pure call has a run of its own, because the globals that a pure call leaves must not reach the next
        // call; the memory that a component keeps is the affair of its author.
        let context = CallContext { asked: None, ..self.context };
        Ok(NodeVerdict::of(calls.make(|| self.script.open(context).and_then(|mut run| run.call(call(argument))))))
    }
}
