//! The reference evaluation of a chain, as a value that can be put down at a step and taken up again.
//!
//! Nothing may assume that a chain runs in one go: at an executable step the decision becomes a [`Suspended`], plain
//! data that crosses processes and waits. Rejected: an `async` evaluation, whose state could not leave its process.

mod node_outcome;
mod resume;

use std::sync::Arc;

use crate::clock::{Alarm, Moment, Stopwatch};
use crate::model::lost::LostNodes;
use crate::model::{
    Candidate, Cluster, Decision, Diagnosis, Failure, FailureName, Outcome, Position, SlotIndex, StepReport,
    StepVerdict, Verdict,
};
use crate::script::{
    Absent, Call, CallAnswer, CallContext, LogBook, PerNode, Policy, Script, ScriptError, ScriptLimits, ScriptRequest,
    ScriptShape,
};

use super::ask::Ask;
use super::candidates::{Remaining, note_lost};
use super::eligibility_index::EligibilityIndex;
use super::explain;
use super::observer::{Calls, StepObserver};
use super::pernode::{self, PerNodeContext};
use super::plan::{self, FoundNode, Overran, Store};
use super::quarantine::{LimitRecord, QuarantineList};
use super::result_cache::ResultCache;
use super::scores::Scores;
use super::spec::{OnFailure, OnUnplaceable, Purpose};
use super::suspended::Suspended;
use super::{Chain, Recency, Step, StepKind, verdict};

pub use resume::{ask_again, resume};

/// What an evaluation stands on.
#[derive(Clone, Copy)]
pub struct EvaluationContext<'a> {
    /// The nodes.
    pub cluster: &'a Cluster,
    /// Who cannot take the chain's requests.
    pub roll: &'a EligibilityIndex,
    /// The limits of scripts.
    pub limits: &'a ScriptLimits,
    /// The chain's past choices.
    pub recency: &'a Recency,
    /// What is not to be run.
    pub quarantine: &'a QuarantineList,
    /// Request time in the site's zone.
    pub moment: &'a Moment,
    /// Measures cost.
    pub stopwatch: &'a dyn Stopwatch,
    /// Is told what runs.
    pub witness: &'a dyn StepObserver,
    /// Rings when a script has used up its time.
    pub alarm: &'a dyn Alarm,
}

/// How far an evaluation came.
#[derive(Debug)]
pub enum Progress {
    /// To its end.
    Decided(Decision),
    /// To an executable step: hand in what the program said through [`resume`].
    Suspended(Suspended),
}

/// Decides `ask` by `chain`, with the results in `store` that the chain has of earlier requests.
#[must_use]
pub fn begin(chain: &Chain, ask: &Ask, stage: EvaluationContext<'_>, store: &mut Store) -> Progress {
    let diagnosis = Diagnosis {
        asked_node: ask.about.clone(),
        excluded: stage.roll.left_out(ask.about.as_ref()),
        now_ms: ask.now_ms,
        seed: ask.seed,
        nodes: stage.cluster.len() as u64,
        ..Diagnosis::default()
    };
    let (candidates, log) = (Remaining::eligible(), LogBook::new(*stage.limits));
    let mut evaluation = Evaluation { chain, ask, stage, candidates, log, diagnosis, overran: None, reached: 0 };
    if !ask.cooling.is_usual() {
        evaluation.look_at_cooling();
    }
    match evaluation.scan(store) {
        Some(decision) => Progress::Decided(decision),
        None => evaluation.run(0, store),
    }
}

/// Brings what is kept for `chain` up to date by at most `most` nodes, for no request. What the scripts log is not kept.
/// Returns how many nodes are left.
#[must_use]
pub fn refresh(chain: &Chain, stage: EvaluationContext<'_>, store: &mut Store, most: usize) -> usize {
    let log = LogBook::new(*stage.limits);
    let scene = CallContext { cluster: stage.cluster, asked: None, step: 0, log: &log };
    plan::refresh(store, chain, stage, scene, most)
}

/// A decision on its way through the steps.
struct Evaluation<'a> {
    chain: &'a Chain,
    ask: &'a Ask,
    stage: EvaluationContext<'a>,
    candidates: Remaining,
    log: LogBook,
    diagnosis: Diagnosis,
    /// The step that used up its time before its turn came.
    overran: Option<Overran>,
    /// How many steps had their turn.
    reached: usize,
}

/// What one step came to.
struct StepOutcome {
    answer: Result<Verdict, Failure>,
    trace: Trace,
}

/// What a step leaves for its report beside its verdict.
#[derive(Default)]
struct Trace {
    lost: LostNodes,
    scores: Option<Scores>,
    calls: u64,
    cost_us: u64,
}

impl Trace {
    /// Returns an empty trace that records the scores and the node that `ask` wants explained.
    fn of(ask: &Ask) -> Self {
        let lost = LostNodes::watching(ask.about.as_ref());
        Self { lost, scores: Scores::wanted_by(ask), ..Self::default() }
    }
}

impl<'a> Evaluation<'a> {
    /// The candidates, in order.
    fn list(&self) -> &[Candidate] {
        self.candidates.list(self.stage.cluster, self.stage.roll)
    }

    /// The decision by the chain's plan, where it has one and that finds a node.
    fn scan(&mut self, store: &mut Store) -> Option<Decision> {
        match plan::scan(store, self.chain, self.ask, self.stage, self.call_context(0)) {
            Ok(None) => None,
            Err(overran) => {
                self.overran = Some(overran);
                None
            }
            Ok(Some(FoundNode { slot, step, reports, search })) => {
                let node = Arc::clone(self.stage.cluster.node(slot)?.id());
                let by = Arc::clone(&self.chain.steps.get(step)?.spec.name);
                (self.diagnosis.steps, self.diagnosis.search) = (reports, search);
                self.reached = step + 1;
                Some(self.decide(Some(by), Outcome::Placed(node)))
            }
        }
    }

    /// What surrounds the script at step `number`.
    fn call_context(&self, number: usize) -> CallContext<'_> {
        let asked = ScriptRequest {
            request: &self.ask.request,
            passes_jwt: self.chain.spec.pass_jwt,
            moment: self.stage.moment,
            seed: self.ask.seed,
            sequence: self.ask.sequence,
        };
        CallContext { cluster: self.stage.cluster, asked: Some(asked), step: number as u64, log: &self.log }
    }

    fn run(mut self, from: usize, store: &mut Store) -> Progress {
        let chain = self.chain;
        for (number, step) in chain.steps.iter().enumerate().skip(from) {
            self.stage.witness.step(number);
            self.reached = number + 1;
            let told = match &step.kind {
                StepKind::External if self.ask.purpose == Purpose::Place => {
                    return Progress::Suspended(self.suspend(number));
                }
                StepKind::External => {
                    self.report(&step.spec.name, StepVerdict::NotRun, Trace::default(), None);
                    continue;
                }
                StepKind::Script(script) => match self.known_failure(number, step) {
                    Some(failure) => StepOutcome { answer: Err(failure), trace: Trace::default() },
                    None => {
                        let kept = store.results(number).filter(|_| !self.ask.anew);
                        self.timed(|this, trace, calls| this.ask_script(&**script, number, kept, trace, calls))
                    }
                },
                StepKind::Policy(policy) => self.timed(|this, trace, _| Ok(this.choose(&**policy, &mut trace.scores))),
            };
            if let Some(decision) = self.conclude(step, told) {
                return Progress::Decided(decision);
            }
        }
        Progress::Decided(self.exhausted())
    }

    /// The limit that the step is known to pass: on this question, or on so many that it is in quarantine.
    fn known_failure(&mut self, number: usize, step: &Step) -> Option<Failure> {
        if let Some(overran) = self.overran.take_if(|overran| overran.step == number) {
            return Some(Arc::unwrap_or_clone(overran.failure));
        }
        self.known_limit(step).map(LimitRecord::failure)
    }

    /// Returns the limit that keeps `step` from being run: passed on this question, or the step is in quarantine.
    fn known_limit(&self, step: &Step) -> Option<&LimitRecord> {
        let name = &step.spec.name;
        let here = self.ask.limited.iter().find(|(limited, _)| limited == name).map(|(_, limited)| limited);
        here.or_else(|| self.stage.quarantine.script(name))
    }

    fn timed(&self, ask: impl FnOnce(&Self, &mut Trace, &Calls<'_>) -> Result<Verdict, Failure>) -> StepOutcome {
        let mut trace = Trace::of(self.ask);
        let (calls, start) = (Calls::new(self.stage.witness), self.stage.stopwatch.micros());
        let answer = ask(self, &mut trace, &calls);
        trace.cost_us = self.stage.stopwatch.micros().saturating_sub(start);
        trace.calls = calls.made();
        StepOutcome { answer, trace }
    }

    fn ask_script(
        &self,
        script: &dyn Script,
        number: usize,
        kept: Option<&mut ResultCache>,
        trace: &mut Trace,
        calls: &Calls<'_>,
    ) -> Result<Verdict, Failure> {
        let EvaluationContext { cluster, limits, .. } = self.stage;
        let scene = self.call_context(number);
        match script.shape() {
            ScriptShape::WholeList => {
                let list = self.list();
                let answer = calls.make(|| script.open(scene).and_then(|mut run| run.call(Call::Balance(list))));
                match answer.map_err(ScriptError::into_failure)? {
                    CallAnswer::Returned(returned) => verdict::read(returned, list, cluster, limits),
                    _ => Err(Failure::new(FailureName::Internal, "the engine answered another call than `balance`")),
                }
            }
            ScriptShape::PerNode(functions) => {
                self.ask_about(script, functions, number, self.list(), kept, trace, calls)
            }
        }
    }

    /// Asks `script`, which is step `number`, about each of `candidates`.
    fn ask_about(
        &self,
        script: &dyn Script,
        functions: PerNode,
        number: usize,
        candidates: &[Candidate],
        kept: Option<&mut ResultCache>,
        trace: &mut Trace,
        calls: &Calls<'_>,
    ) -> Result<Verdict, Failure> {
        let EvaluationContext { recency, witness, alarm, quarantine, .. } = self.stage;
        let shunned = self.chain.steps.get(number).and_then(|step| quarantine.nodes(&step.spec.name));
        let (lost, scores) = (&mut trace.lost, trace.scores.as_mut());
        let surroundings = PerNodeContext { recency, witness, alarm, shunned, kept, lost, scores, calls };
        pernode::evaluate(script, functions, self.call_context(number), candidates, surroundings)
    }

    /// The candidate of lowest rank; equal ranks go to the one chosen longest ago, then to the first.
    fn choose(&self, policy: &dyn Policy, scores: &mut Option<Scores>) -> Verdict {
        let cluster = self.stage.cluster;
        let mut best: Option<(f64, u64, SlotIndex)> = None;
        for candidate in self.list() {
            let Some(node) = cluster.node(candidate.slot) else { continue };
            let rank = match (policy.rank(node, &self.ask.request, cluster), policy.absent()) {
                (Some(rank), _) => rank,
                (None, Absent::Last) => f64::INFINITY,
                (None, Absent::Pass) => continue,
            };
            if let Some(scores) = scores.as_mut().filter(|_| rank.is_finite()) {
                scores.add(node.id(), (rank, self.stage.recency.of(candidate.slot)), policy.figure(rank));
            }
            // Recency is looked up for ties alone: most comparisons need only the rank.
            let better = best.is_none_or(|(top, since, _)| {
                rank < top || (rank == top && self.stage.recency.of(candidate.slot) < since)
            });
            if better {
                best = Some((rank, self.stage.recency.of(candidate.slot), candidate.slot));
            }
        }
        best.map_or(Verdict::Pass, |(_, _, slot)| Verdict::Select(slot))
    }

    /// Does what the step's answer and the chain's settings ask for; the decision, where the chain ends here.
    fn conclude(&mut self, step: &Step, told: StepOutcome) -> Option<Decision> {
        let StepOutcome { answer, mut trace } = told;
        match answer {
            Ok(Verdict::Pass) => self.report(&step.spec.name, StepVerdict::Pass, trace, None),
            Ok(Verdict::Select(slot)) => return self.select(step, &step.spec.name, slot, trace),
            Ok(Verdict::Narrow(after)) => {
                if trace.lost.total() == 0 && after.len() < self.list().len() {
                    note_lost(self.list(), &after, self.stage.cluster, &mut trace.lost);
                }
                self.report(&step.spec.name, StepVerdict::Narrow(after.len() as u64), trace, None);
                self.candidates = Remaining::narrowed(after);
            }
            Err(failure) => {
                let (said, position) =
                    (StepVerdict::Failed(failure.name, failure.message.clone()), failure.position.clone());
                self.report(&step.spec.name, said, trace, position);
                match step.spec.policy(failure.name) {
                    OnFailure::Stop => return Some(self.fail(failure.at_step(&step.spec.name))),
                    OnFailure::Skip => {}
                    OnFailure::Fallback(name) => return self.fall_back(step, failure.name, name),
                }
            }
        }
        None
    }

    /// Lets the built-in that `on_error` or `on_limit` names end the chain.
    fn fall_back(&mut self, step: &Step, failed: FailureName, name: &str) -> Option<Decision> {
        let mut trace = Trace::of(self.ask);
        match step.fallback(failed).map(|policy| self.choose(policy, &mut trace.scores)) {
            Some(Verdict::Select(slot)) => self.select(step, &format!("fallback:{name}").into(), slot, trace),
            _ => None,
        }
    }

    fn select(&mut self, step: &Step, by: &Arc<str>, slot: SlotIndex, trace: Trace) -> Option<Decision> {
        let node = self.stage.cluster.node(slot)?;
        let id = Arc::clone(node.id());
        let against = self.ask.cooling.reason_against(node, &self.chain.spec);
        match (against, self.chain.spec.on_unplaceable) {
            (None, _) | (Some(_), OnUnplaceable::Allow) => {
                self.report(by, StepVerdict::Select(Arc::clone(&id)), trace, None);
                Some(self.decide(Some(Arc::clone(by)), Outcome::Placed(id)))
            }
            (Some(reason), OnUnplaceable::Skip) => {
                self.report(by, StepVerdict::Unplaceable(id, reason), trace, None);
                None
            }
            (Some(reason), OnUnplaceable::Error) => {
                let message = format!("the step chose `{id}`, which is {}", reason.phrase());
                let failure = Failure::new(FailureName::UnplaceableNode, message).at_step(&step.spec.name);
                self.report(by, StepVerdict::Failed(failure.name, failure.message.clone()), trace, None);
                Some(self.fail(failure))
            }
        }
    }

    fn report(&mut self, name: &Arc<str>, said: StepVerdict, trace: Trace, position: Option<Position>) {
        let Trace { lost, scores, calls, cost_us } = trace;
        let (step, candidates) = (Arc::clone(name), self.remaining() as u64);
        self.diagnosis.search.looked_at += candidates;
        let (scores, log) = (scores.map(Scores::into_scored).unwrap_or_default(), self.log.take());
        self.diagnosis.steps.push(StepReport { step, said, candidates, calls, cost_us, lost, scores, log, position });
    }

    /// Leaves out, or lets in, what the chain's roll does not: nodes where a start of this user failed, or all that cool down.
    fn look_at_cooling(&mut self) {
        let (cluster, spec) = (self.stage.cluster, &self.chain.spec);
        let mut excluded = LostNodes::watching(self.ask.about.as_ref());
        let mut candidates = Vec::new();
        for (slot, node) in cluster.nodes() {
            match self.ask.cooling.reason_against(node, spec) {
                Some(reason) => excluded.add(reason, node.id()),
                None => candidates.push(Candidate::plain(slot)),
            }
        }
        self.diagnosis.excluded = excluded;
        self.candidates = Remaining::narrowed(candidates);
    }

    fn suspend(self, step: usize) -> Suspended {
        let shown = self.candidates.shown(self.stage.cluster, self.stage.roll);
        Suspended { step, shown, diagnosis: self.diagnosis, logged: self.log.written(), taken: None }
    }

    fn remaining(&self) -> usize {
        self.candidates.len(self.stage.cluster, self.stage.roll)
    }

    fn exhausted(&mut self) -> Decision {
        let message = explain::no_node(&self.chain.spec, self.stage.cluster, &self.diagnosis, self.remaining());
        self.fail(Failure::new(FailureName::NoNode, message))
    }

    fn fail(&mut self, failure: Failure) -> Decision {
        self.decide(None, Outcome::Failed(failure))
    }

    fn decide(&mut self, decided_by: Option<Arc<str>>, outcome: Outcome) -> Decision {
        for step in self.chain.steps.iter().skip(self.reached) {
            self.diagnosis.steps.push(StepReport::not_reached(&step.spec.name));
        }
        if let Some(about) = &self.ask.about {
            self.diagnosis.asked_fate = Some(self.node_outcome(about, decided_by.as_deref(), &outcome));
        }
        Decision {
            chain: Arc::clone(&self.chain.spec.action),
            generation: self.stage.cluster.generation(),
            decided_by,
            outcome,
            diagnosis: std::mem::take(&mut self.diagnosis),
        }
    }
}
