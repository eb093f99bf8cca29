//! A run of a script: the top level, then calls of functions.

use std::collections::BTreeSet;
use std::rc::Rc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsNativeError, JsResult, JsString, JsValue};

use crate::clock::Dice;
use crate::model::Candidate;
use crate::script::{Argument, Call, CallAnswer, CallContext, NodeFunction, Run, ScriptError};

use super::analysis::global_use::GlobalUse;
use super::answer::{GivenObjects, Settled, keep, key, returned, score, settle};
use super::call_context::Omission;
use super::console::ConsoleState;
use super::fault::CallFault;
use super::globals::{Changes, Stuck};
use super::input::RequestFields;
use super::isolate::Isolate;
use super::nodes::Documents;
use super::program::{JavaScriptProgram, ScriptNeeds};
use super::tools::ObjectOwner;
use super::{input, nodes, thrown};

/// A script after the run of the top level.
pub(super) struct JavaScriptRun<'a> {
    program: &'a JavaScriptProgram,
    isolate: Rc<Isolate>,
    scene: CallContext<'a>,
    /// The script's functions by name, as returned by the factory.
    functions: JsObject,
    /// The changes of the run on the global object.
    changes: Changes,
    /// The random stream of the run, in the present state.
    dice: Option<Dice>,
    /// The state of the run's `console`: counters, timers and groups.
    console: ConsoleState,
    /// The request as the per-node functions see the request; a single object for all of them.
    request: Option<JsValue>,
}

/// The reason why a call gave no answer.
struct FailedCall {
    error: ScriptError,
    is_refused_write: bool,
}

impl<'a> JavaScriptRun<'a> {
    pub(super) fn open(program: &'a JavaScriptProgram, scene: CallContext<'a>) -> Result<Self, ScriptError> {
        let mut session = Self::new(program, scene)?;
        session.functions = match program.kept_functions(&session.isolate) {
            Some(functions) => functions,
            None => {
                let functions = session.on_stage(Self::run_top_level)?;
                program.keep_functions(&session.isolate, &functions);
                functions
            }
        };
        Ok(session)
    }

    fn new(program: &'a JavaScriptProgram, scene: CallContext<'a>) -> Result<Self, ScriptError> {
        let isolate = program.isolate()?;
        let dice = scene.asked.map(|asked| Dice::new(asked.seed, scene.step, ""));
        let functions = JsObject::with_null_proto();
        let (changes, console) = (Changes::default(), ConsoleState::default());
        Ok(Self { program, isolate, scene, functions, changes, dice, console, request: None })
    }

    fn run_top_level(&mut self, context: &mut Context) -> Result<JsObject, CallFault> {
        let factory = self.program.factory(&self.isolate, context)?;
        // Also in strict code, `this` at the top level of a script is the global object.
        let global = context.global_object().into();
        let returned = factory.call(&global, &self.program.arguments(context), context)?;
        returned.as_object().ok_or_else(|| missing("the top level").into())
    }

    /// Runs `act` in the call context, and passes on the lines that `act` logged.
    fn on_stage<T>(
        &mut self,
        act: impl FnOnce(&mut Self, &mut Context) -> Result<T, CallFault>,
    ) -> Result<T, ScriptError> {
        let result = self.attempt(act);
        self.isolate.kit.stage.flush(self.scene.log);
        result.map_err(|failed| failed.error)
    }

    /// Runs `act` in the call context, and clears the context afterwards.
    fn attempt<T>(
        &mut self,
        act: impl FnOnce(&mut Self, &mut Context) -> Result<T, CallFault>,
    ) -> Result<T, FailedCall> {
        let isolate = Rc::clone(&self.isolate);
        let stage = &isolate.kit.stage;
        let context = &mut *isolate.context.borrow_mut();
        self.program.collector().call_begins();
        if isolate.globals.apply(&self.changes, context).is_err() {
            isolate.spoil();
        }
        stage.set(self.scene.asked.map(|asked| asked.moment.ms), self.dice.take());
        stage.console(|ledger| std::mem::swap(ledger, &mut self.console));
        stage.show_globals(self.program.survey().globals == GlobalUse::Any);
        let result = act(self, context);
        let result = if stage.clock_misused() { Err(CallFault::ClockMisused) } else { result };
        // Reading the thrown value may run more of the script.
        let result = result.map_err(|fault| FailedCall {
            is_refused_write: fault.is_refused_write(),
            error: thrown::script_error(fault, (self.program.wrapper(), self.program.survey()), &isolate.kit, context),
        });
        self.dice = stage.take_dice();
        stage.console(|ledger| std::mem::swap(ledger, &mut self.console));
        isolate.jobs.clear();
        match isolate.globals.take_changes(&self.program.survey().globals, context) {
            Ok(changes) => self.changes = changes,
            Err(Stuck) => isolate.spoil(),
        }
        if stage.engine_gave_up() {
            // Such a stop leaves the stack untidy; no other run may start on that stack.
            isolate.spoil();
        }
        self.program.collector().call_ends();
        result
    }

    fn balance(&mut self, candidates: &[Candidate]) -> Result<CallAnswer, ScriptError> {
        let needs = self.program.needs();
        let result = self.attempt(|session, context| session.balance_over(candidates, &needs, context));
        let is_refused_write = result.as_ref().is_err_and(|failed| failed.is_refused_write);
        let stage = &self.isolate.kit.stage;
        let lesson = match stage.omission() {
            Some(Omission::Field) => ScriptNeeds { every_field: true, ..needs },
            Some(Omission::UserSessions) => ScriptNeeds { user_sessions: true, ..needs },
            None if is_refused_write && needs.nodes == ObjectOwner::Shared => {
                ScriptNeeds { nodes: ObjectOwner::Own, ..needs }
            }
            None => {
                stage.flush(self.scene.log);
                return result.map_err(|failed| failed.error);
            }
        };
        // The script does something that its syntax does not show. From now on the script receives the needed input,
        // and starts again: nothing of the attempt is left, and the lines of the top level were passed on at the first
        // run.
        self.program.learn(lesson);
        stage.forget_lines();
        let mut again = Self::new(self.program, self.scene)?;
        again.functions = again.attempt(Self::run_top_level).map_err(|failed| failed.error)?;
        again.isolate.kit.stage.forget_lines();
        again.balance(candidates)
    }

    fn balance_over(
        &mut self,
        candidates: &[Candidate],
        needs: &ScriptNeeds,
        context: &mut Context,
    ) -> Result<CallAnswer, CallFault> {
        let Some(asked) = self.scene.asked else { return Err(missing("the request").into()) };
        let (isolate, cluster) = (Rc::clone(&self.isolate), self.scene.cluster);
        let kit = &isolate.kit;
        let (input, objects) = self.program.alarm().own_work(|| -> JsResult<_> {
            let objects = self.objects(candidates, needs, context)?;
            let list = objects.iter().cloned().map(JsValue::from).collect();
            let fields = &self.program.survey().mentioned;
            let field = |name: &str| needs.every_field || fields.contains(name);
            let wanted = RequestFields { field, user_sessions: needs.user_sessions };
            Ok((input::input(&asked, cluster, Some(list), wanted, kit, context)?, objects))
        })?;
        let settled = self.invoke("balance", &[input.into()], context)?;
        returned(settled, GivenObjects::new(cluster, objects), kit, context).map(CallAnswer::Returned)
    }

    /// Returns the objects of the candidates' nodes, in order.
    fn objects(&self, candidates: &[Candidate], needs: &ScriptNeeds, context: &mut Context) -> JsResult<Vec<JsObject>> {
        let (isolate, cluster) = (&self.isolate, self.scene.cluster);
        isolate.residents.sweep(cluster);
        let object = |candidate: &Candidate| match cluster.node(candidate.slot) {
            Some(node) if needs.nodes == ObjectOwner::Shared && candidate.overlay.is_none() => {
                nodes::shared_object(&isolate.residents, candidate.slot, node, &isolate.kit, context)
            }
            node => {
                // Such a list is built at each request.
                node.into_iter().for_each(|node| node.report().keep_fields());
                own_object(candidate, &self.scene, None, isolate, context)
            }
        };
        candidates.iter().map(object).collect()
    }

    fn per_node(&mut self, call: Call<'_>, context: &mut Context) -> Result<CallAnswer, CallFault> {
        let isolate = Rc::clone(&self.isolate);
        let kit = &isolate.kit;
        match call {
            Call::Balance(_) => Err(missing("a list").into()),
            Call::Key => {
                let request = self.request(context)?;
                let settled = self.invoke("key", &[request], context)?;
                key(&settled, kit, context).map(CallAnswer::Key)
            }
            Call::Filter(candidate, argument) => {
                let settled = self.invoke_on(NodeFunction::Filter, candidate, argument, context)?;
                Ok(CallAnswer::Keep(keep(&settled)))
            }
            Call::Score(candidate, argument) => {
                let settled = self.invoke_on(NodeFunction::Score, candidate, argument, context)?;
                Ok(CallAnswer::Score(score(&settled, kit)))
            }
        }
    }

    fn invoke_on(
        &mut self,
        function: NodeFunction,
        candidate: &Candidate,
        argument: Argument<'_>,
        context: &mut Context,
    ) -> Result<Settled, CallFault> {
        let isolate = Rc::clone(&self.isolate);
        let node = self.node(function, candidate, argument, &isolate, context)?.into();
        let name = match function {
            NodeFunction::Filter => "filter",
            NodeFunction::Score => "score",
        };
        let second = match argument {
            Argument::Nothing => return self.invoke(name, &[node], context),
            Argument::Request => self.request(context)?,
            Argument::Key(key) => isolate.kit.to_js(key, ObjectOwner::Own, context)?,
        };
        self.invoke(name, &[node, second], context)
    }

    /// Returns the object of `candidate`'s node that `function` receives.
    fn node(
        &self,
        function: NodeFunction,
        candidate: &Candidate,
        argument: Argument<'_>,
        isolate: &Rc<Isolate>,
        context: &mut Context,
    ) -> JsResult<JsObject> {
        let is_plain = candidate.overlay.is_none();
        // A function that is called once per change of a node gets an object for the single call.
        if is_plain
            && !matches!(argument, Argument::Nothing)
            && let Some(node) = self.scene.cluster.node(candidate.slot)
            && let Some(kept) = self.program.kept_object(function, (candidate.slot, node), isolate, context)?
        {
            return Ok(kept);
        }
        let wanted = self.program.wanted(function).filter(|_| is_plain);
        own_object(candidate, &self.scene, wanted, isolate, context)
    }

    fn invoke(&self, name: &'static str, args: &[JsValue], context: &mut Context) -> Result<Settled, CallFault> {
        let function = self.functions.get(JsString::from(name), context)?;
        let function = function.as_callable().ok_or_else(|| missing(name))?;
        let value = function.call(&JsValue::undefined(), args, context)?;
        Ok(settle(value, &self.isolate.jobs, context)?)
    }

    /// Returns the request without nodes.
    fn request(&mut self, context: &mut Context) -> Result<JsValue, CallFault> {
        if let Some(request) = &self.request {
            return Ok(request.clone());
        }
        let Some(asked) = self.scene.asked else { return Err(missing("the request").into()) };
        let (cluster, kit) = (self.scene.cluster, &self.isolate.kit);
        let request = match self.program.request_fields() {
            _ if self.program.sees_login_alone() => input::login_alone(&asked, kit, context),
            Some(fields) => input::part(&asked, cluster, fields, self.program.may_read_user_sessions(), kit, context)?,
            None => {
                let wanted = RequestFields { field: |_: &str| true, user_sessions: true };
                input::input(&asked, cluster, None, wanted, kit, context)?
            }
        };
        Ok(self.request.insert(request.into()).clone())
    }

    /// Returns the stream of random numbers for `candidate`: the same in any order of calls.
    fn dice_for(&self, candidate: &Candidate) -> Option<Dice> {
        let id = self.scene.cluster.node(candidate.slot).map(|node| node.id());
        let seed = self.scene.asked?.seed;
        Some(Dice::new(seed, self.scene.step, id.map(|id| &**id).unwrap_or_default()))
    }
}

impl Run for JavaScriptRun<'_> {
    fn call(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        if let Call::Balance(candidates) = call {
            return self.balance(candidates);
        }
        let mut result = self.call_per_node(call);
        let needs = self.program.needs();
        if needs.nodes == ObjectOwner::Shared && result.as_ref().is_err_and(|failed| failed.is_refused_write) {
            // The script writes to nodes although its syntax does not show that: from now on the script receives
            // objects of its own.
            self.program.learn(ScriptNeeds { nodes: ObjectOwner::Own, ..needs });
            self.isolate.kit.stage.forget_lines();
            result = self.call_per_node(call);
        }
        self.isolate.kit.stage.flush(self.scene.log);
        result.map_err(|failed| failed.error)
    }
}

impl JavaScriptRun<'_> {
    fn call_per_node(&mut self, call: Call<'_>) -> Result<CallAnswer, FailedCall> {
        if let Call::Filter(candidate, _) | Call::Score(candidate, _) = call {
            self.dice = self.dice_for(candidate);
        }
        self.attempt(|session, context| session.per_node(call, context))
    }
}

fn own_object(
    candidate: &Candidate,
    scene: &CallContext<'_>,
    wanted: Option<(&BTreeSet<String>, &Documents)>,
    isolate: &Isolate,
    context: &mut Context,
) -> JsResult<JsObject> {
    let object = nodes::own_object(candidate, scene.cluster, wanted, &isolate.kit, context)?;
    // A candidate that left the cluster meanwhile is never passed to scripts.
    object.ok_or_else(|| missing("the node"))
}

/// Returns an error for a value that a script or a caller should have provided.
fn missing(what: &str) -> boa_engine::JsError {
    JsNativeError::typ().with_message(format!("{what} is missing or is no function")).into()
}
