//! The outcome of the node that an explanation is asked about, in a sentence: every reason against the node.

use crate::chain::explain::uncounted;
use crate::chain::observer::Calls;
use crate::chain::spec::Purpose;
use crate::chain::{Step, StepKind};
use crate::model::diagnosis::NOT_IN_CLUSTER;
use crate::model::lost::LostNodes;
use crate::model::{Candidate, FailureName, LostReason, Outcome, StepReport, StepVerdict};
use crate::script::{PerNode, Script, ScriptShape};

use super::{Evaluation, Trace};

impl Evaluation<'_> {
    /// Returns a sentence that says why the node `about` was or was not chosen, where step `decided_by` came to
    /// `outcome`.
    pub(super) fn node_outcome(&self, about: &str, decided_by: Option<&str>, outcome: &Outcome) -> String {
        let by = decided_by.unwrap_or_default();
        if self.context.cluster.find(about).is_none() {
            return NOT_IN_CLUSTER.to_owned();
        }
        let against = self.against(about);
        match outcome {
            Outcome::Placed(chosen) if &**chosen == about => format!("{by} chose it"),
            _ if !against.is_empty() => against.join("; "),
            Outcome::Placed(chosen) => self.behind(about, chosen, by),
            Outcome::Failed(failure) => match &failure.step {
                Some(step) if failure.name != FailureName::NoNode => format!("it was a candidate when {step} failed"),
                _ => "it was a candidate to the end, and no step chose a node".to_owned(),
            },
        }
    }

    /// Returns every reason why `about` was no candidate at the end: the reasons of the cluster, and a reason for each
    /// step that left the node out. For `explain` the later per-node steps are asked too, although the node never
    /// reached those steps.
    fn against(&self, about: &str) -> Vec<String> {
        let mut against: Vec<String> = self.excluded(about).into_iter().collect();
        let mut next = (!against.is_empty()).then_some(0);
        for (number, _, report) in self.reached() {
            // A step that failed and was passed over left no node out.
            if matches!(report.said, StepVerdict::Failed(..)) {
                continue;
            }
            if let Some(words) = lost_at(&report.step, &report.lost) {
                next = Some(number + 1);
                against.push(words);
            }
        }
        if let Some(next) = next.filter(|_| self.ask.purpose == Purpose::Explain) {
            against.extend(self.would_lose(about, next));
        }
        against
    }

    /// Iterates over the steps that were reached, with their numbers and reports.
    fn reached(&self) -> impl Iterator<Item = (usize, &Step, &StepReport)> {
        let mut reports = self.diagnosis.steps.iter();
        let steps = self.chain.steps.iter().enumerate().take(self.reached);
        steps.filter_map(move |(number, step)| {
            // A fallback has a report of its own between the reports of two steps.
            let report = reports.by_ref().find(|report| report.step == step.spec.name)?;
            Some((number, step, report))
        })
    }

    /// Returns the reasons that kept `about` out before the first step.
    fn excluded(&self, about: &str) -> Option<String> {
        let (node, spec) = (self.context.cluster.get(about)?, &self.chain.spec);
        let recorded = self.diagnosis.excluded.watched_reason()?;
        let mut reasons: Vec<_> = self.ask.cooling.reasons_against(node, spec).collect();
        if reasons.is_empty() {
            // The reason held when the decision began, before its program ran.
            reasons.push(recorded);
        }
        let why = reasons.contains(&LostReason::Full).then(|| uncounted(node, spec)).flatten().unwrap_or_default();
        let taken = node.session_count().zip(node.report().figures().max_sessions);
        let words = reasons.into_iter().map(|reason| match (reason, taken) {
            (LostReason::Full, Some((taken, most))) => format!("full, {taken} of {most} places taken"),
            _ => reason.phrase().to_owned(),
        });
        let words: Vec<_> = words.collect();
        Some(format!("it cannot take the request: {}{why}", words.join(", ")))
    }

    /// Asks the per-node scripts from step `first` on, as far as the chain came, and returns the reason of each script
    /// against `about`. Steps in quarantine are not asked, nor those behind a whole-list step: the list may have put
    /// properties on nodes.
    fn would_lose(&self, about: &str, first: usize) -> Vec<String> {
        let Some(slot) = self.context.cluster.find(about) else { return Vec::new() };
        let candidates = [Candidate::plain(slot)];
        let plain = self
            .reached()
            .take_while(|(_, step, report)| !matches!(report.said, StepVerdict::Narrow(_)) || per_node(step).is_some());
        let asked = plain.skip_while(|(number, ..)| *number < first);
        let lost = asked.filter_map(|(number, step, _)| {
            let asked = per_node(step)?;
            if self.known_limit(step).is_some() {
                return None;
            }
            self.context.observer.step(number);
            let mut trace = Trace::of(self.ask);
            let calls = Calls::new(self.context.observer);
            let _verdict = self.ask_about(asked, number, &candidates, None, &mut trace, &calls);
            lost_at(&step.spec.name, &trace.lost)
        });
        lost.collect()
    }

    /// Returns a sentence that compares the candidate `about` with the node `chosen` by step `by`.
    fn behind(&self, about: &str, chosen: &str, by: &str) -> String {
        let chose = |report: &&StepReport| matches!(&report.said, StepVerdict::Select(node) if **node == *chosen);
        let step = self.diagnosis.steps.iter().filter(|report| &*report.step == by).find(chose);
        let score = |node: &str| step.and_then(|step| step.score_of(node));
        match (score(chosen), score(about)) {
            (Some(top), Some(own)) if top.rank == own.rank => {
                format!("it was tied with {chosen} at {by}; ties go to the node chosen longest ago, then to the first")
            }
            (Some(top), Some(own)) => format!("{by} chose {chosen}: {top} against {}", own.score),
            (Some(top), None) => format!("{by} chose {chosen}: {top}, and {about} has no such figure"),
            (None, _) => format!("it was a candidate, and {by} chose {chosen}"),
        }
    }
}

/// Returns the script of `step` and the script's functions, if the script is a per-node script.
fn per_node(step: &Step) -> Option<(&dyn Script, PerNode)> {
    let StepKind::Script(script) = &step.kind else { return None };
    let ScriptShape::PerNode(functions) = script.shape() else { return None };
    Some((&**script, functions))
}

/// Returns how step `name`, which lost the nodes `lost`, left the watched node out, if the step did.
fn lost_at(name: &str, lost: &LostNodes) -> Option<String> {
    let words = lost.watched_reason()?.by_step(name);
    Some(match lost.watched_message() {
        Some(message) => format!("{words}: {message}"),
        None => words,
    })
}
