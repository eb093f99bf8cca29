//! What is noted of placements: a failure, what the scripts of a decision print, and what its steps cost.

use std::time::Instant;

use crate::model::diagnosis::LogLevel;
use crate::model::{Decision, Failure};
use crate::worker::PlacementQuestion;

use super::pending_request::PendingRequest;

/// Logs a line about a request that got no node.
pub(super) fn log_failure(pending: &PendingRequest, failure: &Failure, cost_us: u64) {
    let PlacementQuestion { head, decision, seed, .. } = &*pending.question;
    let (user, chain) = (&head.login, &head.action);
    tracing::info!(target: "placement", %user, %chain, %decision, seed, cost_us, %failure, "not placed");
}

/// Notes that `decision` about `pending` came at `now`: what the scripts print goes to the log, and the steps to the
/// spans of the request.
pub(super) fn note_decision(pending: &mut PendingRequest, decision: &Decision, now: Instant) {
    log_lines(decision);
    pending.spans.decided(decision, now);
}

/// Logs the lines of the scripts, under the names of their steps.
fn log_lines(decision: &Decision) {
    for step in &decision.diagnosis.steps {
        for line in &step.log {
            match line.level {
                LogLevel::Info => tracing::info!(target: "script", script = %step.step, "{}", line.text),
                LogLevel::Warn => tracing::warn!(target: "script", script = %step.step, "{}", line.text),
                LogLevel::Error => tracing::error!(target: "script", script = %step.step, "{}", line.text),
            }
        }
    }
}
