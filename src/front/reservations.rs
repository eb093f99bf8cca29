//! The messages of launchers about reservations: confirm, release, renew; and the handling of failed starts.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{Change, Failure, FailureName, Reservation};
use crate::nats::message::{Incoming, Verb};
use crate::registry::ids;
use crate::registry::mark::MarkAuthor;
use crate::registry::peers::{ReservationEnd, owner};

use super::admin::read;
use super::effects::Effect;
use super::task::Front;

/// A message of a launcher about a reservation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ending {
    reservation: String,
    /// Whether the session did not start; of a release.
    #[serde(default)]
    failed: bool,
    /// Whether a job will start the session later; of a release.
    #[serde(default)]
    deferred: bool,
    /// The lifetime of the reservation from now on, in seconds; of a renewal.
    #[serde(default)]
    reservation_s: Option<u32>,
}

impl Ending {
    fn read(incoming: &Incoming) -> Result<Self, Failure> {
        let ending: Self = read(incoming)?;
        let refused = |message| Err(Failure::new(FailureName::BadRequest, message));
        if ending.failed && ending.deferred {
            return refused("`failed` and `deferred` contradict each other".to_owned());
        }
        let deferred = (ending.deferred && incoming.verb != Verb::Release).then_some("deferred");
        let misplaced = deferred.or(match incoming.verb {
            Verb::Renew => ending.failed.then_some("failed"),
            _ => ending.reservation_s.map(|_| "reservation_s"),
        });
        match misplaced {
            Some(field) => refused(format!("`{field}` says nothing to `{}`", incoming.verb.as_str())),
            None => Ok(ending),
        }
    }
}

impl Front {
    /// Handles a launcher's message about a reservation of any replica; returns `None` where the message was forwarded
    /// to another replica, which will answer, because the reservation is not known here yet.
    pub(super) fn about_reservation(&mut self, incoming: &Incoming) -> Option<Result<Value, Failure>> {
        let ending = match Ending::read(incoming) {
            Ok(ending) => ending,
            Err(failure) => return Some(Err(failure)),
        };
        let id = &ending.reservation;
        if self.ledger.get(id).is_none() && self.ledger.over_since(id).is_none() {
            let is_handed_on = self.forward(id, incoming);
            return (!is_handed_on).then(|| self.end_unknown(incoming.verb, &ending));
        }
        Some(match incoming.verb {
            Verb::Confirm => Ok(self.confirm(&ending)),
            Verb::Renew => self.extend(&ending),
            _ => Ok(self.release(&ending)),
        })
    }

    /// Answers for a reservation that is unknown here: made by a replica that is gone, or made up.
    ///
    /// # Errors
    /// `overloaded`, where too many such reservations were named lately. A message about a known reservation is never
    /// refused.
    fn end_unknown(&mut self, verb: Verb, ending: &Ending) -> Result<Value, Failure> {
        self.metrics.unknown_reservations.inc();
        let (id, now_ms) = (&ending.reservation, self.now_ms());
        if !self.unknown.take(now_ms) {
            let refused = self.metrics.refused_unknown.inc() + 1;
            // A client that guesses ids must not flood the log.
            if refused.is_power_of_two() {
                tracing::warn!(
                    refused,
                    "reservations are confirmed or released that nobody made: is somebody guessing?"
                );
            }
            let message = "too many unknown reservations were named lately; ask again in a moment";
            return Err(Failure::new(FailureName::Overloaded, message));
        }
        // The gossip about the reservation may still come. An id of this replica that is unknown here was made up.
        if verb == Verb::Release && ids::is_well_formed(id) && owner(id) != self.replica() {
            self.ledger.release(id, now_ms);
        }
        Ok(gone(ending))
    }

    fn confirm(&mut self, ending: &Ending) -> Value {
        let Some(entry) = self.ledger.confirm(&ending.reservation) else { return gone(ending) };
        let node = Arc::clone(&entry.reservation.node);
        self.queue_confirmed(&ending.reservation);
        json!({"reservation": ending.reservation, "node": node, "state": "confirmed"})
    }

    /// Extends a reservation from now on, by the requested or the usual lifetime.
    fn extend(&mut self, ending: &Ending) -> Result<Value, Failure> {
        let (now_ms, life_ms) = (self.now_ms(), self.lifetime_ms(ending.reservation_s.unwrap_or_default())?);
        let Some(entry) = self.ledger.extend(&ending.reservation, now_ms.saturating_add(life_ms)) else {
            return Ok(gone(ending));
        };
        let (node, left_ms) = (Arc::clone(&entry.reservation.node), entry.expires_ms.saturating_sub(now_ms));
        self.queue_held(&ending.reservation);
        Ok(json!({"reservation": ending.reservation, "node": node, "state": "renewed", "expires_in_ms": left_ms}))
    }

    /// Returns the lifetime in milliseconds of a reservation that is requested for `seconds`, or for the usual time
    /// where that is 0.
    ///
    /// # Errors
    /// `bad-request`, where that is longer than the service grants.
    pub(super) fn lifetime_ms(&self, seconds: u32) -> Result<u64, Failure> {
        let (asked_ms, most_ms) = (u64::from(seconds) * 1000, self.workers.setup().longest_reservation_ms);
        if asked_ms > most_ms {
            let most = most_ms / 1000;
            let message = format!("`reservation_s` is {seconds}; the most is {most} (`service.reservation_max_s`)");
            return Err(Failure::new(FailureName::BadRequest, message));
        }
        Ok(if seconds == 0 { self.ledger.lifetime_ms() } else { asked_ms })
    }

    /// Releases the reservation `id`, which was offered to waiting requesters that were all gone.
    pub(super) fn untaken(&mut self, id: &Arc<str>) {
        let Some(entry) = self.ledger.release(id, self.now_ms()) else { return };
        let Reservation { node, user, .. } = &entry.reservation;
        tracing::info!(reservation = %id, %node, %user, "whoever waited for the place is gone: it is free again");
        self.metrics.untaken.inc();
        self.queue_over(id, ReservationEnd::Released);
        self.end_claim(&entry, ReservationEnd::Released, false);
        self.change(Change::Release(Arc::clone(id)));
    }

    fn release(&mut self, ending: &Ending) -> Value {
        let Some(entry) = self.ledger.release(&ending.reservation, self.now_ms()) else { return gone(ending) };
        let (end, state) = match ending {
            Ending { failed: true, .. } => (ReservationEnd::Failed, "released"),
            Ending { deferred: true, .. } => (ReservationEnd::Deferred, "deferred"),
            _ => (ReservationEnd::Released, "released"),
        };
        self.queue_over(&entry.reservation.id, end);
        self.end_claim(&entry, end, false);
        match end {
            ReservationEnd::Failed => self.start_failed(&entry.reservation),
            ReservationEnd::Deferred => {
                let Reservation { id, node, user, .. } = &entry.reservation;
                tracing::info!(reservation = %id, %node, %user, "a job will start the session: the place is free again");
                self.metrics.deferred.inc();
            }
            _ => {}
        }
        let node = entry.reservation.node;
        self.change(Change::Release(entry.reservation.id));
        json!({"reservation": ending.reservation, "node": node, "state": state})
    }

    /// Leaves the node of `reservation`, whose session did not start, alone for the user, and for all users where the
    /// starts of several failed there.
    fn start_failed(&mut self, reservation: &Reservation) {
        let users = self.note_failure(reservation);
        let Reservation { id, node, user, .. } = reservation;
        if users >= self.workers.setup().cooldown_users {
            self.cool_down(Arc::clone(node), id);
        } else {
            tracing::warn!(%node, reservation = %id, %user, "a start failed: the node is passed over for this user");
        }
    }

    /// Notes that the session of `reservation` did not start; returns the number of users whose starts failed on the
    /// node lately.
    pub(super) fn note_failure(&mut self, reservation: &Reservation) -> usize {
        let Reservation { id, node, user, .. } = reservation;
        let setup = self.workers.setup();
        let end_ms = self.now_ms().saturating_add(setup.cooldown_ms);
        // Two requests without a login may be of different users.
        let user: Arc<str> = if user.is_empty() { Arc::clone(id) } else { setup.birth.set.names.key(user).into() };
        self.failures.add(node, &user, end_ms)
    }

    /// Leaves a node alone for a while after starts that failed there.
    fn cool_down(&mut self, node: Arc<str>, reservation: &str) {
        tracing::warn!(%node, reservation, "starts failed: the node cools down");
        let word = MarkAuthor {
            by: self.replica().to_owned(),
            at_ms: self.now.unix_ms,
            reason: format!("the start of reservation {reservation} failed"),
        };
        let pause_ms = self.workers.setup().cooldown_ms;
        self.order(Effect::CoolDown { node, pause_ms, word });
    }
}

/// The answer for a reservation that expired, was released, or was reported already: in each case the reservation has
/// ended.
fn gone(ending: &Ending) -> Value {
    json!({"reservation": ending.reservation, "state": "gone"})
}

#[cfg(test)]
mod tests;
