//! The desk: which questions are unanswered, and who is to blame when a worker dies over them.
//!
//! A worker's death is nobody's fault until proven: its questions are asked again, one at a time, and only one that
//! kills a worker while it is alone is guilty. Pure bookkeeping, without processes or time.

use std::collections::{BTreeMap, VecDeque};

/// A question's number; later questions have greater ones.
pub type Ticket = u64;

/// The unanswered questions of one worker, with `T` to remember of each.
#[derive(Debug)]
pub struct Desk<T> {
    /// With the worker now.
    asked: BTreeMap<Ticket, T>,
    /// To be asked one at a time, because one of them may have killed a worker.
    suspects: VecDeque<(Ticket, T)>,
    /// To be asked after the suspects, in the order of their tickets.
    waiting: BTreeMap<Ticket, T>,
    /// With a program: no worker holds them, and no worker's death concerns them.
    parked: BTreeMap<Ticket, T>,
    /// How often somebody outside killed a worker that was alone with the question.
    mishaps: BTreeMap<Ticket, u8>,
    open: bool,
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        Self {
            asked: BTreeMap::new(),
            suspects: VecDeque::new(),
            waiting: BTreeMap::new(),
            parked: BTreeMap::new(),
            mishaps: BTreeMap::new(),
            open: false,
        }
    }
}

impl<T> Desk<T> {
    /// How many questions have no answer yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.asked.len() + self.suspects.len() + self.waiting.len() + self.parked.len()
    }

    /// Whether every question has its answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many questions the worker holds.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Whether the worker holds `ticket`.
    #[must_use]
    pub fn is_asked(&self, ticket: Ticket) -> bool {
        self.asked.contains_key(&ticket)
    }

    /// Takes a new question; it will be among those that [`Desk::ask_next`] hands out.
    pub fn submit(&mut self, ticket: Ticket, question: T) {
        self.waiting.insert(ticket, question);
    }

    /// The question `ticket`, where it has no answer yet.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let mut suspects = self.suspects.iter_mut();
        let suspect = || suspects.find(|(other, _)| *other == ticket).map(|(_, question)| question);
        let moving = self.asked.get_mut(&ticket).or_else(|| self.waiting.get_mut(&ticket));
        moving.or_else(|| self.parked.get_mut(&ticket)).or_else(suspect)
    }

    /// A worker is there and has nothing to do.
    pub fn worker_arrived(&mut self) {
        self.open = true;
    }

    /// The next question to ask now, if one may be asked, and whether it is asked alone, because it is suspected.
    pub fn ask_next(&mut self) -> Option<(Ticket, &mut T, bool)> {
        let alone = !self.suspects.is_empty();
        if !self.open || (alone && !self.asked.is_empty()) {
            return None;
        }
        let (ticket, question) = self.suspects.pop_front().or_else(|| self.waiting.pop_first())?;
        if alone {
            // It stays alone: `suspects` may be empty now, and the others must wait for its answer.
            self.open = false;
        }
        self.asked.insert(ticket, question);
        self.asked.get_mut(&ticket).map(|question| (ticket, question, alone))
    }

    /// The worker answered `ticket`; absent where nobody waits for that answer.
    pub fn answered(&mut self, ticket: Ticket) -> Option<T> {
        let question = self.asked.remove(&ticket)?;
        self.mishaps.remove(&ticket);
        self.open = true;
        Some(question)
    }

    /// The worker came as far as a program with `ticket`; returns the question, which is parked until that has answered.
    pub fn park(&mut self, ticket: Ticket) -> Option<&mut T> {
        let question = self.answered(ticket)?;
        Some(self.parked.entry(ticket).or_insert(question))
    }

    /// The program has answered: returns the question, which is to be submitted again.
    pub fn unpark(&mut self, ticket: Ticket) -> Option<T> {
        self.parked.remove(&ticket)
    }

    /// The worker named `ticket` as the one that passed a limit; it will die, and is asked nothing more. Absent where
    /// the question is not known.
    pub fn convicted(&mut self, ticket: Ticket) -> Option<T> {
        self.open = false;
        self.mishaps.remove(&ticket);
        self.asked.remove(&ticket)
    }

    /// The worker is gone. Its questions will be asked again; the one that it was alone with is guilty and returned,
    /// unless the death has another cause.
    pub fn worker_lost(&mut self, cause: Cause) -> Option<(Ticket, T)> {
        let was_alone = !self.open && self.asked.len() == 1;
        self.open = false;
        let asked = std::mem::take(&mut self.asked);
        let guilty = was_alone
            && match cause {
                Cause::Named => false,
                Cause::Unknown | Cause::Silent => true,
                Cause::Outside => asked.keys().any(|ticket| {
                    let mishaps = self.mishaps.entry(*ticket).or_default();
                    *mishaps += 1;
                    *mishaps >= MISHAPS
                }),
            };
        if guilty {
            let guilty = asked.into_iter().next();
            if let Some((ticket, _)) = &guilty {
                self.mishaps.remove(ticket);
            }
            return guilty;
        }
        match cause {
            Cause::Named => self.waiting.extend(asked),
            Cause::Unknown | Cause::Silent | Cause::Outside => {
                asked.into_iter().rev().for_each(|question| self.suspects.push_front(question));
            }
        }
        None
    }

    /// The worker named `ticket`, but it may have been another question's doing; it will die. The question is asked
    /// again before all others, and alone.
    pub fn suspected(&mut self, ticket: Ticket) {
        if let Some(question) = self.convicted(ticket) {
            self.suspects.push_front((ticket, question));
        }
    }

    /// Takes the questions out that neither a worker nor a program holds, but for those that `stay`.
    pub fn take_waiting(&mut self, stay: impl Fn(&T) -> bool) -> Vec<T> {
        self.mishaps.clear();
        let suspects = std::mem::take(&mut self.suspects).into_iter();
        let all = suspects.chain(std::mem::take(&mut self.waiting));
        let (staying, taken): (Vec<_>, Vec<_>) = all.partition(|(_, question)| stay(question));
        self.waiting = staying.into_iter().collect();
        taken.into_iter().map(|(_, question)| question).collect()
    }

    /// Takes every question out that is with no program.
    pub fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        let asked = std::mem::take(&mut self.asked).into_values();
        asked.chain(self.take_waiting(|_| false))
    }

    /// Takes every question out, wherever it is.
    pub fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        let parked = std::mem::take(&mut self.parked).into_values();
        self.take_all().chain(parked)
    }
}

/// Why a worker died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It named the question that passed a limit, so the others are beyond suspicion.
    Named,
    /// Nobody knows: it crashed.
    Unknown,
    /// It was killed because it had said nothing for too long.
    Silent,
    /// Somebody else killed it: an administrator, or the kernel for want of memory. A question is guilty of that only
    /// where it happens again and again.
    Outside,
}

/// Kills from outside that a question may be alone with.
const MISHAPS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_all(desk: &mut Desk<&'static str>) -> Vec<Ticket> {
        std::iter::from_fn(|| desk.ask_next().map(|(ticket, ..)| ticket)).collect()
    }

    fn desk() -> Desk<&'static str> {
        let mut desk = Desk::default();
        for (ticket, question) in [(1, "good"), (2, "bad"), (3, "fine")] {
            desk.submit(ticket, question);
        }
        desk
    }

    #[test]
    fn nothing_is_asked_without_a_worker_and_everything_with_one() {
        let mut desk = desk();
        assert!(ask_all(&mut desk).is_empty());
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [1, 2, 3]);
        assert_eq!(desk.answered(2), Some("bad"));
        assert_eq!(desk.answered(2), None);
    }

    #[test]
    fn only_the_question_that_kills_alone_is_guilty() {
        let mut desk = desk();
        desk.worker_arrived();
        ask_all(&mut desk);
        assert_eq!(desk.worker_lost(Cause::Unknown), None);
        desk.submit(4, "late");
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [1], "one at a time");
        desk.answered(1);
        assert_eq!(ask_all(&mut desk), [2]);
        assert_eq!(desk.worker_lost(Cause::Unknown), Some((2, "bad")));
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [3]);
        desk.answered(3);
        assert_eq!(ask_all(&mut desk), [4]);
        desk.answered(4);
        assert!(desk.is_empty());
    }

    #[test]
    fn the_last_suspect_is_alone_too() {
        let mut desk = Desk::default();
        desk.submit(1, "bad");
        desk.worker_arrived();
        ask_all(&mut desk);
        assert_eq!(desk.worker_lost(Cause::Unknown), None, "it may have been chance");
        desk.submit(2, "good");
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [1]);
        assert_eq!(desk.worker_lost(Cause::Unknown), Some((1, "bad")));
    }

    #[test]
    fn a_named_culprit_clears_the_others() {
        let mut desk = desk();
        desk.worker_arrived();
        ask_all(&mut desk);
        assert_eq!(desk.convicted(2), Some("bad"));
        assert_eq!(desk.worker_lost(Cause::Named), None);
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [1, 3]);
    }

    #[test]
    fn a_suspect_is_asked_first_and_alone() {
        let mut desk = desk();
        desk.worker_arrived();
        ask_all(&mut desk);
        desk.suspected(2);
        assert!(ask_all(&mut desk).is_empty(), "the worker will die");
        assert_eq!(desk.worker_lost(Cause::Named), None);
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [2]);
        assert_eq!(desk.answered(2), Some("bad"));
        assert_eq!(ask_all(&mut desk), [1, 3]);
    }

    #[test]
    fn a_program_is_no_workers_business() {
        let mut desk = desk();
        desk.worker_arrived();
        ask_all(&mut desk);
        assert_eq!(desk.park(2), Some(&mut "bad"));
        assert_eq!(desk.park(2), None);
        assert_eq!((desk.asked(), desk.len()), (2, 3));
        assert_eq!(desk.worker_lost(Cause::Unknown), None);
        assert_eq!(desk.take_all().collect::<Vec<_>>(), ["good", "fine"]);
        assert_eq!((desk.unpark(2), desk.unpark(2)), (Some("bad"), None));
        desk.submit(2, "bad");
        desk.submit(4, "new");
        assert_eq!(desk.take_waiting(|question| *question == "bad"), ["new"]);
        desk.worker_arrived();
        assert_eq!(ask_all(&mut desk), [2]);
        desk.park(2);
        assert_eq!(desk.clear().collect::<Vec<_>>(), ["bad"]);
    }

    #[test]
    fn a_kill_from_outside_convicts_nobody_at_once() {
        let mut desk = Desk::default();
        desk.submit(1, "unlucky");
        for _ in 0..MISHAPS {
            desk.worker_arrived();
            assert_eq!(ask_all(&mut desk), [1]);
            assert_eq!(desk.worker_lost(Cause::Outside), None);
        }
        desk.worker_arrived();
        ask_all(&mut desk);
        assert_eq!(desk.worker_lost(Cause::Outside), Some((1, "unlucky")));
    }
}
