//! One run of a script: calls of its functions, each after the top level.
//!
//! Rhai's functions see nothing of the top level but its constants, and those only of the run that they are called in: so
//! the top level runs anew before each call, and opening a run costs nothing.

use std::rc::Rc;

use rhai::{Array, CallFnOptions, Dynamic, FuncArgs, Scope};

use crate::clock::Dice;
use crate::model::{Candidate, Thrown};
use crate::script::{Answer, Argument, Call, Run, Scene, ScriptError};

use super::answer::{Given, Reader};
use super::convert::own;
use super::input::input;
use super::nodes::NodeRef;
use super::program::Program;
use super::thrown;
use super::view::{Shared, View};

/// A script for as long as one request lasts.
pub(super) struct Session<'a> {
    program: &'a Program,
    scene: Scene<'a>,
    /// The request as the per-node functions see it.
    request: Option<Dynamic>,
}

impl<'a> Session<'a> {
    pub(super) fn new(program: &'a Program, scene: Scene<'a>) -> Self {
        Self { program, scene, request: None }
    }

    fn balance(&mut self, candidates: &[Candidate]) -> Result<Answer, ScriptError> {
        let asked = self.scene.asked.ok_or_else(|| missing("the request"))?;
        let (engine, cluster) = (self.program.engine(), self.scene.cluster);
        engine.residents.sweep(cluster);
        let mut views = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            views.push(self.view(candidate)?);
        }
        let nodes: Array = views.iter().map(|view| Dynamic::from(NodeRef::new(Rc::clone(view)))).collect();
        let input = input(&asked, cluster, Some(nodes), &self.program.wishes);
        let dice = Dice::new(asked.seed, self.scene.step, "");
        let returned = self.invoke(&self.program.entry, (Dynamic::from_map(input),), Some(dice))?;
        Reader::new(&engine.stage).returned(&returned, &Given::new(cluster, &views)).map(Answer::Returned)
    }

    fn per_node(&mut self, call: Call<'_>) -> Result<Answer, ScriptError> {
        let stage = Rc::clone(&self.program.engine().stage);
        match call {
            Call::Balance(_) => Err(missing("a list")),
            Call::Key => {
                let request = self.request()?;
                let dice = self.dice_for(None);
                let key = self.invoke("key", (request,), dice)?;
                Reader::new(&stage).key(&key).map(Answer::Key)
            }
            Call::Filter(candidate, argument) => {
                let kept = self.invoke_on("filter", candidate, argument)?;
                Ok(Answer::Keep(Reader::is_truthy(&kept)))
            }
            Call::Score(candidate, argument) => {
                let score = self.invoke_on("score", candidate, argument)?;
                Ok(Answer::Score(Reader::new(&stage).score(&score)))
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

    /// Runs the top level and then the function `name`, and hands on what they logged.
    fn invoke(&self, name: &str, args: impl FuncArgs, dice: Option<Dice>) -> Result<Dynamic, ScriptError> {
        let engine = self.program.engine();
        engine.stage.set(dice);
        engine.stage.count_with(self.program.counter.clone());
        engine.fit(self.scene.cluster.len());
        let language = engine.language.borrow();
        let options = CallFnOptions::new().eval_ast(true).rewind_scope(true);
        let result =
            language.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.program.ast, name, args);
        engine.stage.flush(self.scene.log);
        result.map(Dynamic::flatten).map_err(|error| thrown::told(*error, &self.program.source, &engine.stage))
    }

    /// The view of `candidate`: what all requests share, unless earlier steps gave it something.
    fn view(&self, candidate: &Candidate) -> Result<Rc<View>, ScriptError> {
        let (cluster, residents) = (self.scene.cluster, &self.program.engine().residents);
        let view = match cluster.node(candidate.slot) {
            Some(node) if candidate.overlay.is_none() => {
                let make = |before| Ok::<_, ScriptError>(Shared::after(before, candidate.slot, node));
                Some(residents.get(candidate.slot, node, make)?.0)
            }
            _ => View::of(candidate, cluster),
        };
        // A candidate that left the cluster meanwhile is not handed to scripts at all.
        view.ok_or_else(|| missing("the node"))
    }

    /// The request without nodes.
    fn request(&mut self) -> Result<Dynamic, ScriptError> {
        let asked = self.scene.asked.ok_or_else(|| missing("the request"))?;
        let (cluster, wishes) = (self.scene.cluster, &self.program.wishes);
        let request = self.request.get_or_insert_with(|| input(&asked, cluster, None, wishes).into());
        Ok(request.clone())
    }

    /// The stream of random numbers that belongs to `candidate`: the same whenever its turn comes.
    fn dice_for(&self, candidate: Option<&Candidate>) -> Option<Dice> {
        let node = candidate.and_then(|candidate| self.scene.cluster.node(candidate.slot));
        let id = node.map(|node| &**node.id()).unwrap_or_default();
        self.scene.asked.map(|asked| Dice::new(asked.seed, self.scene.step, id))
    }
}

impl Run for Session<'_> {
    fn call(&mut self, call: Call<'_>) -> Result<Answer, ScriptError> {
        let answer = match call {
            Call::Balance(candidates) => self.balance(candidates),
            Call::Key | Call::Filter(..) | Call::Score(..) => self.per_node(call),
        };
        self.program.engine().stage.forget_writes();
        answer
    }
}

/// What a script's caller should have provided.
fn missing(what: &str) -> ScriptError {
    let thrown = Thrown { name: "InternalError".to_owned(), message: format!("{what} is missing") };
    ScriptError::Thrown(thrown, None)
}
