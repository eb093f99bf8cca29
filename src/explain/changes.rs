//! The differences between two explanations, a line each, for an author who edits a script under `--watch`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::plain::{Plain, plain};

/// The most lines of a kind.
const MAX_LINES: usize = 5;

/// Returns a line for each difference of the explanation `now` from the explanation `before`.
#[must_use]
pub fn changes(before: &Value, now: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let (was, is) = (outcome(before), outcome(now));
    if was != is {
        lines.push(format!("{is} instead of {was}"));
    }
    let old: BTreeMap<_, _> = steps(before).map(|step| (text(step, "step"), step)).collect();
    let names: BTreeSet<_> = steps(now).map(|step| text(step, "step")).collect();
    lines.extend(old.keys().filter(|name| !names.contains(*name)).map(|name| format!("{name}: gone from the chain")));
    for step in steps(now) {
        let name = text(step, "step");
        match old.get(&name) {
            None => lines.push(format!("{name}: new, {}", text(step, "verdict"))),
            Some(old) => lines.extend(of_step(old, step).into_iter().map(|line| format!("{name}: {line}"))),
        }
    }
    lines
}

/// Returns the chosen node, or the error.
fn outcome(explanation: &Value) -> String {
    match explanation.get("node").and_then(Value::as_str) {
        Some(node) => plain(node).into_owned(),
        None => {
            let error = explanation.get("error").cloned().unwrap_or_default();
            format!("{}: {}", text(&error, "name"), text(&error, "message"))
        }
    }
}

fn of_step(before: &Value, now: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let (was, is) = (text(before, "verdict"), text(now, "verdict"));
    if was != is {
        lines.push(format!("{is} instead of {was}"));
    }
    let (was, is) = (lost(before), lost(now));
    let more = is.iter().filter(|(node, reason)| was.get(*node) != Some(*reason));
    lines.extend(more.map(|(node, reason)| format!("{node} is {reason} now")).take(MAX_LINES));
    let fewer = was.keys().filter(|node| !is.contains_key(*node));
    lines.extend(fewer.map(|node| format!("{node} is kept now")).take(MAX_LINES));
    let (was, is) = (scores(before), scores(now));
    let other = is.iter().filter_map(|(node, score)| Some((node, score, was.get(node)?)));
    let other = other.filter(|(_, score, was)| score != was);
    lines.extend(other.map(|(node, score, was)| format!("{node} has {score} instead of {was}")).take(MAX_LINES));
    lines
}

/// Returns the nodes that the step's report names as lost, with the reasons.
fn lost(step: &Value) -> BTreeMap<String, String> {
    let reasons = step.get("lost").and_then(Value::as_object).into_iter().flatten();
    let nodes = reasons.flat_map(|(reason, lost)| {
        let nodes = lost.get("nodes").and_then(Value::as_array).into_iter().flatten();
        nodes.filter_map(Value::as_str).map(move |node| (plain(node).into_owned(), reason.clone()))
    });
    nodes.collect()
}

fn scores(step: &Value) -> BTreeMap<String, String> {
    let scores = step.get("scores").and_then(Value::as_array).into_iter().flatten();
    scores.map(|scored| (text(scored, "node"), text(scored, "score"))).collect()
}

fn steps(explanation: &Value) -> impl Iterator<Item = &Value> {
    explanation.get("steps").and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        Some(Value::String(text)) => plain(text).into_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => Plain(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_and_nothing_else() {
        let step = |verdict: &str, lost: &[&str], score: u64| {
            json!({"step": "s.js", "verdict": verdict, "cost_us": score,
                   "lost": {"filtered": {"count": lost.len(), "nodes": lost}}, "scores": [{"node": "a", "score": score}]})
        };
        let before = json!({"node": "a", "steps": [step("narrow to 2", &["c"], 1), {"step": "old.js"}]});
        assert_eq!(changes(&before, &before), [""; 0]);
        let now =
            json!({"node": "b", "steps": [step("narrow to 1", &["d"], 2), {"step": "new.js", "verdict": "pass"}]});
        assert_eq!(
            changes(&before, &now),
            [
                "b instead of a",
                "old.js: gone from the chain",
                "s.js: narrow to 1 instead of narrow to 2",
                "s.js: d is filtered now",
                "s.js: c is kept now",
                "s.js: a has 2 instead of 1",
                "new.js: new, pass",
            ]
        );
        let failed = json!({"node": null, "error": {"name": "no-node", "message": "none"}, "steps": before["steps"]});
        assert_eq!(changes(&before, &failed), ["no-node: none instead of a"]);
    }
}
