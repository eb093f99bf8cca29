//! The pending queue of a worker slot: the requests that are to be asked, their order, the requests that the worker
//! holds, and the request that is to blame when the worker dies.
//!
//! A worker's death is no request's fault until proven: the worker's requests are asked again, one at a time, and only
//! a request that kills a worker while it is alone is guilty. Pure bookkeeping by ticket, without processes or time;
//! the requests themselves are in the table ([`Requests`](super::requests::Requests)).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::worker::Ticket;

/// The tickets of a worker slot.
#[derive(Debug, Default)]
pub(super) struct PendingQueue {
    /// The tickets that the worker holds.
    asked: BTreeSet<Ticket>,
    /// The tickets to be asked one at a time, because a request among them may have killed a worker.
    suspects: VecDeque<Ticket>,
    /// The tickets to be asked after the suspects, in the order of their numbers.
    waiting: BTreeSet<Ticket>,
    /// The tickets that a program holds: no worker holds them, and no worker's death concerns them.
    parked: BTreeSet<Ticket>,
    /// How often a worker that was alone with the request was killed from outside.
    mishaps: BTreeMap<Ticket, u8>,
    open: bool,
}

impl PendingQueue {
    /// The number of requests in the queue, in all states.
    pub(super) fn len(&self) -> usize {
        self.asked.len() + self.suspects.len() + self.waiting.len() + self.parked.len()
    }

    /// Whether the queue holds no request.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of requests that the worker holds.
    pub(super) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// The requests that the worker holds, in the order of their tickets.
    pub(super) fn held(&self) -> impl Iterator<Item = Ticket> {
        self.asked.iter().copied()
    }

    /// Whether the worker holds `ticket`.
    pub(super) fn is_asked(&self, ticket: Ticket) -> bool {
        self.asked.contains(&ticket)
    }

    /// Adds `ticket` to those that [`PendingQueue::ask_next`] returns.
    pub(super) fn submit(&mut self, ticket: Ticket) {
        self.waiting.insert(ticket);
    }

    /// Notes that a worker is there and has nothing to do.
    pub(super) fn worker_arrived(&mut self) {
        self.open = true;
    }

    /// Returns the next request to ask now, if any may be asked, and whether the request is asked alone, because it is
    /// suspected.
    pub(super) fn ask_next(&mut self) -> Option<(Ticket, bool)> {
        let alone = !self.suspects.is_empty();
        if !self.open || (alone && !self.asked.is_empty()) {
            return None;
        }
        let ticket = self.suspects.pop_front().or_else(|| self.waiting.pop_first())?;
        if alone {
            // The request stays alone: `suspects` may be empty now, and the others must wait for the answer.
            self.open = false;
        }
        self.asked.insert(ticket);
        Some((ticket, alone))
    }

    /// Notes that the worker answered `ticket`; returns whether the answer was expected.
    pub(super) fn answered(&mut self, ticket: Ticket) -> bool {
        let was_asked = self.asked.remove(&ticket);
        if was_asked {
            self.mishaps.remove(&ticket);
            self.open = true;
        }
        was_asked
    }

    /// Notes that the worker came to an executable step with `ticket`, which is parked until the program has answered;
    /// returns whether that was expected.
    pub(super) fn park(&mut self, ticket: Ticket) -> bool {
        let is_known = self.answered(ticket);
        if is_known {
            self.parked.insert(ticket);
        }
        is_known
    }

    /// Removes `ticket` from the parked requests; returns whether `ticket` was parked.
    pub(super) fn unpark(&mut self, ticket: Ticket) -> bool {
        self.parked.remove(&ticket)
    }

    /// Notes that the worker named `ticket` as the request that passed a limit; the worker will exit, and is asked
    /// nothing more. Removes the request; returns whether the worker held the request.
    pub(super) fn convicted(&mut self, ticket: Ticket) -> bool {
        self.open = false;
        self.mishaps.remove(&ticket);
        self.asked.remove(&ticket)
    }

    /// Notes that the worker is gone. The worker's requests will be asked again. A request that the worker was alone
    /// with is guilty unless the death has another cause; a guilty request is removed and returned.
    pub(super) fn worker_lost(&mut self, cause: Cause) -> Option<Ticket> {
        let was_alone = !self.open && self.asked.len() == 1;
        self.open = false;
        let asked = std::mem::take(&mut self.asked);
        let guilty = was_alone
            && match cause {
                Cause::Named => false,
                Cause::Unknown | Cause::Silent => true,
                Cause::Outside => asked.iter().any(|ticket| {
                    let mishaps = self.mishaps.entry(*ticket).or_default();
                    *mishaps += 1;
                    *mishaps >= MISHAPS
                }),
            };
        if guilty {
            let guilty = asked.into_iter().next();
            if let Some(ticket) = &guilty {
                self.mishaps.remove(ticket);
            }
            return guilty;
        }
        match cause {
            Cause::Named => self.waiting.extend(asked),
            Cause::Unknown | Cause::Silent | Cause::Outside => {
                asked.into_iter().rev().for_each(|ticket| self.suspects.push_front(ticket));
            }
        }
        None
    }

    /// Notes that the worker named `ticket`, but another request may be at fault; the worker will exit. The request is
    /// asked again before all others, and alone.
    pub(super) fn suspected(&mut self, ticket: Ticket) {
        if self.convicted(ticket) {
            self.suspects.push_front(ticket);
        }
    }

    /// Removes the requests that neither a worker nor a program holds, except those that `stay`.
    pub(super) fn take_waiting(&mut self, stay: impl Fn(Ticket) -> bool) -> Vec<Ticket> {
        self.mishaps.clear();
        let suspects = std::mem::take(&mut self.suspects).into_iter();
        let all = suspects.chain(std::mem::take(&mut self.waiting));
        let (staying, taken): (BTreeSet<_>, BTreeSet<_>) = all.partition(|ticket| stay(*ticket));
        self.waiting = staying;
        taken.into_iter().collect()
    }

    /// Removes every request that no program holds.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Ticket> + use<> {
        let asked = std::mem::take(&mut self.asked).into_iter();
        asked.chain(self.take_waiting(|_| false))
    }
}

/// The cause of a worker's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The worker named the question that passed a limit, so the others are beyond suspicion.
    Named,
    /// Unknown: the worker crashed.
    Unknown,
    /// The worker was killed because no frame had come for too long.
    Silent,
    /// The worker was killed from outside: by an administrator, or by the kernel for want of memory. A question is
    /// guilty of that only where it happens again and again.
    Outside,
}

/// The number of kills from outside, while a question was alone, at which the question is guilty.
const MISHAPS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_all(queue: &mut PendingQueue) -> Vec<Ticket> {
        std::iter::from_fn(|| queue.ask_next().map(|(ticket, _)| ticket)).collect()
    }

    fn of_three() -> PendingQueue {
        let mut queue = PendingQueue::default();
        (1..=3).for_each(|ticket| queue.submit(ticket));
        queue
    }

    fn asked_three() -> PendingQueue {
        let mut queue = of_three();
        queue.worker_arrived();
        ask_all(&mut queue);
        queue
    }

    #[test]
    fn nothing_is_asked_without_a_worker_and_everything_with_one() {
        let mut queue = of_three();
        assert!(ask_all(&mut queue).is_empty());
        queue.worker_arrived();
        assert_eq!(ask_all(&mut queue), [1, 2, 3]);
        assert!(queue.is_asked(2) && queue.answered(2) && !queue.answered(2) && !queue.is_asked(2));
    }

    #[test]
    fn only_the_request_that_kills_alone_is_guilty() {
        let mut queue = asked_three();
        assert_eq!(queue.worker_lost(Cause::Unknown), None);
        queue.submit(4);
        queue.worker_arrived();
        assert_eq!(ask_all(&mut queue), [1], "one at a time");
        queue.answered(1);
        assert_eq!(ask_all(&mut queue), [2]);
        assert_eq!(queue.worker_lost(Cause::Unknown), Some(2));
        queue.worker_arrived();
        assert_eq!(ask_all(&mut queue), [3]);
        queue.answered(3);
        assert_eq!(ask_all(&mut queue), [4]);
        queue.answered(4);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_last_suspect_is_alone_too() {
        let mut queue = PendingQueue::default();
        queue.submit(1);
        queue.worker_arrived();
        ask_all(&mut queue);
        assert_eq!(queue.worker_lost(Cause::Unknown), None, "it may have been chance");
        queue.submit(2);
        queue.worker_arrived();
        assert_eq!(ask_all(&mut queue), [1]);
        assert_eq!(queue.worker_lost(Cause::Unknown), Some(1));
    }

    #[test]
    fn a_named_culprit_clears_the_others() {
        let mut queue = asked_three();
        assert!(queue.convicted(2));
        assert_eq!(queue.worker_lost(Cause::Named), None);
        queue.worker_arrived();
        assert_eq!(ask_all(&mut queue), [1, 3]);
    }

    #[test]
    fn a_suspect_is_asked_first_and_alone() {
        let mut queue = asked_three();
        queue.suspected(2);
        assert!(ask_all(&mut queue).is_empty(), "the worker will die");
        assert_eq!(queue.worker_lost(Cause::Named), None);
        queue.worker_arrived();
        assert_eq!(queue.ask_next(), Some((2, true)));
        assert_eq!(queue.ask_next(), None);
        assert!(queue.answered(2));
        assert_eq!(ask_all(&mut queue), [1, 3]);
    }

    #[test]
    fn a_program_is_no_workers_business() {
        let mut queue = asked_three();
        assert!(queue.park(2) && !queue.park(2));
        assert_eq!((queue.asked(), queue.len()), (2, 3));
        assert_eq!(queue.worker_lost(Cause::Unknown), None);
        assert_eq!(queue.take_all().collect::<Vec<_>>(), [1, 3]);
        assert!(queue.unpark(2) && !queue.unpark(2));
        queue.submit(2);
        queue.submit(4);
        assert_eq!(queue.take_waiting(|ticket| ticket == 2), [4]);
        queue.worker_arrived();
        assert_eq!(ask_all(&mut queue), [2]);
        queue.park(2);
        assert_eq!((queue.take_all().count(), queue.len()), (0, 1));
    }

    #[test]
    fn a_kill_from_outside_convicts_nobody_at_once() {
        let mut queue = PendingQueue::default();
        queue.submit(1);
        for _ in 0..MISHAPS {
            queue.worker_arrived();
            assert_eq!(ask_all(&mut queue), [1]);
            assert_eq!(queue.worker_lost(Cause::Outside), None);
        }
        queue.worker_arrived();
        ask_all(&mut queue);
        assert_eq!(queue.worker_lost(Cause::Outside), Some(1));
    }
}
