//! Notes for the operator while requests are refused for lack of room. The requester is told at once; the operator
//! should see the refusals too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::nats::admission::{Admission, MAX_BYTES};

use super::task::Front;
use super::wait_budget::WAITING_BYTES;

/// The time for which a refusal is noted.
const TOLD: Duration = Duration::from_secs(10);

/// The refusals for lack of room up to the last look.
#[derive(Debug, Default)]
pub(super) struct Crowding {
    admission: Arc<Admission>,
    inside: Refusals,
    waiting: Refusals,
}

/// A count of refusals.
#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    seen: u64,
    last: Option<Instant>,
}

impl Refusals {
    /// Records that there were `count` refusals by `now`; returns the number of new refusals, and whether the last
    /// refusal was lately.
    fn look(&mut self, count: u64, now: Instant) -> (u64, bool) {
        let new = count.saturating_sub(std::mem::replace(&mut self.seen, count));
        if new > 0 {
            self.last = Some(now);
        }
        (new, self.last.is_some_and(|last| now.saturating_duration_since(last) < TOLD))
    }
}

impl Front {
    /// Names the admission through which requests come.
    #[must_use]
    pub fn admitted_by(mut self, admission: Arc<Admission>) -> Self {
        self.crowding.admission = admission;
        self
    }

    /// Notes whether requests were refused for lack of room lately.
    pub(super) fn look_at_room(&mut self) {
        let now = self.now.instant;
        let (inside, refused) = (self.crowding.admission.inside(), self.crowding.admission.refused());
        let (new, is_told) = self.crowding.inside.look(refused, now);
        self.metrics.refused_for_room.inc_by(new);
        let note = format!(
            "the service holds {} of {} MiB of requests, and refused some lately (`overloaded`)",
            inside >> 20,
            MAX_BYTES >> 20
        );
        self.set_note("room", is_told.then_some(note));
        let (bytes, refused) = (self.wait_budget.bytes(), self.wait_budget.refused());
        let (new, is_told) = self.crowding.waiting.look(refused, now);
        self.metrics.refused_for_room.inc_by(new);
        let note = format!(
            "the requests that wait for a node hold {} of {} MiB, and some were not let in lately (`overloaded`)",
            bytes >> 20,
            WAITING_BYTES >> 20
        );
        self.set_note("waiting", is_told.then_some(note));
    }

    fn set_note(&mut self, about: &'static str, note: Option<String>) {
        match note {
            Some(note) => {
                if self.notes.insert(about, note.clone()).is_none() {
                    tracing::warn!("{note}");
                }
            }
            None => drop(self.notes.remove(about)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, request, setup, with};
    use super::*;
    use crate::nats::admission::RequestKind;
    use serde_json::json;

    #[test]
    fn a_lack_of_room_is_a_problem_while_it_lasts() {
        let mut harness = Harness::new(setup(), &["a"]);
        let admission = Arc::<Admission>::default();
        harness.front.crowding.admission = Arc::clone(&admission);
        let full: Vec<_> = std::iter::from_fn(|| admission.admit(RequestKind::Usual, 1000)).collect();
        harness.tick_for(Duration::from_secs(2));
        let notes = harness.health().notes;
        assert_eq!(notes, ["room: the service holds 31 of 32 MiB of requests, and refused some lately (`overloaded`)"]);
        assert_eq!(harness.figure("whither_refused_for_room_total"), "1");
        drop(full);
        harness.tick_for(TOLD);
        assert!(harness.health().notes.is_empty());
    }

    #[test]
    fn requests_that_wait_leave_the_room_of_others_and_are_bounded_by_bytes() {
        let mut harness = Harness::new(setup(), &["a"]);
        let admission = Arc::<Admission>::default();
        let ask = |harness: &mut Harness| {
            let body = with(request("ann"), json!({"wait_ms": 60_000, "data": {"x": "y".repeat(1_000_000)}}));
            let (number, mut incoming) = harness.message(crate::nats::message::Verb::Place, &body);
            incoming.pass = admission.admit(RequestKind::Usual, incoming.payload.len());
            assert!(incoming.pass.is_some(), "there is room");
            harness.tell(super::super::events::FrontEvent::Request(incoming));
            let asked = harness.only_asked();
            harness.find_none(&asked);
            number
        };
        let numbers: Vec<_> = (0..20).map(|_| ask(&mut harness)).collect();
        let (waiting, refused) = numbers.split_at(4);
        waiting.iter().for_each(|number| harness.no_reply(*number));
        for number in refused {
            let (name, message) = harness.failure(*number);
            assert!(name == "overloaded" && message.contains("the 4 MiB that one user may have"), "{message}");
        }
        assert_eq!(admission.inside(), 0);
        harness.tick_for(Duration::from_secs(2));
        let notes = harness.health().notes;
        assert!(notes[0].starts_with("waiting: the requests that wait for a node hold 3 of 16 MiB"), "{notes:?}");
        harness.pass(Duration::from_secs(60));
        waiting.iter().for_each(|number| assert_eq!(harness.failure(*number).0, "no-node"));
        assert_eq!(harness.front.wait_budget.bytes(), 0);
    }
}
