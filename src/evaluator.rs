//! The Evaluator: cluster changes and questions in, decisions out. Synchronous, deterministic, without I/O.
//!
//! It is the heart of a worker, and the same type serves the command line, tests and benches in process. Each decision
//! that reserves is applied to its own cluster at once, tentatively: the next question must see it, whoever commits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::chain::evaluate::{self, Progress, Stage};
use crate::chain::{
    Ask, Chain, ChainSet, ChainSpec, Heard, Limited, OnFailure, Purpose, Quarantine, Recency, Roll, Step, StepKind,
    StepSource, StepSpec, Store, Subject, Suspended, Witness,
};
use crate::clock::{self, Alarm, Moment, Stopwatch};
use crate::engine::builtin::Builtin;
use crate::engine::{LANGUAGES, Settings};
use crate::model::{
    Arrangement, Change, Cluster, Decision, Diagnosis, Failure, FailureName, Outcome, Reservation, SlotIndex,
};
use crate::script::{Coverage, Engine, LoadError, Policy, ScriptLimits, Source};

/// A step that could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// The chain's action.
    pub action: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// What is wrong with it.
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
    /// The decision's id; its reservation, where it makes one, has the same.
    pub decision: Arc<str>,
    /// What is asked.
    pub ask: Ask,
}

/// What the evaluator uses of its surroundings.
pub struct Senses {
    /// Measures what steps cost.
    pub stopwatch: Box<dyn Stopwatch>,
    /// Is told what runs.
    pub witness: Box<dyn Witness>,
    /// Rings when a script has used up its time.
    pub alarm: Rc<dyn Alarm>,
}

/// A mirror of the cluster with compiled chains over it.
pub struct Evaluator {
    cluster: Cluster,
    chains: BTreeMap<Arc<str>, Seat>,
    quarantine: Quarantine,
    limits: ScriptLimits,
    zone: TimeZone,
    senses: Senses,
}

/// A chain and what it remembers.
struct Seat {
    chain: Chain,
    recency: Recency,
    roll: Roll,
    store: RefCell<Store>,
}

impl Seat {
    fn of(chain: Chain) -> Self {
        let store = RefCell::new(Store::of(&chain));
        Self { chain, recency: Recency::default(), roll: Roll::default(), store }
    }

    /// Notes that the chain chose the node in `slot`.
    fn chose(&mut self, slot: SlotIndex) {
        self.recency.choose(slot);
        self.store.get_mut().chosen(slot, &self.recency);
    }
}

impl Evaluator {
    /// Compiles `set` over an empty cluster; `loading` is told each step before it is compiled, so that a compiler
    /// that takes the process down can be named.
    ///
    /// # Errors
    /// Every step that does not compile.
    pub fn new(
        set: &ChainSet,
        arrangement: Arrangement,
        senses: Senses,
        loading: &mut dyn FnMut(&Arc<str>),
    ) -> Result<Self, Vec<CompileError>> {
        Self::covered(set, arrangement, senses, loading, None)
    }

    /// Compiles `set` as [`Evaluator::new`] does, and counts into `coverage` what of the scripts runs.
    ///
    /// # Errors
    /// Every step that does not compile.
    pub fn covered(
        set: &ChainSet,
        arrangement: Arrangement,
        senses: Senses,
        loading: &mut dyn FnMut(&Arc<str>),
        coverage: Option<&Rc<Coverage>>,
    ) -> Result<Self, Vec<CompileError>> {
        let zone = clock::zone(&set.zone).unwrap_or(TimeZone::UTC);
        let settings = Settings { limits: set.limits, zone: zone.clone(), alarm: Rc::clone(&senses.alarm) };
        let coverage = coverage.cloned();
        let mut compiler = Compiler { settings, engines: BTreeMap::new(), errors: Vec::new(), coverage };
        let mut chains = BTreeMap::new();
        for spec in &set.chains {
            let chain = compiler.chain(spec, loading);
            chains.insert(Arc::clone(&spec.action), Seat::of(chain));
        }
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
        let quarantine = Quarantine::default();
        let mut cluster = Cluster::new(arrangement);
        cluster.set_names(set.names);
        Ok(Self { cluster, chains, quarantine, limits: set.limits, zone, senses })
    }

    /// What is probably a mistake in a script though it compiles: a sentence each, with the place in its file.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let steps = self.chains.values().flat_map(|seat| &seat.chain.steps);
        let scripts = steps.filter_map(|step| match &step.kind {
            StepKind::Script(script) => Some(script),
            StepKind::Policy(_) | StepKind::External => None,
        });
        scripts.flat_map(|script| script.remarks()).map(ToString::to_string).collect()
    }

    /// The cluster as this evaluator sees it.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Lets `change` happen.
    pub fn apply(&mut self, change: Change) {
        if let Change::Remove(id) = &change
            && let Some(slot) = self.cluster.find(id)
        {
            self.chains.values_mut().for_each(|seat| seat.recency.forget(slot));
        }
        self.change(change);
    }

    fn change(&mut self, change: Change) {
        for id in self.cluster.apply(change) {
            for seat in self.chains.values_mut() {
                seat.roll.look(&seat.chain.spec, &self.cluster, &id);
            }
        }
    }

    /// Notes a choice that the chain of `action` made before this evaluator was born.
    pub fn recall(&mut self, action: &str, node: &str) {
        if let (Some(seat), Some(slot)) = (self.chains.get_mut(action), self.cluster.find(node)) {
            seat.chose(slot);
        }
    }

    /// Does not run `subject` any more and lets it fail with `limited`; or runs it again, where there is none.
    pub fn quarantine(&mut self, subject: Subject, limited: Option<Limited>) {
        if let Some(slot) = subject.node.as_ref().and_then(|node| self.cluster.find(node)) {
            self.chains.values_mut().for_each(|seat| seat.store.get_mut().touch(slot));
        }
        match limited {
            Some(limited) => self.quarantine.confine(subject, limited),
            None => self.quarantine.release(&subject),
        }
    }

    /// Decides `question`, as far as that is possible here.
    pub fn decide(&mut self, question: &Question) -> Progress {
        let progress = self.with_stage(question, |chain, stage| evaluate::begin(chain, &question.ask, stage));
        self.settle(question, progress)
    }

    /// Goes on with a decision that was suspended, with what was heard from the program at its step; or asks that program
    /// again, where nothing is given that was heard.
    pub fn resume(&mut self, question: &Question, suspended: Suspended, heard: Option<Heard>) -> Progress {
        let ask = &question.ask;
        let progress = self.with_stage(question, |chain, stage| match heard {
            Some(heard) => evaluate::resume(chain, ask, suspended, heard, stage),
            None => evaluate::ask_again(chain, ask, suspended, stage),
        });
        self.settle(question, progress)
    }

    /// The chains for which nodes have to be looked at before a request can be answered, because they changed or the
    /// evaluator is new; at least so many as `least` says for the chain's action.
    pub fn behind(&mut self, least: impl Fn(&str) -> usize) -> Vec<Arc<str>> {
        let cluster = &self.cluster;
        let behind = |(action, seat): (&Arc<str>, &mut Seat)| {
            (seat.store.get_mut().due(cluster) >= least(action).max(1)).then(|| Arc::clone(action))
        };
        self.chains.iter_mut().filter_map(behind).collect()
    }

    /// Brings what is kept for the chain of `action` up to date by at most `most` nodes, while nobody asks. Returns how many
    /// nodes are left.
    pub fn refresh(&mut self, action: &str, most: usize) -> usize {
        let Some(seat) = self.chains.get(action) else { return 0 };
        let moment = Moment::at(0, &self.zone);
        evaluate::refresh(&seat.chain, self.stage(seat, &moment), most)
    }

    fn with_stage(&self, question: &Question, evaluate: impl FnOnce(&Chain, Stage<'_>) -> Progress) -> Progress {
        let action = question.ask.request.action();
        let Some(seat) = self.chains.get(action) else { return Progress::Decided(self.unknown_action(action)) };
        let moment = Moment::at(question.ask.now_ms, &self.zone);
        evaluate(&seat.chain, self.stage(seat, &moment))
    }

    fn stage<'a>(&'a self, seat: &'a Seat, moment: &'a Moment) -> Stage<'a> {
        Stage {
            cluster: &self.cluster,
            roll: &seat.roll,
            limits: &self.limits,
            recency: &seat.recency,
            store: &seat.store,
            quarantine: &self.quarantine,
            moment,
            stopwatch: &*self.senses.stopwatch,
            witness: &*self.senses.witness,
            alarm: &*self.senses.alarm,
        }
    }

    /// Makes a placement count for the questions after it.
    fn settle(&mut self, question: &Question, progress: Progress) -> Progress {
        if let Progress::Decided(Decision { outcome: Outcome::Placed(node), .. }) = &progress
            && question.ask.purpose == Purpose::Place
            && let Some(seat) = self.chains.get_mut(question.ask.request.action())
        {
            if let Some(slot) = self.cluster.find(node) {
                seat.chose(slot);
            }
            if seat.chain.spec.reserve {
                self.change(Change::Reserve(reservation(question, node)));
            }
        }
        progress
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

/// The reservation that placing `question` on `node` makes.
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

struct Compiler {
    settings: Settings,
    /// One engine for each language that is used: their start costs milliseconds.
    engines: BTreeMap<&'static str, Box<dyn Engine>>,
    errors: Vec<CompileError>,
    coverage: Option<Rc<Coverage>>,
}

impl Compiler {
    fn chain(&mut self, spec: &ChainSpec, loading: &mut dyn FnMut(&Arc<str>)) -> Chain {
        let mut steps = Vec::with_capacity(spec.steps.len());
        for step in &spec.steps {
            loading(&step.name);
            match self.step(step) {
                Ok(step) => steps.push(step),
                Err(error) => {
                    let (action, step) = (Arc::clone(&spec.action), Arc::clone(&step.name));
                    self.errors.push(CompileError { action, step, error });
                }
            }
        }
        Chain { spec: Arc::new(spec.clone()), steps }
    }

    fn step(&mut self, spec: &StepSpec) -> Result<Step, LoadError> {
        let builtin = |name: &str| -> Result<Box<dyn Policy>, LoadError> {
            Builtin::parse(name).map(|builtin| -> Box<dyn Policy> { Box::new(builtin) }).map_err(LoadError::new)
        };
        let kind = match &spec.source {
            StepSource::Builtin(name) => StepKind::Policy(builtin(name)?),
            StepSource::Executable(_) => StepKind::External,
            StepSource::Script { extension, content, isolation } => {
                let (file, content) = (Arc::clone(&spec.name), content.clone());
                let source = Source { file, content, isolation: *isolation };
                StepKind::Script(self.engine(extension)?.load(&source)?)
            }
        };
        let fallback = |policy: &OnFailure| match policy {
            OnFailure::Fallback(name) => builtin(name).map(Some),
            OnFailure::Stop | OnFailure::Skip => Ok(None),
        };
        let (error_fallback, limit_fallback) = (fallback(&spec.on_error)?, fallback(&spec.on_limit)?);
        Ok(Step { spec: spec.clone(), kind, error_fallback, limit_fallback })
    }

    fn engine(&mut self, extension: &str) -> Result<&dyn Engine, LoadError> {
        let Some(language) = LANGUAGES.iter().find(|language| language.extension == extension) else {
            let known: Vec<_> = LANGUAGES.iter().map(|language| format!(".{}", language.extension)).collect();
            return Err(LoadError::new(format!(
                "no language has the extension `.{extension}`, there are: {}",
                known.join(", ")
            )));
        };
        let (settings, coverage) = (&self.settings, &self.coverage);
        Ok(&**self.engines.entry(language.extension).or_insert_with(|| {
            let engine = (language.engine)(settings);
            coverage.iter().for_each(|coverage| engine.cover(coverage));
            engine
        }))
    }
}
