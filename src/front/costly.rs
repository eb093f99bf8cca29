//! Costly questions of administrators, with answers that take long to make: pages of nodes and assignments, statuses,
//! outlooks. The questions wait in a queue, and each turn of the service answers the first, so that placements go on
//! between them.

use std::collections::VecDeque;

use serde_json::json;

use crate::model::{Failure, FailureName};
use crate::nats::message::{Incoming, Outgoing, Verb};

use super::admin::read;
use super::task::Front;

/// The number of costly questions that may wait at once.
const COSTLY_WAITING: usize = 64;

/// The costly questions that wait, in order of arrival.
pub(super) type CostlyQuestions = VecDeque<Incoming>;

/// Whether questions to the endpoint `verb` are costly, because the answers go over nodes, users or requests.
pub(super) const fn is_costly(verb: Verb) -> bool {
    matches!(verb, Verb::Nodes | Verb::Assignments | Verb::Waiting | Verb::Status | Verb::Decision)
}

impl Front {
    /// Queues `incoming`, or refuses the question where too many costly questions wait.
    pub(super) fn answer_in_turn(&mut self, incoming: Incoming) {
        // Another replica answers.
        if incoming.verb == Verb::Decision && !self.is_asked_about_own(&incoming) {
            return;
        }
        if self.costly.len() < COSTLY_WAITING {
            return self.costly.push_back(incoming);
        }
        self.metrics.refused_costly.inc();
        let message = format!(
            "{COSTLY_WAITING} questions like this one wait already, whose answers take long: `nodes`, `assignments`, \
             `waiting`, `status`, `decision` and dry runs; ask again in a moment"
        );
        self.fail(&incoming, &Failure::new(FailureName::Overloaded, message));
    }

    /// Whether a costly question waits, so that another turn has to follow at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.costly.is_empty()
    }

    /// Answers the first costly question.
    pub(super) fn answer_costly(&mut self) {
        let Some(incoming) = self.costly.pop_front() else { return };
        let told = match incoming.verb {
            Verb::Nodes => read(&incoming).map(|page| self.page(&page)),
            Verb::Assignments => read(&incoming).map(|page| self.assigned(&page).to_string()),
            Verb::Waiting => read(&incoming).map(|page| self.who_waits(&page).to_string()),
            Verb::Status => read(&incoming).map(|query| json!(self.answer_status(&query)).to_string()),
            Verb::Decision => return self.recorded(&incoming),
            // Of the others, only a dry run of a cordon comes here.
            _ => self.dry_run(&incoming),
        };
        match told {
            Ok(told) => self.reply(Outgoing::new(&incoming, told.into(), None)),
            Err(failure) => self.fail(&incoming, &failure),
        }
    }

    /// Answers the costly questions that wait with `failure`, when the service stops waiting.
    pub(super) fn refuse_costly(&mut self, failure: &Failure) {
        for incoming in std::mem::take(&mut self.costly) {
            self.fail(&incoming, failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::events::FrontEvent;
    use super::super::testing::{Harness, request, setup};

    #[test]
    fn a_burst_of_questions_is_answered_one_a_turn_and_bounded() {
        let mut harness = Harness::new(setup(), &["a"]);
        let numbers: Vec<_> = (0..COSTLY_WAITING + 2)
            .map(|number| {
                let verb = [Verb::Nodes, Verb::Status, Verb::Waiting, Verb::Assignments][number % 4];
                let (number, incoming) = harness.message(verb, &json!({}));
                harness.front.handle(harness.now, FrontEvent::Request(incoming));
                number
            })
            .collect();
        assert!(harness.front.has_work() && harness.front.owed() == COSTLY_WAITING);
        let (_, asked) = harness.place_asked(&request("ann"));
        let answered = |harness: &mut Harness, numbers: &[usize]| {
            numbers.iter().filter(|number| !harness.replies(**number).is_empty()).count()
        };
        let (waiting, beyond) = numbers.split_at(COSTLY_WAITING);
        for number in beyond {
            let (name, message) = harness.failure(*number);
            assert_eq!(name, "overloaded");
            assert!(message.starts_with("64 questions like this one wait already"), "{message}");
        }
        assert_eq!(answered(&mut harness, waiting), 1, "the question of a placement went out after one answer");
        harness.choose(&asked, "a");
        assert_eq!(answered(&mut harness, waiting), 1);
        (2..COSTLY_WAITING).for_each(|_| harness.tick());
        assert_eq!((harness.front.has_work(), answered(&mut harness, waiting)), (false, COSTLY_WAITING - 2));
        assert_eq!(harness.figure("whither_refused_costly_total"), "2");
    }

    #[test]
    fn a_service_that_stops_answers_what_waits() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (number, incoming) = harness.message(Verb::Nodes, &json!({}));
        harness.front.handle(harness.now, FrontEvent::Request(incoming));
        harness.front.handle(harness.now, FrontEvent::Stop);
        assert!(!harness.front.is_done());
        harness.tick();
        assert_eq!(harness.reply(number)["total"], 1);
        assert!(harness.front.is_done());
    }
}
