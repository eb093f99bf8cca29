//! The sentence that says why a decision found no node.

use crate::model::{Cluster, Diagnosis, LostReason, Node, StepVerdict};

use super::ChainSpec;

/// Returns the sentence that says why no node was found; the reasons are tried in the order in which an administrator
/// would look.
pub(super) fn no_node(chain: &ChainSpec, cluster: &Cluster, diagnosis: &Diagnosis, candidates: usize) -> String {
    if diagnosis.nodes == 0 {
        return "the cluster has no nodes".to_owned();
    }
    if diagnosis.excluded.total() == diagnosis.nodes {
        let full = diagnosis.excluded.by_reason.get(&LostReason::Full).into_iter().flat_map(|lost| &lost.nodes);
        let why = full.filter_map(|id| cluster.get(id)).find_map(|node| uncounted(node, chain));
        return format!("no node can take the request: {}{}", left_out(diagnosis), why.unwrap_or_default());
    }
    if candidates == 0 {
        return format!("no node is left: {}", left_out(diagnosis));
    }
    if let Some(step) = diagnosis.steps.iter().find(|step| step.said == StepVerdict::NotRun) {
        return format!("undecided: {} is an executable, and is not run to explain; a placement runs it", step.step);
    }
    let plural = if candidates == 1 { "" } else { "s" };
    format!(
        "the chain ended with {candidates} candidate{plural} and no choice; end the chain with a built-in, e.g. \
         builtin:fewest-sessions"
    )
}

/// Returns the counts of nodes by reason and by the step that left the nodes out, as text.
fn left_out(diagnosis: &Diagnosis) -> String {
    let excluded = &diagnosis.excluded.by_reason;
    let excluded = excluded.iter().map(|(reason, lost)| format!("{} {}", lost.count, reason.words()));
    // A step that failed and was passed over left no node out.
    let steps = diagnosis.steps.iter().filter(|report| !matches!(report.said, StepVerdict::Failed(..)));
    let by_step = steps.flat_map(|report| {
        let lost = report.lost.by_reason.iter();
        lost.map(|(reason, lost)| format!("{} {} by {}", lost.count, reason.words(), report.step))
    });
    excluded.chain(by_step).collect::<Vec<_>>().join(", ")
}

/// Returns the explanation for a `node` that is full although no sessions seem to run there, where strict capacity is
/// the reason.
pub(super) fn uncounted(node: &Node, chain: &ChainSpec) -> Option<String> {
    let is_why = chain.strict && node.is_uncounted();
    is_why.then(|| format!("; `{}` reports no sessions, so with strict capacity it takes none", node.id()))
}
