//! The reference evaluation of a chain, as a value that can be suspended at a step and resumed.
//!
//! Nothing may assume that a chain runs without a pause: at an executable step the decision becomes a [`Suspended`],
//! plain data that crosses processes and waits. Rejected: an `async` evaluation, because such a state cannot leave a
//! process.

mod asking;
mod assigned;
mod node_outcome;
mod resume;

use std::sync::Arc;

use crate::clock::{Alarm, Moment, Stopwatch};
use crate::model::lost::LostNodes;
use crate::model::{
    Candidate, Cluster, Decision, Diagnosis, Failure, FailureName, Outcome, Position, SlotIndex, StepReport,
    StepVerdict, Verdict,
};
use crate::script::{Absent, CallContext, LogBook, Policy, ScriptLimits, ScriptRequest};

use super::ask::Ask;
use super::candidates::{Remaining, note_lost};
use super::eligibility_index::EligibilityIndex;
use super::explain;
use super::observer::StepObserver;
use super::plan::{self, FoundNode, Overran, Store};
use super::quarantine::{LimitRecord, QuarantineList};
use super::scores::Scores;
use super::spec::{OnFailure, OnUnplaceable, Purpose};
use super::suspended::Suspended;
use super::{Chain, Recency, Step, StepKind};

pub use resume::{ask_again, resume};

/// The cluster, the caches, the limits and the callbacks that an evaluation uses.
#[derive(Clone, Copy)]
pub struct EvaluationContext<'a> {
    /// The nodes.
    pub cluster: &'a Cluster,
    /// The nodes that cannot take the chain's requests.
    pub eligibility: &'a EligibilityIndex,
    /// The limits of scripts.
    pub limits: &'a ScriptLimits,
    /// The past choices of the chain.
    pub recency: &'a Recency,
    /// The scripts that are not to be run, and the nodes that scripts are not to be asked about.
    pub quarantine: &'a QuarantineList,
    /// The time of the request in the site's time zone.
    pub moment: &'a Moment,
    /// The stopwatch that measures the cost of steps.
    pub stopwatch: &'a dyn Stopwatch,
    /// The observer that is notified of each step, node and call.
    pub observer: &'a dyn StepObserver,
    /// The alarm that goes off when a script has used up the time allowed.
    pub alarm: &'a dyn Alarm,
}

/// The progress of an evaluation.
#[derive(Debug)]
pub enum Progress {
    /// The evaluation ended with a decision.
    Decided(Decision),
    /// The evaluation came to an executable step: pass the program's answer to [`resume()`].
    Suspended(Suspended),
}

/// Decides `ask` by `chain`, up to the first executable step; `store` has the chain's results of earlier requests.
#[must_use]
pub fn begin(chain: &Chain, ask: &Ask, context: EvaluationContext<'_>, store: &mut Store) -> Progress {
    let diagnosis = Diagnosis {
        asked_node: ask.about.clone(),
        excluded: context.eligibility.left_out(ask.about.as_ref()),
        now_ms: ask.now_ms,
        seed: ask.seed,
        nodes: context.cluster.len() as u64,
        ..Diagnosis::default()
    };
    let (candidates, log) = (Remaining::eligible(), LogBook::new(*context.limits));
    let mut evaluation = Evaluation { chain, ask, context, candidates, log, diagnosis, overran: None, reached: 0 };
    if !ask.cooling.is_usual() {
        evaluation.look_at_cooling();
    }
    match evaluation.by_assignment().or_else(|| evaluation.scan(store)) {
        Some(decision) => Progress::Decided(decision),
        None => evaluation.run(0, store),
    }
}

/// Brings the caches of `chain` up to date by at most `most` nodes, independently of any request. Lines that the
/// scripts log are dropped. Returns the number of nodes that are left.
#[must_use]
pub fn refresh(chain: &Chain, context: EvaluationContext<'_>, store: &mut Store, most: usize) -> usize {
    let log = LogBook::new(*context.limits);
    let call_context = CallContext { cluster: context.cluster, asked: None, step: 0, log: &log };
    plan::refresh(store, chain, context, call_context, most)
}

/// A decision under way through the steps.
struct Evaluation<'a> {
    chain: &'a Chain,
    ask: &'a Ask,
    context: EvaluationContext<'a>,
    candidates: Remaining,
    log: LogBook,
    diagnosis: Diagnosis,
    /// The step that ran out of time in the index scan, before the plain evaluation reached the step.
    overran: Option<Overran>,
    /// The number of steps that were reached.
    reached: usize,
}

/// The outcome of a single step.
struct StepOutcome {
    answer: Result<Verdict, Failure>,
    trace: Trace,
}

/// The parts of a step's report beside the verdict.
#[derive(Default)]
struct Trace {
    lost: LostNodes,
    scores: Option<Scores>,
    calls: u64,
    cost_us: u64,
    reason: Option<String>,
}

impl Trace {
    /// Returns an empty trace that records the scores and the node that `ask` wants explained.
    fn of(ask: &Ask) -> Self {
        let lost = LostNodes::watching(ask.about.as_ref());
        Self { lost, scores: Scores::wanted_by(ask), ..Self::default() }
    }
}

impl<'a> Evaluation<'a> {
    /// Returns the candidates, in order.
    fn list(&self) -> &Arc<[Candidate]> {
        self.candidates.list(self.context.cluster, self.context.eligibility)
    }

    /// Returns the decision by the chain's plan, where the chain has a plan and the plan finds a node.
    fn scan(&mut self, store: &mut Store) -> Option<Decision> {
        match plan::scan(store, self.chain, self.ask, self.context, self.call_context(0)) {
            Ok(None) => None,
            Err(overran) => {
                self.overran = Some(overran);
                None
            }
            Ok(Some(FoundNode { slot, step, reports, search })) => {
                let node = Arc::clone(self.context.cluster.node(slot)?.id());
                let by = Arc::clone(&self.chain.steps.get(step)?.spec.name);
                self.diagnosis.steps.extend(reports);
                self.diagnosis.search = search;
                self.reached = step + 1;
                Some(self.decide(Some(by), Outcome::Placed(node)))
            }
        }
    }

    /// Returns the call context of the script at step `number`.
    fn call_context(&self, number: usize) -> CallContext<'_> {
        let asked = ScriptRequest {
            request: &self.ask.request,
            passes_jwt: self.chain.spec.pass_jwt,
            moment: self.context.moment,
            seed: self.ask.seed,
            sequence: self.ask.sequence,
        };
        CallContext { cluster: self.context.cluster, asked: Some(asked), step: number as u64, log: &self.log }
    }

    fn run(mut self, from: usize, store: &mut Store) -> Progress {
        let chain = self.chain;
        for (number, step) in chain.steps.iter().enumerate().skip(from) {
            self.context.observer.step(number);
            self.reached = number + 1;
            let outcome = match &step.kind {
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
            if let Some(decision) = self.conclude(step, outcome) {
                return Progress::Decided(decision);
            }
        }
        Progress::Decided(self.exhausted())
    }

    /// Returns the failure that is known before the step runs: a limit passed on this question, in the index scan, or
    /// so often that the step is in quarantine.
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
        here.or_else(|| self.context.quarantine.script(name))
    }

    /// Selects the candidate of the lowest rank; equal ranks go to the candidate chosen longest ago, then to the first.
    fn choose(&self, policy: &dyn Policy, scores: &mut Option<Scores>) -> Verdict {
        let cluster = self.context.cluster;
        let mut best: Option<(f64, u64, SlotIndex)> = None;
        for candidate in self.list().iter() {
            let Some(node) = cluster.node(candidate.slot) else { continue };
            let rank = match (policy.rank(node, &self.ask.request, cluster), policy.absent()) {
                (Some(rank), _) => rank,
                (None, Absent::Last) => f64::INFINITY,
                (None, Absent::Pass) => continue,
            };
            if let Some(scores) = scores.as_mut().filter(|_| rank.is_finite()) {
                scores.add(node.id(), (rank, self.context.recency.of(candidate.slot)), policy.figure(rank));
            }
            // Recency is looked up for ties alone: most comparisons need only the rank.
            let better = best.is_none_or(|(top, since, _)| {
                rank < top || (rank == top && self.context.recency.of(candidate.slot) < since)
            });
            if better {
                best = Some((rank, self.context.recency.of(candidate.slot), candidate.slot));
            }
        }
        best.map_or(Verdict::Pass, |(_, _, slot)| Verdict::Select(slot))
    }

    /// Applies the step's answer and the chain's settings; returns the decision, where the chain ends here.
    fn conclude(&mut self, step: &Step, outcome: StepOutcome) -> Option<Decision> {
        let StepOutcome { answer, mut trace } = outcome;
        match answer {
            Ok(Verdict::Pass) => self.report(&step.spec.name, StepVerdict::Pass, trace, None),
            Ok(Verdict::Select(slot)) => return self.select(step, &step.spec.name, slot, trace),
            Ok(Verdict::Narrow(after)) => {
                if trace.lost.total() == 0 && after.len() < self.list().len() {
                    note_lost(self.list(), &after, self.context.cluster, &mut trace.lost);
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
        let node = self.context.cluster.node(slot)?;
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
        let Trace { lost, scores, calls, cost_us, reason } = trace;
        let (step, candidates) = (Arc::clone(name), self.remaining() as u64);
        self.diagnosis.search.looked_at += candidates;
        let (scores, log) = (scores.map(Scores::into_scored).unwrap_or_default(), self.log.take());
        let (tiers, reason) = (Vec::new(), reason.map(|reason| self.context.limits.cut(&reason)));
        let report = StepReport { step, said, candidates, calls, cost_us, lost, scores, log, position, tiers, reason };
        self.diagnosis.steps.push(report);
    }

    /// Applies the question's cooling policy, which the chain's eligibility index does not know: leaves out nodes where
    /// a start of this user failed, or lets in all that cool down.
    fn look_at_cooling(&mut self) {
        let (cluster, spec) = (self.context.cluster, &self.chain.spec);
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
        let shown = self.candidates.shown(self.context.cluster, self.context.eligibility);
        Suspended { step, shown, diagnosis: self.diagnosis, logged: self.log.written(), taken: None }
    }

    fn remaining(&self) -> usize {
        self.candidates.len(self.context.cluster, self.context.eligibility)
    }

    fn exhausted(&mut self) -> Decision {
        let message = explain::no_node(&self.chain.spec, self.context.cluster, &self.diagnosis, self.remaining());
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
            generation: self.context.cluster.generation(),
            decided_by,
            outcome,
            diagnosis: std::mem::take(&mut self.diagnosis),
        }
    }
}
