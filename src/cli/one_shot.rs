//! One decision without a service: a worker process of its own, the nodes, one question, the answer.
//!
//! A process and not a call, for the reason that the service has: a script that hangs or bombs must end as exit code 5
//! and not as a dead terminal. What a step passes a limit on follows the same policy as in the service. Where the chain
//! comes to an executable, a runner is started too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::{Change, Decision, Diagnosis, Failure, LimitKind, Outcome};
use crate::plain::Plain;
use crate::runner::{self, Edition, Errand, Runner, RunnerEvent, process};
use crate::worker::blame::{Sentence, judge};
use crate::worker::{
    Birth, BirthError, Order, Orders, Overrun, Question, Running, Standing, Waiting, Worker, WorkerEvent,
};

use super::exit::{self, Exit};
use super::say;

/// Words of a worker or a runner that may wait.
const WORDS_WAITING: usize = 16;
/// What comes on top of all limits before a process counts as lost: starting it, and reading a large node list into it.
const PATIENCE: Duration = Duration::from_secs(10);
const READING: Duration = Duration::from_micros(200);

/// Decides `question` over the cluster that `changes` make; `programs` are those of the chains.
///
/// # Errors
/// A script that does not compile, or a process that cannot be started. A script that fails while it runs is a
/// decision.
pub fn decide(birth: &Birth, programs: &Edition, changes: Vec<Change>, question: Question) -> Result<Decision, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Exit::new(exit::OTHER, error))?;
    runtime.block_on(async {
        let mut helper = Helper { birth, programs, changes: &changes, runner: None };
        let decision = ask(birth, &mut helper, question).await;
        if let Some((runner, _)) = helper.runner {
            runner.retire().await;
        }
        decision
    })
}

/// The binary that workers are started from: this one, also where the file was replaced meanwhile.
#[must_use]
pub fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

async fn ask(birth: &Birth, helper: &mut Helper<'_>, mut question: Question) -> Result<Decision, Exit> {
    let nodes = helper.changes.len() as u64;
    let mut known: Vec<_> = helper.changes.iter().cloned().map(Order::Change).collect();
    let chain = birth.set.get(&question.head.action).cloned();
    let limit = chain.as_ref().map(|chain| birth.limits.chain_wall(chain, nodes)).unwrap_or_default();
    let patience = limit + PATIENCE + READING * u32::try_from(nodes).unwrap_or(u32::MAX);
    let (mut shunned, mut worker) = (0, None);
    loop {
        let asked = match worker.take() {
            Some(worker) => worker,
            None => Hired::start(birth, &known).await?,
        };
        let overrun = match asked.ask(&question, patience).await {
            Came::Decided(decision) => return Ok(decision),
            Came::Waiting(waiting, hired) => {
                let standing = helper.run(&question, waiting).await?;
                question.from = Some(standing);
                worker = Some(hired);
                continue;
            }
            Came::Ended(overrun) => overrun,
        };
        match judge(&mut question, shunned, chain.as_ref(), overrun) {
            Sentence::Shun(subject, limited) => known.push(Order::Quarantine(subject, Some(limited))),
            Sentence::Again => {}
            Sentence::Fail(failure) => return Ok(failed(&question, nodes, failure)),
        }
        shunned += 1;
    }
}

/// A worker that knows the nodes.
struct Hired {
    worker: Worker,
    words: mpsc::Receiver<(u64, WorkerEvent)>,
}

/// What a question to a worker came to.
enum Came {
    Decided(Decision),
    Waiting(Waiting, Hired),
    Ended(Overrun),
}

impl Hired {
    async fn start(birth: &Birth, known: &[Order]) -> Result<Self, Exit> {
        let (words_in, words) = mpsc::channel(WORDS_WAITING);
        let worker = Worker::start(&program(), birth, 1, words_in).await.map_err(|error| match error {
            BirthError::Refused(_) | BirthError::Died(Some(_), _) => Exit::new(exit::SCRIPT, error),
            BirthError::Died(None, _) | BirthError::Io(_) => Exit::new(exit::OTHER, error),
        })?;
        worker.remarks().iter().for_each(|remark| say::aside(format_args!("warning: {remark}")));
        let mut orders = Orders::default();
        known.iter().for_each(|order| orders.push(order));
        worker.send_all(orders).await;
        Ok(Self { worker, words })
    }

    async fn ask(mut self, question: &Question, patience: Duration) -> Came {
        let mut orders = Orders::default();
        orders.push(&Order::Ask(Arc::new(question.clone())));
        self.worker.send_all(orders).await;
        let mut running = Running { ticket: question.ticket, step: None, node: None, pure: false };
        loop {
            let event = tokio::time::timeout(patience, self.words.recv()).await;
            let name = running.step.as_deref().unwrap_or("a script");
            let (kind, message) = match event {
                Ok(Some((_, WorkerEvent::Running(now)))) => {
                    running = now;
                    continue;
                }
                Ok(Some((_, WorkerEvent::Reading | WorkerEvent::Covered(_)))) => continue,
                Ok(Some((_, WorkerEvent::Replies(replies)))) => match replies.into_iter().next() {
                    Some(reply) => return Came::Decided(reply.decision),
                    None => continue,
                },
                Ok(Some((_, WorkerEvent::Waiting(waiting)))) => return Came::Waiting(waiting, self),
                Ok(Some((_, WorkerEvent::Overrun(overrun)))) => return Came::Ended(overrun),
                Ok(Some((_, WorkerEvent::Exited(ended)))) => {
                    let why = "values that are nested too deeply are the usual reason";
                    (LimitKind::Crash, format!("{name} took its process down: it {ended}; {why}"))
                }
                Ok(None) => (LimitKind::Crash, "the worker process is gone".to_owned()),
                Err(_late) => (LimitKind::Time, format!("{name} gave no answer within {patience:?}")),
            };
            return Came::Ended(Overrun { running, kind, message });
        }
    }
}

/// The runner, started when it is needed.
pub(super) struct Helper<'a> {
    pub(super) birth: &'a Birth,
    pub(super) programs: &'a Edition,
    pub(super) changes: &'a [Change],
    pub(super) runner: Option<(Runner, mpsc::Receiver<(u64, RunnerEvent)>)>,
}

impl Helper<'_> {
    /// Asks the program that `waiting` waits for.
    pub(super) async fn run(&mut self, question: &Question, waiting: Waiting) -> Result<Standing, Exit> {
        let Waiting { step, suspended, .. } = waiting;
        let errand = Errand {
            edition: self.programs.number,
            step,
            question: Arc::new(Question { from: None, ..question.clone() }),
            suspended: suspended.clone(),
        };
        let (runner, words) = match &mut self.runner {
            Some(running) => running,
            none => none.insert(start(self.birth, self.programs, self.changes).await?),
        };
        let mut orders = Orders::default();
        orders.push(&runner::Order::Run(errand));
        runner.peer_mut().send_all(orders).await;
        loop {
            match words.recv().await {
                Some((_, RunnerEvent::Heard(_, heard))) => {
                    return Ok(Standing { step, suspended, heard: Some(heard) });
                }
                Some((_, RunnerEvent::Logged(step, line))) => say::aside(format_args!("{step}: {}", Plain(line))),
                Some((_, RunnerEvent::Ended(step, how))) => say::aside(format_args!("{step}: {}", Plain(how))),
                Some((_, RunnerEvent::Asking(_) | RunnerEvent::Late(_))) => {}
                Some((_, RunnerEvent::Exited(ended))) => {
                    process::bury(runner.pid()).await;
                    return Err(Exit::new(exit::OTHER, format!("the runner {ended} while a program ran")));
                }
                None => return Err(Exit::new(exit::OTHER, "the runner is gone")),
            }
        }
    }
}

async fn start(
    birth: &Birth,
    programs: &Edition,
    changes: &[Change],
) -> Result<(Runner, mpsc::Receiver<(u64, RunnerEvent)>), Exit> {
    let (words_in, words) = mpsc::channel(WORDS_WAITING);
    let birth = runner::Birth { arrangement: birth.arrangement };
    let mut runner = Runner::start(&program(), &birth, 1, words_in)
        .map_err(|error| Exit::new(exit::OTHER, format!("the runner could not be started: {error}")))?;
    let mut orders = Orders::default();
    changes.iter().for_each(|change| orders.push(&runner::Order::Change(change.clone())));
    orders.push(&runner::Order::Edition(Arc::new(programs.clone())));
    runner.peer_mut().send_all(orders).await;
    Ok((runner, words))
}

/// The decision that `question` fails with `failure`, over so many nodes.
pub(super) fn failed(question: &Question, nodes: u64, failure: Failure) -> Decision {
    Decision {
        chain: Arc::clone(&question.head.action),
        generation: nodes,
        decided_by: None,
        outcome: Outcome::Failed(failure),
        diagnosis: Diagnosis { now_ms: question.now_ms, seed: question.seed, nodes, ..Diagnosis::default() },
    }
}
