//! The sentences of a diagnosis: what became of one node, and why there is none.

use crate::model::diagnosis::LostNodes;
use crate::model::{Cluster, Diagnosis, LostReason, Node, Outcome};

use super::ask::Ask;
use super::{Chain, ChainSpec, StepKind};

/// What a decision was taken on.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) chain: &'a Chain,
    pub(super) ask: &'a Ask,
    pub(super) cluster: &'a Cluster,
    pub(super) diagnosis: &'a Diagnosis,
}

/// What became of the node that was asked about, in a sentence.
pub(super) fn fate(view: View<'_>, about: &str, decided_by: Option<&str>, outcome: &Outcome) -> String {
    let by = decided_by.unwrap_or_default();
    let Some(node) = view.cluster.get(about) else { return "it is not in the cluster".to_owned() };
    if let Some(reason) = view.diagnosis.excluded.watched_reason() {
        let why = if reason == LostReason::Full { uncounted(node, &view.chain.spec) } else { None };
        return format!("it could not take the request: {}{}", reason.phrase(), why.unwrap_or_default());
    }
    let chosen = match outcome {
        Outcome::Placed(chosen) if &**chosen == about => return format!("step {by} chose it"),
        Outcome::Placed(chosen) => Some(chosen),
        Outcome::Failed(_) => None,
    };
    if let Some(fate) = &view.diagnosis.asked_fate {
        return fate.clone();
    }
    let Some(chosen) = chosen else { return "it was a candidate to the end, and no step chose a node".to_owned() };
    let step = view.chain.steps.iter().find(|step| &*step.spec.name == by);
    let (Some(StepKind::Policy(policy)), Some(other)) = (step.map(|step| &step.kind), view.cluster.get(chosen)) else {
        return format!("it was a candidate, and step {by} chose {chosen}");
    };
    let rank = |node| policy.rank(node, &view.ask.request, view.cluster);
    let (top, own) = (rank(other), rank(node));
    if top == own {
        return format!(
            "it was tied with {chosen} at step {by}; ties go to the node chosen longest ago, then to the first"
        );
    }
    let words = |rank: Option<f64>| rank.map_or("none".to_owned(), |rank| rank.to_string());
    format!("it was a candidate, and step {by} chose {chosen}: rank {} against {}", words(top), words(own))
}

/// Says why no node was found, in the order in which an administrator would look.
pub(super) fn no_node(chain: &ChainSpec, cluster: &Cluster, diagnosis: &Diagnosis, candidates: usize) -> String {
    if diagnosis.nodes == 0 {
        return "the cluster has no nodes".to_owned();
    }
    let reasons = |lost: &LostNodes| -> String {
        let words: Vec<_> =
            lost.by_reason.iter().map(|(reason, lost)| format!("{} {}", lost.count, reason.as_str())).collect();
        words.join(", ")
    };
    if diagnosis.excluded.total() == diagnosis.nodes {
        let full = diagnosis.excluded.by_reason.get(&LostReason::Full).into_iter().flat_map(|lost| &lost.nodes);
        let why = full.filter_map(|id| cluster.get(id)).find_map(|node| uncounted(node, chain));
        return format!("no node can take the request: {}{}", reasons(&diagnosis.excluded), why.unwrap_or_default());
    }
    if candidates == 0 {
        let last = diagnosis.steps.iter().rev().find(|step| step.lost.total() > 0);
        let by = last.map_or(String::new(), |step| format!(": step {} left none ({})", step.step, reasons(&step.lost)));
        return format!("no node is left{by}");
    }
    format!(
        "the chain ended with {candidates} candidates and no choice; end it with a built-in, e.g. builtin:fewest-sessions"
    )
}

/// Why `node` is full although nothing seems to run there, where that is so.
fn uncounted(node: &Node, chain: &ChainSpec) -> Option<String> {
    let is_why = chain.strict && node.is_uncounted();
    is_why.then(|| format!("; `{}` reports no sessions, so with strict capacity it takes none", node.id()))
}
