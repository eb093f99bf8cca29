//! An evaluator to try chains on, and words to say what happens to it.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use whither::chain::NoObserver;
use whither::chain::candidates::SuspendedCandidate;
use whither::chain::{
    Ask, ChainSet, ChainSpec, Mode, ProgramAnswer, ProgramSpec, Progress, Purpose, ShownCandidates, StepSource,
    StepSpec, Suspended,
};
use whither::clock::{Silent, Stopped, Stopwatch};
use whither::evaluator::{CompileError, Evaluator, EvaluatorHost, Question};
use whither::model::{
    Arrangement, Change, Decision, Failure, FailureName, Marks, Outcome, Report, Request, StepVerdict,
};
use whither::script::{ReturnedValue, ScriptError};

/// A Friday afternoon.
pub(crate) const NOW_MS: i64 = 1_795_195_800_000;

/// An evaluator and the number of the last question.
pub(crate) struct Stand {
    pub(crate) evaluator: Evaluator,
    asked: u64,
}

impl Stand {
    /// An evaluator of `chains` over `nodes`.
    pub(crate) fn new(chains: Vec<ChainSpec>, nodes: &[Value]) -> Self {
        Self::of(&ChainSet::new(chains), nodes)
    }

    /// The same with everything else that a set of chains says.
    pub(crate) fn of(set: &ChainSet, nodes: &[Value]) -> Self {
        let mut stand = Self { evaluator: evaluator(set).unwrap_or_else(|errors| panic!("{errors:?}")), asked: 0 };
        nodes.iter().for_each(|node| stand.report(node.clone()));
        stand
    }

    pub(crate) fn apply(&mut self, change: Change) {
        self.evaluator.apply(change);
    }

    pub(crate) fn report(&mut self, document: Value) {
        self.apply(report(document));
    }

    pub(crate) fn mark(&mut self, node: &str, marks: Marks) {
        self.apply(Change::Mark(node.into(), marks));
    }

    /// The question that `request` is, with a decision id of its own.
    pub(crate) fn question(&mut self, request: Value) -> Question {
        self.asked += 1;
        question(&format!("d{}", self.asked), self.asked, request)
    }

    /// Decides `request` to place.
    pub(crate) fn decide(&mut self, request: Value) -> Decision {
        let question = self.question(request);
        decided(self.evaluator.decide(&question))
    }

    /// Decides `request` to explain, about `node` where one is named.
    pub(crate) fn explain(&mut self, request: Value, node: Option<&str>) -> Decision {
        let mut question = self.question(request);
        (question.ask.purpose, question.ask.about) = (Purpose::Explain, node.map(Arc::from));
        decided(self.evaluator.decide(&question))
    }

    /// The node that a session goes to; the reason where there is none.
    pub(crate) fn place(&mut self) -> String {
        outcome(&self.decide(json!({})))
    }

    /// The same for a user.
    pub(crate) fn place_for(&mut self, login: &str) -> String {
        outcome(&self.decide(json!({"user": {"login": login}})))
    }

    /// The same for another action.
    pub(crate) fn place_as(&mut self, action: &str) -> String {
        outcome(&self.decide(json!({"action": action})))
    }

    /// Where the next `count` sessions go.
    pub(crate) fn places(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.place()).collect()
    }

    /// Decides `request` as far as its first program.
    #[track_caller]
    pub(crate) fn suspend(&mut self, request: Value) -> (Question, Suspended) {
        let question = self.question(request);
        let suspended = suspended(self.evaluator.decide(&question));
        (question, suspended)
    }

    /// Goes on with what the program said, to the end.
    #[track_caller]
    pub(crate) fn resume(
        &mut self,
        (question, suspended): (Question, Suspended),
        said: Result<ReturnedValue, ScriptError>,
    ) -> Decision {
        decided(self.go_on(&question, suspended, said))
    }

    /// The same, as far as the next program.
    pub(crate) fn go_on(
        &mut self,
        question: &Question,
        suspended: Suspended,
        said: Result<ReturnedValue, ScriptError>,
    ) -> Progress {
        let everybody = || self.evaluator.cluster().nodes().map(|(_, node)| node.id().to_string()).collect();
        let shown: Vec<String> = match &suspended.shown {
            ShownCandidates::Listed(held) => held.iter().map(|held| held.node.to_string()).collect(),
            ShownCandidates::Eligible => everybody(),
        };
        let heard = ProgramAnswer::only(said).seeing(|id| shown.iter().any(|other| other == id));
        self.evaluator.resume(question, suspended, Some(heard))
    }

    /// How many sessions of `node` are pending.
    pub(crate) fn pending(&self, node: &str) -> usize {
        self.evaluator.cluster().get(node).map_or(0, |node| node.pending().len())
    }
}

/// An evaluator that nobody watches.
pub(crate) fn evaluator(set: &ChainSet) -> Result<Evaluator, Vec<CompileError>> {
    evaluator_by(set, Box::new(Stopped))
}

/// An evaluator that nobody watches, with a clock.
pub(crate) fn evaluator_by(set: &ChainSet, stopwatch: Box<dyn Stopwatch>) -> Result<Evaluator, Vec<CompileError>> {
    let senses = EvaluatorHost { stopwatch, witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
    Evaluator::new(set, Arrangement::ById, senses, &mut |_step| {})
}

/// The question `request` under the id `decision`.
pub(crate) fn question(decision: &str, seed: u64, request: Value) -> Question {
    let request = Arc::new(Request::from_value(request, "").unwrap());
    let ask = Ask {
        request,
        purpose: Purpose::Place,
        about: None,
        anew: false,
        now_ms: NOW_MS,
        seed,
        sequence: seed,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
    };
    Question { decision: decision.into(), ask }
}

#[track_caller]
pub(crate) fn decided(progress: Progress) -> Decision {
    match progress {
        Progress::Decided(decision) => decision,
        Progress::Suspended(suspended) => panic!("{suspended:?}"),
    }
}

#[track_caller]
pub(crate) fn suspended(progress: Progress) -> Suspended {
    match progress {
        Progress::Suspended(suspended) => suspended,
        Progress::Decided(decision) => panic!("{decision:?}"),
    }
}

/// The candidates that a program is shown, where an earlier step listed them.
#[track_caller]
pub(crate) fn listed(suspended: &Suspended) -> &[SuspendedCandidate] {
    match &suspended.shown {
        ShownCandidates::Listed(held) => held,
        ShownCandidates::Eligible => panic!("nobody listed them"),
    }
}

/// A decision in a word: the node, or the failure's name.
pub(crate) fn outcome(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Placed(node) => node.to_string(),
        Outcome::Failed(failure) => failure.name.to_string(),
    }
}

/// Why a decision failed.
#[track_caller]
pub(crate) fn failure(decision: &Decision) -> &Failure {
    match &decision.outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Placed(node) => panic!("placed on {node}"),
    }
}

/// Checks that a decision failed as `name`, with these words.
#[track_caller]
pub(crate) fn failed(decision: &Decision, name: FailureName, words: &str) {
    let failure = failure(decision);
    assert_eq!(failure.name, name, "{failure}");
    assert!(failure.message.contains(words), "`{words}` is not in: {failure}");
}

/// What each step said, in order.
pub(crate) fn said(decision: &Decision) -> Vec<StepVerdict> {
    decision.diagnosis.steps.iter().map(|step| step.said.clone()).collect()
}

pub(crate) fn report(document: Value) -> Change {
    Change::Report(Arc::new(Report::from_value(document).unwrap()))
}

/// The chain of `session/start`.
pub(crate) fn start(steps: Vec<StepSpec>) -> ChainSpec {
    ChainSpec::new("session/start", steps)
}

/// The chain of `user/login`, which reserves nothing.
pub(crate) fn login(steps: Vec<StepSpec>) -> ChainSpec {
    ChainSpec::new("user/login", steps)
}

pub(crate) fn builtin(name: &str) -> StepSpec {
    StepSpec::new(&format!("builtin:{name}"), StepSource::Builtin(name.to_owned()))
}

/// A JavaScript step, which diagnoses call `name`.
pub(crate) fn js(name: &str, text: &str) -> StepSpec {
    StepSpec::new(name, StepSource::script("js", text))
}

/// A step at which the decision is suspended.
pub(crate) fn program(name: &str) -> StepSpec {
    let program =
        ProgramSpec { path: name.to_owned(), folder: "/".to_owned(), mode: Mode::Once, wall_ms: None, parallel: 1 };
    StepSpec::new(name, StepSource::Executable(program))
}

/// `count` nodes called n1, n2, … without sessions.
pub(crate) fn equal(count: usize) -> Vec<Value> {
    (1..=count).map(|number| node(&format!("n{number}"), 0)).collect()
}

/// A node with so many sessions of nobody in particular.
pub(crate) fn node(id: &str, sessions: usize) -> Value {
    let list: Vec<_> = (0..sessions).map(|number| json!({"id": format!("{id}-s{number}")})).collect();
    json!({"id": id, "nodeData": {"services": ["launcher"], "sessions": list}})
}

pub(crate) fn cordoned() -> Marks {
    Marks { cordoned: true, cooling_down: false }
}

pub(crate) fn cooling_down() -> Marks {
    Marks { cordoned: false, cooling_down: true }
}
