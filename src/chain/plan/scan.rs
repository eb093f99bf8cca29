//! The scan of an index for a single request: the filters that depend on the request are called for the best node, then
//! for the next.

use std::sync::Arc;

use crate::chain::asking::{NodeVerdict, PerNodeEvaluation};
use crate::chain::evaluate::EvaluationContext;
use crate::chain::result_cache::ResultCache;
use crate::chain::{Ask, Chain, StepKind};
use crate::clock::Overtime;
use crate::model::diagnosis::{DecisionPath as PlanName, Search};
use crate::model::{Candidate, Failure, Node, SlotIndex, StepReport};
use crate::script::{Arity, CallContext, NodeFunction};

use super::frontier::{Frontiers, RequestKind};
use super::index::{Index, IndexContext};
use super::late::{RequestFilter, Sieved, is_limit, late};
use super::note::{Note, reports};
use super::order::{Rank, RankedNode};
use super::{Plan, PlanPart, Store};

/// A node that a scan found.
pub(in crate::chain) struct FoundNode {
    /// The slot of the node.
    pub(in crate::chain) slot: SlotIndex,
    /// The step that chose the node.
    pub(in crate::chain) step: usize,
    /// The reports of the steps up to the choosing step.
    pub(in crate::chain) reports: Vec<StepReport>,
    /// The cost of the search.
    pub(in crate::chain) search: Search,
}

/// A step that ran out of time during the scan.
pub(in crate::chain) struct Overran {
    /// The number of the step.
    pub(in crate::chain) step: usize,
    /// The failure as the engine returned it.
    pub(in crate::chain) failure: Arc<Failure>,
}

/// The reason why a scan ends without a node.
enum ScanStop {
    /// The steps must be evaluated in turn, so that the failure is explained.
    Unusual,
    Overran(Overran),
}

/// Returns the node that `chain` chooses for `ask`. `None` where no node passes, or where anything is out of the
/// ordinary: then the evaluation of the steps in turn finds the decision and the explanation.
///
/// # Errors
/// The limit that a step passed.
pub(in crate::chain) fn scan(
    store: &mut Store,
    chain: &Chain,
    ask: &Ask,
    context: EvaluationContext<'_>,
    call_context: CallContext<'_>,
) -> Result<Option<FoundNode>, Overran> {
    let Store { tables, index: Some(index) } = store else { return Ok(None) };
    let last = index.plan.choice.step();
    let is_usual = !ask.anew && !ask.is_explained() && ask.limited.is_empty() && ask.cooling.is_usual();
    if !is_usual || is_confined(chain, index, context) {
        return Ok(None);
    }
    let start = context.stopwatch.micros();
    let notes: Vec<Note<'_>> = (0..=last).map(|_| Note::new(context.observer)).collect();
    let index_context = IndexContext {
        chain,
        evaluation: context,
        call_context: CallContext { asked: None, ..call_context },
        notes: &notes,
    };
    let Ok(refreshed) = index.refresh(tables, &index_context, usize::MAX) else { return Ok(None) };
    let (late, frontiers) = (late(chain, index, context), std::mem::take(&mut index.frontiers));
    let (current_step, looked_at) = (None, 0);
    let mut scan = IndexScan {
        index,
        frontiers,
        chain,
        ask,
        context,
        call_context,
        tables,
        notes: &notes,
        late,
        current_step,
        looked_at,
    };
    let chosen = scan.choose();
    let looked_at = scan.looked_at;
    index.frontiers = scan.give_back();
    let search = Search { plan: PlanName::IndexScan, looked_at, refreshed };
    match chosen {
        Ok(Some((slot, step))) => {
            let cost_us = context.stopwatch.micros().saturating_sub(start);
            let reports = reports(chain, index, context, (slot, step), &notes, cost_us);
            Ok(Some(FoundNode { slot, step, reports, search }))
        }
        Ok(None) | Err(ScanStop::Unusual) => Ok(None),
        Err(ScanStop::Overran(overran)) => Err(overran),
    }
}

/// Whether a script of the index's plan is in quarantine and must not be run.
fn is_confined(chain: &Chain, index: &Index, context: EvaluationContext<'_>) -> bool {
    let mut steps = chain.steps.iter().take(index.plan.choice.step() + 1);
    steps.any(|step| context.quarantine.script(&step.spec.name).is_some())
}

/// Brings the index up to date by at most `most` nodes, independently of any request; returns the number of slots still
/// to look at.
pub(in crate::chain) fn refresh(
    store: &mut Store,
    chain: &Chain,
    context: EvaluationContext<'_>,
    call_context: CallContext<'_>,
    most: usize,
) -> usize {
    let Store { tables, index: Some(index) } = store else { return 0 };
    if is_confined(chain, index, context) {
        return 0;
    }
    let notes: Vec<Note<'_>> = chain.steps.iter().map(|_| Note::new(context.observer)).collect();
    let index_context = IndexContext { chain, evaluation: context, call_context, notes: &notes };
    match index.refresh(tables, &index_context, most) {
        Ok(_) => index.due(context.cluster),
        // The next request evaluates the steps one after another, and reports the error.
        Err(_) => 0,
    }
}

/// The number of nodes that are skipped in one go, at most: bounds what a call of the engine takes.
const SKIPPED_AT_ONCE: usize = 64;
/// The number of looked-at nodes past which a scan is remembered as a frontier.
const FAR: usize = 32;

/// A scan under way.
struct IndexScan<'a> {
    index: &'a Index,
    frontiers: Frontiers,
    chain: &'a Chain,
    ask: &'a Ask,
    context: EvaluationContext<'a>,
    call_context: CallContext<'a>,
    tables: &'a mut [Option<ResultCache>],
    notes: &'a [Note<'a>],
    late: Vec<RequestFilter<'a>>,
    /// The step that the observer was last notified of.
    current_step: Option<usize>,
    looked_at: u64,
}

impl IndexScan<'_> {
    /// Returns the chosen node, and the step that chooses the node.
    fn choose(&mut self) -> Result<Option<(SlotIndex, usize)>, ScanStop> {
        let Plan { parts, choice } = &self.index.plan;
        for (part, nominate) in parts.iter().enumerate() {
            if let PlanPart::Nominate(step) = nominate
                && let Some(slot) = self.nominate(part, *step)?
            {
                return Ok(Some((slot, *step)));
            }
        }
        let chosen = match self.common()? {
            Some(key) => match self.frontiers.find(&key) {
                Some(kind) => self.go_on(kind, parts.len())?,
                None => self.begin_kind(key, parts.len())?,
            },
            None => self.begin(parts.len())?,
        };
        Ok(chosen.map(|slot| (slot, choice.step())))
    }

    /// Returns the joint key of all requests to which the filters give the same answers as to this request; `None`
    /// where that is not known.
    fn common(&mut self) -> Result<Option<String>, ScanStop> {
        let may_have_keys = |late: &RequestFilter<'_>| late.functions.key || late.script.depends().is_some();
        if self.late.is_empty() || !self.late.iter().all(may_have_keys) {
            return Ok(None);
        }
        let mut common = String::new();
        for late in 0..self.late.len() {
            self.open(late)?;
            let key = self.late.get(late).and_then(|late| late.open.as_ref()).and_then(|(_, memory)| memory.key());
            let Some(key) = key else { return Ok(None) };
            common.push_str(key);
            common.push('\n');
        }
        Ok(Some(common))
    }

    /// Returns the best of all nodes that passes the first `parts` of the plan.
    fn begin(&mut self, parts: usize) -> Result<Option<SlotIndex>, ScanStop> {
        let mut entries = self.index.order.behind(None);
        while let Some(entry) = entries.next() {
            match self.passes(entry.slot(), parts)? {
                Sieved::Passes => return Ok(Some(entry.slot())),
                Sieved::Fails => drop(self.skip(&mut entries, parts)?),
                Sieved::Unsure => {}
            }
        }
        Ok(None)
    }

    /// Does the same for the first request of a kind that is not remembered. The frontier is remembered where the scan
    /// came far: a kind with a single request per user is not worth the cost of a frontier at each change of a node.
    fn begin_kind(&mut self, key: String, parts: usize) -> Result<Option<SlotIndex>, ScanStop> {
        let (mut looks, mut skipped, mut waiting, mut last, mut found) = (0, 0, Vec::new(), None, None);
        let mut entries = self.index.order.behind(None);
        while let Some(entry) = entries.next() {
            let sieved = self.passes(entry.slot(), parts)?;
            looks += 1;
            last = Some(entry);
            if sieved != Sieved::Fails {
                waiting.push(entry);
            } else if let Some((count, entry)) = self.skip(&mut entries, parts)? {
                (skipped, last) = (skipped + count, Some(entry));
            }
            if sieved == Sieved::Passes {
                found = Some(entry.slot());
                break;
            }
        }
        // Nodes that are skipped cost little: they are worth a frontier where such requests come again and again.
        let is_far = looks > FAR || (looks + skipped > FAR && self.frontiers.comes_again(&key));
        if let Some(last) = last.filter(|_| is_far) {
            let kind = self.frontiers.open(key);
            waiting.into_iter().for_each(|entry| self.frontiers.wait(kind, entry));
            self.frontiers.reached(kind, last, found == Some(last.slot()));
        }
        Ok(found)
    }

    /// Does the same for requests of a remembered kind, from where the last scan stopped.
    fn go_on(&mut self, kind: RequestKind, parts: usize) -> Result<Option<SlotIndex>, ScanStop> {
        let mut last = None;
        while let Some(entry) = self.frontiers.best(kind, last.as_ref()).cloned() {
            match self.passes(entry.slot(), parts)? {
                Sieved::Passes => return Ok(Some(entry.slot())),
                Sieved::Fails => self.frontiers.fails(kind, &entry),
                Sieved::Unsure => {}
            }
            last = Some(entry);
        }
        let bound = self.frontiers.bound(kind).cloned();
        for entry in self.index.order.behind(bound.as_ref()) {
            let sieved = self.passes(entry.slot(), parts)?;
            self.frontiers.reached(kind, entry, sieved != Sieved::Fails);
            if sieved == Sieved::Passes {
                return Ok(Some(entry.slot()));
            }
        }
        Ok(None)
    }

    /// Skips the next of `entries` that the first filter leaves out for certain, where the script can tell that for many
    /// nodes at once; returns how many, and the last one.
    fn skip<'e>(
        &mut self,
        entries: &mut (impl Iterator<Item = &'e RankedNode> + Clone),
        parts: usize,
    ) -> Result<Option<(usize, &'e RankedNode)>, ScanStop> {
        let (mut skipped, mut last) = (0, None);
        loop {
            let ahead: Vec<SlotIndex> = entries.clone().take(SKIPPED_AT_ONCE).map(RankedNode::slot).collect();
            let rejected = self.leading_rejections(&ahead, parts)?;
            if let Some(entry) = rejected.checked_sub(1).and_then(|before| entries.nth(before)) {
                (skipped, last) = (skipped + rejected, Some(entry));
            }
            if rejected < SKIPPED_AT_ONCE {
                return Ok(last.map(|last| (skipped, last)));
            }
        }
    }

    /// Returns how many of the first `slots` the first filter leaves out for certain.
    fn leading_rejections(&mut self, slots: &[SlotIndex], parts: usize) -> Result<usize, ScanStop> {
        let Some(first) = self.late.first_mut().filter(|first| first.part < parts && first.shunned.is_none()) else {
            return Ok(0);
        };
        let step = first.step;
        let (Some(note), Some((evaluation, memory))) = (self.notes.get(step), &mut first.open) else { return Ok(0) };
        let results = memory.of(NodeFunction::Filter, Arity::NodeAndRequest);
        // What is known needs no call.
        let is_known = |slot: &SlotIndex| {
            let node = self.context.cluster.node(*slot);
            node.is_none_or(|node| results.as_ref().is_some_and(|results| results.get(*slot, node).is_some()))
        };
        let unknown = slots.iter().position(is_known).unwrap_or(slots.len());
        let slots = slots.get(..unknown).unwrap_or_default();
        if slots.is_empty() {
            return Ok(0);
        }
        turn_to(step, &mut self.current_step, self.context);
        let rejected = evaluation.leading_rejections(slots, &note.calls).map_err(|failure| {
            let failure = Arc::new(failure);
            match is_limit(&failure) {
                true => ScanStop::Overran(Overran { step, failure }),
                false => ScanStop::Unusual,
            }
        })?;
        note.asked.set(note.asked.get() + rejected as u64);
        self.looked_at += rejected as u64;
        Ok(rejected)
    }

    /// Returns the best nominee of the built-in at `step` that passes the parts before that step in the plan.
    fn nominate(&mut self, part: usize, step: usize) -> Result<Option<SlotIndex>, ScanStop> {
        let EvaluationContext { cluster, recency, .. } = self.context;
        let Some(StepKind::Policy(policy)) = self.chain.steps.get(step).map(|step| &step.kind) else { return Ok(None) };
        let pure = self.index.plan.parts.iter().take(part);
        let pure = pure.filter(|part| matches!(part, PlanPart::Sieve(_, Arity::Node))).count();
        let nominees = policy.nominees(&self.ask.request, cluster).into_iter();
        let ranked = nominees.filter(|slot| self.index.reach.passes(*slot, pure)).filter_map(|slot| {
            let node = cluster.node(slot)?;
            let rank = Rank::new(policy.rank(node, &self.ask.request, cluster)?);
            Some(RankedNode::new(rank, slot, node, cluster, recency))
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable();
        for entry in ranked {
            if self.passes(entry.slot(), part)? == Sieved::Passes {
                return Ok(Some(entry.slot()));
            }
        }
        Ok(None)
    }

    /// Whether the node in `slot` passes the filters which depend on the request, of the first `parts` of the plan.
    fn passes(&mut self, slot: SlotIndex, parts: usize) -> Result<Sieved, ScanStop> {
        self.looked_at += 1;
        let Some(node) = self.context.cluster.node(slot) else { return Ok(Sieved::Fails) };
        for late in 0..self.late.len() {
            let Some(sieve) = self.late.get(late) else { break };
            if sieve.part < parts {
                match self.sieved(late, slot, node)? {
                    Sieved::Passes => {}
                    other => return Ok(other),
                }
            }
        }
        Ok(Sieved::Passes)
    }

    /// Opens the script of a late filter, where the script is not open yet.
    fn open(&mut self, late: usize) -> Result<(), ScanStop> {
        let Some(sieve) = self.late.get_mut(late).filter(|sieve| sieve.open.is_none()) else { return Ok(()) };
        let step = sieve.step;
        let (Some(note), Some(Some(tables))) = (self.notes.get(step), self.tables.get_mut(step)) else {
            return Err(ScanStop::Unusual);
        };
        turn_to(step, &mut self.current_step, self.context);
        let call_context = CallContext { step: step as u64, ..self.call_context };
        let opened =
            PerNodeEvaluation::open(sieve.script, sieve.functions, call_context, Some(&mut tables.keys), &note.calls)
                .map_err(|_failure| ScanStop::Unusual)?;
        let memory = tables.lend(opened.key());
        sieve.open = Some((opened, memory));
        Ok(())
    }

    fn sieved(&mut self, late: usize, slot: SlotIndex, node: &Node) -> Result<Sieved, ScanStop> {
        self.open(late)?;
        let Some(sieve) = self.late.get_mut(late) else { return Ok(Sieved::Passes) };
        if sieve.shunned.is_some_and(|shunned| shunned.contains_key(node.id())) {
            return Ok(Sieved::Fails);
        }
        let step = sieve.step;
        let (Some(note), Some((evaluation, memory))) = (self.notes.get(step), &mut sieve.open) else {
            return Err(ScanStop::Unusual);
        };
        note.asked.set(note.asked.get() + 1);
        let results = memory.of(NodeFunction::Filter, Arity::NodeAndRequest);
        if let Some(verdict) = results.as_ref().and_then(|results| results.get(slot, node)) {
            return Ok(Sieved::by(verdict));
        }
        turn_to(step, &mut self.current_step, self.context);
        self.context.observer.node(node.id(), false);
        let verdict = evaluation.ask(NodeFunction::Filter, Arity::NodeAndRequest, &Candidate::plain(slot), &note.calls);
        let verdict = verdict.map_err(|_failure| ScanStop::Unusual)?;
        note.log_to(self.call_context.log);
        if let Some(results) = results {
            results.put(slot, self.context.cluster, &verdict);
        }
        match verdict {
            NodeVerdict::Failed(failure)
                if is_limit(&failure) && self.context.alarm.overtime() == Some(Overtime::Step) =>
            {
                Err(ScanStop::Overran(Overran { step, failure }))
            }
            verdict => Ok(Sieved::by(&verdict)),
        }
    }

    /// Returns the lent caches and frontiers after the request.
    fn give_back(self) -> Frontiers {
        if self.current_step.is_some() {
            self.context.observer.nodes_done();
        }
        for late in self.late {
            if let (Some((_, memory)), Some(Some(tables))) = (late.open, self.tables.get_mut(late.step)) {
                tables.take_back(memory);
            }
        }
        self.frontiers
    }
}

/// Notifies the observer that `step` runs, which may have run before for the same request.
fn turn_to(step: usize, current: &mut Option<usize>, context: EvaluationContext<'_>) {
    match current.replace(step) {
        None => context.observer.step(step),
        Some(before) if before != step => context.observer.back_to(step),
        Some(_) => {}
    }
}
