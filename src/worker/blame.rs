//! Blame: decides about a question over which a worker died, by the failure policy of the step that ran.
//!
//! The service and the one-shot commands use the same judgement, so that a script behaves the same in both.

use crate::chain::{ChainSpec, LimitRecord, OnFailure, Subject};
use crate::model::{Failure, FailureName};

use super::protocol::{Overrun, PlacementQuestion};

/// The most nodes that a question may be found to hang on; past that, the script is at fault and not the documents of
/// the nodes.
pub const NODES_A_QUESTION: u32 = 8;

/// The consequence for a question that passed a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlameOutcome {
    /// The question is asked again, and the subject is not run any more: a function that hangs on a node's document
    /// alone will hang for every question.
    Shun(Subject, LimitRecord),
    /// The question is asked again, without the step.
    Again,
    /// The question is answered with this failure.
    Fail(Failure),
}

/// Judges `question`, which was put to `chain`, for `overrun`; `shunned` is the number of nodes that the question was
/// found to hang on before.
#[must_use]
pub fn judge(
    question: &mut PlacementQuestion,
    shunned: u32,
    chain: Option<&ChainSpec>,
    overrun: Overrun,
) -> BlameOutcome {
    let Overrun { running, kind, message } = overrun;
    let limited = LimitRecord { kind, message: message.into() };
    let Some(script) = running.step else { return BlameOutcome::Fail(limited.failure()) };
    if let (Some(node), true, true) = (running.node, running.pure, shunned < NODES_A_QUESTION) {
        return BlameOutcome::Shun(Subject { script, node: Some(node) }, limited);
    }
    let step = chain.and_then(|chain| chain.steps.iter().find(|step| step.name == script));
    let told_before = question.limited.iter().any(|(known, _)| *known == script);
    match step.map(|step| step.policy(FailureName::ScriptLimit)) {
        Some(OnFailure::Skip | OnFailure::Fallback(_)) if !told_before => {
            question.limited.push((script, limited));
            BlameOutcome::Again
        }
        _ => BlameOutcome::Fail(limited.failure().at_step(&script)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chain::{StepSource, StepSpec};
    use crate::model::LimitKind;
    use crate::worker::protocol::RunningStep;

    fn question() -> PlacementQuestion {
        PlacementQuestion::empty(1)
    }

    fn chain(on_limit: OnFailure) -> ChainSpec {
        let source = StepSource::Builtin("fewest-sessions".to_owned());
        ChainSpec::new("a", vec![StepSpec { on_limit, ..StepSpec::new("s.js", source) }])
    }

    fn overrun(node: Option<&str>, pure: bool) -> Overrun {
        let running = RunningStep { ticket: 1, step: Some("s.js".into()), node: node.map(Arc::from), pure };
        Overrun { running, kind: LimitKind::Time, message: "too long".to_owned() }
    }

    fn limited() -> LimitRecord {
        LimitRecord { kind: LimitKind::Time, message: "too long".into() }
    }

    #[test]
    fn a_pure_call_costs_its_node_and_not_the_question() {
        let subject = Subject { script: "s.js".into(), node: Some("n".into()) };
        let chain = chain(OnFailure::Stop);
        let judge = |shunned| judge(&mut question(), shunned, Some(&chain), overrun(Some("n"), true));
        assert_eq!(judge(0), BlameOutcome::Shun(subject, limited()));
        assert!(matches!(judge(NODES_A_QUESTION), BlameOutcome::Fail(_)), "then it is the script");
    }

    #[test]
    fn what_hangs_on_the_request_follows_the_steps_policy() {
        let stop = judge(&mut question(), 0, Some(&chain(OnFailure::Stop)), overrun(Some("n"), false));
        assert_eq!(stop, BlameOutcome::Fail(limited().failure().at_step(&"s.js".into())));
        for policy in [OnFailure::Skip, OnFailure::Fallback("weighted".to_owned())] {
            let (mut question, chain) = (question(), chain(policy));
            assert_eq!(judge(&mut question, 0, Some(&chain), overrun(None, false)), BlameOutcome::Again);
            assert_eq!(question.limited, [("s.js".into(), limited())]);
            let again = judge(&mut question, 0, Some(&chain), overrun(None, false));
            assert!(matches!(again, BlameOutcome::Fail(_)), "a step that is not run cannot be at fault twice");
        }
    }

    #[test]
    fn what_no_step_did_is_the_requests_own_failure() {
        let nowhere =
            Overrun { running: RunningStep { step: None, ..overrun(None, false).running }, ..overrun(None, false) };
        let sentence = judge(&mut question(), 0, Some(&chain(OnFailure::Skip)), nowhere);
        assert_eq!(sentence, BlameOutcome::Fail(limited().failure()));
    }
}
