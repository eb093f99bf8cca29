//! One decision without a service: a worker process of its own, the nodes, one question, the answer.
//!
//! A process and not a call, for the reason that the service has: a script that hangs or bombs must end as exit code 5
//! and not as a dead terminal.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::{Change, Decision, Diagnosis, Failure, LimitKind, Outcome};
use crate::worker::{Birth, BirthError, Order, Question, Worker, WorkerEvent};

use super::exit::{self, Exit};

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

async fn ask(birth: &Birth, changes: Vec<Change>, question: Question) -> Result<Decision, Exit> {
    let (words_in, mut words) = mpsc::channel(16);
    let worker = Worker::start(&program(), birth, 1, words_in).await.map_err(|error| match error {
        BirthError::Refused(_) | BirthError::Died(Some(_), _) => Exit::new(exit::SCRIPT, error),
        BirthError::Died(None, _) | BirthError::Io(_) => Exit::new(exit::OTHER, error),
    })?;
    let nodes = changes.len() as u64;
    let mut orders: Vec<_> = changes.into_iter().map(Order::Change).collect();
    let (chain, action) = (birth.set.get(&question.action), question.action.clone());
    let steps_us: u64 =
        chain.iter().flat_map(|chain| &chain.steps).map(|step| birth.limits.step_us(step.cpu_ms, nodes)).sum();
    let limit = Duration::from_micros(steps_us.saturating_mul(u64::from(birth.limits.wall_factor)));
    let diagnosis = Diagnosis { now_ms: question.now_ms, seed: question.seed, nodes, ..Diagnosis::default() };
    orders.push(Order::Ask(question));
    worker.send_all(orders).await;
    let failed = |failure: Failure| {
        let outcome = Outcome::Failed(failure);
        Decision { chain: action.clone(), generation: nodes, decided_by: None, outcome, diagnosis: diagnosis.clone() }
    };
    // Reading a large node list into the worker takes time of its own, which no script is to blame for.
    let reading = Duration::from_secs(10) + Duration::from_micros(200 * nodes);
    let mut running = None;
    loop {
        let event = tokio::time::timeout(limit + reading, words.recv()).await;
        let (kind, message) = match event {
            Ok(Some((_, WorkerEvent::Running(step)))) => {
                running = Some(step);
                continue;
            }
            Ok(Some((_, WorkerEvent::Replies(replies)))) => match replies.into_iter().next() {
                Some(reply) => return Ok(reply.decision),
                None => continue,
            },
            Ok(Some((_, WorkerEvent::Overrun(overrun)))) => {
                running = overrun.step;
                (overrun.kind, overrun.message)
            }
            Ok(Some((_, WorkerEvent::Exited(ended)))) => {
                let name = running.as_deref().unwrap_or("a script");
                let why = "values that are nested too deeply are the usual reason";
                (LimitKind::Crash, format!("{name} took its process down: it {ended}; {why}"))
            }
            Ok(None) => (LimitKind::Crash, "the worker process is gone".to_owned()),
            Err(_late) => (LimitKind::Time, format!("no answer within {limit:?}")),
        };
        return Ok(failed(Failure { step: running, ..Failure::limit(kind, message) }));
    }
}
