//! The search for remedies where a decision over the whole cluster takes too long to try hundreds: among few nodes.
//!
//! What is found among the few is tried over all. Where another node is chosen then, that node was missing among the few:
//! it is added, and the search begins again. So whatever is told is true of the whole cluster. Whether it is the smallest
//! change is known among the few alone, and the answer says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chain::Ask;
use crate::evaluator::{Evaluator, Rehearsal};
use crate::model::counterfactual::MAX_REMEDIES;
use crate::model::{Cluster, Counterfactual, Node, Outcome, SearchEnd};

use super::fields::SearchedField;
use super::search::{FoundRemedy, RemedySearch};
use super::supposition::Supposition;
use super::trials::{SearchBudget, Trials};
use super::values::FieldValues;

/// The decisions that a search may well try.
const USUAL_TRIES: u64 = 1_000;
/// The nodes of a sample beside the asked node, the chosen one, and those with sessions of the user.
const SAMPLED: usize = 40;
/// The most nodes with sessions of the user that are in a sample.
const MAX_OF_USER: usize = 20;
/// The most times that nodes are added to a sample.
const MAX_ROUNDS: u32 = 12;

/// Whether decisions of `rehearsal`, of which the first took `first_us`, take too long for a whole search within
/// `budget`.
pub(super) fn is_slow(rehearsal: &mut Rehearsal<'_>, ask: &Ask, first_us: u64, budget: SearchBudget) -> bool {
    if rehearsal.cluster().len() <= SAMPLED || first_us.saturating_mul(USUAL_TRIES) <= budget.time_us {
        return false;
    }
    if first_us > budget.time_us / 4 {
        return true;
    }
    // The first decision may have done work that is kept for the others.
    let start_us = rehearsal.micros();
    let _chosen = rehearsal.decide(ask);
    rehearsal.micros().saturating_sub(start_us).saturating_mul(USUAL_TRIES) > budget.time_us
}

/// Returns the nodes of `cluster` to search among for `node`: the chosen one, those of the user, and some from
/// everywhere.
pub(super) fn sample(cluster: &Cluster, node: &Node, chosen: Option<&Arc<str>>, ask: &Ask) -> BTreeSet<Arc<str>> {
    let of_user = cluster.nodes_of(ask.request.login()).take(MAX_OF_USER);
    let of_user = of_user.filter_map(|slot| cluster.node(slot)).map(|own| Arc::clone(own.id()));
    let step = (cluster.len() / SAMPLED).max(1);
    let everywhere = cluster.nodes().step_by(step).take(SAMPLED).map(|(_, other)| Arc::clone(other.id()));
    everywhere.chain(of_user).chain(chosen.cloned()).chain([Arc::clone(node.id())]).collect()
}

/// Searches for remedies for `node` among the nodes `kept`, and tries them with `trials` over all nodes, of which
/// `before` is chosen as things are. Returns `None` where the few nodes do not stand for all: the chain chooses another
/// one among them, or nothing that is found is true.
pub(super) fn search(
    evaluator: &Evaluator,
    trials: &mut Trials<'_>,
    (node, before): (&Node, Option<&Arc<str>>),
    (actual, fields): (&Supposition, &[(SearchedField, FieldValues)]),
    mut kept: BTreeSet<Arc<str>>,
) -> Option<Counterfactual> {
    let about = node.id();
    let (mut best, mut tries) = (None, 0);
    for _round in 0..MAX_ROUNDS {
        let mut small = evaluator.rehearse_among(trials.ask().request.action(), &kept)?;
        let chosen = small.decide(trials.ask()).map(|decision| decision.outcome);
        let chosen = chosen.and_then(|outcome| if let Outcome::Placed(chosen) = outcome { Some(chosen) } else { None });
        if chosen.as_ref() != before {
            break;
        }
        let budget = SearchBudget { time_us: trials.left_us() / 2, tries: super::MAX_TRIES };
        let own = Trials::new(small, trials.ask().clone(), about, actual.in_cluster(node), budget);
        let mut search = RemedySearch::new(own, actual.clone(), fields);
        let end = search.run().err().unwrap_or(SearchEnd::Sampled(kept.len() as u64));
        let (found, looked_at, tried) = search.into_found();
        tries += tried;
        let (confirmed, rivals) = over_all(trials, actual, &found, about);
        let is_none = found.is_empty();
        if is_none || !confirmed.is_empty() {
            let remedies = confirmed.iter().map(|remedy| remedy.told()).collect();
            best = Some(Counterfactual { node: Arc::clone(about), remedies, fields: looked_at, tries, end });
        }
        let known = kept.len();
        kept.extend(rivals);
        if is_none || kept.len() == known || trials.left_us() == 0 {
            break;
        }
    }
    if let Some(best) = &mut best {
        best.tries = tries + trials.tries();
    }
    best
}

/// Tries `found` over all nodes; returns those with which the node `about` is chosen, and the nodes that are chosen with
/// the others.
fn over_all<'f, 'a>(
    trials: &mut Trials<'_>,
    actual: &Supposition,
    found: &'f [FoundRemedy<'a>],
    about: &Arc<str>,
) -> (Vec<&'f FoundRemedy<'a>>, BTreeSet<Arc<str>>) {
    let (mut confirmed, mut rivals) = (Vec::new(), BTreeSet::new());
    for remedy in found.iter().take(MAX_REMEDIES) {
        let Some(supposed) = remedy.supposed(actual, trials.ask()) else { continue };
        match trials.chosen(&supposed) {
            Some(chosen) if chosen == *about => confirmed.push(remedy),
            Some(chosen) => drop(rivals.insert(chosen)),
            None => {}
        }
        if trials.left_us() == 0 {
            break;
        }
    }
    (confirmed, rivals)
}
