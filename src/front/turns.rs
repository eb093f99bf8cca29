//! Turns at the programs of a chain that reserves: a program must see every place that was taken before the program was
//! asked.
//!
//! A program that is started for a request reads the cluster once. Several at a time would all see the cluster before
//! any of them chose, and a storm of logins would go to one node. So the questions of a chain take turns: as many at
//! once as the chain's programs allow side by side (`parallel`, 1 by default). A turn lasts until the placement is
//! known, or until the only program that was asked has chosen a node: the runner counts such a choice as taken from
//! that moment on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::runner::ProgramQuestion;
use crate::worker::Ticket;

/// The turns of all chains.
#[derive(Default)]
pub(super) struct Turns {
    chains: BTreeMap<Arc<str>, ChainTurns>,
    /// The number of places that were taken during turns, and for each node the number of the last.
    places: u64,
    taken: BTreeMap<Arc<str>, u64>,
}

/// The turns of a chain.
#[derive(Default)]
struct ChainTurns {
    holders: BTreeMap<Ticket, Turn>,
    waiting: VecDeque<ProgramQuestion>,
    /// The question that waits first, or has a turn, and excludes all others meanwhile.
    alone: Option<Ticket>,
}

/// The turn of a question.
struct Turn {
    /// The number of places that had been taken when the program was asked.
    since: u64,
}

impl Turns {
    /// Returns `program_question` where the question's turn has come: at most `most` questions of the chain of `action`
    /// have a turn at a time. Otherwise the question waits, and is returned by [`Turns::next`] later.
    pub(super) fn take(
        &mut self,
        action: &Arc<str>,
        program_question: ProgramQuestion,
        most: usize,
    ) -> Option<ProgramQuestion> {
        let (ticket, since) = (program_question.question.ticket, self.places);
        let chain = self.chains.entry(Arc::clone(action)).or_default();
        if let Some(turn) = chain.holders.get_mut(&ticket) {
            turn.since = since;
            return Some(program_question);
        }
        if chain.alone == Some(ticket) {
            chain.waiting.push_front(program_question);
        } else {
            chain.waiting.push_back(program_question);
        }
        self.next(action, most)
    }

    /// Returns the waiting question of the chain of `action` whose turn has come.
    pub(super) fn next(&mut self, action: &str, most: usize) -> Option<ProgramQuestion> {
        let since = self.places;
        let chain = self.chains.get_mut(action)?;
        let first = chain.waiting.front()?.question.ticket;
        let room = match chain.alone {
            None => most.max(1),
            Some(alone) if alone == first => 1,
            Some(_) => 0,
        };
        if chain.holders.len() >= room {
            return None;
        }
        chain.holders.insert(first, Turn { since });
        chain.waiting.pop_front()
    }

    /// Ends the turn of `ticket`, or removes `ticket` from those that wait.
    pub(super) fn end(&mut self, action: &str, ticket: Ticket) {
        let Some(chain) = self.chains.get_mut(action) else { return };
        if chain.holders.remove(&ticket).is_none() {
            chain.waiting.retain(|program_question| program_question.question.ticket != ticket);
        }
        if chain.alone == Some(ticket) {
            chain.alone = None;
        }
        if chain.holders.is_empty() && chain.waiting.is_empty() && chain.alone.is_none() {
            self.chains.remove(action);
        }
        if self.chains.is_empty() {
            self.taken.clear();
        }
    }

    /// Ends the turn of `ticket`, whose next turn will exclude all others.
    pub(super) fn again_alone(&mut self, action: &str, ticket: Ticket) {
        if let Some(chain) = self.chains.get_mut(action)
            && chain.holders.remove(&ticket).is_some()
        {
            chain.alone.get_or_insert(ticket);
        }
    }

    /// Notes that a place on `node` was taken.
    pub(super) fn placed(&mut self, node: &Arc<str>) {
        if !self.chains.is_empty() {
            self.places += 1;
            self.taken.insert(Arc::clone(node), self.places);
        }
    }

    /// Whether a place on `node` was taken since the program of `ticket`, which has a turn, was asked.
    pub(super) fn is_taken_since(&self, action: &str, ticket: Ticket, node: &str) -> bool {
        let turn = self.chains.get(action).and_then(|chain| chain.holders.get(&ticket));
        turn.is_some_and(|turn| self.taken.get(node).is_some_and(|last| *last > turn.since))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::worker::PlacementQuestion;

    fn program_question(ticket: Ticket) -> ProgramQuestion {
        let question = PlacementQuestion::empty(ticket);
        ProgramQuestion { edition: 1, step: 0, question: Arc::new(question), suspended: Bytes::new() }
    }

    fn ticket(program_question: Option<ProgramQuestion>) -> Option<Ticket> {
        program_question.map(|program_question| program_question.question.ticket)
    }

    #[test]
    fn as_many_as_may_have_a_turn_and_the_others_follow_in_order() {
        let (mut turns, action) = (Turns::default(), Arc::from("a"));
        let come: Vec<_> = (1..=4).map(|number| ticket(turns.take(&action, program_question(number), 2))).collect();
        assert_eq!(come, [Some(1), Some(2), None, None]);
        assert_eq!(
            ticket(turns.take(&action, program_question(1), 2)),
            Some(1),
            "its turn goes on at the next program"
        );
        turns.end("a", 3);
        turns.end("a", 1);
        assert_eq!((ticket(turns.next("a", 2)), ticket(turns.next("a", 2))), (Some(4), None));
        [2, 4].into_iter().for_each(|ticket| turns.end("a", ticket));
        assert!(turns.chains.is_empty());
    }

    #[test]
    fn a_place_that_was_taken_during_a_turn_is_noticed() {
        let (mut turns, action, node) = (Turns::default(), Arc::from("a"), Arc::from("n"));
        turns.placed(&node);
        turns.take(&action, program_question(1), 2);
        assert!(!turns.is_taken_since("a", 1, "n"));
        turns.placed(&node);
        turns.take(&action, program_question(2), 2);
        assert!(turns.is_taken_since("a", 1, "n") && !turns.is_taken_since("a", 2, "n"));
        assert!(!turns.is_taken_since("a", 1, "m") && !turns.is_taken_since("a", 7, "n"));
    }

    #[test]
    fn who_was_overtaken_too_often_has_a_turn_alone() {
        let (mut turns, action) = (Turns::default(), Arc::from("a"));
        (1..=3).for_each(|number| drop(turns.take(&action, program_question(number), 2)));
        turns.again_alone("a", 1);
        assert_eq!(ticket(turns.next("a", 2)), None, "the next turn is kept for it");
        assert_eq!(ticket(turns.take(&action, program_question(1), 2)), None, "another one still has a turn");
        turns.end("a", 2);
        assert_eq!((ticket(turns.next("a", 2)), ticket(turns.next("a", 2))), (Some(1), None));
        turns.end("a", 1);
        assert_eq!(ticket(turns.next("a", 2)), Some(3));
    }
}
