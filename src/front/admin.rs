//! The endpoints that need no chain: confirm, release, nodes, cordon, uncordon.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::json::{self, JsonLimits};
use crate::model::{Change, Failure, FailureName, Marks, Node, Reservation};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::wire;

use crate::registry::ids;
use crate::registry::marks::{Edited, MarkError, Word};
use crate::registry::peers::{End, owner};

use crate::worker::unix_ms;

use super::events::Event;
use super::task::Front;

/// Nodes in a page, where the requester names no limit, and at most.
const PAGE: (usize, usize) = (100, 1000);
/// Size of a page: replies stay far below the message size of NATS.
const PAGE_BYTES: usize = 512 * 1024;
/// Size of a message to these endpoints.
const MESSAGE_BYTES: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ending {
    reservation: String,
    #[serde(default)]
    failed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// One node alone.
    #[serde(default)]
    node: Option<String>,
    #[serde(default)]
    after: String,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cordon {
    node: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    by: String,
    /// Whether it is to be emptied.
    #[serde(default)]
    drain: bool,
}

impl Front {
    /// Handles one message.
    pub(super) fn request(&mut self, incoming: Incoming) {
        let told = match incoming.verb {
            Verb::Place | Verb::Explain => return self.ask(incoming),
            Verb::Confirm | Verb::Release => match read::<Ending>(&incoming) {
                Ok(ending) => match self.end(&incoming, &ending) {
                    Some(told) => told,
                    None => return,
                },
                Err(failure) => Err(failure),
            },
            Verb::Nodes => read(&incoming).map(|page: Page| self.page(&page)),
            Verb::Cordon | Verb::Uncordon => match read(&incoming) {
                Ok(cordon) => return self.cordon(incoming, cordon),
                Err(failure) => Err(failure),
            },
        };
        match told {
            Ok(told) => self.reply(Outgoing::new(&incoming, told.to_string().into(), None)),
            Err(failure) => self.fail(&incoming, &failure),
        }
    }

    /// Confirms or releases a reservation, whichever replica made it; nothing where that one will answer, because word
    /// of it is still on its way here.
    fn end(&mut self, incoming: &Incoming, ending: &Ending) -> Option<Result<Value, Failure>> {
        let id = &ending.reservation;
        if self.ledger.get(id).is_none() && self.ledger.over_since(id).is_none() {
            let is_handed_on = self.hand_on(id, incoming);
            return (!is_handed_on).then(|| self.end_unknown(incoming.verb, ending));
        }
        Some(Ok(if incoming.verb == Verb::Confirm { self.confirm(ending) } else { self.release(ending) }))
    }

    /// Answers for a reservation that was never heard of here: made by a replica that is gone, or made up.
    ///
    /// # Errors
    /// `overloaded`, where too many such reservations were named lately. Whoever names one that is known is never refused.
    fn end_unknown(&mut self, verb: Verb, ending: &Ending) -> Result<Value, Failure> {
        self.metrics.unknown_reservations.inc();
        let (id, now_ms) = (&ending.reservation, self.now_ms());
        if !self.unknown.take(now_ms) {
            let refused = self.metrics.refused_unknown.inc() + 1;
            // Whoever guesses ids does not flood the log.
            if refused.is_power_of_two() {
                tracing::warn!(
                    refused,
                    "reservations are confirmed or released that nobody made: is somebody guessing?"
                );
            }
            let message = "too many unknown reservations were named lately; ask again in a moment";
            return Err(Failure::new(FailureName::Overloaded, message));
        }
        // Word of it may still come. An id of this replica that it does not know was made up.
        if verb == Verb::Release && ids::is_well_formed(id) && owner(id) != self.replica() {
            self.ledger.release(id, now_ms);
        }
        Ok(gone(ending))
    }

    fn confirm(&mut self, ending: &Ending) -> Value {
        let Some(entry) = self.ledger.confirm(&ending.reservation) else { return gone(ending) };
        let node = Arc::clone(&entry.reservation.node);
        self.tell_confirmed(&ending.reservation);
        json!({"reservation": ending.reservation, "node": node, "state": "confirmed"})
    }

    fn release(&mut self, ending: &Ending) -> Value {
        let Some(entry) = self.ledger.release(&ending.reservation, self.now_ms()) else { return gone(ending) };
        let end = if ending.failed { End::Failed } else { End::Released };
        self.tell_over(&entry.reservation.id, end);
        self.end_claim(&entry, end, false);
        if ending.failed {
            self.start_failed(&entry.reservation);
        }
        let node = entry.reservation.node;
        self.change(Change::Release(entry.reservation.id));
        json!({"reservation": ending.reservation, "node": node, "state": "released"})
    }

    fn page(&self, page: &Page) -> Value {
        if let Some(id) = &page.node {
            let nodes: Vec<_> = self.cluster.get(id).map(|node| self.shown(node).0).into_iter().collect();
            return json!({"nodes": nodes, "next": null, "generation": self.cluster.generation()});
        }
        let limit = page.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
        let (mut nodes, mut bytes, mut next) = (Vec::new(), 0, None);
        for node in self.cluster.nodes_after(&page.after) {
            let (shown, size) = self.shown(node);
            bytes += size;
            if nodes.len() == limit || (bytes > PAGE_BYTES && !nodes.is_empty()) {
                next = nodes.last().and_then(|last: &Map<String, Value>| last.get("id").cloned());
                break;
            }
            nodes.push(shown);
        }
        json!({"nodes": nodes, "next": next, "total": self.cluster.len(), "generation": self.cluster.generation()})
    }

    /// What a page says of `node`, and how many bytes that takes.
    fn shown(&self, node: &Node) -> (Map<String, Value>, usize) {
        let mut shown = wire::node(node);
        shown.insert("state".to_owned(), json!(self.state(node)));
        if let Some(mark) = self.registry.mark(node.id()) {
            shown.insert("marks".to_owned(), json!(mark));
        }
        wire::bounded(shown, PAGE_BYTES)
    }

    /// Writes a mark down; the reply waits for that, and by then the mark counts.
    fn cordon(&mut self, incoming: Incoming, cordon: Cordon) {
        let cordoned = incoming.verb == Verb::Cordon;
        if cordon.drain && !cordoned {
            let message = "`drain` goes with a cordon; an uncordon ends a drain";
            return self.fail(&incoming, &Failure::new(FailureName::BadRequest, message));
        }
        if cordoned && self.cluster.find(&cordon.node).is_none() {
            let message = format!("the cluster has no node `{}`", cordon.node);
            return self.fail(&incoming, &Failure::new(FailureName::UnknownNode, message));
        }
        if !cordoned {
            self.failures.forget(&cordon.node.as_str().into());
        }
        let (replies, events, registry) = (self.replies(), self.events(), self.registry.clone());
        let word = Word { by: cordon.by, at_ms: unix_ms(), reason: cordon.reason };
        // How long a cool-down lasts, the registry alone knows.
        let was_cooling = self.cluster.get(&cordon.node).is_some_and(|node| node.marks().cooling_down);
        tokio::spawn(async move {
            let node: Arc<str> = cordon.node.into();
            let (state, written) = match (cordoned, cordon.drain) {
                (true, true) => ("draining", registry.drain(&node, word).await),
                (true, false) => ("cordoned", registry.cordon(&node, word).await),
                (false, _) => ("uncordoned", registry.uncordon(&node, word).await),
            };
            let outgoing = match written {
                Ok(mark) => {
                    let told = json!({"node": node, "state": state});
                    let cooling_down = was_cooling && mark.cooling_down.is_some();
                    let marks = Marks { cordoned: mark.cordoned.is_some(), cooling_down };
                    drop(events.send(Event::Marked(node, marks)).await);
                    Outgoing::new(&incoming, told.to_string().into(), None)
                }
                Err(error) => {
                    let name = match error {
                        MarkError::BadId => FailureName::BadRequest,
                        _ => FailureName::Internal,
                    };
                    Outgoing::failed(&incoming, &Failure::new(name, error.to_string()))
                }
            };
            // The requester asks again where the reply cannot be sent.
            let _full = replies.try_send(outgoing);
        });
    }

    /// Leaves the node of `reservation`, whose session did not start, alone for its user, and for all where the starts of
    /// several users failed there.
    fn start_failed(&mut self, reservation: &Reservation) {
        let users = self.note_failure(reservation);
        let Reservation { id, node, user, .. } = reservation;
        if users >= self.crew.setup().cooldown_users {
            self.cool_down(Arc::clone(node), id);
        } else {
            tracing::warn!(%node, reservation = %id, %user, "a start failed: the node is passed over for this user");
        }
    }

    /// Notes that the session of `reservation` did not start; how many users' starts failed on its node lately.
    pub(super) fn note_failure(&mut self, reservation: &Reservation) -> usize {
        let Reservation { id, node, user, .. } = reservation;
        let setup = self.crew.setup();
        let end_ms = self.now_ms().saturating_add(setup.cooldown_ms);
        // Nobody knows whether two requests without a login are of one user.
        let user: Arc<str> = if user.is_empty() { Arc::clone(id) } else { setup.birth.set.names.key(user).into() };
        self.failures.add(node, &user, end_ms)
    }

    /// Leaves a node alone for a while after starts that failed there.
    fn cool_down(&self, node: Arc<str>, reservation: &str) {
        tracing::warn!(%node, reservation, "starts failed: the node cools down");
        let (events, registry) = (self.events(), self.registry.clone());
        let word = Word {
            by: self.replica().to_owned(),
            at_ms: unix_ms(),
            reason: format!("the start of reservation {reservation} failed"),
        };
        let pause_ms = self.crew.setup().cooldown_ms;
        tokio::spawn(async move {
            match registry.cool_down(&node, pause_ms, word).await {
                Ok(Edited { mark, revision: Some(_) }) => {
                    let marks = Marks { cordoned: mark.cordoned.is_some(), cooling_down: pause_ms > 0 };
                    drop(events.send(Event::Marked(node, marks)).await);
                }
                // It cools down already.
                Ok(_) => {}
                Err(error) => tracing::warn!(%node, %error, "the cool-down could not be written down"),
            }
        });
    }

    /// Takes in a change from the registry, with what it means for reservations.
    pub(super) fn cluster_change(&mut self, change: Change) {
        if let Change::Report(report) = &change {
            let now_ms = self.now_ms();
            for entry in self.ledger.reported(report, self.cluster.get(&report.id), now_ms) {
                if entry.own {
                    self.tell_over(&entry.reservation.id, End::Reported);
                }
                self.end_claim(&entry, End::Reported, false);
                self.change(Change::Release(entry.reservation.id));
            }
        }
        if let Change::Remove(node) = &change {
            for nodes in self.chosen.values_mut() {
                nodes.remove(node);
            }
            self.failures.forget(node);
        }
        self.change(change);
    }
}

fn read<T: serde::de::DeserializeOwned>(incoming: &Incoming) -> Result<T, Failure> {
    json::parse_as(incoming.body(), JsonLimits::bytes(MESSAGE_BYTES))
        .map_err(|error| Failure::new(FailureName::BadRequest, format!("the request is {error}")))
}

/// Expired, released, or reported already: what was asked for is so, whichever it was.
fn gone(ending: &Ending) -> Value {
    json!({"reservation": ending.reservation, "state": "gone"})
}
