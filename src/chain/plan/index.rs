//! The index of a chain: who passes the filters that hang on the node alone, in order, and brought up to date by what
//! changed since.

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
    /// The generation of the cluster up to which changes are noted as due.
    seen: u64,
    /// Slots to look at: their nodes changed, or came, or left.
    due: BTreeSet<SlotIndex>,
    /// Those of them that are looked at whether their nodes changed or not.
    touched: BTreeSet<SlotIndex>,
    /// By slot, the generation of the cluster at which it was looked at last.
    looked: Vec<u64>,
}

/// How far each node comes.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By slot: 0 for a node that cannot take the request, else one more than the filters that it passes.
    by_slot: Vec<u32>,
    /// How many nodes come exactly so far.
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

    /// How many nodes do.
    pub(super) fn passing(&self, filters: usize) -> u64 {
        self.counts.iter().skip(filters + 1).sum()
    }
}

/// What an index is brought up to date on.
pub(super) struct IndexContext<'a> {
    pub(super) chain: &'a Chain,
    pub(super) stage: EvaluationContext<'a>,
    /// Without a request: what is asked hangs on nodes alone.
    pub(super) scene: CallContext<'a>,
    /// What is noted of each step.
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

    /// Gives the node in `slot` its place; `is_same` says that what hangs on a request will say the same of it.
    fn put(&mut self, slot: SlotIndex, entry: Option<RankedNode>, is_same: bool) {
        let before = self.order.put(slot, entry.clone());
        self.frontiers.moved(slot, before.as_ref(), entry.as_ref(), is_same);
    }

    pub(super) fn touch(&mut self, slot: SlotIndex) {
        self.due.insert(slot);
        self.touched.insert(slot);
    }

    /// How many slots are to be looked at before a request is answered from this index.
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

    /// Looks at what changed since the last time, at `most` nodes; how many nodes that were.
    ///
    /// # Errors
    /// What kept a script from being asked at all. The index is then as far as it came.
    pub(super) fn refresh(
        &mut self,
        tables: &mut [Option<ResultCache>],
        ground: &IndexContext<'_>,
        most: usize,
    ) -> Result<u64, Failure> {
        let cluster = ground.stage.cluster;
        if self.due(cluster) == 0 {
            return Ok(0);
        }
        let late_reads = self.plan.late_reads(ground.chain);
        let mut looking = Looking { ground, tables, prepared: vec![false; ground.chain.steps.len()] };
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
            // Another node may have taken the slot, of which filters that read nothing of it say the same; the quarantine
            // does not.
            let is_same = |node: &Node| Some(node.revised(late_reads).max(node.arrival())) <= looked;
            let is_same = cluster.node(slot).is_some_and(is_same) && !self.touched.remove(&slot);
            self.put(slot, entry, is_same);
            count += 1;
        }
        Ok(count as u64)
    }
}

/// A look at some nodes.
struct Looking<'a> {
    ground: &'a IndexContext<'a>,
    tables: &'a mut [Option<ResultCache>],
    /// The steps whose scripts are ready to be asked.
    prepared: Vec<bool>,
}

impl Looking<'_> {
    /// How far the node in `slot` comes, and its place where it comes to the choice.
    fn at(&mut self, plan: &Plan, slot: SlotIndex) -> Result<(u32, Option<RankedNode>), Failure> {
        let EvaluationContext { cluster, roll, recency, .. } = self.ground.stage;
        let Some(node) = cluster.node(slot).filter(|node| roll.admits(node.id())) else { return Ok((0, None)) };
        let mut far = 1;
        for step in plan.pure_sieves() {
            if self.word(step, NodeFunction::Filter, slot, node)? != NodeVerdict::Keep {
                return Ok((far, None));
            }
            far += 1;
        }
        let rank = self.rank(plan.choice, slot, node)?;
        Ok((far, rank.map(|rank| RankedNode::new(rank, slot, node, cluster, recency))))
    }

    fn rank(&mut self, choice: RankBy, slot: SlotIndex, node: &Node) -> Result<Option<Rank>, Failure> {
        match choice {
            RankBy::Score(step) => match self.word(step, NodeFunction::Score, slot, node)? {
                NodeVerdict::Scored(score) => Ok(Some(Rank::of_score(score))),
                NodeVerdict::Keep | NodeVerdict::Lost(_) | NodeVerdict::Failed(_) => Ok(None),
            },
            RankBy::Policy(step) => {
                let step = self.ground.chain.steps.get(step);
                let Some(StepKind::Policy(policy)) = step.map(|step| &step.kind) else { return Ok(None) };
                Ok(match (policy.node_rank(node), policy.absent()) {
                    (Some(rank), _) => Some(Rank::new(rank)),
                    (None, Absent::Last) => Some(Rank::new(f64::INFINITY)),
                    (None, Absent::Pass) => None,
                })
            }
        }
    }

    /// What a function of one parameter says of `node`, asked where it is not known.
    fn word(
        &mut self,
        step: usize,
        function: NodeFunction,
        slot: SlotIndex,
        node: &Node,
    ) -> Result<NodeVerdict, Failure> {
        let IndexContext { chain, stage, scene, notes } = self.ground;
        let tables = self.tables.get_mut(step).and_then(Option::as_mut);
        let (Some(at), Some(note), Some(tables)) = (chain.steps.get(step), notes.get(step), tables) else {
            return Ok(NodeVerdict::Keep);
        };
        let StepKind::Script(script) = &at.kind else { return Ok(NodeVerdict::Keep) };
        if let Some(limited) = stage.quarantine.nodes(&at.spec.name).and_then(|shunned| shunned.get(node.id())) {
            return Ok(NodeVerdict::Failed(Arc::new(limited.failure())));
        }
        let results = tables.pure(function);
        if let Some(word) = results.get(slot, node) {
            return Ok(word.clone());
        }
        let scene = CallContext { step: step as u64, ..*scene };
        if let Some(prepared) = self.prepared.get_mut(step).filter(|prepared| !**prepared) {
            stage.witness.step(step);
            note.calls.on_script_time(|| script.prepare(scene)).map_err(ScriptError::into_failure)?;
            *prepared = true;
        }
        // What is asked for all requests to come is not to cost this one its time.
        stage.witness.alone(step, node.id());
        let mut asking = PerNodeEvaluation::pure(&**script, scene);
        let word = asking.ask(function, Arity::Node, &Candidate::plain(slot), &note.calls)?;
        note.log_to(scene.log);
        results.put(slot, stage.cluster, &word);
        Ok(word)
    }
}
