//! A worker slot: the worker that decides for some chains, replaced whenever the worker dies, and the questions that
//! the worker was asked.

use std::time::Duration;

use crate::ipc::{Encoded, ProcessEnd};
use crate::model::LimitKind;
use crate::worker::{Overrun, RunningStep, Ticket, WorkerCommand};

use super::ask_window::AskWindow;
use super::pending_queue::{Cause, PendingQueue};
use super::pending_request::{PendingRequest, PendingStage};
use super::requests::Requests;
use super::response_timer::ResponseTimer;
use super::worker_handle::WorkerHandle;

/// The bytes on their way to a worker past which no further question is sent: large questions may pile up there, which
/// says nothing against the worker.
const WAITING_BYTES: usize = 4 << 20;

/// The consequence for the question in which a limit was passed.
pub(super) enum OverrunOutcome {
    /// The question is asked again, alone.
    Suspected,
    /// The question passed the limit alone, too, and is in no queue any more.
    Convicted,
    /// No request waits for the question.
    Unknown,
}

/// A slot with the present worker and the questions.
pub(super) struct WorkerSlot {
    pub(super) queue: PendingQueue,
    /// The edition of the configuration by which the slot decides.
    edition: u64,
    worker: Option<WorkerHandle>,
    /// The number of questions that the worker may hold.
    window: AskWindow,
    /// The silence of the worker, while the worker holds questions.
    silence: ResponseTimer,
    /// The step that a narrated question was last reported to run.
    last_running: Option<RunningStep>,
    /// The cause of the next death, where the cause is known beforehand.
    cause: Option<Cause>,
    /// The number of decisions of the present worker.
    decided: u64,
    /// The memory of the present worker when first measured, and the part of the mirror in that.
    first_bytes: Option<(u64, u64)>,
    /// Whether the worker is to be replaced as soon as no question is under way.
    tired: bool,
}

impl WorkerSlot {
    pub(super) fn new(edition: u64) -> Self {
        Self {
            queue: PendingQueue::default(),
            edition,
            worker: None,
            window: AskWindow::default(),
            silence: ResponseTimer::default(),
            last_running: None,
            cause: None,
            decided: 0,
            first_bytes: None,
            tired: false,
        }
    }

    /// Returns the edition of the configuration by which the slot decides.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Notes that the worker came to an executable step with `ticket`; returns the slot's edition, where that was
    /// expected.
    pub(super) fn park(&mut self, ticket: Ticket) -> Option<u64> {
        self.decided += 1;
        self.window.answered();
        self.queue.park(ticket).then_some(self.edition)
    }

    /// Whether the slot has a worker.
    pub(super) fn is_staffed(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether a worker may take the slot: there is none, or a tired worker that holds no question.
    pub(super) fn is_open(&self) -> bool {
        self.worker.is_none() || (self.tired && self.queue.asked() == 0)
    }

    /// Whether events under `number` are the present worker's.
    pub(super) fn is_held_by(&self, number: u64) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.number() == number)
    }

    /// Puts `worker` into the slot.
    pub(super) fn assign_worker(&mut self, worker: WorkerHandle) {
        tracing::debug!(pid = worker.pid(), "a worker takes a slot");
        self.remove_worker();
        self.worker = Some(worker);
        self.queue.worker_arrived();
        (self.decided, self.first_bytes, self.tired) = (0, None, false);
        (self.last_running, self.cause, self.window) = (None, None, AskWindow::default());
    }

    /// Lets the worker end, if any.
    pub(super) fn remove_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.retire();
        }
    }

    /// Queues a command that all workers receive.
    pub(super) fn enqueue(&mut self, order: &Encoded) {
        if let Some(worker) = &mut self.worker {
            worker.enqueue(order);
        }
    }

    /// Queues a command for this worker alone.
    pub(super) fn order(&mut self, order: &WorkerCommand) {
        if let Some(worker) = &mut self.worker {
            worker.order(order);
        }
    }

    /// Asks the `requests` that may be asked now, and sends as much as there is room for. `relieved` says that a spare
    /// could take over. Returns the requests that are `late`, which are in no queue any more: those are not run.
    pub(super) fn pump(
        &mut self,
        relieved: bool,
        requests: &mut Requests,
        late: impl Fn(&PendingRequest) -> bool,
    ) -> Vec<Ticket> {
        let mut too_late = Vec::new();
        let Some(worker) = &mut self.worker else { return too_late };
        // A worker that named a culprit or was killed is asked nothing more.
        let now = requests.now();
        let asks = self.cause.is_none() && !(self.tired && relieved);
        while asks && self.queue.asked() < self.window.size() && worker.waiting_bytes() < WAITING_BYTES {
            if self.queue.asked() == 0 {
                self.silence.end();
            }
            let Some((ticket, alone)) = self.queue.ask_next() else { break };
            match requests.get_mut(ticket) {
                Some(pending) if !late(pending) => {
                    pending.enter(PendingStage::Asked, now);
                    worker.order(&WorkerCommand::Ask(pending.asked(alone)));
                }
                _ => {
                    self.queue.answered(ticket);
                    too_late.push(ticket);
                }
            }
        }
        worker.send();
        too_late
    }

    /// Returns the worker, if any.
    pub(super) fn worker(&self) -> Option<&WorkerHandle> {
        self.worker.as_ref()
    }

    /// Notes that a frame of the worker came.
    pub(super) fn note_frame(&mut self) {
        self.silence.end();
    }

    /// Notes the step that the worker is about to run.
    pub(super) fn runs(&mut self, running: RunningStep) {
        self.last_running = Some(running);
    }

    /// Notes that the worker decided `ticket`; returns whether the answer was expected.
    pub(super) fn answered(&mut self, ticket: Ticket) -> bool {
        self.decided += 1;
        self.window.answered();
        self.queue.answered(ticket)
    }

    /// Handles an overrun that the worker reported before exiting. The first limit that is passed convicts no question:
    /// the question is asked again alone, in a fresh worker, where each call is timed exactly. An earlier question may
    /// have left little memory, or much to clean up in a short call, so there too want of memory and a call about a
    /// node convict only the first question of a worker.
    pub(super) fn accused(&mut self, overrun: &Overrun, requests: &Requests) -> OverrunOutcome {
        self.cause = Some(Cause::Named);
        if let Some(worker) = &self.worker {
            // The worker has sent the last frame, and must not live on if the exit is held up.
            worker.kill();
        }
        let ticket = overrun.running.ticket;
        let by_another = overrun.kind == LimitKind::Memory || overrun.running.node.is_some();
        let asked = requests.get(ticket).filter(|_| self.queue.is_asked(ticket));
        match asked.map(|pending| pending.question.narrated) {
            Some(true) if !(by_another && self.decided > 0) => {
                self.queue.convicted(ticket);
                OverrunOutcome::Convicted
            }
            Some(_) => {
                self.queue.suspected(ticket);
                OverrunOutcome::Suspected
            }
            None => OverrunOutcome::Unknown,
        }
    }

    /// Handles the exit of the worker; returns the guilty request, which is in no queue any more, and the overrun, if
    /// any.
    pub(super) fn lost(&mut self, ended: &ProcessEnd) -> Option<(Ticket, Overrun)> {
        self.worker = None;
        let last = self.last_running.take().filter(|running| self.queue.is_asked(running.ticket));
        let unnamed = if ended.killed { Cause::Outside } else { Cause::Unknown };
        let cause = match self.cause.take().unwrap_or(unnamed) {
            Cause::Named => Cause::Named,
            // A question that is asked alone is narrated: where no running step was reported, the question is not
            // guilty.
            _ if last.is_none() => Cause::Outside,
            cause => cause,
        };
        let ticket = self.queue.worker_lost(cause)?;
        let running = last.unwrap_or(RunningStep { ticket, step: None, node: None, pure: false });
        let step = running.step.as_deref().unwrap_or("the request");
        let (kind, message) = match cause {
            Cause::Silent => (LimitKind::Time, format!("{step} gave no answer within its wall time, twice")),
            _ => (LimitKind::Crash, format!("{step} ended two workers, the last one {ended}")),
        };
        Some((ticket, Overrun { running, kind, message }))
    }

    /// Kills a worker that has held questions for `limit` without a frame. Called at each tick, `passed` after the tick
    /// before, which closes the window too; returns whether the worker was killed.
    pub(super) fn kill_if_silent(&mut self, passed: Duration, limit: Duration) -> bool {
        self.window.tick(passed);
        let silent = self.queue.asked() > 0 && self.silence.tick(passed, limit);
        if let (true, Some(worker)) = (silent, &self.worker) {
            worker.kill();
            self.cause.get_or_insert(Cause::Silent);
            self.silence.end();
            return true;
        }
        false
    }

    /// Marks the worker for replacement after `requests` decisions, or after a growth of `bytes`, not counting the
    /// growth of the cluster's `mirror`; returns whether the worker was marked just now.
    pub(super) fn tire(&mut self, requests: u64, bytes: u64, mirror: u64) -> bool {
        let Some(worker) = self.worker.as_ref().filter(|_| !self.tired) else { return false };
        let now = worker.memory_bytes();
        let (first, first_mirror) = *self.first_bytes.get_or_insert((now.unwrap_or_default(), mirror));
        let most = first.saturating_add(bytes).saturating_add(mirror.saturating_sub(first_mirror));
        self.tired = self.decided >= requests || now.is_some_and(|now| now >= most);
        self.tired
    }
}

#[cfg(test)]
mod tests;
