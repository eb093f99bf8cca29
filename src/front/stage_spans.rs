//! The spans of a pending request, for requests that are recorded: one for each stage that the request was in, and below
//! a stage that ended with a decision one for each step that ran.
//!
//! Nothing is measured for this: a stage begins at the time of the event that led to the stage, and the steps have the
//! costs that the worker reports with each decision. When within its stage a step began is not known here, so the steps
//! are laid end to end before the moment at which the decision came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::diagnosis::{StepReport, StepVerdict};
use crate::model::{Decision, Outcome};
use crate::nats::message::{Incoming, Outgoing};
use crate::trace::{SpanAttribute, SpanFailure, SpanRole, TimedSpan};

use super::pending_request::PendingRequest;

/// The span from the receipt to the queue of the chain.
const RECEIVED: &str = "received";
/// The most spans of a request; a request that waits for a node may be asked over and over, and the later spans are
/// left out and counted.
const MAX_SPANS: usize = 128;

/// The spans of a pending request.
#[derive(Debug, Default)]
pub(super) struct StageSpans {
    is_recorded: bool,
    spans: Vec<TimedSpan>,
    /// The place of the span of the present stage.
    open: Option<usize>,
    /// The attributes of the request's own span.
    attributes: Vec<SpanAttribute>,
    left_out: u64,
}

impl StageSpans {
    /// Returns the spans of a request that `waiting` wait for; the first of them was received first.
    pub(super) fn of(waiting: &[Incoming]) -> Self {
        let is_recorded = waiting.iter().any(Incoming::is_recorded);
        let mut spans = Self { is_recorded, ..Self::default() };
        if let Some(incoming) = waiting.first() {
            spans.enter(RECEIVED, incoming.received);
        }
        spans
    }

    /// Notes that the request is in `stage` from `now` on.
    pub(super) fn enter(&mut self, stage: &'static str, now: Instant) {
        if !self.is_recorded {
            return;
        }
        self.close(now);
        self.open = self.push(TimedSpan::open(stage, SpanRole::Internal, now));
    }

    /// Notes that `decision` came at `now`.
    pub(super) fn decided(&mut self, decision: &Decision, now: Instant) {
        if !self.is_recorded {
            return;
        }
        self.close(now);
        let parent = self.open.take();
        let start = parent.and_then(|parent| self.spans.get(parent)).map_or(now, |span| span.start);
        let mut left = Duration::from_micros(decision.diagnosis.cost_us());
        for step in &decision.diagnosis.steps {
            let cost = Duration::from_micros(step.cost_us);
            let began = now.checked_sub(left).map_or(start, |began| began.max(start));
            left = left.saturating_sub(cost);
            self.push(TimedSpan { parent, end: (began + cost).min(now), ..of_step(step, began) });
        }
        self.attributes = of_decision(decision);
    }

    /// Returns `outgoing`, the reply to one of those who wait, which is made at `now`, with these spans in its record.
    pub(super) fn put_into(&self, mut outgoing: Outgoing, action: &Arc<str>, now: Instant) -> Outgoing {
        let Some(record) = &mut outgoing.trace else { return outgoing };
        record.concluded = Some(now);
        record.spans.extend_from_slice(&self.spans);
        if let Some(open) = self.open.and_then(|open| record.spans.get_mut(open)) {
            open.end = now;
        }
        record.attributes.push(("whither.action", action.into()));
        record.attributes.extend_from_slice(&self.attributes);
        if self.left_out > 0 {
            record.attributes.push(("whither.spans_left_out", self.left_out.into()));
        }
        outgoing
    }

    fn close(&mut self, now: Instant) {
        if let Some(open) = self.open.and_then(|open| self.spans.get_mut(open)) {
            open.end = now;
        }
    }

    /// Adds `span`, and returns the place of the span; `None` where there are too many.
    fn push(&mut self, span: TimedSpan) -> Option<usize> {
        let place = self.spans.len();
        if place >= MAX_SPANS {
            self.left_out += 1;
            return None;
        }
        self.spans.push(span);
        Some(place)
    }
}

impl PendingRequest {
    /// Returns `outgoing`, which is made at `now`, with the spans of the request where the requester is recorded.
    pub(super) fn traced(&self, outgoing: Outgoing, now: Instant) -> Outgoing {
        self.spans.put_into(outgoing, &self.question.head.action, now)
    }
}

fn of_step(step: &StepReport, began: Instant) -> TimedSpan {
    let verdict = match &step.said {
        StepVerdict::Select(_) => "select",
        StepVerdict::Narrow(_) => "narrow",
        StepVerdict::Pass => "pass",
        StepVerdict::Failed(..) => "failed",
        StepVerdict::Unplaceable(..) => "unplaceable",
        StepVerdict::NotRun => "not-run",
        StepVerdict::NotReached => "not-reached",
        StepVerdict::Asked(_) => "asked",
    };
    let failure = match &step.said {
        StepVerdict::Failed(name, message) => Some(SpanFailure { name: name.as_str(), message: message.clone() }),
        _ => None,
    };
    let mut span = TimedSpan::open(format!("step {}", step.step), SpanRole::Internal, began);
    span.attributes = vec![
        ("whither.step", (&step.step).into()),
        ("whither.verdict", verdict.into()),
        ("whither.candidates", step.candidates.into()),
        ("whither.calls", step.calls.into()),
        ("whither.cost_us", step.cost_us.into()),
    ];
    if let StepVerdict::Select(node) = &step.said {
        span.attributes.push(("whither.node", node.into()));
    }
    TimedSpan { failure, ..span }
}

/// The attributes that a decision gives to the request's own span. The user is none of them: whoever reads traces need
/// not know who works where, and the log names the user beside the same decision.
fn of_decision(decision: &Decision) -> Vec<SpanAttribute> {
    let diagnosis = &decision.diagnosis;
    let mut attributes = vec![
        ("whither.generation", decision.generation.into()),
        ("whither.nodes", diagnosis.nodes.into()),
        ("whither.looked_at", diagnosis.search.looked_at.into()),
        ("whither.plan", diagnosis.search.plan.as_str().into()),
    ];
    if let Outcome::Placed(node) = &decision.outcome {
        attributes.push(("whither.node", node.into()));
    }
    attributes
}

#[cfg(test)]
mod tests;
