//! The rules, a file for each group of them. A rule looks at a kind of place in the last walk of `flow`, or at the
//! whole record of that walk.

mod built_ins;
mod comparisons;
mod conditions;
mod fields;
mod ids;
mod lasting;
mod lists;
mod purity;
mod verdicts;

pub use ids::unknown_ids;
pub(in crate::check) use purity::{LoadedScript, not_kept};
pub(in crate::check) use verdicts::{always_selects, never_selects, passes};

use super::finding::Finding;
use super::flow::ValueFlow;

/// Returns the findings about a script with the flow `flow`, as `loaded` by the engine.
#[must_use]
pub(in crate::check) fn findings(
    mut flow: ValueFlow<'_>,
    loaded: &LoadedScript<'_>,
) -> (Vec<Finding>, Vec<(String, std::ops::Range<usize>)>) {
    conditions::truths_of_metadata(&mut flow);
    lists::sorted_in_vain(&mut flow);
    lists::silent_functions(&mut flow);
    purity::impure(&mut flow);
    purity::undeclared(&mut flow, loaded);
    purity::promised(&mut flow);
    lasting::meant_to_last(&mut flow);
    built_ins::extended(&mut flow);
    not_kept(&mut flow, loaded);
    let seen = flow.seen.take().unwrap_or_default();
    (seen.findings, seen.ids)
}
