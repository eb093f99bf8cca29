//! The Evaluator: cluster changes and questions in, decisions out. Synchronous, deterministic, without I/O.
//!
//! The Evaluator is the heart of a worker, and the same type serves the command line, tests and benches in process.
//! Each decision that reserves is applied to the evaluator's own cluster at once, tentatively: the next question must
//! see the reservation, whether or not the front commits the decision.

mod compiler;
mod rehearsal;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::chain::evaluate::{self, EvaluationContext, Progress};
use crate::chain::{
    Ask, Chain, ChainSet, EligibilityIndex, LimitRecord, ProgramAnswer, Purpose, QuarantineList, Recency, StepKind,
    StepObserver, Store, Subject, Suspended,
};
use crate::clock::{self, Alarm, Moment, Stopwatch};
use crate::engine::Settings;
use crate::model::{
    Arrangement, Change, Cluster, Decision, Diagnosis, Failure, FailureName, Outcome, Reservation, SlotIndex,
};
use crate::script::{Coverage, LoadError, Script, ScriptLimits, TierLedger, TierReport};

use compiler::Compiler;
pub use rehearsal::Rehearsal;

/// A step that could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// The chain's action.
    pub action: Arc<str>,
    /// The name of the step.
    pub step: Arc<str>,
    /// The fault in the step.
    pub error: LoadError,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.position {
            Some(_) => write!(f, "{}", self.error),
            None => write!(f, "{}: {}", self.step, self.error),
        }
    }
}

/// A question for the evaluator.
#[derive(Clone, Debug)]
pub struct Question {
    /// The id of the decision; the decision's reservation has the same id.
    pub decision: Arc<str>,
    /// The question for the chain.
    pub ask: Ask,
}

/// The stopwatch, observer and alarm that an evaluator uses.
pub struct EvaluatorHost {
    /// The stopwatch that measures the cost of steps.
    pub stopwatch: Box<dyn Stopwatch>,
    /// The observer that is notified of each step, node and call.
    pub witness: Box<dyn StepObserver>,
    /// The alarm that goes off when a script has used up the time allowed.
    pub alarm: Rc<dyn Alarm>,
}

/// A mirror of the cluster with compiled chains over the mirror.
pub struct Evaluator {
    cluster: Cluster,
    chains: BTreeMap<Arc<str>, ChainState>,
    quarantine: QuarantineList,
    limits: ScriptLimits,
    zone: TimeZone,
    host: EvaluatorHost,
    ledger: Rc<TierLedger>,
}

/// A chain with past choices, eligibility index and caches.
struct ChainState {
    chain: Chain,
    recency: Recency,
    eligibility: EligibilityIndex,
    store: Store,
}

impl ChainState {
    fn of(chain: Chain) -> Self {
        let store = Store::of(&chain);
        Self { chain, recency: Recency::default(), eligibility: EligibilityIndex::default(), store }
    }

    /// Records that the chain chose the node in `slot`.
    fn chose(&mut self, slot: SlotIndex) {
        self.recency.choose(slot);
        self.store.chosen(slot, &self.recency);
    }
}

impl Evaluator {
    /// Compiles `set` over an empty cluster; `loading` is called with each step before the compilation, so that a step
    /// that crashes the process during compilation can be named.
    ///
    /// # Errors
    /// All steps that do not compile.
    pub fn new(
        set: &ChainSet,
        arrangement: Arrangement,
        host: EvaluatorHost,
        loading: &mut dyn FnMut(&Arc<str>),
    ) -> Result<Self, Vec<CompileError>> {
        Self::covered(set, arrangement, host, loading, None)
    }

    /// Compiles `set` as [`Evaluator::new`] does, and counts into `coverage` what of the scripts runs.
    ///
    /// # Errors
    /// All steps that do not compile.
    pub fn covered(
        set: &ChainSet,
        arrangement: Arrangement,
        host: EvaluatorHost,
        loading: &mut dyn FnMut(&Arc<str>),
        coverage: Option<&Arc<Coverage>>,
    ) -> Result<Self, Vec<CompileError>> {
        let zone = clock::zone(&set.zone).unwrap_or(TimeZone::UTC);
        let settings = Settings { limits: set.limits, zone: zone.clone(), alarm: Rc::clone(&host.alarm) };
        let ledger = Rc::<TierLedger>::default();
        let mut compiler = Compiler::new(settings, coverage.cloned(), Rc::clone(&ledger));
        let mut chains = BTreeMap::new();
        for spec in &set.chains {
            let chain = compiler.chain(spec, loading);
            chains.insert(Arc::clone(&spec.action), ChainState::of(chain));
        }
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
        let quarantine = QuarantineList::default();
        let mut cluster = Cluster::new(arrangement);
        cluster.set_names(set.names);
        Ok(Self { cluster, chains, quarantine, limits: set.limits, zone, host, ledger })
    }

    /// Returns the probable mistakes in scripts that compile: a sentence each, with the place in the script's file.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.scripts().flat_map(|(_, script)| script.remarks()).map(ToString::to_string).collect()
    }

    /// Returns the tier that runs each function of a script, in languages that have more than one: a sentence each.
    #[must_use]
    pub fn tiers(&self) -> Vec<String> {
        let each = |(name, script): (&Arc<str>, &dyn Script)| {
            script.tiers().into_iter().map(|tier| format!("{name}: {tier}")).collect::<Vec<_>>()
        };
        self.scripts().flat_map(each).collect()
    }

    /// Returns the number of functions that are compiled, and still answer.
    #[must_use]
    pub fn compiled_functions(&self) -> usize {
        let tiers = self.scripts().flat_map(|(_, script)| script.tiers());
        tiers.filter(|tier| tier.interpreted.is_none()).count()
    }

    /// Returns what became of compiled functions since the last call, if anything did.
    #[must_use]
    pub fn tier_report(&self) -> Option<TierReport> {
        self.ledger.take()
    }

    /// Returns the scripts of all chains, with the names of their steps.
    fn scripts(&self) -> impl Iterator<Item = (&Arc<str>, &dyn Script)> {
        let steps = self.chains.values().flat_map(|state| &state.chain.steps);
        steps.filter_map(|step| match &step.kind {
            StepKind::Script(script) => Some((&step.spec.name, &**script)),
            StepKind::Policy(_) | StepKind::External => None,
        })
    }

    /// Returns the cluster as this evaluator sees the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Applies `change` to the cluster.
    pub fn apply(&mut self, change: Change) {
        if let Change::Remove(id) = &change
            && let Some(slot) = self.cluster.find(id)
        {
            self.chains.values_mut().for_each(|state| state.recency.forget(slot));
        }
        self.change(change);
    }

    fn change(&mut self, change: Change) {
        for id in self.cluster.apply(change) {
            for state in self.chains.values_mut() {
                state.eligibility.look(&state.chain.spec, &self.cluster, &id);
            }
        }
    }

    /// Records a choice that the chain of `action` made before this evaluator was created.
    pub fn recall(&mut self, action: &str, node: &str) {
        if let (Some(state), Some(slot)) = (self.chains.get_mut(action), self.cluster.find(node)) {
            state.chose(slot);
        }
    }

    /// Puts `subject` in quarantine, so that the script fails with `limited` without being run; with `None`, releases
    /// `subject`.
    pub fn quarantine(&mut self, subject: Subject, limited: Option<LimitRecord>) {
        if let Some(slot) = subject.node.as_ref().and_then(|node| self.cluster.find(node)) {
            self.chains.values_mut().for_each(|state| state.store.touch(slot));
        }
        match limited {
            Some(limited) => self.quarantine.confine(subject, limited),
            None => self.quarantine.release(&subject),
        }
    }

    /// Decides `question`, as far as that is possible without a program.
    pub fn decide(&mut self, question: &Question) -> Progress {
        let progress =
            self.evaluate(question, |chain, context, store| evaluate::begin(chain, &question.ask, context, store));
        self.settle(question, progress)
    }

    /// Resumes a suspended decision with the answer of the step's program; with `None`, asks that program again.
    pub fn resume(&mut self, question: &Question, suspended: Suspended, answer: Option<ProgramAnswer>) -> Progress {
        let ask = &question.ask;
        let progress = self.evaluate(question, |chain, context, store| match answer {
            Some(answer) => evaluate::resume(chain, ask, suspended, answer, context, store),
            None => evaluate::ask_again(chain, ask, suspended, context, store),
        });
        self.settle(question, progress)
    }

    /// Returns the chains for which nodes have to be looked at before a request can be answered, because the nodes
    /// changed or the evaluator is new; only chains with at least as many such nodes as `least` returns for the chain's
    /// action.
    pub fn behind(&mut self, least: impl Fn(&str) -> usize) -> Vec<Arc<str>> {
        let cluster = &self.cluster;
        let behind = |(action, state): (&Arc<str>, &mut ChainState)| {
            (state.store.due(cluster) >= least(action).max(1)).then(|| Arc::clone(action))
        };
        self.chains.iter_mut().filter_map(behind).collect()
    }

    /// Brings the caches of the chain of `action` up to date by at most `most` nodes, while the evaluator is idle.
    /// Returns the number of nodes that are left.
    pub fn refresh(&mut self, action: &str, most: usize) -> usize {
        let moment = Moment::at(0, &self.zone);
        self.with_chain(action, &moment, |chain, context, store| evaluate::refresh(chain, context, store, most))
            .unwrap_or_default()
    }

    fn evaluate(
        &mut self,
        question: &Question,
        evaluate: impl FnOnce(&Chain, EvaluationContext<'_>, &mut Store) -> Progress,
    ) -> Progress {
        let action = question.ask.request.action();
        let moment = Moment::at(question.ask.now_ms, &self.zone);
        let progress = self.with_chain(action, &moment, evaluate);
        progress.unwrap_or_else(|| Progress::Decided(self.unknown_action(action)))
    }

    /// Returns the result of `evaluate` for the chain of `action`, or `None` where there is no such chain.
    fn with_chain<T>(
        &mut self,
        action: &str,
        moment: &Moment,
        evaluate: impl FnOnce(&Chain, EvaluationContext<'_>, &mut Store) -> T,
    ) -> Option<T> {
        let ChainState { chain, recency, eligibility, store } = self.chains.get_mut(action)?;
        let context = EvaluationContext {
            cluster: &self.cluster,
            eligibility,
            limits: &self.limits,
            recency,
            quarantine: &self.quarantine,
            moment,
            stopwatch: &*self.host.stopwatch,
            observer: &*self.host.witness,
            alarm: &*self.host.alarm,
        };
        Some(evaluate(chain, context, store))
    }

    /// Makes a placement count for the questions after this question.
    fn settle(&mut self, question: &Question, mut progress: Progress) -> Progress {
        if let Progress::Decided(decision) = &mut progress
            && question.ask.is_explained()
        {
            self.tell_tiers(decision);
        }
        if let Progress::Decided(Decision { outcome: Outcome::Placed(node), .. }) = &progress
            && question.ask.purpose == Purpose::Place
            && let Some(state) = self.chains.get_mut(question.ask.request.action())
        {
            if let Some(slot) = self.cluster.find(node) {
                state.chose(slot);
            }
            if state.chain.spec.reserve {
                self.change(Change::Reserve(reservation(question, node)));
            }
        }
        progress
    }

    /// Adds to the report of each step the tier that runs each function of the step's script.
    fn tell_tiers(&self, decision: &mut Decision) {
        let Some(state) = self.chains.get(&decision.chain) else { return };
        for report in &mut decision.diagnosis.steps {
            let step = state.chain.steps.iter().find(|step| step.spec.name == report.step);
            if let Some(StepKind::Script(script)) = step.map(|step| &step.kind) {
                report.tiers = script.tiers().iter().map(ToString::to_string).collect();
            }
        }
    }

    fn unknown_action(&self, action: &Arc<str>) -> Decision {
        let known: Vec<_> = self.chains.keys().map(|known| &**known).collect();
        let message = format!("no chain is configured for the action `{action}`, there are: {}", known.join(", "));
        Decision {
            chain: Arc::clone(action),
            generation: self.cluster.generation(),
            decided_by: None,
            outcome: Outcome::Failed(Failure::new(FailureName::UnknownAction, message)),
            diagnosis: Diagnosis::default(),
        }
    }
}

/// Returns the reservation that placing `question` on `node` makes.
#[must_use]
pub fn reservation(question: &Question, node: &Arc<str>) -> Reservation {
    let request = &question.ask.request;
    Reservation {
        id: Arc::clone(&question.decision),
        node: Arc::clone(node),
        user: Arc::clone(request.login()),
        name: Arc::clone(request.session_name()),
    }
}
