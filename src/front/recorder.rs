//! The recorder: the inputs of the last decisions, so that one of them can become a test. Off unless
//! `service.recorded_decisions` says how many; but the last decisions on which compiled JavaScript and the interpreter
//! differed are always kept.
//!
//! What is kept of a decision is the cluster as the front held it when the decision came back, which is what the worker
//! saw but for changes that were on their way. Reports are shared with the cluster, so a record costs a few words a node;
//! a cluster too large for that is not recorded, because the copy would be made on the way of each request. Tokens are
//! taken out of requests before anything is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chain::Purpose;
use crate::model::{Cluster, Decision, Failure, FailureName, Outcome, Report, Reservation};
use crate::nats::message::{Incoming, Outgoing};
use crate::worker::PlacementQuestion;

use super::admin::read;
use super::task::Front;

/// The most nodes of a cluster that is recorded.
pub(super) const MAX_RECORDED_NODES: usize = 1_000;
/// The most reservations that are recorded with it.
const MAX_RECORDED_RESERVATIONS: usize = 10_000;
/// The largest request that is recorded, in bytes.
const MAX_RECORDED_REQUEST_BYTES: usize = 64 * 1024;
/// Nodes in a page, where the requester names no limit, and at most.
const PAGE: (usize, usize) = (100, 1000);
/// Size of a page in bytes: replies stay far below the message size of NATS.
const PAGE_BYTES: usize = 512 * 1024;
/// Where a request may have a token.
const TOKENS: [&str; 2] = ["/params", ""];

/// The most decisions that are kept because the tiers differ on them.
const MAX_DIFFERENCES: usize = 16;

/// The decisions that are recorded, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    decisions: VecDeque<RecordedDecision>,
    /// Those on which compiled code and the interpreter differ.
    differences: VecDeque<RecordedDecision>,
    /// The ids of such decisions that have not come back yet.
    expected: VecDeque<Arc<str>>,
}

impl Recorder {
    /// Notes that the tiers differ on `decision`, which is kept when it comes back.
    pub(super) fn differs(&mut self, decision: &Arc<str>) {
        if self.expected.len() >= MAX_DIFFERENCES {
            self.expected.pop_front();
        }
        self.expected.push_back(Arc::clone(decision));
    }

    /// Whether the tiers differ on `decision`, which has come back.
    fn is_different(&mut self, decision: &Arc<str>) -> bool {
        let before = self.expected.len();
        self.expected.retain(|expected| expected != decision);
        self.expected.len() < before
    }
}

#[derive(Debug)]
struct RecordedDecision {
    id: Arc<str>,
    chain: Arc<str>,
    request: Value,
    now_ms: i64,
    seed: u64,
    outcome: Outcome,
    nodes: Vec<RecordedNode>,
    reservations: Vec<Reservation>,
}

/// A node as a decision saw it.
#[derive(Debug)]
struct RecordedNode {
    report: Arc<Report>,
    is_cordoned: bool,
    is_stale: bool,
}

/// A request for a page of a recorded decision.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionPage {
    decision: String,
    #[serde(default)]
    after: usize,
    #[serde(default)]
    limit: Option<usize>,
}

impl Front {
    /// Records `decision` of `question`, where decisions are recorded.
    pub(super) fn record(&mut self, question: &PlacementQuestion, decision: &Decision) {
        if self.recorder.is_different(&question.decision) {
            if self.recorder.differences.len() >= MAX_DIFFERENCES {
                self.recorder.differences.pop_front();
            }
            self.recorder.differences.extend(recorded(&self.cluster, question, decision));
        }
        let most = self.workers.setup().recorded_decisions;
        while self.recorder.decisions.len() >= most.max(1) {
            self.recorder.decisions.pop_front();
        }
        if most == 0 || question.purpose != Purpose::Place {
            return;
        }
        if let Some(recorded) = recorded(&self.cluster, question, decision) {
            self.recorder.decisions.push_back(recorded);
        }
    }

    /// Answers with a page of a recorded decision. Every replica hears the request; only the one that took the decision
    /// comes here.
    pub(super) fn recorded(&mut self, incoming: &Incoming) {
        let page: DecisionPage = match read(incoming) {
            Ok(page) => page,
            Err(failure) => return self.fail(incoming, &failure),
        };
        let Recorder { decisions, differences, .. } = &self.recorder;
        match differences.iter().chain(decisions).find(|recorded| *recorded.id == *page.decision) {
            Some(recorded) => {
                let told = recorded.page(&page).to_string();
                self.reply(Outgoing::new(incoming, told.into(), None));
            }
            None => {
                let failure = self.unrecorded(&page.decision);
                self.fail(incoming, &failure);
            }
        }
    }

    /// Whether `incoming` asks about a decision of this replica, or cannot be read.
    pub(super) fn is_asked_about_own(&self, incoming: &Incoming) -> bool {
        let is_own = |page: DecisionPage| page.decision.rsplit_once('-').is_some_and(|(own, _)| own == self.replica());
        read(incoming).map_or(true, is_own)
    }

    fn unrecorded(&self, id: &str) -> Failure {
        let why = match self.workers.setup().recorded_decisions {
            0 => "`service.recorded_decisions` is 0, so none is".to_owned(),
            most => format!(
                "the last {most} are (`service.recorded_decisions`), over at most {MAX_RECORDED_NODES} nodes and with \
                 requests of at most {} KiB",
                MAX_RECORDED_REQUEST_BYTES / 1024
            ),
        };
        Failure::new(FailureName::BadRequest, format!("the decision `{id}` is not recorded: {why}"))
    }
}

fn recorded(cluster: &Cluster, question: &PlacementQuestion, decision: &Decision) -> Option<RecordedDecision> {
    if cluster.len() > MAX_RECORDED_NODES || question.request.len() > MAX_RECORDED_REQUEST_BYTES {
        return None;
    }
    let mut request: Value = serde_json::from_str(&question.request).unwrap_or_else(|_empty| json!({}));
    for place in TOKENS {
        if let Some(fields) = request.pointer_mut(place).and_then(Value::as_object_mut) {
            fields.shift_remove("jwt");
        }
    }
    let node = |node: &crate::model::Node| RecordedNode {
        report: Arc::clone(node.report()),
        is_cordoned: node.is_cordoned(),
        is_stale: node.is_stale(),
    };
    // What this decision itself reserved, it did not see.
    let others = cluster.reservations().filter(|reservation| reservation.id != question.decision);
    Some(RecordedDecision {
        id: Arc::clone(&question.decision),
        chain: Arc::clone(&decision.chain),
        request,
        now_ms: question.now_ms,
        seed: question.seed,
        outcome: decision.outcome.clone(),
        nodes: cluster.nodes().map(|(_, own)| node(own)).collect(),
        reservations: others.take(MAX_RECORDED_RESERVATIONS).cloned().collect(),
    })
}

impl RecordedDecision {
    fn page(&self, page: &DecisionPage) -> Value {
        let limit = page.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
        let (mut nodes, mut bytes) = (Vec::new(), 0);
        for node in self.nodes.iter().skip(page.after).take(limit) {
            bytes += node.report.text.len();
            if bytes > PAGE_BYTES && !nodes.is_empty() {
                break;
            }
            nodes.push(Value::Object(self.document(node)));
        }
        let next = page.after.saturating_add(nodes.len());
        let mut told = json!({
            "decision": self.id,
            "chain": self.chain,
            "now": self.now_ms,
            // As text: JSON readers round numbers above 2^53.
            "seed": self.seed.to_string(),
            "total": self.nodes.len(),
            "nodes": nodes,
            "next": (next < self.nodes.len()).then_some(next),
        });
        if let Some(fields) = told.as_object_mut() {
            fields.insert("request".to_owned(), self.request.clone());
            let (name, value) = match &self.outcome {
                Outcome::Placed(node) => ("node", json!(node)),
                Outcome::Failed(failure) => {
                    ("error", json!({ "name": failure.name.as_str(), "message": failure.message }))
                }
            };
            fields.insert(name.to_owned(), value);
        }
        told
    }

    /// The document of `node` with what the decision saw of it beside the report: pending sessions, a cordon, silence.
    fn document(&self, node: &RecordedNode) -> Map<String, Value> {
        let mut document: Map<String, Value> = serde_json::from_str(&node.report.text).unwrap_or_default();
        if node.is_cordoned {
            document.insert("cordoned".to_owned(), json!(true));
        }
        if node.is_stale {
            document.insert("available".to_owned(), json!(false));
        }
        let pending: Vec<_> = self.reservations.iter().filter(|own| own.node == node.report.id).collect();
        if !pending.is_empty() {
            let data = document.entry("nodeData").or_insert_with(|| json!({}));
            let data = data.as_object_mut().map(|data| data.entry("sessions").or_insert_with(|| json!([])));
            if let Some(sessions) = data.and_then(Value::as_array_mut) {
                sessions.extend(
                    pending
                        .into_iter()
                        .map(|own| json!({ "id": own.id, "user": own.user, "name": own.name, "state": "pending" })),
                );
            }
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::events::Setup;
    use super::super::testing::{Harness, setup};
    use super::*;
    use crate::nats::message::Verb;

    /// Places a session on the node `a`; returns the decision's id.
    fn placed(harness: &mut Harness, request: &Value) -> String {
        let (number, asked) = harness.place_asked(request);
        harness.choose(&asked, "a");
        harness.reply(number)["decision"].as_str().unwrap().to_owned()
    }

    #[test]
    fn nothing_is_recorded_unless_that_is_configured() {
        let mut harness = Harness::new(setup(), &["a"]);
        let id = placed(&mut harness, &json!({"id": "x"}));
        let number = harness.send(Verb::Decision, &json!({ "decision": id }));
        let (name, words) = harness.failure(number);
        assert_eq!(name, "bad-request");
        assert!(words.contains("`service.recorded_decisions` is 0"), "{words}");
    }

    #[test]
    fn a_decision_is_recorded_without_tokens_and_the_oldest_goes() {
        let mut harness = Harness::new(Setup { recorded_decisions: 2, ..setup() }, &["a"]);
        let request = |number: u32| json!({"id": number.to_string(), "params": {"jwt": "secret", "start": {}}});
        let ids: Vec<_> = (0..3).map(|number| placed(&mut harness, &request(number))).collect();
        let number = harness.send(Verb::Decision, &json!({"decision": ids[0]}));
        let (_, words) = harness.failure(number);
        assert!(words.contains("is not recorded: the last 2 are"), "{words}");
        let number = harness.send(Verb::Decision, &json!({"decision": ids[2]}));
        let told = harness.reply(number);
        assert_eq!((told["node"].as_str(), told["total"].as_u64(), &told["next"]), (Some("a"), Some(1), &Value::Null));
        assert_eq!(told["request"]["id"], "2");
        assert!(!told.to_string().contains("secret"), "{told}");
        let pending = told["nodes"][0]["nodeData"]["sessions"].as_array().unwrap();
        assert_eq!(pending.len(), 2, "those that were placed before: {told}");
    }

    #[test]
    fn another_replicas_decision_is_that_ones_to_tell() {
        let mut harness = Harness::new(setup(), &["a"]);
        let number = harness.send(Verb::Decision, &json!({"decision": "other-7"}));
        harness.no_reply(number);
        let number = harness.send(Verb::Decision, &json!({"id": "other-7"}));
        assert_eq!(harness.failure(number).0, "bad-request");
    }
}
