//! The reference evaluation of a chain, as a value that can be put down at a step and taken up again.
//!
//! Nothing may assume that a chain runs in one go: at an executable step the decision becomes a [`Suspended`], plain
//! data that crosses processes and waits. Rejected: an `async` evaluation, whose state could not leave its process.

use std::cell::Cell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Moment, Stopwatch};
use crate::model::diagnosis::LostNodes;
use crate::model::{
    Candidate, Cluster, Decision, Diagnosis, Failure, FailureName, LostReason, Outcome, Request, Said, SlotIndex,
    StepReport, Verdict,
};
use crate::script::{
    Absent, Answer, Asked, Call, LogBook, Policy, Returned, Scene, Script, ScriptError, ScriptLimits, Shape,
};

use super::candidates::{Held, note_lost};
use super::eligibility::reason_against;
use super::pernode::{self, Surroundings};
use super::spec::{OnError, OnUnplaceable, Purpose};
use super::{Chain, Recency, Step, StepKind, verdict};

/// A question for a chain, with everything that comes from outside.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The request.
    pub request: Arc<Request>,
    /// What it is decided for.
    pub purpose: Purpose,
    /// The node that `explain` asks about.
    pub about: Option<Arc<str>>,
    /// Request time, Unix milliseconds.
    pub now_ms: i64,
    /// The request's random bits.
    pub seed: u64,
    /// How many requests of the action came before it.
    pub sequence: u64,
}

/// Is told what runs, so that a watchdog can name the culprit. Knows nothing of time itself.
pub trait Witness {
    /// Step `step` of the current decision begins.
    fn step(&self, step: usize);
    /// The per-node functions are asked about `node`.
    fn node(&self, node: &Arc<str>);
}

/// A witness that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Witness for Unwatched {
    fn step(&self, _step: usize) {}
    fn node(&self, _node: &Arc<str>) {}
}

/// Counts calls of script functions.
#[derive(Debug, Default)]
pub struct Calls(Cell<u64>);

impl Calls {
    /// One more call.
    pub fn count(&self) {
        self.0.set(self.0.get() + 1);
    }
}

/// What an evaluation stands on.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The nodes.
    pub cluster: &'a Cluster,
    /// The limits of scripts.
    pub limits: &'a ScriptLimits,
    /// The chain's past choices.
    pub recency: &'a Recency,
    /// Request time in the site's zone.
    pub moment: &'a Moment,
    /// Measures cost.
    pub stopwatch: &'a dyn Stopwatch,
    /// Is told what runs.
    pub witness: &'a dyn Witness,
}

/// How far an evaluation came.
#[derive(Debug)]
pub enum Progress {
    /// To its end.
    Decided(Decision),
    /// To an executable step: hand in what the program said through [`resume`].
    Suspended(Suspended),
}

/// A decision that waits for a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspended {
    /// The step that waits, from 0.
    pub step: usize,
    /// The candidates that the program is shown.
    pub candidates: Vec<Held>,
    /// What happened so far.
    pub diagnosis: Diagnosis,
    /// Lines logged so far.
    pub logged: usize,
}

/// Decides `ask` by `chain`.
#[must_use]
pub fn begin(chain: &Chain, ask: &Ask, stage: Stage<'_>) -> Progress {
    let mut diagnosis = Diagnosis {
        asked_node: ask.about.clone(),
        excluded: LostNodes::watching(ask.about.as_ref()),
        now_ms: ask.now_ms,
        seed: ask.seed,
        nodes: stage.cluster.len() as u64,
        ..Diagnosis::default()
    };
    let mut candidates = Vec::with_capacity(stage.cluster.len());
    for (slot, node) in stage.cluster.nodes() {
        match reason_against(node, &chain.spec) {
            None => candidates.push(Candidate::plain(slot)),
            Some(reason) => diagnosis.excluded.add(reason, node.id()),
        }
    }
    Evaluation { chain, ask, stage, candidates, log: LogBook::new(*stage.limits), diagnosis }.run(0)
}

/// Takes `suspended` up again, on the cluster as it is now, with what the program said at its step.
#[must_use]
pub fn resume(
    chain: &Chain,
    ask: &Ask,
    suspended: Suspended,
    said: Result<Returned, ScriptError>,
    stage: Stage<'_>,
) -> Progress {
    let Suspended { step, candidates: held, mut diagnosis, logged } = suspended;
    let mut candidates = Vec::with_capacity(held.len());
    for held in held {
        let node = held.to_candidate(stage.cluster).and_then(|found| Some((stage.cluster.node(found.slot)?, found)));
        match node.map(|(node, candidate)| (reason_against(node, &chain.spec), candidate)) {
            Some((None, candidate)) => candidates.push(candidate),
            Some((Some(reason), _)) => diagnosis.excluded.add(reason, &held.node),
            None => diagnosis.excluded.add(LostReason::Left, &held.node),
        }
    }
    let log = LogBook::after(logged, *stage.limits);
    let mut evaluation = Evaluation { chain, ask, stage, candidates, log, diagnosis };
    let Some(current) = chain.steps.get(step) else { return Progress::Decided(evaluation.exhausted()) };
    let answer = said
        .map_err(ScriptError::into_failure)
        .and_then(|returned| verdict::read(returned, &evaluation.candidates, stage.cluster, stage.limits));
    let told = Told { answer, lost: LostNodes::watching(ask.about.as_ref()), calls: 1, cost_us: 0 };
    match evaluation.conclude(current, told) {
        Some(decision) => Progress::Decided(decision),
        None => evaluation.run(step + 1),
    }
}

/// A decision on its way through the steps.
struct Evaluation<'a> {
    chain: &'a Chain,
    ask: &'a Ask,
    stage: Stage<'a>,
    candidates: Vec<Candidate>,
    log: LogBook,
    diagnosis: Diagnosis,
}

/// What one step came to.
struct Told {
    answer: Result<Verdict, Failure>,
    lost: LostNodes,
    calls: u64,
    cost_us: u64,
}

impl Evaluation<'_> {
    fn run(mut self, from: usize) -> Progress {
        let chain = self.chain;
        for (number, step) in chain.steps.iter().enumerate().skip(from) {
            self.stage.witness.step(number);
            let told = match &step.kind {
                StepKind::External if self.ask.purpose == Purpose::Place => {
                    return Progress::Suspended(self.suspend(number));
                }
                StepKind::External => {
                    self.report(step, Said::NotRun, LostNodes::default(), 0, 0, None);
                    continue;
                }
                StepKind::Script(script) => {
                    self.timed(|this, lost, calls| this.ask_script(&**script, number, lost, calls))
                }
                StepKind::Policy(policy) => self.timed(|this, _, _| Ok(this.choose(&**policy))),
            };
            if let Some(decision) = self.conclude(step, told) {
                return Progress::Decided(decision);
            }
        }
        Progress::Decided(self.exhausted())
    }

    fn timed(&self, ask: impl FnOnce(&Self, &mut LostNodes, &Calls) -> Result<Verdict, Failure>) -> Told {
        let mut lost = LostNodes::watching(self.ask.about.as_ref());
        let (calls, start) = (Calls::default(), self.stage.stopwatch.micros());
        let answer = ask(self, &mut lost, &calls);
        let cost_us = self.stage.stopwatch.micros().saturating_sub(start);
        Told { answer, lost, calls: calls.0.get(), cost_us }
    }

    fn ask_script(
        &self,
        script: &dyn Script,
        number: usize,
        lost: &mut LostNodes,
        calls: &Calls,
    ) -> Result<Verdict, Failure> {
        let Stage { cluster, limits, .. } = self.stage;
        let asked = Asked {
            request: &self.ask.request,
            passes_jwt: self.chain.spec.pass_jwt,
            moment: self.stage.moment,
            seed: self.ask.seed,
            sequence: self.ask.sequence,
        };
        let scene = Scene { cluster, asked: Some(asked), step: number as u64, log: &self.log };
        match script.shape() {
            Shape::WholeList => {
                calls.count();
                let answer = script.open(scene).and_then(|mut run| run.call(Call::Balance(&self.candidates)));
                match answer.map_err(ScriptError::into_failure)? {
                    Answer::Returned(returned) => verdict::read(returned, &self.candidates, cluster, limits),
                    _ => Err(Failure::new(FailureName::Internal, "the engine answered another call than `balance`")),
                }
            }
            Shape::PerNode(functions) => {
                let Stage { recency, witness, .. } = self.stage;
                let mut surroundings = Surroundings { recency, witness, lost, calls };
                pernode::evaluate(script, functions, scene, &self.candidates, &mut surroundings)
            }
        }
    }

    /// The candidate of lowest rank; equal ranks go to the one chosen longest ago, then to the first.
    fn choose(&self, policy: &dyn Policy) -> Verdict {
        let cluster = self.stage.cluster;
        let mut best: Option<(f64, u64, SlotIndex)> = None;
        for candidate in &self.candidates {
            let Some(node) = cluster.node(candidate.slot) else { continue };
            let rank = match (policy.rank(node, &self.ask.request, cluster), policy.absent()) {
                (Some(rank), _) => rank,
                (None, Absent::Last) => f64::INFINITY,
                (None, Absent::Pass) => continue,
            };
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
    fn conclude(&mut self, step: &Step, told: Told) -> Option<Decision> {
        let Told { answer, mut lost, calls, cost_us } = told;
        match answer {
            Ok(Verdict::Pass) => self.report(step, Said::Pass, LostNodes::default(), calls, cost_us, None),
            Ok(Verdict::Select(slot)) => return self.select(step, slot, lost, calls, cost_us),
            Ok(Verdict::Narrow(after)) => {
                if lost.total() == 0 && after.len() < self.candidates.len() {
                    note_lost(&self.candidates, &after, self.stage.cluster, &mut lost);
                }
                self.report(step, Said::Narrow(after.len() as u64), lost, calls, cost_us, None);
                self.candidates = after;
            }
            Err(failure) => {
                let position = failure.position.clone();
                self.report(step, Said::Failed(failure.name, failure.message.clone()), lost, calls, cost_us, position);
                match &step.spec.on_error {
                    OnError::Stop => return Some(self.fail(failure.at_step(&step.spec.name))),
                    OnError::Skip => {}
                    OnError::Fallback(_) => {
                        let chosen = step.fallback.as_deref().map_or(Verdict::Pass, |policy| self.choose(policy));
                        if let Verdict::Select(slot) = chosen {
                            return self.select(step, slot, LostNodes::default(), 0, 0);
                        }
                    }
                }
            }
        }
        None
    }

    fn select(&mut self, step: &Step, slot: SlotIndex, lost: LostNodes, calls: u64, cost_us: u64) -> Option<Decision> {
        let node = self.stage.cluster.node(slot)?;
        let id = Arc::clone(node.id());
        let against = reason_against(node, &self.chain.spec);
        match (against, self.chain.spec.on_unplaceable) {
            (None, _) | (Some(_), OnUnplaceable::Allow) => {
                self.report(step, Said::Select(Arc::clone(&id)), lost, calls, cost_us, None);
                Some(self.decide(Some(Arc::clone(&step.spec.name)), Outcome::Placed(id)))
            }
            (Some(reason), OnUnplaceable::Skip) => {
                self.report(step, Said::Unplaceable(id, reason), lost, calls, cost_us, None);
                None
            }
            (Some(reason), OnUnplaceable::Error) => {
                let message = format!("the step chose `{id}`, which is {}", reason.phrase());
                let failure = Failure::new(FailureName::UnplaceableNode, message).at_step(&step.spec.name);
                self.report(step, Said::Failed(failure.name, failure.message.clone()), lost, calls, cost_us, None);
                Some(self.fail(failure))
            }
        }
    }

    fn report(
        &mut self,
        step: &Step,
        said: Said,
        lost: LostNodes,
        calls: u64,
        cost_us: u64,
        position: Option<crate::model::Position>,
    ) {
        if let Some(reason) = lost.watched_reason() {
            self.diagnosis.asked_fate = Some(format!("step {} lost it: {}", step.spec.name, reason.phrase()));
        }
        let (step, candidates) = (Arc::clone(&step.spec.name), self.candidates.len() as u64);
        let log = self.log.take();
        self.diagnosis.steps.push(StepReport { step, said, candidates, calls, cost_us, lost, log, position });
    }

    fn suspend(self, step: usize) -> Suspended {
        let cluster = self.stage.cluster;
        Suspended {
            step,
            candidates: self
                .candidates
                .iter()
                .filter_map(|candidate| Held::from_candidate(candidate, cluster))
                .collect(),
            diagnosis: self.diagnosis,
            logged: self.log.written(),
        }
    }

    fn exhausted(&mut self) -> Decision {
        let message = no_node_message(&self.diagnosis, self.candidates.len());
        self.fail(Failure::new(FailureName::NoNode, message))
    }

    fn fail(&mut self, failure: Failure) -> Decision {
        self.decide(None, Outcome::Failed(failure))
    }

    fn decide(&mut self, decided_by: Option<Arc<str>>, outcome: Outcome) -> Decision {
        if let Some(about) = &self.ask.about {
            let fate = self.fate(about, decided_by.as_deref(), &outcome);
            self.diagnosis.asked_fate = Some(fate);
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

impl Evaluation<'_> {
    /// What became of the node that was asked about, in a sentence.
    fn fate(&self, about: &str, decided_by: Option<&str>, outcome: &Outcome) -> String {
        let by = decided_by.unwrap_or_default();
        let Some(node) = self.stage.cluster.get(about) else { return "it is not in the cluster".to_owned() };
        if let Some(reason) = self.diagnosis.excluded.watched_reason() {
            return format!("it could not take the request: {}", reason.phrase());
        }
        let chosen = match outcome {
            Outcome::Placed(chosen) if &**chosen == about => return format!("step {by} chose it"),
            Outcome::Placed(chosen) => Some(chosen),
            Outcome::Failed(_) => None,
        };
        if let Some(fate) = &self.diagnosis.asked_fate {
            return fate.clone();
        }
        let Some(chosen) = chosen else { return "it was a candidate to the end, and no step chose a node".to_owned() };
        let step = self.chain.steps.iter().find(|step| &*step.spec.name == by);
        let (Some(StepKind::Policy(policy)), Some(other)) =
            (step.map(|step| &step.kind), self.stage.cluster.get(chosen))
        else {
            return format!("it was a candidate, and step {by} chose {chosen}");
        };
        let rank = |node| policy.rank(node, &self.ask.request, self.stage.cluster);
        let words = |rank: Option<f64>| rank.map_or("none".to_owned(), |rank| rank.to_string());
        format!(
            "it was a candidate, and step {by} chose {chosen}: rank {} against {}",
            words(rank(other)),
            words(rank(node))
        )
    }
}

/// Says why no node was found, in the order in which an administrator would look.
fn no_node_message(diagnosis: &Diagnosis, candidates: usize) -> String {
    if diagnosis.nodes == 0 {
        return "the cluster has no nodes".to_owned();
    }
    let reasons = |lost: &LostNodes| -> String {
        let words: Vec<_> =
            lost.by_reason.iter().map(|(reason, lost)| format!("{} {}", lost.count, reason.as_str())).collect();
        words.join(", ")
    };
    if diagnosis.excluded.total() == diagnosis.nodes {
        return format!("no node can take the request: {}", reasons(&diagnosis.excluded));
    }
    if candidates == 0 {
        let last = diagnosis.steps.iter().rev().find(|step| step.lost.total() > 0);
        let by = last.map_or(String::new(), |step| format!(": step {} left none ({})", step.step, reasons(&step.lost)));
        return format!("no node is left{by}");
    }
    format!(
        "the chain ended with {candidates} candidates and no choice; end it with a built-in, e.g. builtin:fewest-sessions"
    )
}
