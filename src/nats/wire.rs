//! The JSON that requesters read: placements, failures, diagnoses, pages of nodes. A single place, so that the service
//! and the command line write the same.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::model::diagnosis::{Scored, Search};
use crate::model::lost::LostNodes;
use crate::model::{
    Counterfactual, Decision, Diagnosis, Failure, FieldChange, Node, Outcome, Report, StepReport, StepVerdict,
};

/// The reply to `NS.place`.
#[derive(Clone, Debug, Serialize)]
pub struct Placed<'a> {
    /// The chosen node.
    pub node: &'a str,
    /// The host name of the node, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<&'a str>,
    /// The addresses of sessions on the node, where the node reports them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urls: Option<&'a RawValue>,
    /// The id of the decision.
    pub decision: &'a str,
    /// The generation of the cluster that the decision saw.
    pub generation: u64,
    /// The random bits of the decision, as digits; with them and `now` the decision can be taken again later.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    pub seed: Option<u64>,
    /// The time of the decision, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
    /// The step that chose the node.
    pub decided_by: Option<&'a str>,
    /// The action of the chain.
    pub chain: &'a str,
    /// The reservation, where the chain reserves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<&'a str>,
    /// The time that the reservation still lives, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// Serializes a number as text: JSON readers round numbers above 2^53.
fn digits<S: serde::Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

/// Returns a node's host name and addresses for a placement, as far as the node has any.
#[must_use]
pub fn address(report: &Report) -> (Option<&str>, Option<&RawValue>) {
    (Some(report.hostname()).filter(|hostname| !hostname.is_empty()), report.urls())
}

/// The largest number up to which every whole number has a distinct floating-point value.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// The largest reply that carries a diagnosis in full, in bytes. Messages of NATS end at 1 MiB by default, headers
/// included.
const MAX_REPLY_BYTES: usize = 512 * 1024;

/// Returns `reply` as text; where long ids, many steps or long script logs make the reply larger than a message may be,
/// without the lost nodes, logs and scores of the steps.
#[must_use]
pub fn text(mut reply: Value) -> String {
    let text = reply.to_string();
    if text.len() <= MAX_REPLY_BYTES {
        return text;
    }
    let whole = ["/error/diagnosis", "/explanation"].into_iter().find(|at| reply.pointer(at).is_some());
    let diagnosis = reply.pointer_mut(whole.unwrap_or_default());
    let steps = diagnosis.and_then(|diagnosis| diagnosis.get_mut("steps")).and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten().filter_map(Value::as_object_mut) {
        step.retain(|name, _| !matches!(name.as_str(), "lost" | "log" | "scores"));
        step.insert("cut".to_owned(), json!(true));
    }
    reply.to_string()
}

/// The body of an error reply.
#[must_use]
pub fn failed(failure: &Failure, diagnosis: Option<&Diagnosis>) -> Value {
    let mut error = Map::new();
    let mut put = |name: &str, value: Value| drop(error.insert(name.to_owned(), value));
    put("name", json!(failure.name.as_str()));
    put("message", json!(failure.message));
    put("code", json!(failure.name.code()));
    if let Some(step) = &failure.step {
        put("step", json!(step));
    }
    if let Some(position) = &failure.position {
        put("position", json!(position));
    }
    if let Some(limit) = failure.limit {
        put("limit", json!(limit.as_str()));
    }
    if let Some(thrown) = &failure.thrown {
        put("thrown", json!(thrown));
    }
    if let Some(recorded) = diagnosis {
        put("diagnosis", Value::Object(diagnosed(recorded)));
    }
    json!({ "error": error })
}

/// The reply to `NS.explain`, and the `explanation` in the reply to `NS.place`: the decision with the whole diagnosis.
#[must_use]
pub fn explained(id: &str, decision: &Decision) -> Value {
    let mut reply = Map::new();
    let mut put = |name: &str, value: Value| drop(reply.insert(name.to_owned(), value));
    match &decision.outcome {
        Outcome::Placed(node) => put("node", json!(node)),
        Outcome::Failed(failure) => {
            put("node", Value::Null);
            put("error", failed(failure, None).get("error").cloned().unwrap_or_default());
        }
    }
    put("decision", json!(id));
    put("generation", json!(decision.generation));
    put("decided_by", json!(decision.decided_by));
    put("chain", json!(decision.chain));
    if let Some(won) = won_by(decision) {
        put("won_by", won);
    }
    reply.extend(diagnosed(&decision.diagnosis));
    Value::Object(reply)
}

/// The changes that would have led to another decision, with a sentence that tells them.
fn counterfactual(found: &Counterfactual) -> Value {
    let value = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_default();
    let change = |change: &FieldChange| {
        let mut record = Map::from_iter([("field".to_owned(), json!(change.field))]);
        record.extend(change.from.as_ref().map(|from| ("from".to_owned(), value(from))));
        record.extend(change.to.as_ref().map(|to| ("to".to_owned(), value(to))));
        Value::Object(record)
    };
    let remedies = found.remedies.iter().map(|remedy| remedy.changes.iter().map(change).collect());
    let remedies: Vec<Value> = remedies.collect();
    let Counterfactual { fields, tries, .. } = found;
    let (search, text) = (found.end.as_str(), found.to_string());
    json!({"search": search, "fields": fields, "tries": tries, "remedies": remedies, "text": text})
}

/// The margin by which the chosen node won, and the next node; `None` where the step that chose ranks no nodes.
fn won_by(decision: &Decision) -> Option<Value> {
    let Outcome::Placed(node) = &decision.outcome else { return None };
    let by = decision.decided_by.as_ref()?;
    let chose =
        |report: &&StepReport| report.step == *by && matches!(&report.said, StepVerdict::Select(own) if own == node);
    let report = decision.diagnosis.steps.iter().find(chose)?;
    let first = report.score_of(node)?;
    let mut won = json!({"step": by, "score": number(first.score)});
    let fields = won.as_object_mut()?;
    if !first.unit.is_empty() {
        fields.insert("unit".to_owned(), json!(first.unit));
    }
    if let Some(next) = report.scores.iter().find(|scored| scored.node != *node) {
        let is_tie = next.rank == first.rank;
        fields.insert("next".to_owned(), json!(next.node));
        fields.insert("next_score".to_owned(), number(next.score));
        fields.insert("difference".to_owned(), number((first.score - next.score).abs()));
        fields.insert("tie".to_owned(), json!(is_tie));
    }
    Some(won)
}

/// The answer to an administrator who assigned `user` to `node`, or took the assignment back; `before` is the node that
/// the user was assigned to.
#[must_use]
pub fn assigned(user: &str, node: Option<&str>, before: Option<&str>, warnings: &[String]) -> Value {
    let mut told = json!({"user": user, "node": node, "before": before});
    if let Some(fields) = told.as_object_mut().filter(|_| !warnings.is_empty()) {
        fields.insert("warnings".to_owned(), json!(warnings));
    }
    told
}

fn diagnosed(diagnosis: &Diagnosis) -> Map<String, Value> {
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
    if let Some(node) = &diagnosis.asked_node {
        let mut asked = json!({"node": node, "fate": diagnosis.asked_fate});
        if let (Some(found), Some(asked)) = (&diagnosis.counterfactual, asked.as_object_mut()) {
            asked.insert("counterfactual".to_owned(), counterfactual(found));
        }
        put("asked", asked);
    }
    put("now", json!(diagnosis.now_ms));
    // As text: JSON readers round numbers above 2^53.
    put("seed", json!(diagnosis.seed.to_string()));
    put("nodes", json!(diagnosis.nodes));
    let Search { plan, looked_at, refreshed } = diagnosis.search;
    let calls = diagnosis.calls();
    put("search", json!({"plan": plan.as_str(), "looked_at": looked_at, "refreshed": refreshed, "calls": calls}));
    put("excluded", lost(&diagnosis.excluded));
    put("steps", diagnosis.steps.iter().map(step).collect());
    record
}

fn step(report: &StepReport) -> Value {
    let mut record = json!({
        "step": report.step,
        "verdict": report.said.to_string(),
        "candidates": report.candidates,
        "calls": report.calls,
        "cost_us": report.cost_us,
        "lost": lost(&report.lost),
    });
    if let Some(record) = record.as_object_mut() {
        if !report.scores.is_empty() {
            record.insert("scores".to_owned(), report.scores.iter().map(score).collect());
        }
        if !report.log.is_empty() {
            record.insert("log".to_owned(), json!(report.log));
        }
        if !report.tiers.is_empty() {
            record.insert("tiers".to_owned(), json!(report.tiers));
        }
        if let Some(reason) = &report.reason {
            record.insert("reason".to_owned(), json!(reason));
        }
        if let Some(position) = &report.position {
            record.insert("position".to_owned(), json!(position));
        }
    }
    record
}

fn score(scored: &Scored) -> Value {
    let mut record = json!({"node": scored.node, "score": number(scored.score)});
    if let Some(record) = record.as_object_mut().filter(|_| !scored.unit.is_empty()) {
        record.insert("unit".to_owned(), json!(scored.unit));
    }
    record
}

/// Returns a number as JavaScript writes numbers: without a fraction where there is none. JSON has no infinity, which
/// becomes text.
fn number(figure: f64) -> Value {
    if figure.is_infinite() {
        return json!(if figure > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if figure.fract() == 0.0 && figure.abs() <= MAX_WHOLE { json!(figure as i64) } else { json!(figure) }
}

fn lost(nodes: &LostNodes) -> Value {
    let by_reason = nodes.by_reason.iter().map(|(reason, lost)| {
        let mut entry = json!({"count": lost.count, "nodes": lost.nodes});
        if let (Some(message), Some(entry)) = (&lost.message, entry.as_object_mut()) {
            entry.insert("message".to_owned(), json!(message));
        }
        (reason.as_str().to_owned(), entry)
    });
    Value::Object(by_reason.collect())
}

/// The state of a node that has not reported within the liveness limit.
pub const STALE: &str = "stale";
/// The state of a node that waits until an administrator accepts it.
pub const HELD: &str = "held";
/// The state of a node that takes no new sessions.
pub const CORDONED: &str = "cordoned";
/// The state of a cordoned node that is being emptied and is not empty yet.
pub const DRAINING: &str = "draining";
/// The state of a cordoned node that was to be emptied and is empty.
pub const DRAINED: &str = "drained";
/// The state of a node where starts failed a moment ago.
pub const COOLING_DOWN: &str = "cooling-down";
/// The state of a node that has as many sessions and reservations as it takes.
pub const FULL: &str = "full";
/// The state of a node that takes sessions.
pub const READY: &str = "ready";

/// Every state of a node, in the order of [`state`]; a cordoned node is `draining` or `drained` where somebody waits.
pub const STATES: [&str; 8] = [STALE, HELD, CORDONED, DRAINING, DRAINED, COOLING_DOWN, FULL, READY];

/// The state of a node that is being emptied. A node that does not list sessions is never known to be empty.
#[must_use]
pub fn drain_state(node: &Node) -> &'static str {
    if node.session_count() == Some(0) { DRAINED } else { DRAINING }
}

/// The state of a node as a single word, as far as the node itself reports.
#[must_use]
pub fn state(node: &Node) -> &'static str {
    if node.is_stale() {
        STALE
    } else if node.is_cordoned() {
        CORDONED
    } else if node.marks().cooling_down {
        COOLING_DOWN
    } else if node.is_full() {
        FULL
    } else {
        READY
    }
}
