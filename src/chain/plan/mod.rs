//! Plans: what a chain may be answered by instead of looking at every node for every request.
//!
//! A chain that begins with per-node filters and comes to a choice by a score, or by a built-in, is an *index scan*. What
//! hangs on a node alone was asked when the node changed; the nodes that are left stand in order; so a request looks at
//! the best of them, asks of that one what hangs on the request, and goes on to the next only where the answer is no.
//! Where no node is found that way, or anything is out of the ordinary, the steps are evaluated one after another, which
//! says the same and more. Kubernetes samples nodes for the same cost; a sample does not find the best one.

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

/// What is kept for a chain between its requests.
pub struct Store {
    /// What per-node scripts said, by step.
    tables: Vec<Option<ResultCache>>,
    /// The order that requests are answered from, where the chain is one that can be.
    index: Option<Index>,
}

impl Store {
    /// Nothing yet, for `chain`.
    #[must_use]
    pub fn of(chain: &Chain) -> Self {
        Self { tables: result_cache::of_chain(chain), index: Plan::of(chain).map(Index::new) }
    }

    /// Returns the results that the per-node script at `step` gave before, where these are kept.
    pub(super) fn results(&mut self, step: usize) -> Option<&mut ResultCache> {
        self.tables.get_mut(step)?.as_mut()
    }

    /// Notes that the chain chose the node in `slot`, as `recency` says.
    pub fn chosen(&mut self, slot: SlotIndex, recency: &Recency) {
        if let Some(index) = &mut self.index {
            index.chosen(slot, recency);
        }
    }

    /// How many nodes have to be looked at before the next request can be answered.
    pub fn due(&mut self, cluster: &Cluster) -> usize {
        self.index.as_mut().map_or(0, |index| index.due(cluster))
    }

    /// Looks again at the node in `slot` before the next scan: it is put in quarantine, or let out.
    pub fn touch(&mut self, slot: SlotIndex) {
        if let Some(index) = &mut self.index {
            index.touch(slot);
        }
    }
}

/// The nodes that a script is not asked about, with why.
type Shunned<'a> = Option<&'a BTreeMap<Arc<str>, LimitRecord>>;

/// The steps of a chain up to its choice, as an index scan takes them.
#[derive(Debug, PartialEq)]
struct Plan {
    /// What stands before the choice, in order.
    parts: Vec<PlanPart>,
    /// The step that chooses.
    choice: RankBy,
}

/// A part of a plan before its choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlanPart {
    /// A `filter` of the script at this step.
    Sieve(usize, Arity),
    /// A built-in at this step that chooses among few nodes, which the request names, or passes.
    Nominate(usize),
}

/// What puts the nodes in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RankBy {
    /// The `score`, of one parameter, of the script at this step.
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
    /// The plan for `chain`; absent where nothing puts its nodes in order.
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

    /// The parts of a node that filters read which hang on the request, too.
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

    /// The filters that hang on the node alone, in order.
    fn pure_sieves(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            PlanPart::Sieve(step, Arity::Node) => Some(*step),
            PlanPart::Sieve(_, Arity::NodeAndRequest) | PlanPart::Nominate(_) => None,
        })
    }
}
