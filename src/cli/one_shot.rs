//! A decision without a service: a new worker process receives the nodes and a question, and answers.
//!
//! A process and not a call, for the reason that the service has: a script that hangs or bombs must end as exit code 5
//! and not as a dead terminal. A step that passes a limit is treated by the same policy as in the service. Where the
//! chain comes to an executable, a runner is started too.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::chain::StepSource;
use crate::explain::CostlyLines;
use crate::host;
use crate::ipc::Orders;
use crate::model::{Change, Counterfactual, Decision, Diagnosis, Failure, LimitKind, Outcome};
use crate::plain::Plain;
use crate::runner::{self, ProgramQuestion, ProgramSet, RunnerEvent, RunnerProcess, process};
use crate::script::Content;
use crate::worker::blame::{BlameOutcome, judge};
use crate::worker::{PlacementQuestion, SuspendedStep, WaitingDecision, WorkerAudience, WorkerCommand, WorkerInit};

use super::exit::{self, CommandExit};
use super::hired_worker::{HiredWorker, WorkerAnswer};
use super::output;

/// The most events of a runner in the queue.
const WORDS_WAITING: usize = 16;
/// The time on top of all limits before a process counts as lost: for starting, and for reading a large node list.
const PATIENCE: Duration = Duration::from_secs(10);
const READING: Duration = Duration::from_micros(200);

/// Decides `question` over the cluster that `changes` make; `programs` are those of the chains.
///
/// # Errors
/// A script that does not compile, or a process that cannot be started. A script that fails while it runs is a
/// decision.
pub fn decide(
    birth: &WorkerInit,
    programs: &ProgramSet,
    changes: Vec<Change>,
    question: PlacementQuestion,
) -> Result<Decision, CommandExit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    runtime.block_on(async {
        let mut helper = LazyRunner { birth, programs, changes: &changes, runner: None };
        let decision = ask(birth, &mut helper, question).await;
        if let Some((runner, _)) = helper.runner {
            runner.retire().await;
        }
        decision
    })
}

async fn ask(
    birth: &WorkerInit,
    helper: &mut LazyRunner<'_>,
    mut question: PlacementQuestion,
) -> Result<Decision, CommandExit> {
    let nodes = helper.changes.len() as u64;
    let mut known: Vec<_> = helper.changes.iter().cloned().map(WorkerCommand::Change).collect();
    let chain = birth.set.get(&question.head.action).cloned();
    let limit = chain.as_ref().map(|chain| birth.limits.chain_wall(chain, nodes)).unwrap_or_default();
    let patience = limit + PATIENCE + READING * u32::try_from(nodes).unwrap_or(u32::MAX);
    let (mut shunned, mut worker, mut unsearched, mut costly) = (0, None, None, None);
    let mut remarks_told = false;
    loop {
        let mut asked = match worker.take() {
            Some(worker) => worker,
            None => HiredWorker::start(birth, known.iter().cloned()).await?,
        };
        if !std::mem::replace(&mut remarks_told, true) {
            asked.remarks().iter().for_each(|remark| output::aside(format_args!("warning: {remark}")));
        }
        let mut overrun = match asked.ask(&question, patience, &mut Vec::new()).await {
            WorkerAnswer::Decided(mut decision) => {
                if let (Some(reason), Some(about)) = (unsearched, &question.about) {
                    decision.diagnosis.counterfactual = Some(Box::new(Counterfactual::untried(about, reason)));
                }
                if let Outcome::Failed(failure) = &mut decision.outcome
                    && let (Some(LimitKind::Time), Some(step)) = (failure.limit, failure.step.clone())
                {
                    if costly.is_none() {
                        costly = costly_lines(birth, &known, &question, patience, &step).await;
                        failure.message = with_costly(&failure.message, costly.as_ref());
                    }
                    place_costly(failure, costly.as_ref());
                }
                return Ok(*decision);
            }
            WorkerAnswer::Waiting(waiting) => {
                let standing = helper.run(&question, waiting).await?;
                question.from = Some(standing);
                worker = Some(asked);
                continue;
            }
            WorkerAnswer::Ended(overrun) if question.search_us > 0 => {
                // Perhaps a tried value caused the end: no script is blamed for a tried value.
                question.search_us = 0;
                unsearched = Some(format!("with a value that was tried, {}", overrun.message));
                continue;
            }
            WorkerAnswer::Ended(overrun) => overrun,
        };
        if let (LimitKind::Time, Some(step), None) = (overrun.kind, &overrun.running.step, &costly) {
            costly = costly_lines(birth, &known, &question, patience, step).await;
            overrun.message = with_costly(&overrun.message, costly.as_ref());
        }
        match judge(&mut question, shunned, chain.as_ref(), overrun) {
            BlameOutcome::Shun(subject, limited) => known.push(WorkerCommand::Quarantine(subject, Some(limited))),
            BlameOutcome::Again => {}
            BlameOutcome::Fail(mut failure) => {
                place_costly(&mut failure, costly.as_ref());
                return Ok(failed(&question, nodes, failure));
            }
        }
        shunned += 1;
    }
}

/// Returns the lines on which the time of the script of `step` goes when `question` is asked of a new worker that knows
/// `known` and counts, under the limits of `birth`; `None` where the script cannot be counted.
pub(super) async fn costly_lines(
    birth: &WorkerInit,
    known: &[WorkerCommand],
    question: &PlacementQuestion,
    patience: Duration,
    step: &Arc<str>,
) -> Option<CostlyLines> {
    let steps = birth.set.chains.iter().flat_map(|chain| &chain.steps);
    let is_text = |source: &StepSource| matches!(source, StepSource::Script { content: Content::Text(_), .. });
    steps.filter(|own| own.name == *step).find(|own| is_text(&own.source))?;
    let birth = WorkerInit { audience: WorkerAudience::Coverage, ..birth.clone() };
    let mut worker = HiredWorker::start(&birth, known.iter().cloned()).await.ok()?;
    let question = PlacementQuestion { search_us: 0, narrated: false, ..question.clone() };
    let mut counted = Vec::new();
    drop(worker.ask(&question, patience, &mut counted).await);
    CostlyLines::of(step, &counted)
}

/// Lets `failure`, a limit that a script passed, point to the most costly line of that script.
pub(super) fn place_costly(failure: &mut Failure, costly: Option<&CostlyLines>) {
    let position = costly.and_then(CostlyLines::position);
    if failure.position.is_none() && failure.limit == Some(LimitKind::Time) {
        failure.position = position.filter(|position| failure.step.as_ref() == Some(&position.file));
    }
}

/// Returns `message` with the words of `costly`.
pub(super) fn with_costly(message: &str, costly: Option<&CostlyLines>) -> String {
    match costly {
        Some(costly) => format!("{message}; counted in a run of its own, {costly}"),
        None => message.to_owned(),
    }
}

/// The runner, started when the first program is asked.
pub(super) struct LazyRunner<'a> {
    pub(super) birth: &'a WorkerInit,
    pub(super) programs: &'a ProgramSet,
    pub(super) changes: &'a [Change],
    pub(super) runner: Option<(RunnerProcess, mpsc::Receiver<(u64, RunnerEvent)>)>,
}

impl LazyRunner<'_> {
    /// Asks the program that `waiting` waits for.
    pub(super) async fn run(
        &mut self,
        question: &PlacementQuestion,
        waiting: WaitingDecision,
    ) -> Result<SuspendedStep, CommandExit> {
        let WaitingDecision { step, suspended, .. } = waiting;
        let errand = ProgramQuestion {
            edition: self.programs.number,
            step,
            question: Arc::new(PlacementQuestion { from: None, ..question.clone() }),
            suspended: suspended.clone(),
        };
        let (runner, words) = match &mut self.runner {
            Some(running) => running,
            none => none.insert(start(self.birth, self.programs, self.changes).await?),
        };
        let mut orders = Orders::default();
        orders.push(&runner::RunnerCommand::Run(errand));
        runner.peer_mut().send_all(orders).await;
        loop {
            match words.recv().await {
                Some((_, RunnerEvent::Heard(_, heard))) => {
                    return Ok(SuspendedStep { step, suspended, heard: Some(heard) });
                }
                Some((_, RunnerEvent::Logged(step, line))) => output::aside(format_args!("{step}: {}", Plain(line))),
                Some((_, RunnerEvent::Ended(step, how))) => output::aside(format_args!("{step}: {}", Plain(how))),
                Some((_, RunnerEvent::Asking(_) | RunnerEvent::Late(_))) => {}
                Some((_, RunnerEvent::Exited(ended))) => {
                    process::kill_and_reap(runner.pid()).await;
                    return Err(CommandExit::new(exit::OTHER, format!("the runner {ended} while a program ran")));
                }
                None => return Err(CommandExit::new(exit::OTHER, "the runner is gone")),
            }
        }
    }
}

async fn start(
    birth: &WorkerInit,
    programs: &ProgramSet,
    changes: &[Change],
) -> Result<(RunnerProcess, mpsc::Receiver<(u64, RunnerEvent)>), CommandExit> {
    let (words_in, words) = mpsc::channel(WORDS_WAITING);
    let birth = runner::RunnerInit { arrangement: birth.arrangement };
    let mut runner = RunnerProcess::start(&host::program(), &birth, 1, words_in)
        .map_err(|error| CommandExit::new(exit::OTHER, format!("the runner could not be started: {error}")))?;
    let mut orders = Orders::default();
    changes.iter().for_each(|change| orders.push(&runner::RunnerCommand::Change(change.clone())));
    orders.push(&runner::RunnerCommand::Edition(Arc::new(programs.clone())));
    runner.peer_mut().send_all(orders).await;
    Ok((runner, words))
}

/// Returns the decision in which `question` failed with `failure`, over `nodes` nodes.
pub(super) fn failed(question: &PlacementQuestion, nodes: u64, failure: Failure) -> Decision {
    Decision {
        chain: Arc::clone(&question.head.action),
        generation: nodes,
        decided_by: None,
        outcome: Outcome::Failed(failure),
        diagnosis: Diagnosis { now_ms: question.now_ms, seed: question.seed, nodes, ..Diagnosis::default() },
    }
}
