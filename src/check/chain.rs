//! A chain: steps that are never asked, and a last step that chooses nothing.

use std::ops::Range;

use crate::chain::{ChainSpec, OnFailure, OnUnplaceable, StepSource};

use super::codes::Code;
use super::finding::Finding;
use super::script::{ChainEnding, ScriptReport};

/// Checks `chain` with the `reports` of those steps that are scripts; returns the findings, each with the number of the
/// step.
#[must_use]
pub fn chain(chain: &ChainSpec, reports: &[Option<ScriptReport>]) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    let always = chain.steps.iter().zip(reports).position(|(step, report)| {
        let ends = report.as_ref().is_some_and(|report| report.ending == ChainEnding::Always);
        let is_final = step.on_error == OnFailure::Stop && step.on_limit == OnFailure::Stop;
        ends && is_final && chain.on_unplaceable != OnUnplaceable::Skip
    });
    if let Some((chosen, unasked)) = always.and_then(|number| Some((number, chain.steps.get(number + 1)?))) {
        let name = chain.steps.get(chosen).map(|step| step.name.to_string()).unwrap_or_default();
        let message = format!(
            "the chain `{}` never asks `{}`: `{name}` before it chooses a node on each way",
            chain.action, unasked.name
        );
        let finding = Finding::new(Code::StepNeverAsked, None, message);
        found.push((chosen + 1, finding.help("put the step that chooses last, or take the other one out")));
    }
    found.extend(last_step(chain, reports));
    found
}

fn last_step(chain: &ChainSpec, reports: &[Option<ScriptReport>]) -> Option<(usize, Finding)> {
    let number = chain.steps.len().checked_sub(1)?;
    let step = chain.steps.get(number)?;
    if !matches!(step.source, StepSource::Script { .. }) {
        return None;
    }
    let report = reports.get(number)?.as_ref()?;
    let (action, name) = (&chain.action, &step.name);
    let new_finding =
        |code: Code, span: &Option<Range<usize>>, message: String| Finding::new(code, span.clone(), message);
    if report.ending == ChainEnding::Never {
        let message = format!("`{name}` is the last step of the chain `{action}` and never chooses a node");
        let finding = new_finding(Code::LastStepNeverChooses, &report.narrows, message);
        return Some((number, finding.help("put a step behind it that chooses, as `builtin:fewest-sessions`")));
    }
    report.passes.as_ref()?;
    let message = format!("`{name}` is the last step of the chain `{action}`, and returns nothing on some way");
    let finding = new_finding(Code::LastStepPasses, &report.passes, message);
    Some((number, finding.help("put `builtin:fewest-sessions` behind it, or throw what the user should read")))
}
