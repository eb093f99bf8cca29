//! The judge: whether the answers to a case's requests are what the case expects, and in what they are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::config::suite::{Expectations, ExpectedOutcome, Spread};
use crate::model::{Decision, Failure, FailureName, Outcome};
use crate::plain::plain;

use super::case_nodes::CaseNodes;
use super::pattern;

/// The most complaints of one case: a thousand requests that all fail are told by the first few.
pub const MAX_COMPLAINTS: usize = 20;
/// The most nodes that a complaint names.
const MAX_NAMED_NODES: usize = 8;

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The key of the expectation, `expect.node`.
    pub key: &'static str,
    /// What must come, a line each.
    pub expected: Vec<String>,
    /// What came, a line each.
    pub got: Vec<String>,
    /// The request, from 0; absent where all of them together are meant.
    pub request: Option<usize>,
}

/// Hears the answers of one case over one cluster, one after the other, and keeps none of them.
#[derive(Debug)]
pub struct Judge<'a> {
    nodes: &'a CaseNodes,
    counts: BTreeMap<Arc<str>, u64>,
    heard: usize,
    complaints: Vec<Complaint>,
}

impl<'a> Judge<'a> {
    /// A judge of answers over `nodes`.
    #[must_use]
    pub fn over(nodes: &'a CaseNodes) -> Self {
        Self { nodes, counts: BTreeMap::new(), heard: 0, complaints: Vec::new() }
    }

    /// Judges `decision` by what is `expected` of each answer and by what the request expects of its `own`; returns whether it
    /// is as expected.
    pub fn hear(&mut self, decision: &Decision, expected: &Expectations, own: &Expectations) -> bool {
        let request = self.heard;
        self.heard += 1;
        if let Outcome::Placed(node) = &decision.outcome {
            match self.counts.get_mut(node) {
                Some(count) => *count += 1,
                None => drop(self.counts.insert(Arc::clone(node), 1)),
            }
        }
        // What a request says of its own answer stands in the place of what the case says of every one.
        let outcome = own.outcome.as_ref().or(expected.outcome.as_ref());
        let mut found: Vec<_> = outcome.and_then(|outcome| of_outcome(outcome, decision)).into_iter().collect();
        found.extend([expected, own].into_iter().flat_map(|side| of_decision(side, decision, self.nodes)));
        let is_right = found.is_empty();
        let room = MAX_COMPLAINTS.saturating_sub(self.complaints.len());
        let found = found.into_iter().map(|complaint| Complaint { request: Some(request), ..complaint });
        self.complaints.extend(found.take(room));
        is_right
    }

    /// The complaints, those too about all answers together, of which `expected` speaks.
    #[must_use]
    pub fn finish(mut self, expected: &Expectations) -> Vec<Complaint> {
        if let Some(spread) = &expected.spread {
            let own = self.nodes.reports().iter().map(|report| &*report.id);
            let own = own.map(|id| (id, self.counts.get(id).copied().unwrap_or_default()));
            self.complaints.extend(of_spread(spread, own.collect(), self.heard as u64));
        }
        self.complaints
    }
}

/// Judges the nodes that were `chosen` one after another, each without those before it.
#[must_use]
pub fn judge_order(order: &[String], chosen: &[String]) -> Option<Complaint> {
    let is_right = order.iter().zip(chosen).all(|(expected, chosen)| expected == chosen) && chosen.len() >= order.len();
    let complaint = || Complaint {
        key: "expect.order",
        expected: order.iter().map(|id| plain(id).into_owned()).collect(),
        got: chosen.iter().map(|id| plain(id).into_owned()).collect(),
        request: None,
    };
    (!is_right).then(complaint)
}

fn complaint(key: &'static str, expected: impl Into<String>, got: impl Into<String>) -> Complaint {
    Complaint { key, expected: vec![expected.into()], got: vec![got.into()], request: None }
}

fn of_outcome(expected: &ExpectedOutcome, decision: &Decision) -> Option<Complaint> {
    let got = || ended(&decision.outcome);
    match (expected, &decision.outcome) {
        (ExpectedOutcome::OneOf(ids), Outcome::Placed(node)) if ids.iter().any(|id| **id == **node) => None,
        (ExpectedOutcome::OneOf(ids), _) => match ids.as_slice() {
            [only] => Some(complaint("expect.node", format!("node {}", plain(only)), got())),
            ids => {
                let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
                Some(complaint("expect.one_of", format!("one of {}", listed(&ids)), got()))
            }
        },
        (ExpectedOutcome::Any, Outcome::Placed(_)) => None,
        (ExpectedOutcome::Any, _) => Some(complaint("expect.placed", "a node", got())),
        (ExpectedOutcome::None, Outcome::Failed(Failure { name: FailureName::NoNode, .. })) => None,
        (ExpectedOutcome::None, _) => Some(complaint("expect.placed", "no node", got())),
        (ExpectedOutcome::Error(name, words), Outcome::Failed(failure))
            if name.is_none_or(|name| name == failure.name) && failure.message.contains(words.as_str()) =>
        {
            None
        }
        (ExpectedOutcome::Error(name, words), _) => {
            let name = name.map_or("an error", FailureName::as_str);
            let words = if words.is_empty() { String::new() } else { format!(" with the words `{}`", plain(words)) };
            Some(complaint("expect.error", format!("{name}{words}"), got()))
        }
    }
}

fn of_decision(expected: &Expectations, decision: &Decision, nodes: &CaseNodes) -> Vec<Complaint> {
    if expected.never.is_none() && expected.always.is_none() && expected.calls.is_none() {
        return Vec::new();
    }
    let chosen = match &decision.outcome {
        Outcome::Placed(node) => nodes.get(node).map(|report| (node, Value::Object(report.fields(None).into_owned()))),
        Outcome::Failed(_) => None,
    };
    let mut found = Vec::new();
    if let Some((node, fields)) = &chosen {
        let got =
            |which: &str, pattern: &Value| format!("node {}, which {which} {}", plain(node), pattern::written(pattern));
        if let Some(never) = expected.never.as_ref().filter(|never| pattern::matches(fields, never)) {
            let words = format!("never a node with {}", pattern::written(never));
            found.push(complaint("expect.never", words, got("has", never)));
        }
        if let Some(always) = expected.always.as_ref().filter(|always| !pattern::matches(fields, always)) {
            let words = format!("a node with {}", pattern::written(always));
            found.push(complaint("expect.always", words, got("has not", always)));
        }
    }
    if let Some(most) = expected.calls.filter(|most| decision.diagnosis.calls() > *most) {
        let words = format!("at most {most} calls of script functions");
        found.push(complaint("expect.calls", words, format!("{} calls", decision.diagnosis.calls())));
    }
    found
}

fn of_spread(spread: &Spread, counts: BTreeMap<&str, u64>, total: u64) -> Vec<Complaint> {
    let most = counts.iter().max_by_key(|(_, count)| **count).map(|(node, count)| (*node, *count));
    let fewest = counts.iter().min_by_key(|(_, count)| **count).map(|(node, count)| (*node, *count));
    let (Some((busy, most)), Some((idle, fewest))) = (most, fewest) else { return Vec::new() };
    let mut found = Vec::new();
    let share = if total == 0 { 0.0 } else { most as f64 / total as f64 };
    if let Some(max) = spread.max_share.filter(|max| share > *max) {
        let got = format!("node {} got {most} of {total}, a share of {share:.3}", plain(busy));
        found.push(complaint("expect.spread.max_share", format!("no node gets a larger share than {max}"), got));
    }
    if let Some(max) = spread.max_difference.filter(|max| most - fewest > *max) {
        let got = format!("node {} got {most} and node {} got {fewest}", plain(busy), plain(idle));
        let words = format!("no node gets more than {max} requests more than another");
        found.push(complaint("expect.spread.max_difference", words, got));
    }
    found
}

/// How a decision ended, for a person.
#[must_use]
pub fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Placed(node) => format!("node {}", plain(node)),
        Outcome::Failed(failure) => plain(&failure.to_string()).into_owned(),
    }
}

fn listed(ids: &[&str]) -> String {
    let shown: Vec<_> = ids.iter().take(MAX_NAMED_NODES).map(|id| plain(id).into_owned()).collect();
    let rest = ids.len().saturating_sub(MAX_NAMED_NODES);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Diagnosis, Report};

    fn decision(outcome: Outcome) -> Decision {
        Decision { chain: "a".into(), generation: 0, decided_by: None, outcome, diagnosis: Diagnosis::default() }
    }

    fn keys(expected: &Expectations, outcomes: &[Outcome]) -> Vec<&'static str> {
        let nodes = [json!({"id": "a", "metadata": {"gpu": "true"}}), json!({"id": "b"})];
        let nodes = nodes.map(|node| Arc::new(Report::from_value(node).unwrap()));
        let decisions: Vec<_> = outcomes.iter().cloned().map(decision).collect();
        let nodes = CaseNodes::of(nodes.to_vec());
        let mut judge = Judge::over(&nodes);
        for decision in &decisions {
            judge.hear(decision, expected, &Expectations::default());
        }
        judge.finish(expected).into_iter().map(|complaint| complaint.key).collect()
    }

    fn placed(id: &str) -> Outcome {
        Outcome::Placed(id.into())
    }

    fn failed(name: FailureName, message: &str) -> Outcome {
        Outcome::Failed(Failure::new(name, message))
    }

    #[test]
    fn each_expectation_sees_what_it_is_about() {
        let outcome = |outcome| Expectations { outcome: Some(outcome), ..Expectations::default() };
        let one_of = |ids: &[&str]| outcome(ExpectedOutcome::OneOf(ids.iter().map(|id| (*id).to_owned()).collect()));
        assert_eq!(keys(&one_of(&["a"]), &[placed("a")]), [""; 0]);
        assert_eq!(keys(&one_of(&["a"]), &[placed("b")]), ["expect.node"]);
        assert_eq!(keys(&one_of(&["a", "c"]), &[placed("b")]), ["expect.one_of"]);
        let no_node = failed(FailureName::NoNode, "no candidates");
        assert_eq!(keys(&outcome(ExpectedOutcome::None), std::slice::from_ref(&no_node)), [""; 0]);
        assert_eq!(keys(&outcome(ExpectedOutcome::None), &[failed(FailureName::ScriptError, "x")]), ["expect.placed"]);
        assert_eq!(keys(&outcome(ExpectedOutcome::Any), &[no_node]), ["expect.placed"]);
        let error = outcome(ExpectedOutcome::Error(Some(FailureName::ScriptError), "busy".to_owned()));
        assert_eq!(keys(&error, &[failed(FailureName::ScriptError, "all are busy")]), [""; 0]);
        assert_eq!(keys(&error, &[failed(FailureName::NoNode, "all are busy")]), ["expect.error"]);
        let never = Expectations { never: Some(json!({"metadata": {"gpu": "true"}})), ..Expectations::default() };
        assert_eq!(keys(&never, &[placed("b"), placed("a")]), ["expect.never"]);
        let always = Expectations { always: Some(json!({"metadata": {"gpu": "true"}})), ..Expectations::default() };
        assert_eq!(keys(&always, &[placed("b"), placed("a")]), ["expect.always"]);
    }

    #[test]
    fn a_spread_counts_the_nodes_too_that_got_nothing() {
        let spread = |max_share, max_difference| Expectations {
            spread: Some(Spread { max_share, max_difference }),
            ..Expectations::default()
        };
        let uneven = [placed("a"), placed("a"), placed("a")];
        assert_eq!(
            keys(&spread(Some(0.5), Some(1)), &uneven),
            ["expect.spread.max_share", "expect.spread.max_difference"]
        );
        assert_eq!(keys(&spread(Some(0.5), Some(0)), &[placed("a"), placed("b")]), [""; 0]);
    }

    #[test]
    fn an_order_may_be_the_beginning_of_a_longer_one() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert!(judge_order(&ids(&["a", "b"]), &ids(&["a", "b", "c"])).is_none());
        assert!(judge_order(&ids(&["a", "b"]), &ids(&["b", "a"])).is_some());
        assert!(judge_order(&ids(&["a", "b"]), &ids(&["a"])).is_some());
    }
}
