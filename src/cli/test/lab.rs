//! A worker that answers one question after another over clusters that are set up for it: under the limits that scripts
//! have in the service, sealed, and replaced where a script ends it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::chain::{Purpose, Subject};
use crate::host;
use crate::ipc::Orders;
use crate::model::{Arrangement, Change, Decision, LimitKind, Outcome};
use crate::runner::ProgramSet;
use crate::suite::CoverageBook;
use crate::worker::blame::{BlameOutcome, judge};
use crate::worker::{
    BirthError, Overrun, PlacementQuestion, RunningStep, SuspendedStep, WaitingDecision, Worker, WorkerAudience,
    WorkerCommand, WorkerEvent, WorkerInit,
};

use super::super::chains::Chains;
use super::super::exit::{self, CommandExit};
use super::super::one_shot::{self, LazyRunner};

/// Words of a worker that may wait.
const WORDS_WAITING: usize = 16;
/// What comes on top of all limits before a worker counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Reading a node into a worker, at the very most.
const READING: Duration = Duration::from_micros(200);
/// Nodes up to which a worker is told to forget a cluster; past it a new worker is quicker.
const MAX_FORGOTTEN: usize = 2_000;
/// Nodes up to which each call is told before it is made, so that one which ends the process without a word is named.
const MAX_NARRATED: u64 = 2_000;
/// How much more time scripts get where they are counted: a counter costs as much as the statement behind it.
const COVERAGE_FACTOR: u32 = 10;

/// A worker with a cluster.
pub(super) struct TestWorker<'a> {
    birth: WorkerInit,
    programs: ProgramSet,
    base: &'a Path,
    book: &'a RefCell<CoverageBook>,
    worker: Option<StartedWorker>,
    /// What a new worker has to be told to know what this one does.
    known: Vec<WorkerCommand>,
    nodes: Vec<Arc<str>>,
    reservations: Vec<Arc<str>>,
    quarantined: Vec<Subject>,
    tickets: u64,
}

struct StartedWorker {
    worker: Worker,
    words: mpsc::Receiver<(u64, WorkerEvent)>,
}

enum AskOutcome {
    Decided(Box<Decision>),
    Waiting(WaitingDecision),
    Ended(Overrun),
}

impl<'a> TestWorker<'a> {
    /// A lab for `chains`, whose scripts lie below `base`; counts into `book` what of them runs, where `is_covered`.
    pub(super) fn new(chains: Chains, base: &'a Path, book: &'a RefCell<CoverageBook>, is_covered: bool) -> Self {
        let Chains { set, mut limits, environment, programs } = chains;
        let audience = if is_covered { WorkerAudience::Coverage } else { WorkerAudience::Person };
        if is_covered {
            limits.script_ms = limits.script_ms.saturating_mul(COVERAGE_FACTOR);
            limits.node_call_ms = limits.node_call_ms.saturating_mul(COVERAGE_FACTOR);
            limits.script_us_per_candidate = limits.script_us_per_candidate.saturating_mul(COVERAGE_FACTOR);
        }
        let birth = WorkerInit { set, arrangement: Arrangement::ById, limits, audience };
        let programs = ProgramSet::of(1, &birth.set, environment, programs);
        let (known, nodes, reservations, quarantined) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { birth, programs, base, book, worker: None, known, nodes, reservations, quarantined, tickets: 0 }
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

    /// Sets up the cluster of `reports`, in the place of the one before.
    pub(super) async fn stage(&mut self, reports: &[Change]) {
        let leaving = std::mem::take(&mut self.nodes);
        let (reserved, shunned) = (std::mem::take(&mut self.reservations), std::mem::take(&mut self.quarantined));
        if leaving.len() > MAX_FORGOTTEN {
            self.worker = None;
        }
        let mut orders = Orders::default();
        if self.worker.is_some() {
            reserved.into_iter().for_each(|id| orders.push(&WorkerCommand::Change(Change::Release(id))));
            leaving.into_iter().for_each(|id| orders.push(&WorkerCommand::Change(Change::Remove(id))));
            shunned.into_iter().for_each(|subject| orders.push(&WorkerCommand::Quarantine(subject, None)));
        }
        self.known = reports.iter().cloned().map(WorkerCommand::Change).collect();
        let id = |change: &Change| match change {
            Change::Report(report) => Some(Arc::clone(&report.id)),
            _ => None,
        };
        self.nodes = reports.iter().filter_map(id).collect();
        if let Some(hired) = &self.worker {
            self.known.iter().for_each(|order| orders.push(order));
            hired.worker.send_all(orders).await;
        }
    }

    /// Takes the node `id` away.
    pub(super) async fn remove(&mut self, id: &Arc<str>) {
        self.tell(WorkerCommand::Change(Change::Remove(Arc::clone(id)))).await;
    }

    async fn tell(&mut self, order: WorkerCommand) {
        if let Some(hired) = &self.worker {
            let mut orders = Orders::default();
            orders.push(&order);
            hired.worker.send_all(orders).await;
        }
        self.known.push(order);
    }

    /// Decides `question` over the cluster as it stands; a placement counts for the questions after it.
    ///
    /// # Errors
    /// A process that cannot be started. A script that fails or hangs is a decision.
    pub(super) async fn ask(&mut self, mut question: PlacementQuestion) -> Result<Decision, CommandExit> {
        self.tickets += 1;
        question.ticket = self.tickets;
        let nodes = self.nodes.len() as u64;
        question.narrated = nodes <= MAX_NARRATED;
        let chain = self.birth.set.get(&question.head.action).cloned();
        let limit = chain.as_ref().map(|chain| self.birth.limits.chain_wall(chain, nodes)).unwrap_or_default();
        let patience = limit + PATIENCE + READING * u32::try_from(nodes).unwrap_or(u32::MAX);
        let mut shunned = 0;
        let decision = loop {
            let overrun = match self.put(&question, patience).await? {
                AskOutcome::Decided(decision) => break *decision,
                AskOutcome::Waiting(waiting) => {
                    question.from = Some(self.run_program(&question, waiting).await?);
                    continue;
                }
                AskOutcome::Ended(overrun) => overrun,
            };
            self.worker = None;
            match judge(&mut question, shunned, chain.as_ref(), overrun) {
                BlameOutcome::Shun(subject, limited) => {
                    self.quarantined.push(subject.clone());
                    self.known.push(WorkerCommand::Quarantine(subject, Some(limited)));
                }
                BlameOutcome::Again => {}
                BlameOutcome::Fail(failure) => break one_shot::failed(&question, nodes, failure),
            }
            shunned += 1;
        };
        if let (Outcome::Placed(node), Purpose::Place) = (&decision.outcome, question.purpose) {
            self.known.push(WorkerCommand::Recall(Arc::clone(&question.head.action), Arc::clone(node)));
            if chain.is_some_and(|chain| chain.reserve) {
                let reservation = question.reservation(node);
                self.reservations.push(Arc::clone(&reservation.id));
                self.known.push(WorkerCommand::Change(Change::Reserve(reservation)));
            }
        }
        Ok(decision)
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
        let changes: Vec<_> = self.known.iter().filter_map(change).collect();
        let mut helper = LazyRunner { birth: &self.birth, programs: &self.programs, changes: &changes, runner: None };
        let standing = helper.run(question, waiting).await;
        if let Some((runner, _)) = helper.runner {
            runner.retire().await;
        }
        standing
    }

    /// The worker, started and told of the cluster where there is none.
    async fn hired(&mut self) -> Result<&mut StartedWorker, CommandExit> {
        let worker = match self.worker.take() {
            Some(hired) => hired,
            None => {
                let (words_in, words) = mpsc::channel(WORDS_WAITING);
                let started = Worker::start(&host::program(), &self.birth, 1, words_in).await;
                let worker = started.map_err(|error| match error {
                    BirthError::Refused(_) | BirthError::Died(Some(_), _) => CommandExit::new(exit::SCRIPT, error),
                    BirthError::Died(None, _) | BirthError::Io(_) => CommandExit::new(exit::OTHER, error),
                })?;
                let mut orders = Orders::default();
                self.known.iter().for_each(|order| orders.push(order));
                worker.send_all(orders).await;
                StartedWorker { worker, words }
            }
        };
        Ok(self.worker.insert(worker))
    }

    /// Puts `question` to the worker.
    async fn put(&mut self, question: &PlacementQuestion, patience: Duration) -> Result<AskOutcome, CommandExit> {
        let (base, book) = (self.base, self.book);
        let hired = self.hired().await?;
        let mut orders = Orders::default();
        orders.push(&WorkerCommand::Ask(Arc::new(question.clone())));
        hired.worker.send_all(orders).await;
        let mut running = RunningStep { ticket: question.ticket, step: None, node: None, pure: false };
        loop {
            let event = tokio::time::timeout(patience, hired.words.recv()).await;
            let name = running.step.as_deref().unwrap_or("a script");
            let (kind, message) = match event {
                Ok(Some((_, WorkerEvent::Running(now)))) => {
                    running = now;
                    continue;
                }
                Ok(Some((_, WorkerEvent::Reading | WorkerEvent::Tiers(..)))) => continue,
                Ok(Some((_, WorkerEvent::Covered(counts)))) => {
                    let mut book = book.borrow_mut();
                    counts.iter().for_each(|counts| book.add(&path_of(base, &counts.file), counts));
                    continue;
                }
                Ok(Some((_, WorkerEvent::Replies(replies)))) => match replies.into_iter().next() {
                    Some(reply) => return Ok(AskOutcome::Decided(Box::new(reply.decision))),
                    None => continue,
                },
                Ok(Some((_, WorkerEvent::Waiting(waiting)))) => return Ok(AskOutcome::Waiting(waiting)),
                Ok(Some((_, WorkerEvent::Overrun(overrun)))) => return Ok(AskOutcome::Ended(overrun)),
                Ok(Some((_, WorkerEvent::Exited(ended)))) => {
                    let why = "values that are nested too deeply are the usual reason";
                    (LimitKind::Crash, format!("{name} took its process down: it {ended}; {why}"))
                }
                Ok(None) => (LimitKind::Crash, "the worker process is gone".to_owned()),
                Err(_late) => {
                    hired.worker.kill();
                    (LimitKind::Time, format!("{name} gave no answer within {patience:?}"))
                }
            };
            return Ok(AskOutcome::Ended(Overrun { running, kind, message }));
        }
    }
}

/// The path of the script that a step names, from the folder of its tests.
pub(super) fn path_of(base: &Path, step: &str) -> String {
    base.join(step).components().collect::<std::path::PathBuf>().to_string_lossy().into_owned()
}
