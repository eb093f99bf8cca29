//! A run of a component: the calls of a single request, or a single pure call.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;

use crate::chain::candidates::Places;
use crate::clock::Dice;
use crate::model::{Candidate, SlotIndex};
use crate::script::{
    Argument, Call, CallAnswer, CallContext, Element, Isolation, ReturnedValue, Run, Score, ScriptError, ScriptRequest,
};

use super::contract::{ComponentRequest, ComponentVerdict};
use super::instance::{Called, Instance, InstanceContext, NodeCall};
use super::program::ComponentProgram;
use super::trap::{self, EndedCall};

/// The number of times that a call is made: again where another call's time was up, or where memory left by another
/// request may be the cause.
const TRIES: usize = 3;

/// A run.
pub(super) struct ComponentRun<'a> {
    program: &'a ComponentProgram,
    call_context: CallContext<'a>,
    number: u64,
    /// The instance of this run alone, where the step's isolation is `fresh`.
    own: Option<Instance>,
    /// The request as JSON text, for components that may ask for the request.
    document: OnceCell<Arc<str>>,
}

impl<'a> ComponentRun<'a> {
    pub(super) fn new(program: &'a ComponentProgram, call_context: CallContext<'a>) -> Self {
        Self { program, call_context, number: program.engine.next_run(), own: None, document: OnceCell::new() }
    }

    fn document(&self) -> Option<Arc<str>> {
        let asked = self.call_context.asked?;
        // Serializing strings, numbers and JSON values cannot fail.
        let text = || serde_json::to_string(&asked.to_json(self.call_context.cluster)).unwrap_or_default().into();
        Some(Arc::clone(self.document.get_or_init(text)))
    }

    /// Calls `ask` with an instance, which may see the document of the node `only` alone, where `only` is given;
    /// `whole` as in [`InstanceContext`].
    fn with<T>(
        &mut self,
        only: Option<SlotIndex>,
        whole: bool,
        ask: impl Fn(&mut Instance, &InstanceContext<'_>) -> Called<T>,
    ) -> Result<T, ScriptError> {
        let (program, call_context) = (self.program, self.call_context);
        let limits = &program.engine.limits;
        let stays = program.isolation == Isolation::Warm;
        let context = InstanceContext { cluster: call_context.cluster, whole };
        let mut trapped = None;
        for _ in 0..TRIES {
            let made = match self.own.take() {
                Some(instance) => Ok(instance),
                None if stays => program.warm(),
                None => program.fresh(),
            };
            let mut instance = match made {
                Ok(instance) => instance,
                Err(EndedCall::Interrupted) => continue,
                Err(EndedCall::Trapped(failed) | EndedCall::Passed(failed)) => return Err(failed),
            };
            if program.reads_documents() {
                instance.show(self.document(), only);
            }
            let had_served = instance.begin_run(self.number);
            match ask(&mut instance, &context) {
                Ok(answer) => {
                    instance.flush(call_context.log);
                    if stays {
                        program.put_back(instance);
                    } else {
                        self.own = Some(instance);
                    }
                    return answer.map_err(|message| trap::declared(&message, limits));
                }
                Err(error) => match trap::ended(&error, instance.host(), &*program.engine.alarm, limits) {
                    // Memory left by another request may be the cause: a new instance shows whether that is so.
                    EndedCall::Trapped(failed) if had_served => trapped = Some(failed),
                    EndedCall::Trapped(failed) | EndedCall::Passed(failed) => {
                        instance.flush(call_context.log);
                        return Err(failed);
                    }
                    EndedCall::Interrupted => {}
                },
            }
        }
        Err(trapped.unwrap_or_else(|| trap::declared("the component was interrupted again and again", limits)))
    }

    /// Sends the cluster to the component.
    pub(super) fn prepare(&mut self) -> Result<(), ScriptError> {
        self.with(None, true, |instance, context| instance.prepare(context))
    }

    fn balance(&mut self, candidates: &[Candidate]) -> Result<CallAnswer, ScriptError> {
        let Some(asked) = self.call_context.asked else { return Err(self.missing("a request")) };
        let step = self.call_context.step;
        let verdict =
            self.with(None, true, |instance, context| instance.balance(request(&asked, step), candidates, context))?;
        Ok(CallAnswer::Returned(self.returned(verdict, candidates)))
    }

    fn returned(&self, verdict: ComponentVerdict, candidates: &[Candidate]) -> ReturnedValue {
        match verdict {
            ComponentVerdict::Pass => ReturnedValue::Falsy,
            ComponentVerdict::Select(row) => match self.id(row) {
                Some(id) => ReturnedValue::Id(id),
                None => ReturnedValue::Other(format!("the row {row}, where no node is")),
            },
            ComponentVerdict::Narrow(rows) => {
                let most = self.program.engine.limits.returned_elements;
                if rows.len() > most {
                    return ReturnedValue::Other(format!("a list of {} rows, more than {most}", rows.len()));
                }
                let places = Places::of(candidates);
                let element = |row: u32| match self.slot(row).and_then(|slot| places.find(slot)) {
                    Some(place) => Element::Given(place),
                    None => match self.id(row) {
                        Some(id) => Element::Id(id),
                        None => Element::Other(format!("the row {row}, where no node is")),
                    },
                };
                ReturnedValue::list(rows.into_iter().map(element).collect())
            }
        }
    }

    fn slot(&self, row: u32) -> Option<SlotIndex> {
        self.call_context.cluster.slot(row as usize)
    }

    fn id(&self, row: u32) -> Option<String> {
        let node = self.slot(row).and_then(|slot| self.call_context.cluster.node(slot))?;
        Some(node.id().to_string())
    }

    /// Calls a per-node function for `candidate`.
    fn about<T>(
        &mut self,
        candidate: &Candidate,
        argument: Argument<'_>,
        ask: impl Fn(&mut Instance, NodeCall<'_>, &InstanceContext<'_>) -> Called<T>,
    ) -> Result<T, ScriptError> {
        let (number, step) = (self.number, self.call_context.step);
        let asked = self.call_context.asked.filter(|_| matches!(argument, Argument::Request));
        let make = asked.map(|asked| move || request(&asked, step));
        let only = asked.is_none().then_some(candidate.slot);
        self.with(only, false, |instance, context| {
            let request = make.as_ref().map(|make| (number, make as &dyn Fn() -> ComponentRequest));
            ask(instance, NodeCall { candidate, request }, context)
        })
    }

    fn missing(&self, what: &str) -> ScriptError {
        trap::declared(&format!("the component was asked without {what}"), &self.program.engine.limits)
    }
}

impl Run for ComponentRun<'_> {
    fn call(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        match call {
            Call::Balance(candidates) => self.balance(candidates),
            Call::Key => Err(self.missing("a key")),
            Call::Filter(candidate, argument) => self
                .about(candidate, argument, |instance, call, context| instance.filter(call, context))
                .map(CallAnswer::Keep),
            Call::Score(candidate, argument) => {
                let answer =
                    self.about(candidate, argument, |instance, call, context| instance.score(call, context))?;
                Ok(CallAnswer::Score(answer.map_or(Score::LeftOut, Score::Number)))
            }
        }
    }
}

/// Returns the request as components receive the request.
fn request(asked: &ScriptRequest<'_>, step: u64) -> ComponentRequest {
    let (request, moment) = (asked.request, asked.moment);
    let fields = request.fields();
    let groups = fields.get("userGroups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let groups: Vec<_> = groups.iter().filter_map(Value::as_str).collect();
    let flag = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or_default();
    ComponentRequest {
        action: Arc::clone(request.action()),
        login: Arc::clone(request.login()),
        groups: groups.join("\n"),
        is_manager: flag("isManager"),
        is_admin: flag("isAdmin"),
        session_name: Arc::clone(request.session_name()),
        now_ms: moment.ms,
        hour: moment.hour,
        minute: moment.minute,
        weekday: moment.weekday,
        sequence: asked.sequence,
        seed: Dice::new(asked.seed, step, "").bits(),
    }
}
