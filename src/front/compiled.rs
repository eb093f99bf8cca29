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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Harness, setup};
    use super::*;
    use crate::nats::message::Verb;
    use crate::worker::WorkerEvent;

    fn news(what: TierChange) -> TierNews {
        TierNews { step: "a.js".into(), function: "balance".to_owned(), what }
    }

    #[test]
    fn what_gives_up_is_counted_by_cause() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (_, asked) = harness.place_asked(&json!({"id": "x"}));
        let bailouts = vec![("a.js".into(), "logs".to_owned(), 2)];
        let report = TierReport { bailouts, news: vec![news(TierChange::GaveUp("it gave up".to_owned()))] };
        for _ in 0..2 {
            harness.worker(asked.worker, WorkerEvent::Tiers(asked.question.ticket, report.clone()));
        }
        assert_eq!(harness.figure("whither_compiled_bailouts_total{script=\"a.js\",cause=\"logs\"}"), "4");
    }

    #[test]
    fn a_decision_on_which_the_tiers_differ_can_become_a_test() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (number, asked) = harness.place_asked(&json!({"id": "x", "params": {"jwt": "secret"}}));
        let (compiled, interpreted) = ("Falsy".to_owned(), "Id(\"a\")".to_owned());
        let what = TierChange::Differed { compiled, interpreted, is_error: false };
        let report = TierReport { bailouts: Vec::new(), news: vec![news(what)] };
        harness.worker(asked.worker, WorkerEvent::Tiers(asked.question.ticket, report));
        harness.choose(&asked, "a");
        let id = harness.reply(number)["decision"].as_str().unwrap().to_owned();
        assert_eq!(harness.figure("whither_compiled_differences_total{script=\"a.js\",cause=\"answer\"}"), "1");
        // Nothing else is recorded here.
        let number = harness.send(Verb::Decision, &json!({ "decision": id }));
        let told = harness.reply(number);
        assert_eq!((told["node"].as_str(), told["nodes"][0]["id"].as_str()), (Some("a"), Some("a")), "{told}");
        assert!(!told.to_string().contains("secret"), "{told}");
    }
}
