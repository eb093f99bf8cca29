//! A worker of a command: started for one set of chains, told of a cluster, asked one question after another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::host;
use crate::ipc::Orders;
use crate::model::{Decision, LimitKind};
use crate::script::ScriptCounts;
use crate::worker::{
    BirthError, Overrun, PlacementQuestion, RunningStep, WaitingDecision, Worker, WorkerCommand, WorkerEvent,
    WorkerInit,
};

use super::exit::{self, CommandExit};

/// The most events of a worker in the queue.
const EVENTS_WAITING: usize = 16;

/// A worker process that is ready, with its events.
pub(super) struct HiredWorker {
    worker: Worker,
    events: mpsc::Receiver<(u64, WorkerEvent)>,
    /// The events that came while commands were sent.
    early: VecDeque<WorkerEvent>,
}

/// The outcome of a question to a worker.
pub(super) enum WorkerAnswer {
    /// The worker decided.
    Decided(Box<Decision>),
    /// The decision waits for a program; the worker can be asked again.
    Waiting(WaitingDecision),
    /// The worker ended, or is of no use any more.
    Ended(Overrun),
}

impl HiredWorker {
    /// Starts a worker, and sends it `known`.
    ///
    /// # Errors
    /// A script that does not compile, or a process that cannot be started.
    pub(super) async fn start(
        birth: &WorkerInit,
        known: impl IntoIterator<Item = WorkerCommand>,
    ) -> Result<Self, CommandExit> {
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let worker = Worker::start(&host::program(), birth, 1, sender).await.map_err(|error| match error {
            BirthError::Refused(_) | BirthError::Died(Some(_), _) => CommandExit::new(exit::SCRIPT, error),
            BirthError::Died(None, _) | BirthError::Io(_) => CommandExit::new(exit::OTHER, error),
        })?;
        let mut hired = Self { worker, events, early: VecDeque::new() };
        hired.send(known).await;
        Ok(hired)
    }

    /// The probable mistakes in the worker's scripts, a sentence each.
    pub(super) fn remarks(&self) -> &[String] {
        self.worker.remarks()
    }

    /// Sends `commands`. The worker's events are received meanwhile: a worker that reads a large cluster says so again and
    /// again, and stops reading where nobody receives that.
    pub(super) async fn send(&mut self, commands: impl IntoIterator<Item = WorkerCommand>) {
        let mut orders = Orders::default();
        commands.into_iter().for_each(|command| orders.push(&command));
        let Self { worker, events, early } = self;
        let sent = worker.send_all(orders);
        tokio::pin!(sent);
        loop {
            tokio::select! {
                _is_there = &mut sent => return,
                event = events.recv() => match event {
                    Some((_, WorkerEvent::Reading | WorkerEvent::Tiers(..))) => {}
                    Some((_, event)) => early.push_back(event),
                    None => {
                        // The worker is gone, which ends the sending too.
                        sent.await;
                        return;
                    }
                },
            }
        }
    }

    /// Asks `question`, and waits `patience` at most for each event; adds to `counted` what of the scripts ran, where the
    /// worker counts.
    pub(super) async fn ask(
        &mut self,
        question: &PlacementQuestion,
        patience: Duration,
        counted: &mut Vec<ScriptCounts>,
    ) -> WorkerAnswer {
        self.send([WorkerCommand::Ask(Arc::new(question.clone()))]).await;
        let mut running = RunningStep { ticket: question.ticket, step: None, node: None, pure: false };
        loop {
            let event = match self.early.pop_front() {
                Some(event) => Ok(Some(event)),
                None => tokio::time::timeout(patience, self.events.recv())
                    .await
                    .map(|event| event.map(|(_number, event)| event)),
            };
            let name = running.step.as_deref().unwrap_or("a script");
            let (kind, message) = match event {
                Ok(Some(WorkerEvent::Running(now))) => {
                    running = now;
                    continue;
                }
                Ok(Some(WorkerEvent::Reading | WorkerEvent::Tiers(..))) => continue,
                Ok(Some(WorkerEvent::Covered(counts))) => {
                    counted.extend(counts);
                    continue;
                }
                Ok(Some(WorkerEvent::Replies(replies))) => match replies.into_iter().next() {
                    Some(reply) => return WorkerAnswer::Decided(Box::new(reply.decision)),
                    None => continue,
                },
                Ok(Some(WorkerEvent::Waiting(waiting))) => return WorkerAnswer::Waiting(waiting),
                Ok(Some(WorkerEvent::Overrun(overrun))) => return WorkerAnswer::Ended(overrun),
                Ok(Some(WorkerEvent::Exited(ended))) => {
                    let why = "values that are nested too deeply are the usual reason";
                    (LimitKind::Crash, format!("{name} took its process down: it {ended}; {why}"))
                }
                Ok(None) => (LimitKind::Crash, "the worker process is gone".to_owned()),
                Err(_late) => {
                    self.worker.kill();
                    (LimitKind::Time, format!("{name} gave no answer within {patience:?}"))
                }
            };
            return WorkerAnswer::Ended(Overrun { running, kind, message });
        }
    }
}
