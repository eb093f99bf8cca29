//! One decision without a service: a worker process of its own, the nodes, one question, the answer.
//!
//! A process and not a call, for the reason that the service has: a script that hangs or bombs must end as exit code 5
//! and not as a dead terminal. What a step passes a limit on follows the same policy as in the service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::{Change, Decision, Diagnosis, Failure, LimitKind, Outcome};
use crate::worker::guilt::{Sentence, judge};
use crate::worker::{Birth, BirthError, Order, Orders, Overrun, Question, Running, Worker, WorkerEvent};

use super::exit::{self, Exit};

/// Words of a worker that may wait.
const WORDS_WAITING: usize = 16;

/// Decides `question` over the cluster that `changes` make.
///
/// # Errors
/// A script that does not compile, or a worker that cannot be started. A script that fails while it runs is a
/// decision.
pub fn decide(birth: &Birth, changes: Vec<Change>, question: Question) -> Result<Decision, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Exit::new(exit::OTHER, error))?;
    runtime.block_on(ask(birth, changes, question))
}

/// The binary that workers are started from: this one, also where the file was replaced meanwhile.
#[must_use]
pub fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

async fn ask(birth: &Birth, changes: Vec<Change>, mut question: Question) -> Result<Decision, Exit> {
    let nodes = changes.len() as u64;
    let mut known: Vec<_> = changes.into_iter().map(Order::Change).collect();
    let chain = birth.set.get(&question.head.action).cloned();
    let limit = chain.as_ref().map(|chain| birth.limits.chain_wall(chain, nodes)).unwrap_or_default();
    // Reading a large node list into the worker takes time of its own, which no script is to blame for.
    let patience = limit + Duration::from_secs(10) + Duration::from_micros(200 * nodes);
    let mut shunned = 0;
    loop {
        let overrun = match ask_once(birth, &known, &question, patience).await? {
            Ok(decision) => return Ok(decision),
            Err(overrun) => overrun,
        };
        match judge(&mut question, shunned, chain.as_ref(), overrun) {
            Sentence::Shun(subject, limited) => known.push(Order::Quarantine(subject, Some(limited))),
            Sentence::Again => {}
            Sentence::Fail(failure) => return Ok(failed(&question, nodes, failure)),
        }
        shunned += 1;
    }
}

/// Puts `question` to a worker of its own; the decision, or what ended the worker.
async fn ask_once(
    birth: &Birth,
    known: &[Order],
    question: &Question,
    patience: Duration,
) -> Result<Result<Decision, Overrun>, Exit> {
    let (words_in, mut words) = mpsc::channel(WORDS_WAITING);
    let worker = Worker::start(&program(), birth, 1, words_in).await.map_err(|error| match error {
        BirthError::Refused(_) | BirthError::Died(Some(_), _) => Exit::new(exit::SCRIPT, error),
        BirthError::Died(None, _) | BirthError::Io(_) => Exit::new(exit::OTHER, error),
    })?;
    let mut orders = Orders::default();
    known.iter().for_each(|order| orders.push(order));
    orders.push(&Order::Ask(Arc::new(question.clone())));
    worker.send_all(orders).await;
    let mut running = Running { ticket: question.ticket, step: None, node: None, pure: false };
    loop {
        let event = tokio::time::timeout(patience, words.recv()).await;
        let name = running.step.as_deref().unwrap_or("a script");
        let (kind, message) = match event {
            Ok(Some((_, WorkerEvent::Running(now)))) => {
                running = now;
                continue;
            }
            Ok(Some((_, WorkerEvent::Replies(replies)))) => match replies.into_iter().next() {
                Some(reply) => return Ok(Ok(reply.decision)),
                None => continue,
            },
            Ok(Some((_, WorkerEvent::Overrun(overrun)))) => return Ok(Err(overrun)),
            Ok(Some((_, WorkerEvent::Exited(ended)))) => {
                let why = "values that are nested too deeply are the usual reason";
                (LimitKind::Crash, format!("{name} took its process down: it {ended}; {why}"))
            }
            Ok(None) => (LimitKind::Crash, "the worker process is gone".to_owned()),
            Err(_late) => (LimitKind::Time, format!("{name} gave no answer within {patience:?}")),
        };
        return Ok(Err(Overrun { running, kind, message }));
    }
}

fn failed(question: &Question, nodes: u64, failure: Failure) -> Decision {
    Decision {
        chain: Arc::clone(&question.head.action),
        generation: nodes,
        decided_by: None,
        outcome: Outcome::Failed(failure),
        diagnosis: Diagnosis { now_ms: question.now_ms, seed: question.seed, nodes, ..Diagnosis::default() },
    }
}
