//! Requests that wait for a free node: their admission, when they are asked again, and their final reply.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::eligibility::CoolingPolicy;
use crate::clock::Now;
use crate::model::{Failure, FailureName};
use crate::worker::Ticket;

use super::cancel::called_off;
use super::pending_request::{PendingRequest, PendingStage};
use super::placement_log::log_failure;
use super::task::Front;
use super::wait_queue::{WaitQueue, WaitRefused, WaitingRequest};

/// How long before a deadline the answer is sent.
const MARGIN: Duration = Duration::from_millis(200);

impl Front {
    /// Handles `pending`, for which no node was found: the request waits where allowed, else the requester is sent
    /// `failure`.
    pub(super) fn come_to_nothing(&mut self, mut pending: Box<PendingRequest>, failure: Failure) {
        if pending.is_cancelled {
            return self.give_up(pending, &called_off());
        }
        match self.place_to_wait(&mut pending, failure) {
            Ok(waiting) => {
                pending.retries = 0;
                if pending.edition > 0 {
                    self.end_turn(&pending.question.head.action, pending.question.ticket);
                }
                let queue = self.wait_queues.entry(Arc::clone(&pending.question.head.action)).or_default();
                // The request missed a change that came between the question and the request's place in the queue.
                match pending.frees_seen != self.frees && !pending.has_waited() {
                    true => queue.enter_round(waiting),
                    false => queue.enter(waiting),
                }
                pending.begins_to_wait(self.now.instant);
                self.requests.put(pending, PendingStage::Waiting);
            }
            Err(failure) => {
                log_failure(&pending, &failure, 0);
                self.give_up(pending, &failure);
            }
        }
    }

    /// Returns the queue entry for `pending`, or the failure where `pending` may not wait, or where the queue is full.
    /// Another request may make way.
    fn place_to_wait(&mut self, pending: &mut PendingRequest, failure: Failure) -> Result<WaitingRequest, Failure> {
        if pending.question.head.wait_ms == 0 {
            return Err(failure);
        }
        let ticket = pending.question.ticket;
        let (now, stopping) = (self.now, self.stopping.is_some());
        let queue = self.wait_queues.entry(Arc::clone(&pending.question.head.action)).or_default();
        if let Some(waiting) = queue.found_nothing(ticket) {
            let is_over = stopping || waiting.until <= now.instant;
            return if is_over { Err(failure) } else { Ok(WaitingRequest { failure: Arc::new(failure), ..waiting }) };
        }
        let Some(until) = until(pending, now).filter(|_| !stopping) else { return Err(failure) };
        let bytes = pending.question.request.len();
        self.wait_budget.room(&pending.user, bytes)?;
        self.make_room(pending, &failure)?;
        self.park(pending, bytes);
        Ok(WaitingRequest { ticket, place: ticket, user: Arc::clone(&pending.user), until, failure: Arc::new(failure) })
    }

    /// Charges `pending` of `bytes` bytes to those that wait, and no longer to those that are answered soon.
    fn park(&mut self, pending: &mut PendingRequest, bytes: usize) {
        pending.waiting_bytes = bytes;
        self.wait_budget.add(&pending.user, bytes);
        pending.waiting.iter().filter_map(|incoming| incoming.pass.as_ref()).for_each(|pass| pass.park());
    }

    /// Makes room in the queue for `pending`, which found no node with `failure`.
    ///
    /// # Errors
    /// `failure` where the queue is full; `overloaded` where the queue is full of the same user's requests.
    fn make_room(&mut self, pending: &PendingRequest, failure: &Failure) -> Result<(), Failure> {
        let (most, per_user) = (self.workers.setup().waiting, self.workers.setup().waiting_per_user);
        let queue = self.wait_queues.entry(Arc::clone(&pending.question.head.action)).or_default();
        let overloaded = |words: String| {
            let message = format!("{words}, and no node is free; ask again later");
            Failure::new(FailureName::Overloaded, message)
        };
        match queue.admit(&pending.user, most, per_user) {
            Ok(None) => Ok(()),
            Ok(Some(waiting)) => {
                let Some(displaced) = self.take_waiting(waiting.ticket) else { return Ok(()) };
                self.metrics.displaced.inc();
                let (chain, decision) = (&displaced.question.head.action, &displaced.question.decision);
                tracing::info!(%chain, %decision, user = %displaced.user, "a waiting request makes way for another user's");
                let words = "so many requests wait for a node that the newest of the user with the most of them, which is \
                             this one, made way for another user's";
                self.give_up(displaced, &overloaded(words.to_owned()));
                Ok(())
            }
            Err(WaitRefused::Full) => Err(failure.clone()),
            Err(WaitRefused::OfOneUser(own)) => Err(overloaded(format!(
                "{own} requests of this user wait for a node, which is all that one user may have"
            ))),
            Err(WaitRefused::MostOfAll(own)) => Err(overloaded(format!(
                "so many requests wait for a node that there is no room, {own} of them this user's, who has the most"
            ))),
        }
    }

    /// Removes the request `ticket`, which has just left the wait queue, from the table.
    fn take_waiting(&mut self, ticket: Ticket) -> Option<Box<PendingRequest>> {
        let mut pending = self.requests.take(ticket)?;
        pending.ends_to_wait(self.now.instant);
        Some(pending)
    }

    /// Removes the request `ticket` of `action`, which is answered for good, from the wait queue.
    pub(super) fn wait_is_over(&mut self, action: &str, ticket: Ticket, placed: bool) {
        if let Some(queue) = self.wait_queues.get_mut(action) {
            queue.answered(ticket, placed);
            if queue.len() == 0 {
                self.wait_queues.remove(action);
            }
        }
    }

    /// Notes that a place may have been freed.
    pub(super) fn note_freed(&mut self) {
        self.frees += 1;
    }

    /// Asks those requests again that may find a node now; where `time` is set, answers those that have waited long
    /// enough.
    pub(super) fn ask_waiting(&mut self, time: bool) {
        if self.wait_queues.is_empty() {
            self.frees_told = self.frees;
            return;
        }
        self.answer_overdue(time);
        if self.catch_up.is_under_way() || (self.workers.setup().is_strict && !self.bus) {
            // No place could be claimed. When this replica has caught up, and NATS is connected again, all are asked.
            self.note_freed();
            return;
        }
        if std::mem::replace(&mut self.frees_told, self.frees) != self.frees {
            self.wait_queues.values_mut().for_each(WaitQueue::freed);
        }
        let actions: Vec<_> = self.wait_queues.keys().cloned().collect();
        for action in actions {
            while let Some(waiting) = self.wait_queues.get_mut(&action).and_then(WaitQueue::next) {
                let pending =
                    self.take_waiting(waiting.ticket).and_then(|pending| self.unless_placed_elsewhere(pending));
                let Some(mut pending) = pending else { continue };
                self.renew(&mut pending);
                if let Some(queue) = self.wait_queues.get_mut(&action) {
                    queue.ask(WaitingRequest { ticket: pending.question.ticket, ..waiting });
                }
                self.submit(pending);
            }
        }
    }

    /// Answers the requests that have waited long enough, where `time` is set; where the service stops, all that wait.
    fn answer_overdue(&mut self, time: bool) {
        let (now, stopping) = (self.now.instant, self.stopping.is_some());
        let mut over = Vec::new();
        if time || stopping {
            let late = |waiting: &WaitingRequest| stopping || waiting.until <= now;
            self.wait_queues.values_mut().for_each(|queue| over.extend(queue.take_late(late)));
        }
        for waiting in over {
            let Some(pending) = self.take_waiting(waiting.ticket) else { continue };
            log_failure(&pending, &waiting.failure, 0);
            self.give_up(pending, &waiting.failure);
        }
    }

    /// Makes a request that is asked again a new question: decided in turn now, under another id, by programs anew.
    pub(super) fn renew(&mut self, pending: &mut PendingRequest) {
        if pending.edition > 0 {
            self.forget_choice(&pending.question.decision);
            // The turn belongs to the old ticket: under the new ticket the turn would never end.
            self.end_turn(&pending.question.head.action, pending.question.ticket);
        }
        let ((ticket, decision), now_ms) = (self.number(), self.now.unix_ms);
        let question = Arc::make_mut(&mut pending.question);
        if let Some(queue) = self.wait_queues.get_mut(&question.head.action) {
            queue.renumber(question.ticket, ticket);
        }
        (question.ticket, question.decision) = (ticket, decision);
        question.now_ms = now_ms;
        question.from = None;
        question.cooling = CoolingPolicy::Out(self.failures.of(&pending.user));
        self.requests.name(pending);
    }

    /// Removes the request `ticket` of `action`, where the request waits.
    pub(super) fn leave_wait_queue(&mut self, action: &str, ticket: Ticket) -> Option<Box<PendingRequest>> {
        let waiting = self.wait_queues.get_mut(action)?.leave(ticket)?;
        self.take_waiting(waiting.ticket)
    }
}

/// Returns the time until which `pending` may wait from `now` on, or `None` where `pending` may not wait.
fn until(pending: &PendingRequest, now: Now) -> Option<Instant> {
    let wait = Duration::from_millis(u64::from(pending.question.head.wait_ms));
    let until = pending.waiting.first()?.received + wait;
    let deadline = pending.deadline_ms().and_then(|deadline_ms| {
        let left_ms = u64::try_from(deadline_ms.saturating_sub(now.unix_ms)).unwrap_or_default();
        now.instant.checked_add(Duration::from_millis(left_ms).saturating_sub(MARGIN))
    });
    let until = deadline.map_or(until, |deadline| until.min(deadline));
    (until > now.instant).then_some(until)
}

#[cfg(test)]
mod tests;
