//! Plans: how a chain can be answered without looking at every node for every request.
//!
//! A chain that begins with per-node filters and comes to a choice by a score, or by a built-in, is an *index scan*.
//! Filters that depend on a node alone were called when the node changed; the nodes that are left stand in order; so a
//! request looks at the best of these nodes, calls for that node the filters which depend on the request, and goes on
//! to the next node only where the answer is no. Where no node is found that way, or anything is out of the ordinary,
//! the steps are evaluated in turn, which gives the same decision and more explanation. Kubernetes samples nodes for
//! the same cost; a sample does not find the best node.

mod frontier;
mod index;
mod late;
mod note;
mod order;
mod scan;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Cluster, NodeParts, SlotIndex};
use crate::script::{Arity, NodeFunction, ScriptShape};

use super::quarantine::LimitRecord;
use super::result_cache::{self, ResultCache};
use super::{Chain, Recency, StepKind};

use index::Index;
pub(super) use scan::{FoundNode, Overran, refresh, scan};

/// The caches of a chain between requests.
pub struct Store {
    /// The cached results of per-node scripts, by step.
    tables: Vec<Option<ResultCache>>,
    /// The index that requests are answered from, where the chain has a plan.
    index: Option<Index>,
}

impl Store {
    /// Returns empty caches for `chain`.
    #[must_use]
    pub fn of(chain: &Chain) -> Self {
        Self { tables: result_cache::of_chain(chain), index: Plan::of(chain).map(Index::new) }
    }

    /// Returns the results that the per-node script at `step` gave before, where these are kept.
    pub(super) fn results(&mut self, step: usize) -> Option<&mut ResultCache> {
        self.tables.get_mut(step)?.as_mut()
    }

    /// Records that the chain chose the node in `slot`, with the new order of past choices.
    pub fn chosen(&mut self, slot: SlotIndex, recency: &Recency) {
        if let Some(index) = &mut self.index {
            index.chosen(slot, recency);
        }
    }

    /// Returns the number of nodes to look at before the next request can be answered.
    pub fn due(&mut self, cluster: &Cluster) -> usize {
        self.index.as_mut().map_or(0, |index| index.due(cluster))
    }

    /// Looks again at the node in `slot` before the next scan: the node was put in quarantine, or released.
    pub fn touch(&mut self, slot: SlotIndex) {
        if let Some(index) = &mut self.index {
            index.touch(slot);
        }
    }
}

/// The nodes that a script is not asked about, each with the limit that was passed.
type Shunned<'a> = Option<&'a BTreeMap<Arc<str>, LimitRecord>>;

/// The steps of a chain up to the choice, as an index scan takes them.
#[derive(Debug, PartialEq)]
struct Plan {
    /// The filters and nominating built-ins before the choice, in order.
    parts: Vec<PlanPart>,
    /// The step that chooses.
    choice: RankBy,
}

/// A part of a plan before the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlanPart {
    /// A `filter` of the script at this step.
    Sieve(usize, Arity),
    /// A built-in at this step that chooses among few nodes, which the request names, or passes.
    Nominate(usize),
}

/// The figure that puts the nodes in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RankBy {
    /// The `score`, of a single parameter, of the script at this step.
    Score(usize),
    /// The built-in at this step.
    Policy(usize),
}

impl RankBy {
    fn step(self) -> usize {
        match self {
            Self::Score(step) | Self::Policy(step) => step,
        }
    }
}

impl Plan {
    /// Returns the plan for `chain`, or `None` where no step puts the nodes in order.
    fn of(chain: &Chain) -> Option<Self> {
        let mut parts = Vec::new();
        for (number, step) in chain.steps.iter().enumerate() {
            match &step.kind {
                StepKind::External => return None,
                StepKind::Policy(policy) if policy.nominates() => parts.push(PlanPart::Nominate(number)),
                StepKind::Policy(_) => return Some(Self { parts, choice: RankBy::Policy(number) }),
                StepKind::Script(script) => {
                    let ScriptShape::PerNode(functions) = script.shape() else { return None };
                    parts.extend(functions.filter.map(|arity| PlanPart::Sieve(number, arity)));
                    match functions.score {
                        None => {}
                        Some(Arity::Node) => return Some(Self { parts, choice: RankBy::Score(number) }),
                        Some(Arity::NodeAndRequest) => return None,
                    }
                }
            }
        }
        None
    }

    /// Returns the parts of a node that are read by the filters which depend on the request too.
    fn late_reads(&self, chain: &Chain) -> NodeParts {
        let reads = self.parts.iter().filter_map(|part| match part {
            PlanPart::Sieve(step, Arity::NodeAndRequest) => match chain.steps.get(*step).map(|step| &step.kind) {
                Some(StepKind::Script(script)) => Some(script.reads(NodeFunction::Filter)),
                _ => Some(NodeParts::ALL),
            },
            PlanPart::Sieve(_, Arity::Node) | PlanPart::Nominate(_) => None,
        });
        reads.collect()
    }

    /// Returns the steps of the filters that depend on the node alone, in order.
    fn pure_sieves(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            PlanPart::Sieve(step, Arity::Node) => Some(*step),
            PlanPart::Sieve(_, Arity::NodeAndRequest) | PlanPart::Nominate(_) => None,
        })
    }
}
