//! How a chain asks the script of a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Evaluation, EvaluationContext, StepOutcome, Trace};
use crate::chain::observer::Calls;
use crate::chain::pernode::{self, PerNodeContext};
use crate::chain::quarantine::LimitRecord;
use crate::chain::result_cache::ResultCache;
use crate::chain::verdict;
use crate::model::{Candidate, Failure, FailureName, Verdict};
use crate::script::{Call, CallAnswer, PerNode, ReturnedValue, Script, ScriptError, ScriptShape};

impl<'a> Evaluation<'a> {
    /// Asks a step by `ask`, and measures what the answer costs.
    pub(super) fn timed(
        &self,
        ask: impl FnOnce(&Self, &mut Trace, &Calls<'_>) -> Result<Verdict, Failure>,
    ) -> StepOutcome {
        let mut trace = Trace::of(self.ask);
        let (calls, start) = (Calls::new(self.context.observer), self.context.stopwatch.micros());
        let answer = ask(self, &mut trace, &calls);
        trace.cost_us = self.context.stopwatch.micros().saturating_sub(start);
        trace.calls = calls.made();
        StepOutcome { answer, trace }
    }

    /// Asks `script`, which is step `number`: its table or its function.
    pub(super) fn ask_script(
        &self,
        script: &dyn Script,
        number: usize,
        kept: Option<&mut ResultCache>,
        trace: &mut Trace,
        calls: &Calls<'_>,
    ) -> Result<Verdict, Failure> {
        let EvaluationContext { cluster, limits, .. } = self.context;
        let call_context = self.call_context(number);
        if let Some(asked) = call_context.asked {
            trace.reason = if self.ask.is_explained() { script.reason(asked) } else { None };
            match calls.on_script_time(|| script.decide(asked)).map_err(ScriptError::into_failure)? {
                None => {}
                // The list of candidates is made for the advice in an error alone.
                Some(ReturnedValue::Id(id)) if cluster.find(&id).is_some() => {
                    return verdict::read(ReturnedValue::Id(id), &[], cluster, limits);
                }
                // A script that is not asked about some nodes does not pass on these nodes either.
                Some(ReturnedValue::Falsy) if self.shunned(number).is_some() => {}
                Some(returned) => return verdict::read(returned, self.list(), cluster, limits),
            }
        }
        match script.shape() {
            ScriptShape::WholeList => {
                let list = self.list();
                let answer = calls.make(|| script.open(call_context).and_then(|mut run| run.call(Call::Balance(list))));
                match answer.map_err(ScriptError::into_failure)? {
                    CallAnswer::Returned(returned) => verdict::read(returned, list, cluster, limits),
                    _ => Err(Failure::new(FailureName::Internal, "the engine answered another call than `balance`")),
                }
            }
            ScriptShape::PerNode(functions) => {
                self.ask_about((script, functions), number, self.list(), kept, trace, calls)
            }
        }
    }

    /// Asks the functions of `script`, which is step `number`, about each of `candidates`.
    pub(super) fn ask_about(
        &self,
        (script, functions): (&dyn Script, PerNode),
        number: usize,
        candidates: &[Candidate],
        kept: Option<&mut ResultCache>,
        trace: &mut Trace,
        calls: &Calls<'_>,
    ) -> Result<Verdict, Failure> {
        let EvaluationContext { recency, observer, alarm, .. } = self.context;
        let shunned = self.shunned(number);
        let (lost, scores) = (&mut trace.lost, trace.scores.as_mut());
        let per_node = PerNodeContext { recency, observer, alarm, shunned, kept, lost, scores, calls };
        pernode::evaluate(script, functions, self.call_context(number), candidates, per_node)
    }

    /// Returns the nodes that the script of step `number` is not asked about, where there are any.
    fn shunned(&self, number: usize) -> Option<&'a BTreeMap<Arc<str>, LimitRecord>> {
        self.chain.steps.get(number).and_then(|step| self.context.quarantine.nodes(&step.spec.name))
    }
}
