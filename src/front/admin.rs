//! The endpoints that need no chain: confirm, release, nodes, cordon, uncordon.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::json::{self, JsonLimits};
use crate::model::{Change, Failure, FailureName, Marks};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::wire;

use super::task::Front;

/// How long a node is left out after a failed start.
const COOL_DOWN_MS: u64 = 60_000;
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
}

impl Front {
    /// Handles one message.
    pub(super) fn request(&mut self, incoming: Incoming) {
        let told = match incoming.verb {
            Verb::Place | Verb::Explain => return self.ask(incoming),
            Verb::Confirm => read(&incoming).map(|ending: Ending| self.confirm(&ending)),
            Verb::Release => read(&incoming).map(|ending: Ending| self.release(&ending)),
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

    fn confirm(&mut self, ending: &Ending) -> Value {
        match self.ledger.confirm(&ending.reservation) {
            Some(entry) => json!({"reservation": ending.reservation, "node": entry.reservation.node, "state": "confirmed"}),
            None => gone(ending),
        }
    }

    fn release(&mut self, ending: &Ending) -> Value {
        let Some(entry) = self.ledger.release(&ending.reservation) else { return gone(ending) };
        let node = entry.reservation.node;
        self.change(Change::Release(entry.reservation.id));
        if ending.failed {
            tracing::warn!(%node, reservation = ending.reservation, "a start failed: the node cools down");
            let until_ms = self.now_ms() + COOL_DOWN_MS;
            self.cooling.insert(Arc::clone(&node), until_ms);
            self.mark(Arc::clone(&node), |marks| marks.cooling_down = true);
        }
        json!({"reservation": ending.reservation, "node": node, "state": "released"})
    }

    fn page(&self, page: &Page) -> Value {
        let limit = page.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
        let (mut nodes, mut bytes, mut next) = (Vec::new(), 0, None);
        for node in self.cluster.nodes_after(&page.after) {
            bytes += node.report().text.len() * 2;
            if nodes.len() == limit || (bytes > PAGE_BYTES && !nodes.is_empty()) {
                next = nodes.last().and_then(|last: &serde_json::Map<_, _>| last.get("id").cloned());
                break;
            }
            nodes.push(wire::node(node));
        }
        json!({"nodes": nodes, "next": next, "total": self.cluster.len(), "generation": self.cluster.generation()})
    }

    /// Writes a mark down; the reply waits for that, and the mark counts when the cluster says so.
    fn cordon(&mut self, incoming: Incoming, cordon: Cordon) {
        let cordoned = incoming.verb == Verb::Cordon;
        if cordoned && self.cluster.find(&cordon.node).is_none() {
            let message = format!("the cluster has no node `{}`", cordon.node);
            return self.fail(&incoming, &Failure::new(FailureName::UnknownNode, message));
        }
        let replies = self.replies();
        let node: Arc<str> = cordon.node.into();
        let told = json!({"node": node, "state": if cordoned { "cordoned" } else { "uncordoned" }});
        let done = move |written: Result<(), String>| {
            let outgoing = match written {
                Ok(()) => Outgoing::new(&incoming, told.to_string().into(), None),
                Err(why) => Outgoing::failed(&incoming, &Failure::new(FailureName::Internal, why)),
            };
            // The requester asks again where the reply cannot be sent.
            let _dropped = replies.try_send(outgoing);
        };
        self.cordons.set(node, cordoned, cordon.reason, Box::new(done));
    }

    /// Takes in a change from the registry, with what it means for reservations and marks.
    pub(super) fn cluster_change(&mut self, change: Change) {
        match change {
            Change::Report(report) => {
                let ended = self.ledger.reported(&report, self.cluster.get(&report.id));
                ended.into_iter().for_each(|id| self.change(Change::Release(id)));
                self.change(Change::Report(report));
            }
            Change::Mark(node, marks) => {
                let cooling_down = marks.cooling_down || self.cooling.contains_key(&node);
                self.change(Change::Mark(node, Marks { cooling_down, ..marks }));
            }
            other => self.change(other),
        }
    }

    /// Ends the cool-downs that are over.
    pub(super) fn warm_up(&mut self, now_ms: u64) {
        let over: Vec<_> = self.cooling.iter().filter(|(_, until)| **until <= now_ms).map(|(node, _)| Arc::clone(node)).collect();
        for node in over {
            self.cooling.remove(&node);
            self.mark(node, |marks| marks.cooling_down = false);
        }
    }

    fn mark(&mut self, node: Arc<str>, edit: impl FnOnce(&mut Marks)) {
        let mut marks = self.cluster.marks(&node);
        edit(&mut marks);
        self.change(Change::Mark(node, marks));
    }
}

fn read<T: serde::de::DeserializeOwned>(incoming: &Incoming) -> Result<T, Failure> {
    let payload: &[u8] = if incoming.payload.trim_ascii().is_empty() { b"{}" } else { &incoming.payload };
    json::parse_as(payload, JsonLimits::bytes(MESSAGE_BYTES))
        .map_err(|error| Failure::new(FailureName::BadRequest, format!("the request is {error}")))
}

/// Expired, released, or reported already: what was asked for is so, whichever it was.
fn gone(ending: &Ending) -> Value {
    json!({"reservation": ending.reservation, "state": "gone"})
}
