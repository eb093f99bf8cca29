//! A run of a script: calls of functions, each after the top level.
//!
//! Rhai's functions see nothing of the top level but constants, and only the constants of the run in which they are
//! called: so the top level runs again before each call, and opening a run costs nothing.

use std::rc::Rc;

use rhai::{Array, CallFnOptions, Dynamic, FuncArgs, Scope};

use crate::clock::Dice;
use crate::model::{Candidate, Thrown};
use crate::script::{Argument, Call, CallAnswer, CallContext, Run, ScriptError};

use super::answer::{AnswerReader, GivenViews};
use super::convert::own;
use super::input::input;
use super::nodes::NodeRef;
use super::program::RhaiProgram;
use super::thrown;
use super::view::{RhaiNode, SharedView};

/// A script for the duration of a single request.
pub(super) struct RhaiRun<'a> {
    program: &'a RhaiProgram,
    call_context: CallContext<'a>,
    /// The request as the per-node functions see the request.
    request: Option<Dynamic>,
}

impl<'a> RhaiRun<'a> {
    pub(super) fn new(program: &'a RhaiProgram, call_context: CallContext<'a>) -> Self {
        Self { program, call_context, request: None }
    }

    fn balance(&mut self, candidates: &[Candidate]) -> Result<CallAnswer, ScriptError> {
        let asked = self.call_context.asked.ok_or_else(|| missing("the request"))?;
        let (engine, cluster) = (self.program.engine(), self.call_context.cluster);
        engine.residents.sweep(cluster);
        let mut views = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            views.push(self.view(candidate)?);
        }
        let nodes: Array = views.iter().map(|view| Dynamic::from(NodeRef::new(Rc::clone(view)))).collect();
        let input = input(&asked, cluster, Some(nodes), &self.program.wishes);
        let dice = Dice::new(asked.seed, self.call_context.step, "");
        let returned = self.invoke(&self.program.entry, (Dynamic::from_map(input),), Some(dice))?;
        AnswerReader::new(&engine.context)
            .returned(&returned, &GivenViews::new(cluster, &views))
            .map(CallAnswer::Returned)
    }

    fn per_node(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        let context = Rc::clone(&self.program.engine().context);
        match call {
            Call::Balance(_) => Err(missing("a list")),
            Call::Key => {
                let request = self.request()?;
                let dice = self.dice_for(None);
                let key = self.invoke("key", (request,), dice)?;
                AnswerReader::new(&context).key(&key).map(CallAnswer::Key)
            }
            Call::Filter(candidate, argument) => {
                let kept = self.invoke_on("filter", candidate, argument)?;
                Ok(CallAnswer::Keep(AnswerReader::is_truthy(&kept)))
            }
            Call::Score(candidate, argument) => {
                let score = self.invoke_on("score", candidate, argument)?;
                Ok(CallAnswer::Score(AnswerReader::new(&context).score(&score)))
            }
        }
    }

    fn invoke_on(&mut self, name: &str, candidate: &Candidate, argument: Argument<'_>) -> Result<Dynamic, ScriptError> {
        let node = Dynamic::from(NodeRef::new(self.view(candidate)?));
        match argument {
            Argument::Nothing => self.invoke(name, (node,), None),
            Argument::Request => {
                let (request, dice) = (self.request()?, self.dice_for(Some(candidate)));
                self.invoke(name, (node, request), dice)
            }
            Argument::Key(key) => self.invoke(name, (node, own(key)), None),
        }
    }

    /// Runs the top level and then the function `name`, and passes on the logged lines.
    fn invoke(&self, name: &str, args: impl FuncArgs, dice: Option<Dice>) -> Result<Dynamic, ScriptError> {
        let engine = self.program.engine();
        engine.context.set(dice);
        engine.context.count_with(self.program.counter.clone());
        engine.fit(self.call_context.cluster.len());
        let language = engine.language.borrow();
        let options = CallFnOptions::new().eval_ast(true).rewind_scope(true);
        let result =
            language.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.program.ast, name, args);
        engine.context.flush(self.call_context.log);
        result
            .map(Dynamic::flatten)
            .map_err(|error| thrown::script_error(*error, &self.program.source, &engine.context))
    }

    /// Returns the view of `candidate`: the view that all requests share, unless earlier steps set an overlay.
    fn view(&self, candidate: &Candidate) -> Result<Rc<RhaiNode>, ScriptError> {
        let (cluster, residents) = (self.call_context.cluster, &self.program.engine().residents);
        let view = match cluster.node(candidate.slot) {
            Some(node) if candidate.overlay.is_none() => {
                let make = |before| Ok::<_, ScriptError>(SharedView::after(before, candidate.slot, node));
                Some(residents.get(candidate.slot, node, make)?.0)
            }
            _ => RhaiNode::of(candidate, cluster),
        };
        // A candidate that left the cluster meanwhile is never passed to scripts.
        view.ok_or_else(|| missing("the node"))
    }

    /// Returns the request without nodes.
    fn request(&mut self) -> Result<Dynamic, ScriptError> {
        let asked = self.call_context.asked.ok_or_else(|| missing("the request"))?;
        let (cluster, wishes) = (self.call_context.cluster, &self.program.wishes);
        let request = self.request.get_or_insert_with(|| input(&asked, cluster, None, wishes).into());
        Ok(request.clone())
    }

    /// Returns the stream of random numbers for `candidate`: the same in any order of calls.
    fn dice_for(&self, candidate: Option<&Candidate>) -> Option<Dice> {
        let node = candidate.and_then(|candidate| self.call_context.cluster.node(candidate.slot));
        let id = node.map(|node| &**node.id()).unwrap_or_default();
        self.call_context.asked.map(|asked| Dice::new(asked.seed, self.call_context.step, id))
    }
}

impl Run for RhaiRun<'_> {
    fn call(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        let answer = match call {
            Call::Balance(candidates) => self.balance(candidates),
            Call::Key | Call::Filter(..) | Call::Score(..) => self.per_node(call),
        };
        self.program.engine().context.forget_writes();
        answer
    }
}

/// Returns an error for a value that a script's caller should have provided.
fn missing(what: &str) -> ScriptError {
    let thrown = Thrown { name: "InternalError".to_owned(), message: format!("{what} is missing") };
    ScriptError::Thrown(thrown, None)
}
