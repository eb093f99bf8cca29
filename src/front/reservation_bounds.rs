//! The bounds on reservations, in all and per user. A node that names no `maxSessions` takes any number, and every
//! script that looks at sessions looks at each reservation too: without a bound a single login could slow down
//! everybody.

use crate::model::{Failure, FailureName};

use super::task::Front;

/// The most reservations that count at once, of all replicas and users.
const MAX_RESERVATIONS: usize = 1_000_000;

impl Front {
    /// Returns the failure of a request for another reservation of `user`, in the form in which names are compared;
    /// `None` where there is room.
    pub(super) fn too_many_reservations(&self, user: &str) -> Option<Failure> {
        let most = self.workers.setup().reservations_per_user;
        let words = if self.ledger.len() >= MAX_RESERVATIONS {
            format!("{MAX_RESERVATIONS} reservations count at the moment, the most there may be")
        // Requests without a login may be of different users.
        } else if !user.is_empty() && self.ledger.of_user(user) >= most {
            format!("{most} reservations are this user's, the most that one may have (`limits.reservations_per_user`)")
        } else {
            return None;
        };
        let message = format!("{words}: they end when their sessions are reported, are released, or expire");
        Some(Failure::new(FailureName::Overloaded, message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::events::Setup;
    use super::super::testing::{Harness, request, setup, with};
    use crate::nats::message::Verb;

    #[test]
    fn a_user_holds_so_many_reservations_and_others_go_on() {
        let mut harness = Harness::new(Setup { reservations_per_user: 2, ..setup() }, &["a"]);
        let first = harness.placed("ann", "a");
        let named = with(request("Ann"), json!({"id": "x"}));
        let (number, asked) = harness.place_asked(&named);
        harness.choose(&asked, "a");
        let second = harness.reply(number);
        let number = harness.place(&request("ANN"));
        let (name, message) = harness.failure(number);
        assert_eq!(name, "overloaded");
        assert!(message.starts_with("2 reservations are this user's, the most that one may have"), "{message}");
        let number = harness.place(&named);
        assert_eq!(harness.reply(number)["reservation"], second["reservation"], "a repetition makes none");
        harness.placed("bob", "a");
        (0..3).for_each(|_| drop(harness.placed("", "a")));
        harness.send(Verb::Release, &json!({"reservation": first}));
        harness.placed("ann", "a");
    }

    #[test]
    fn requests_under_way_do_not_pass_the_bound_together() {
        let mut harness = Harness::new(Setup { reservations_per_user: 1, ..setup() }, &["a"]);
        let numbers = [0; 2].map(|_| harness.place(&request("ann")));
        for asked in harness.asked() {
            harness.choose(&asked, "a");
        }
        assert!(harness.reply(numbers[0])["node"].is_string());
        assert_eq!(harness.failure(numbers[1]).0, "overloaded");
        assert_eq!((harness.reserved("a").len(), harness.front.owed()), (1, 0));
    }
}
