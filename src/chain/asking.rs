//! A per-node script on its way: its functions asked about one node after another.

use std::sync::Arc;

use serde_json::Value;

use crate::model::{Candidate, Failure, FailureName, LostReason};
use crate::script::{
    self, Argument, Arity, Call, CallAnswer, CallContext, NodeFunction, PerNode, Run, Score, Script, ScriptError,
};

use super::observer::Calls;
use super::result_cache::KeyCache;

/// What one function of a script said of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeVerdict {
    /// `filter` kept it.
    Keep,
    /// `score` gave it this.
    Scored(f64),
    /// It is left out.
    Lost(LostReason),
    /// The function failed on it.
    Failed(Arc<Failure>),
}

impl NodeVerdict {
    /// The function failed so.
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

/// A script on its way through the nodes.
pub(super) struct PerNodeEvaluation<'a> {
    script: &'a dyn Script,
    scene: CallContext<'a>,
    second: Second,
    /// By what the results of functions of two parameters can be kept.
    key: Option<Value>,
    /// The run that answers for the request.
    run: Option<Box<dyn Run + 'a>>,
}

/// What functions of two parameters are given beside the node.
enum Second {
    /// What `key` returned.
    Key,
    /// The request.
    Request,
}

impl<'a> PerNodeEvaluation<'a> {
    /// The script, with the key of the request where its `functions` depend on one.
    ///
    /// # Errors
    /// What the script's top level or its `key` threw, or the limit that it passed.
    pub(super) fn open(
        script: &'a dyn Script,
        functions: PerNode,
        scene: CallContext<'a>,
        known: Option<&mut KeyCache>,
        calls: &Calls<'_>,
    ) -> Result<Self, Failure> {
        calls.on_script_time(|| script.prepare(scene)).map_err(ScriptError::into_failure)?;
        let mut asking = Self::pure(script, scene);
        if ![functions.filter, functions.score].contains(&Some(Arity::NodeAndRequest)) {
            return Ok(asking);
        }
        let decisive = script.depends().zip(scene.asked).map(|(paths, asked)| script::key(paths, asked.request));
        if !functions.key {
            asking.key = decisive;
            return Ok(asking);
        }
        asking.second = Second::Key;
        let mut known = known.zip(decisive.map(|decisive| decisive.to_string()));
        asking.key = match known.as_ref().and_then(|(keys, request)| keys.get(request)) {
            Some(key) => Some(key.clone()),
            None => asking.ask_key(calls)?,
        };
        if let (Some((keys, request)), Some(key)) = (known.take(), &asking.key) {
            keys.put(request, key);
        }
        Ok(asking)
    }

    fn ask_key(&self, calls: &Calls<'_>) -> Result<Option<Value>, Failure> {
        let answer = calls.make(|| self.script.open(self.scene).and_then(|mut run| run.call(Call::Key)));
        match answer.map_err(ScriptError::into_failure)? {
            CallAnswer::Key(key) => Ok(Some(key)),
            _ => Ok(None),
        }
    }

    /// The script for its functions of one parameter alone, which has been prepared.
    pub(super) fn pure(script: &'a dyn Script, scene: CallContext<'a>) -> Self {
        Self { script, scene, second: Second::Request, key: None, run: None }
    }

    /// That by which what functions of two parameters say can be kept: they say the same for every request of this key.
    pub(super) fn key(&self) -> Option<&Value> {
        self.key.as_ref()
    }

    /// Runs the script's top level for the request, where its functions are given that and it has not run yet.
    ///
    /// # Errors
    /// What it threw, or the limit that it passed.
    pub(super) fn begin(&mut self, functions: PerNode, calls: &Calls<'_>) -> Result<(), Failure> {
        match [functions.filter, functions.score].contains(&Some(Arity::NodeAndRequest)) {
            true => self.run(calls).map(drop),
            false => Ok(()),
        }
    }

    fn run(&mut self, calls: &Calls<'_>) -> Result<Option<&mut Box<dyn Run + 'a>>, Failure> {
        if let (Second::Request, None) = (&self.second, &self.run) {
            let (script, scene) = (self.script, self.scene);
            self.run = Some(calls.on_script_time(|| script.open(scene)).map_err(ScriptError::into_failure)?);
        }
        Ok(self.run.as_mut())
    }

    /// What `function`, which has this `arity`, says of `candidate`.
    ///
    /// # Errors
    /// What the script's top level threw for the request, or the limit that it passed.
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
        // A run of its own, because what one pure call leaves in the script's globals must not reach the next; what a
        // component keeps in its memory is its author's affair.
        let scene = CallContext { asked: None, ..self.scene };
        Ok(NodeVerdict::of(calls.make(|| self.script.open(scene).and_then(|mut run| run.call(call(argument))))))
    }
}
