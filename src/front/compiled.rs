//! What workers tell of compiled functions: counts for the metrics, lines for the log, and the inputs of a decision on
//! which the tiers differ, so that it can become a test.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::script::{TierChange, TierNews, TierReport};
use crate::worker::Ticket;

use super::recorder::MAX_RECORDED_NODES;
use super::task::Front;

/// The most functions that are remembered as told of; beyond that all are told of again.
const MAX_TOLD: usize = 1_000;

/// The functions that went back to the interpreter and were told of: step and function.
#[derive(Debug, Default)]
pub(super) struct InterpretedFunctions {
    told: BTreeSet<(Arc<str>, String)>,
}

impl InterpretedFunctions {
    /// Whether `news` are the first of their function. Every worker finds the same out for itself.
    fn is_first(&mut self, news: &TierNews) -> bool {
        if self.told.len() >= MAX_TOLD {
            self.told.clear();
        }
        self.told.insert((Arc::clone(&news.step), news.function.clone()))
    }
}

impl Front {
    /// Handles what became of compiled functions in a worker while the question `ticket` was decided, whose answer has
    /// not come yet.
    pub(super) fn compiled(&mut self, ticket: Ticket, report: TierReport) {
        for (step, cause, count) in &report.bailouts {
            self.metrics.bailed_out(step, cause, *count);
        }
        for news in report.news {
            let is_first = self.interpreted.is_first(&news);
            let TierNews { step, function, what } = news;
            match what {
                TierChange::GaveUp(why) if is_first => {
                    tracing::info!(%step, function, "the function is interpreted from now on: {why}");
                }
                TierChange::GaveUp(why) => {
                    tracing::debug!(%step, function, "the function is interpreted from now on: {why}");
                }
                TierChange::Differed { compiled, interpreted, is_error } => {
                    self.metrics.differed(&step, if is_error { "error" } else { "answer" });
                    let decision = self.keep_difference(ticket);
                    let test = match &decision {
                        Some(id) if self.cluster.len() <= MAX_RECORDED_NODES => {
                            format!("`whither test --record {id} FOLDER` makes a test of it")
                        }
                        Some(_) => format!("a cluster of more than {MAX_RECORDED_NODES} nodes is not recorded"),
                        None => "it was decided for no request".to_owned(),
                    };
                    tracing::warn!(
                        %step, function, compiled, interpreted, decision = decision.as_deref(),
                        "compiled code said something else than the interpreter, whose answer counts; the function is \
                         interpreted from now on. Please report this with the script; {test}"
                    );
                }
            }
        }
    }

    /// Notes that the decision of `ticket` is to be recorded because the tiers differ on it; returns its id.
    fn keep_difference(&mut self, ticket: Ticket) -> Option<Arc<str>> {
        let decision = Arc::clone(&self.requests.get(ticket)?.question.decision);
        self.recorder.differs(&decision);
        Some(decision)
    }
}
