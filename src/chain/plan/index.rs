//! The index of a chain: the nodes that pass the filters which depend on the node alone, in order of rank, brought up
//! to date by the nodes that changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chain::asking::{NodeVerdict, PerNodeEvaluation};
use crate::chain::evaluate::EvaluationContext;
use crate::chain::result_cache::ResultCache;
use crate::chain::{Chain, Recency, StepKind};
use crate::model::{Candidate, Cluster, Failure, Node, SlotIndex};
use crate::script::{Absent, Arity, CallContext, NodeFunction, ScriptError};

use super::frontier::Frontiers;
use super::note::Note;
use super::order::{Rank, RankedNode, RankedNodes};
use super::{Plan, RankBy};

/// The index of a chain.
pub(super) struct Index {
    pub(super) plan: Plan,
    pub(super) order: RankedNodes,
    pub(super) reach: Reach,
    pub(super) frontiers: Frontiers,
    /// The generation of the cluster up to which changed slots are in `due`.
    seen: u64,
    /// The slots to look at: their nodes changed, or came, or left.
    due: BTreeSet<SlotIndex>,
    /// The slots in `due` that are looked at whether their nodes changed or not.
    touched: BTreeSet<SlotIndex>,
    /// By slot, the generation of the cluster at the last look.
    looked: Vec<u64>,
}

/// The number of filters that each node passes.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By slot: 0 for a node that cannot take the request, else 1 plus the number of passed filters.
    by_slot: Vec<u32>,
    /// By the same number, the count of nodes with exactly that number.
    counts: Vec<u64>,
}

impl Reach {
    fn put(&mut self, slot: SlotIndex, far: u32) {
        if self.by_slot.len() <= slot.index() {
            self.by_slot.resize(slot.index() + 1, 0);
        }
        let Some(place) = self.by_slot.get_mut(slot.index()) else { return };
        let before = std::mem::replace(place, far);
        if self.counts.len() <= far as usize {
            self.counts.resize(far as usize + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(before as usize) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.counts.get_mut(far as usize) {
            *count += 1;
        }
    }

    /// Whether the node in `slot` can take the request and passes the first `filters`.
    pub(super) fn passes(&self, slot: SlotIndex, filters: usize) -> bool {
        self.by_slot.get(slot.index()).is_some_and(|far| *far as usize > filters)
    }

    /// Returns the number of nodes that can take the request and pass the first `filters`.
    pub(super) fn passing(&self, filters: usize) -> u64 {
        self.counts.iter().skip(filters + 1).sum()
    }
}

/// The contexts in which an index is brought up to date.
pub(super) struct IndexContext<'a> {
    pub(super) chain: &'a Chain,
    pub(super) evaluation: EvaluationContext<'a>,
    /// The call context without a request: the functions called depend on nodes alone.
    pub(super) call_context: CallContext<'a>,
    /// The notes of each step.
    pub(super) notes: &'a [Note<'a>],
}

impl Index {
    pub(super) fn new(plan: Plan) -> Self {
        let (order, reach, frontiers) = Default::default();
        let (due, touched, looked) = Default::default();
        Self { plan, order, reach, frontiers, seen: 0, due, touched, looked }
    }

    pub(super) fn chosen(&mut self, slot: SlotIndex, recency: &Recency) {
        if let Some(entry) = self.order.chosen(slot, recency) {
            self.put(slot, Some(entry), true);
        }
    }

    /// Moves the node in `slot` to the place `entry`; `is_same` says that filters which depend on the request answer as
    /// before.
    fn put(&mut self, slot: SlotIndex, entry: Option<RankedNode>, is_same: bool) {
        let before = self.order.put(slot, entry.clone());
        self.frontiers.moved(slot, before.as_ref(), entry.as_ref(), is_same);
    }

    pub(super) fn touch(&mut self, slot: SlotIndex) {
        self.due.insert(slot);
        self.touched.insert(slot);
    }

    /// Returns the number of slots to look at before a request is answered from this index.
    pub(super) fn due(&mut self, cluster: &Cluster) -> usize {
        if self.seen != cluster.generation() {
            match cluster.changed_since(self.seen) {
                Some(changed) => self.due.extend(changed),
                None => self.due.extend(cluster.every_slot()),
            }
            self.seen = cluster.generation();
        }
        self.due.len()
    }

    /// Looks at up to `most` of the nodes that changed since the last time; returns the number of nodes looked at.
    ///
    /// # Errors
    /// The failure that kept a script from being called at all. Nodes already looked at stay up to date.
    pub(super) fn refresh(
        &mut self,
        tables: &mut [Option<ResultCache>],
        context: &IndexContext<'_>,
        most: usize,
    ) -> Result<u64, Failure> {
        let cluster = context.evaluation.cluster;
        if self.due(cluster) == 0 {
            return Ok(0);
        }
        let late_reads = self.plan.late_reads(context.chain);
        let mut looking = Looking { context, tables, prepared: vec![false; context.chain.steps.len()] };
        let mut count = 0;
        while count < most
            && let Some(slot) = self.due.first().copied()
        {
            let (far, entry) = looking.at(&self.plan, slot)?;
            self.due.remove(&slot);
            self.reach.put(slot, far);
            if self.looked.len() <= slot.index() {
                self.looked.resize(cluster.slots().max(slot.index() + 1), 0);
            }
            let looked = self.looked.get_mut(slot.index()).map(|looked| std::mem::replace(looked, self.seen));
            // Another node may have taken the slot. Filters that read no part of the node answer the same for both
            // nodes; the quarantine does not.
            let is_same = |node: &Node| Some(node.revised(late_reads).max(node.arrival())) <= looked;
            let is_same = cluster.node(slot).is_some_and(is_same) && !self.touched.remove(&slot);
            self.put(slot, entry, is_same);
            count += 1;
        }
        Ok(count as u64)
    }
}

/// An update of some nodes of the index.
struct Looking<'a> {
    context: &'a IndexContext<'a>,
    tables: &'a mut [Option<ResultCache>],
    /// The steps whose scripts are prepared for calls.
    prepared: Vec<bool>,
}

impl Looking<'_> {
    /// Returns the reach of the node in `slot`, and the node's place in the order where the node reaches the choice.
    fn at(&mut self, plan: &Plan, slot: SlotIndex) -> Result<(u32, Option<RankedNode>), Failure> {
        let EvaluationContext { cluster, eligibility, recency, .. } = self.context.evaluation;
        let Some(node) = cluster.node(slot).filter(|node| eligibility.admits(node.id())) else { return Ok((0, None)) };
        let mut far = 1;
        for step in plan.pure_sieves() {
            if self.verdict(step, NodeFunction::Filter, slot, node)? != NodeVerdict::Keep {
                return Ok((far, None));
            }
            far += 1;
        }
        let rank = self.rank(plan.choice, slot, node)?;
        Ok((far, rank.map(|rank| RankedNode::new(rank, slot, node, cluster, recency))))
    }

    fn rank(&mut self, choice: RankBy, slot: SlotIndex, node: &Node) -> Result<Option<Rank>, Failure> {
        match choice {
            RankBy::Score(step) => match self.verdict(step, NodeFunction::Score, slot, node)? {
                NodeVerdict::Scored(score) => Ok(Some(Rank::of_score(score))),
                NodeVerdict::Keep | NodeVerdict::Lost(_) | NodeVerdict::Failed(_) => Ok(None),
            },
            RankBy::Policy(step) => {
                let step = self.context.chain.steps.get(step);
                let Some(StepKind::Policy(policy)) = step.map(|step| &step.kind) else { return Ok(None) };
                Ok(match (policy.node_rank(node), policy.absent()) {
                    (Some(rank), _) => Some(Rank::new(rank)),
                    (None, Absent::Last) => Some(Rank::new(f64::INFINITY)),
                    (None, Absent::Pass) => None,
                })
            }
        }
    }

    /// Returns the answer of a function of a single parameter about `node`, called where the answer is not cached.
    fn verdict(
        &mut self,
        step: usize,
        function: NodeFunction,
        slot: SlotIndex,
        node: &Node,
    ) -> Result<NodeVerdict, Failure> {
        let IndexContext { chain, evaluation, call_context, notes } = self.context;
        let tables = self.tables.get_mut(step).and_then(Option::as_mut);
        let (Some(at), Some(note), Some(tables)) = (chain.steps.get(step), notes.get(step), tables) else {
            return Ok(NodeVerdict::Keep);
        };
        let StepKind::Script(script) = &at.kind else { return Ok(NodeVerdict::Keep) };
        if let Some(limited) = evaluation.quarantine.nodes(&at.spec.name).and_then(|shunned| shunned.get(node.id())) {
            return Ok(NodeVerdict::Failed(Arc::new(limited.failure())));
        }
        let results = tables.pure(function);
        if let Some(verdict) = results.get(slot, node) {
            return Ok(verdict.clone());
        }
        let call_context = CallContext { step: step as u64, ..*call_context };
        if let Some(prepared) = self.prepared.get_mut(step).filter(|prepared| !**prepared) {
            evaluation.observer.step(step);
            note.calls.on_script_time(|| script.prepare(call_context)).map_err(ScriptError::into_failure)?;
            *prepared = true;
        }
        // A call on behalf of all later requests must not count towards the time of this request.
        evaluation.observer.alone(step, node.id());
        let mut per_node = PerNodeEvaluation::pure(&**script, call_context);
        let verdict = per_node.ask(function, Arity::Node, &Candidate::plain(slot), &note.calls)?;
        note.log_to(call_context.log);
        results.put(slot, evaluation.cluster, &verdict);
        Ok(verdict)
    }
}
