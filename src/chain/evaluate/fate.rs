//! What became of the node that an explanation is asked about, in a sentence: all that stands against it.

use crate::chain::StepKind;
use crate::chain::explain::uncounted;
use crate::chain::witness::Calls;
use crate::model::lost::LostNodes;
use crate::model::{Candidate, FailureName, LostReason, Outcome};
use crate::script::Shape;

use super::{Evaluation, Trace};

impl Evaluation<'_> {
    /// What became of the node `about`, where step `decided_by` came to `outcome`.
    pub(super) fn fate(&self, about: &str, decided_by: Option<&str>, outcome: &Outcome) -> String {
        let by = decided_by.unwrap_or_default();
        if self.stage.cluster.find(about).is_none() {
            return "it is not in the cluster".to_owned();
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

    /// Why `about` was no candidate at the end: the cluster's reasons, and what each step has against it, those too that
    /// were not asked because the node had been left out before.
    fn against(&self, about: &str) -> Vec<String> {
        let mut against: Vec<String> = self.excluded(about).into_iter().collect();
        let lost = self.diagnosis.steps.iter().enumerate();
        let lost: Vec<_> = lost.filter_map(|(number, step)| Some((number, lost_at(&step.step, &step.lost)?))).collect();
        let mut next = if against.is_empty() { None } else { Some(0) };
        for (number, words) in lost {
            next = Some(number + 1);
            against.push(words);
        }
        if let Some(next) = next {
            against.extend(self.would_lose(about, next));
        }
        against
    }

    /// Why `about` could not take the request before the first step.
    fn excluded(&self, about: &str) -> Option<String> {
        let (node, spec) = (self.stage.cluster.get(about)?, &self.chain.spec);
        self.diagnosis.excluded.watched_reason()?;
        let reasons: Vec<_> = self.ask.cooling.reasons_against(node, spec).collect();
        let why = reasons.contains(&LostReason::Full).then(|| uncounted(node, spec)).flatten().unwrap_or_default();
        let words: Vec<_> = reasons.into_iter().map(LostReason::phrase).collect();
        Some(format!("it cannot take the request: {}{why}", words.join(", ")))
    }

    /// What the per-node scripts from step `first` on, as far as the chain came, say against `about`.
    fn would_lose(&self, about: &str, first: usize) -> Vec<String> {
        let Some(slot) = self.stage.cluster.find(about) else { return Vec::new() };
        let candidates = [Candidate::plain(slot)];
        let asked = self.chain.steps.iter().enumerate().take(self.reached).skip(first);
        let lost = asked.filter_map(|(number, step)| {
            let StepKind::Script(script) = &step.kind else { return None };
            let Shape::PerNode(functions) = script.shape() else { return None };
            self.stage.witness.back_to(number);
            let mut trace = Trace::of(self.ask);
            let calls = Calls::new(self.stage.witness);
            let answer = self.ask_about(&**script, functions, number, &candidates, &mut trace, &calls);
            let name = &step.spec.name;
            lost_at(name, &trace.lost).or_else(|| Some(format!("{name} failed: {}", answer.err()?.message)))
        });
        lost.collect()
    }

    /// Why step `by` chose `chosen` rather than `about`, a candidate as well.
    fn behind(&self, about: &str, chosen: &str, by: &str) -> String {
        let step = self.diagnosis.steps.iter().rev().find(|step| &*step.step == by);
        let score = |node: &str| step.and_then(|step| step.score_of(node));
        match (score(chosen), score(about)) {
            (Some(top), Some(own)) if top.score == own.score => {
                format!("it was tied with {chosen} at {by}; ties go to the node chosen longest ago, then to the first")
            }
            (Some(top), Some(own)) => format!("{by} chose {chosen}: {top} against {}", own.score),
            (Some(top), None) => format!("{by} chose {chosen}: {top}, and {about} has no such figure"),
            (None, _) => format!("it was a candidate, and {by} chose {chosen}"),
        }
    }
}

/// What step `name`, which lost these nodes, has against the one that is asked about.
fn lost_at(name: &str, lost: &LostNodes) -> Option<String> {
    let words = lost.watched_reason()?.by_step(name);
    Some(match lost.watched_message() {
        Some(message) => format!("{words}: {message}"),
        None => words,
    })
}
