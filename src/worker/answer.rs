//! Answers a question with an evaluator: in the sealed worker, and in a simulation.

use std::sync::Arc;

use crate::chain::{Ask, Progress, Purpose};
use crate::evaluator::{self, Evaluator};
use crate::explain::{self, MAX_TRIES, SearchBudget};
use crate::model::lost::LostNodes;
use crate::model::{Decision, Diagnosis, Failure, FailureName, Outcome, Request};

use super::protocol::{PlacementQuestion, SuspendedStep};

/// Decides `question` at Unix time `now_ms`, or continues a decision that waited for a program.
pub fn decide(evaluator: &mut Evaluator, question: &PlacementQuestion, now_ms: i64) -> Progress {
    if question.deadline_ms.is_some_and(|deadline| deadline < now_ms) {
        let message = "the deadline passed before the request's turn came";
        return Progress::Decided(failed(evaluator, question, Failure::new(FailureName::Overloaded, message)));
    }
    let ask = ask_of(question);
    let asked = evaluator::Question { decision: Arc::clone(&question.decision), ask };
    let Some(SuspendedStep { suspended, heard, .. }) = &question.from else { return evaluator.decide(&asked) };
    match postcard::from_bytes(suspended) {
        Ok(suspended) => evaluator.resume(&asked, suspended, heard.clone()),
        Err(_garbled) => {
            let message = "what was decided before the program ran was lost";
            Progress::Decided(failed(evaluator, question, Failure::new(FailureName::Internal, message)))
        }
    }
}

/// Adds to `decision`, an explanation, the values that would have to differ for the node that `question` asks about, if
/// the question grants time for a search.
pub fn search(evaluator: &Evaluator, question: &PlacementQuestion, decision: &mut Decision) {
    if question.search_us > 0 {
        let budget = SearchBudget { time_us: question.search_us, tries: MAX_TRIES };
        decision.diagnosis.counterfactual = explain::search(evaluator, &ask_of(question), budget).map(Box::new);
    }
}

fn ask_of(question: &PlacementQuestion) -> Ask {
    let (text, server_id) = (Arc::clone(&question.request), Arc::clone(&question.server_id));
    let request = Request::deferred(question.head.clone(), text, server_id);
    Ask {
        request: Arc::new(request),
        purpose: question.purpose,
        about: question.about.clone(),
        // A narrated question tells each call before the call runs, so nothing may come from the cache.
        anew: question.narrated,
        now_ms: question.now_ms,
        seed: question.seed,
        sequence: question.sequence,
        limited: question.limited.clone(),
        assigned: question.assigned.clone(),
        cooling: question.cooling.clone(),
    }
}

/// Removes from `decision` all that the service does not read: a placement that nobody wants explained keeps only the
/// steps with log lines, and where the request is traced what each step cost.
pub fn shorten(question: &PlacementQuestion, decision: &mut Decision) {
    let is_told_whole = question.narrated || question.head.explain || question.purpose != Purpose::Place;
    if !is_told_whole && matches!(decision.outcome, Outcome::Placed(_)) {
        let Diagnosis { excluded, steps, dropped_us, .. } = &mut decision.diagnosis;
        *excluded = LostNodes::default();
        match question.traced {
            true => steps.iter_mut().for_each(|step| step.lost = LostNodes::default()),
            false => steps.retain(|step| {
                let is_kept = !step.log.is_empty();
                *dropped_us += if is_kept { 0 } else { step.cost_us };
                is_kept
            }),
        }
    }
}

fn failed(evaluator: &Evaluator, question: &PlacementQuestion, failure: Failure) -> Decision {
    Decision {
        chain: Arc::clone(&question.head.action),
        generation: evaluator.cluster().generation(),
        decided_by: None,
        outcome: Outcome::Failed(failure),
        diagnosis: Diagnosis { now_ms: question.now_ms, seed: question.seed, ..Diagnosis::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StepReport;

    #[test]
    fn a_shortened_record_keeps_what_its_steps_cost() {
        let step = |cost_us| StepReport { cost_us, ..StepReport::not_reached(&"s.js".into()) };
        let mut decision = Decision {
            chain: "a".into(),
            generation: 1,
            decided_by: None,
            outcome: Outcome::Placed("n".into()),
            diagnosis: Diagnosis { steps: vec![step(3), step(4)], ..Diagnosis::default() },
        };
        shorten(&PlacementQuestion::empty(1), &mut decision);
        assert_eq!((decision.diagnosis.steps.len(), decision.diagnosis.cost_us()), (0, 7));
    }
}
