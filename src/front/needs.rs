//! The needs of requests: met from the countable facts together with the place, or refused by name.
//!
//! Needs are looked at before a chain is asked, because no script can change them, and again when a node is chosen. From
//! then on the units count as held here. They are taken in the bus after the place, as places are: what is refused there
//! gives the place back, and a place that is lost to another replica never had a licence.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::chain::Purpose;
use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Needs, Reservation};
use crate::registry::documents::StoreError;
use crate::registry::facts::{FactClaim, FactsTaken};
use crate::worker::Ticket;

use super::effects::Effect;
use super::fact_table::FactShortage;
use super::pending_request::{Claiming, PendingRequest, PendingStage};
use super::placement_reply::PlacementReply;
use super::task::Front;

/// The most facts that a message names.
const MAX_NAMED: usize = 10;

impl Front {
    /// Returns the text of a request without a field `facts`, which the service fills.
    ///
    /// # Errors
    /// `bad-request`, where the text is no object after all.
    pub(super) fn without_facts(&self, text: &str) -> Result<Arc<str>, Failure> {
        let limits = JsonLimits::bytes(self.workers.setup().birth.limits.request_bytes);
        let read: Result<Map<String, Value>, _> = json::parse_as(text.as_bytes(), limits);
        let mut fields = read.map_err(|error| Failure::new(FailureName::BadRequest, error.about("the request")))?;
        fields.shift_remove("facts");
        Ok(Value::Object(fields).to_string().into())
    }

    /// Refuses needs in a request whose chain reserves nothing: no reservation would hold the units.
    ///
    /// # Errors
    /// `bad-request`.
    pub(super) fn look_at_needs(&self, needs: &Needs, action: &str, reserves: bool) -> Result<(), Failure> {
        if reserves || needs.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the chain of `{action}` reserves nothing (`reserve`), so `needs` cannot be held; ask without them"
        );
        Err(Failure::new(FailureName::BadRequest, message))
    }

    /// Adds the facts to the question of `pending`, for scripts. The text of the request is kept, since the figures differ
    /// each time that the request is asked.
    pub(super) fn show_facts(&mut self, pending: &mut PendingRequest) {
        let shown = self.facts.shown(self.now_ms());
        if shown.is_none() && pending.request.is_none() {
            return;
        }
        let own = Arc::clone(pending.request.get_or_insert_with(|| Arc::clone(&pending.question.request)));
        let text = shown.map_or_else(|| Arc::clone(&own), |facts| with_facts(&own, &facts));
        if *text != *pending.question.request {
            Arc::make_mut(&mut pending.question).request = text;
        }
    }

    /// Returns the failure of `pending` where its needs cannot be met at the moment.
    pub(super) fn shortage(&self, pending: &PendingRequest) -> Option<Failure> {
        let shortage = self.facts.shortage(&pending.needs, self.now_ms())?;
        Some(failure(&shortage))
    }

    /// Ends `pending`, whose needs cannot be met: the request waits where units may become free and waiting is allowed.
    pub(super) fn needs_unmet(&mut self, pending: Box<PendingRequest>, failure: Failure) {
        let is_exhausted =
            matches!(self.facts.shortage(&pending.needs, self.now_ms()), Some(FactShortage::Exhausted(..)) | None);
        self.metrics.refused_needs.inc();
        match is_exhausted && pending.question.purpose == Purpose::Place {
            true => self.come_to_nothing(pending, failure),
            false => self.give_up(pending, &failure),
        }
    }

    /// Takes in the bus the units that `pending` needs, whose place is taken already.
    pub(super) fn take_facts(&mut self, pending: Box<PendingRequest>, reservation: Reservation, reply: PlacementReply) {
        let head = &pending.question.head;
        let life_ms = self.lifetime_ms(head.reservation_s).unwrap_or(self.ledger.lifetime_ms());
        let claim = FactClaim {
            id: Arc::clone(&reservation.id),
            node: Arc::clone(&reservation.node),
            life_ms,
            needs: pending.needs.clone(),
            over: self.facts.over(&pending.needs),
        };
        let ticket = pending.question.ticket;
        self.requests.put(pending, PendingStage::Claiming(Box::new(Claiming { reservation, reply })));
        match self.bus {
            true => self.order(Effect::TakeFacts(ticket, claim)),
            false => self.facts_taken(ticket, Err(StoreError("NATS is not connected".to_owned()))),
        }
    }

    /// Handles the result of taking the units of the request `ticket`.
    pub(super) fn facts_taken(&mut self, ticket: Ticket, taken: Result<FactsTaken, StoreError>) {
        let Some((pending, Claiming { reservation, reply })) = self.requests.take_claiming(ticket) else { return };
        self.claims.open.remove(&reservation.id);
        match taken {
            Ok(FactsTaken::Won(facts)) => {
                for (name, entry) in facts {
                    self.note_fact(name, entry);
                }
                self.facts.close(&reservation.id);
                self.won(pending, reservation, reply);
            }
            Ok(FactsTaken::Short(name, entry)) => {
                self.metrics.lost_facts.inc();
                self.facts.close(&reservation.id);
                self.note_fact(name, entry);
                let failure = self.shortage(&pending).unwrap_or_else(|| {
                    // Another replica holds for a reservation that counts for nothing here.
                    let message = "the last units that the request needs were taken by another request meanwhile";
                    Failure::new(FailureName::FactExhausted, message)
                });
                self.give_place_back(reservation);
                self.needs_unmet(pending, failure);
            }
            Err(error) => {
                let message = format!("what the request needs could not be taken: {error}; ask again in a moment");
                tracing::warn!(node = %reservation.node, reservation = %reservation.id, "{message}");
                // The units may be held all the same.
                let ids = BTreeSet::from([Arc::clone(&reservation.id)]);
                for name in pending.needs.keys() {
                    self.order(Effect::GiveFactBack(Arc::clone(name), ids.clone()));
                }
                self.give_place_back(reservation);
                self.come_to_nothing(pending, Failure::new(FailureName::Overloaded, message));
            }
        }
    }
}

/// Returns the JSON object `text` with a further field `facts`, whose value is the JSON `facts`.
fn with_facts(text: &str, facts: &str) -> Arc<str> {
    let Some(fields) = text.trim_end().strip_suffix('}') else { return text.into() };
    let comma = if fields.trim_end().ends_with('{') { "" } else { "," };
    format!("{fields}{comma}\"facts\":{facts}}}").into()
}

/// Returns the failure that says which need cannot be met, with the figures.
fn failure(shortage: &FactShortage) -> Failure {
    match shortage {
        FactShortage::Unknown(name, known) if known.is_empty() => Failure::new(
            FailureName::UnknownFact,
            format!("the request needs `{name}`, and no fact is set at all; `whither fact set` sets one"),
        ),
        FactShortage::Unknown(name, known) => {
            let named: Vec<_> = known.iter().take(MAX_NAMED).map(|name| &**name).collect();
            let more = if known.len() > named.len() { ", …" } else { "" };
            let message =
                format!("the request needs `{name}`, and no such fact is set; there are: {}{more}", named.join(", "));
            Failure::new(FailureName::UnknownFact, message)
        }
        FactShortage::Expired(name, unix_ms, ttl_ms) => {
            let since = Timestamp::from_second(unix_ms / 1000).map(|at| at.to_string()).unwrap_or_default();
            let message = format!(
                "the fact `{name}` is not known any more since {since}: nobody renewed it within {} s",
                ttl_ms.div_ceil(1000)
            );
            Failure::new(FailureName::UnknownFact, message)
        }
        FactShortage::Beyond(name, need, count) => Failure::new(
            FailureName::FactExhausted,
            format!("the request needs {need} of `{name}`, of which there are {count} in all"),
        ),
        FactShortage::Exhausted(name, need, count, held) => Failure::new(
            FailureName::FactExhausted,
            format!("the request needs {need} of `{name}`, and {held} of {count} are held"),
        ),
    }
}

#[cfg(test)]
mod tests;
