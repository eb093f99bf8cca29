//! A worker that answers one question after another over clusters that are set up for it: under the limits that scripts
//! have in the service, sealed, and replaced where a script ends it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::chain::Purpose;
use crate::explain::CostlyLines;
use crate::model::{Arrangement, Change, Decision, LimitKind, Outcome};
use crate::runner::ProgramSet;
use crate::suite::CoverageBook;
use crate::token::TokenVerifier;
use crate::worker::blame::{BlameOutcome, judge};
use crate::worker::{PlacementQuestion, SuspendedStep, WaitingDecision, WorkerAudience, WorkerCommand, WorkerInit};

use super::super::chains::Chains;
use super::super::exit::CommandExit;
use super::super::hired_worker::{HiredWorker, WorkerAnswer};
use super::super::one_shot::{self, LazyRunner};
use super::super::token::TokenRules;
use super::cluster::TestCluster;

/// What comes on top of all limits before a worker counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Reading a node into a worker, at the very most.
const READING: Duration = Duration::from_micros(200);
/// Nodes up to which a worker is told to forget a cluster; past it a new worker is quicker.
const MAX_FORGOTTEN: usize = 2_000;
/// Nodes up to which each call is told before it is made, so that one which ends the process without a word is named.
const MAX_NARRATED: u64 = 2_000;
/// The most runs of one chain in which scripts that passed their time are counted: each takes as long as the limit.
const MAX_COUNTED_RUNS: u32 = 4;
/// How much more time scripts get where they are counted: a counter costs as much as the statement behind it.
const COVERAGE_FACTOR: u32 = 10;

/// A worker with a cluster.
pub(super) struct TestWorker<'a> {
    birth: WorkerInit,
    programs: ProgramSet,
    tokens: Option<Arc<TokenVerifier>>,
    base: &'a Path,
    book: &'a RefCell<CoverageBook>,
    worker: Option<HiredWorker>,
    /// The cluster that the case began with.
    staged: Rc<TestCluster>,
    /// What has happened to that cluster since: what a new worker has to be told besides.
    since: Vec<WorkerCommand>,
    tickets: u64,
    counted_runs: u32,
}

impl<'a> TestWorker<'a> {
    /// A lab for `chains`, whose scripts lie below `base`; counts into `book` what of them runs, where `is_covered`.
    pub(super) fn new(chains: Chains, base: &'a Path, book: &'a RefCell<CoverageBook>, is_covered: bool) -> Self {
        let Chains { set, mut limits, environment, programs, tokens } = chains;
        let audience = if is_covered { WorkerAudience::Coverage } else { WorkerAudience::Person };
        if is_covered {
            limits.script_ms = limits.script_ms.saturating_mul(COVERAGE_FACTOR);
            limits.node_call_ms = limits.node_call_ms.saturating_mul(COVERAGE_FACTOR);
            limits.script_us_per_candidate = limits.script_us_per_candidate.saturating_mul(COVERAGE_FACTOR);
        }
        let birth = WorkerInit { set, arrangement: Arrangement::ById, limits, audience };
        let programs = ProgramSet::of(1, &birth.set, environment, programs);
        let (staged, since) = (Rc::default(), Vec::new());
        Self { birth, programs, tokens, base, book, worker: None, staged, since, tickets: 0, counted_runs: 0 }
    }

    /// Compiles the scripts.
    ///
    /// # Errors
    /// What does not compile.
    pub(super) async fn start(&mut self) -> Result<(), CommandExit> {
        self.hired().await.map(|_worker| ())
    }

    /// The size of requests that the chains accept.
    pub(super) fn request_bytes(&self) -> usize {
        self.birth.limits.request_bytes
    }

    /// What decides about the tokens of requests.
    pub(super) fn token_rules(&self) -> TokenRules<'_> {
        TokenRules { tokens: self.tokens.as_deref(), set: &self.birth.set }
    }

    /// Sets up `cluster` in the place of the one before. Of the same cluster the worker is told only what takes back that
    /// which the case before did: a hundred thousand nodes are sent once, and not for each case.
    pub(super) async fn stage(&mut self, cluster: &Rc<TestCluster>) {
        let before = std::mem::replace(&mut self.staged, Rc::clone(cluster));
        let since = std::mem::take(&mut self.since);
        let is_same = Rc::ptr_eq(&before, cluster);
        let orders = match is_same {
            true => taken_back(&since, cluster),
            false if before.len() > MAX_FORGOTTEN => None,
            false => Some(forgotten(&since, &before).chain(cluster.commands()).collect::<Vec<_>>()),
        };
        match (&mut self.worker, orders) {
            (Some(hired), Some(orders)) => hired.send(orders).await,
            (_, None) => self.worker = None,
            (None, Some(_)) => {}
        }
    }

    /// What a new worker has to be told to know what this one does.
    fn known(&self) -> Vec<WorkerCommand> {
        self.staged.commands().chain(self.since.iter().cloned()).collect()
    }

    /// Takes the node `id` away.
    pub(super) async fn remove(&mut self, id: &Arc<str>) {
        self.tell(WorkerCommand::Change(Change::Remove(Arc::clone(id)))).await;
    }

    async fn tell(&mut self, order: WorkerCommand) {
        if let Some(hired) = &mut self.worker {
            hired.send([order.clone()]).await;
        }
        self.since.push(order);
    }

    /// Decides `question` over the cluster as it stands; a placement counts for the questions after it.
    ///
    /// # Errors
    /// A process that cannot be started. A script that fails or hangs is a decision.
    pub(super) async fn ask(&mut self, mut question: PlacementQuestion) -> Result<Decision, CommandExit> {
        self.tickets += 1;
        question.ticket = self.tickets;
        let nodes = self.staged.len() as u64;
        question.narrated = nodes <= MAX_NARRATED;
        let chain = self.birth.set.get(&question.head.action).cloned();
        let limit = chain.as_ref().map(|chain| self.birth.limits.chain_wall(chain, nodes)).unwrap_or_default();
        let patience = limit + PATIENCE + READING * u32::try_from(nodes).unwrap_or(u32::MAX);
        let (mut shunned, mut costly) = (0, None);
        let decision = loop {
            let mut overrun = match self.put(&question, patience).await? {
                WorkerAnswer::Decided(mut decision) => {
                    if let Outcome::Failed(failure) = &mut decision.outcome
                        && let (Some(LimitKind::Time), Some(step)) = (failure.limit, failure.step.clone())
                    {
                        if costly.is_none() {
                            costly = self.costly_lines(&question, patience, &step).await;
                            failure.message = one_shot::with_costly(&failure.message, costly.as_ref());
                        }
                        one_shot::place_costly(failure, costly.as_ref());
                    }
                    break *decision;
                }
                WorkerAnswer::Waiting(waiting) => {
                    question.from = Some(self.run_program(&question, waiting).await?);
                    continue;
                }
                WorkerAnswer::Ended(overrun) => overrun,
            };
            self.worker = None;
            if let (LimitKind::Time, Some(step), None) = (overrun.kind, &overrun.running.step, &costly) {
                costly = self.costly_lines(&question, patience, step).await;
                overrun.message = one_shot::with_costly(&overrun.message, costly.as_ref());
            }
            match judge(&mut question, shunned, chain.as_ref(), overrun) {
                BlameOutcome::Shun(subject, limited) => {
                    self.since.push(WorkerCommand::Quarantine(subject, Some(limited)));
                }
                BlameOutcome::Again => {}
                BlameOutcome::Fail(mut failure) => {
                    one_shot::place_costly(&mut failure, costly.as_ref());
                    break one_shot::failed(&question, nodes, failure);
                }
            }
            shunned += 1;
        };
        if let (Outcome::Placed(node), Purpose::Place) = (&decision.outcome, question.purpose) {
            self.since.push(WorkerCommand::Recall(Arc::clone(&question.head.action), Arc::clone(node)));
            if chain.is_some_and(|chain| chain.reserve) {
                self.since.push(WorkerCommand::Change(Change::Reserve(question.reservation(node))));
            }
        }
        Ok(decision)
    }

    /// The lines on which the time of the script of `step` goes for `question`, as long as few were counted so far.
    async fn costly_lines(
        &mut self,
        question: &PlacementQuestion,
        patience: Duration,
        step: &Arc<str>,
    ) -> Option<CostlyLines> {
        if self.counted_runs >= MAX_COUNTED_RUNS {
            return None;
        }
        self.counted_runs += 1;
        one_shot::costly_lines(&self.birth, &self.known(), question, patience, step).await
    }

    /// Asks the program that `waiting` waits for. The runner lives for one program: its mirror is then the cluster as it
    /// stands, whatever was reserved meanwhile.
    async fn run_program(
        &self,
        question: &PlacementQuestion,
        waiting: WaitingDecision,
    ) -> Result<SuspendedStep, CommandExit> {
        let change = |order: &WorkerCommand| match order {
            WorkerCommand::Change(change) => Some(change.clone()),
            _ => None,
        };
        let changes: Vec<_> = self.known().iter().filter_map(change).collect();
        let mut helper = LazyRunner { birth: &self.birth, programs: &self.programs, changes: &changes, runner: None };
        let standing = helper.run(question, waiting).await;
        if let Some((runner, _)) = helper.runner {
            runner.retire().await;
        }
        standing
    }

    /// The worker, started and told of the cluster where there is none.
    async fn hired(&mut self) -> Result<&mut HiredWorker, CommandExit> {
        let worker = match self.worker.take() {
            Some(hired) => hired,
            None => HiredWorker::start(&self.birth, self.known()).await?,
        };
        Ok(self.worker.insert(worker))
    }

    /// Puts `question` to the worker.
    async fn put(&mut self, question: &PlacementQuestion, patience: Duration) -> Result<WorkerAnswer, CommandExit> {
        let (base, book) = (self.base, self.book);
        let mut counted = Vec::new();
        let answer = self.hired().await?.ask(question, patience, &mut counted).await;
        let mut book = book.borrow_mut();
        counted.iter().for_each(|counts| book.add(&path_of(base, &counts.file), counts));
        Ok(answer)
    }
}

/// The commands that undo `since`, which happened to `cluster`; `None` where a new worker is quicker.
fn taken_back(since: &[WorkerCommand], cluster: &TestCluster) -> Option<Vec<WorkerCommand>> {
    let mut orders: Vec<_> = ended(since).collect();
    // A node that was chosen is told anew: a chain remembers which nodes it chose.
    let touched: BTreeSet<&Arc<str>> = since.iter().filter_map(touched).collect();
    if touched.len() > MAX_FORGOTTEN {
        return None;
    }
    orders.extend(touched.iter().map(|id| WorkerCommand::Change(Change::Remove(Arc::clone(id)))));
    let told = touched.iter().filter_map(|id| cluster.nodes.get(id));
    orders.extend(told.cloned().map(|report| WorkerCommand::Change(Change::Report(report))));
    Some(orders)
}

/// The commands that make a worker forget `cluster`, to which `since` happened.
fn forgotten<'c>(since: &'c [WorkerCommand], cluster: &'c TestCluster) -> impl Iterator<Item = WorkerCommand> + 'c {
    let leaving = cluster.nodes.reports().iter().map(|report| Arc::clone(&report.id));
    ended(since).chain(leaving.map(|id| WorkerCommand::Change(Change::Remove(id))))
}

/// The commands that end the reservations and quarantines of `since`.
fn ended(since: &[WorkerCommand]) -> impl Iterator<Item = WorkerCommand> {
    since.iter().filter_map(|order| match order {
        WorkerCommand::Change(Change::Reserve(held)) => {
            Some(WorkerCommand::Change(Change::Release(Arc::clone(&held.id))))
        }
        WorkerCommand::Quarantine(subject, Some(_)) => Some(WorkerCommand::Quarantine(subject.clone(), None)),
        _ => None,
    })
}

/// The node that `order` took away or that a chain chose.
fn touched(order: &WorkerCommand) -> Option<&Arc<str>> {
    match order {
        WorkerCommand::Change(Change::Remove(id)) | WorkerCommand::Recall(_, id) => Some(id),
        _ => None,
    }
}

/// The path of the script that a step names, from the folder of its tests.
pub(super) fn path_of(base: &Path, step: &str) -> String {
    base.join(step).components().collect::<std::path::PathBuf>().to_string_lossy().into_owned()
}
