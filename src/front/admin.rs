//! The dispatch of requests by verb, and the endpoints about nodes: nodes, cordon, uncordon.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Node};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::node_page::NodePage;

use crate::registry::mark::MarkAuthor;

use super::costly::is_costly;
use super::effects::{Effect, MarkKind, MarkOrder, ReloadRequest};
use super::facts::FactQuery;
use super::task::Front;

/// The number of nodes in a page where the requester names no limit, and the most.
const PAGE: (usize, usize) = (100, 1000);
/// The size of a page in bytes: replies stay far below the message size of NATS.
const PAGE_BYTES: usize = 512 * 1024;
/// The largest message to these endpoints, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodesPage {
    /// The only node that is asked for.
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
    /// Whether the node is to be emptied.
    #[serde(default)]
    drain: bool,
    /// Whether nothing is to be changed, and only told what would be left.
    #[serde(default)]
    dry_run: bool,
}

/// A request to accept a node, or to forget one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberOrder {
    node: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    by: String,
}

impl Front {
    /// Handles a request.
    pub(super) fn request(&mut self, incoming: Incoming) {
        if is_costly(incoming.verb) {
            return self.answer_in_turn(incoming);
        }
        let told = match incoming.verb {
            Verb::Place | Verb::Explain | Verb::Start => {
                if let Some(incoming) = self.with_token(incoming) {
                    self.take_with_token(incoming);
                }
                return;
            }
            Verb::Confirm | Verb::Release | Verb::Renew => match self.about_reservation(&incoming) {
                Some(told) => told,
                None => return,
            },
            Verb::Cancel => return self.cancel(incoming),
            Verb::Accept | Verb::Forget => match read(&incoming) {
                Ok(member) => return self.member(incoming, member),
                Err(failure) => Err(failure),
            },
            Verb::Cordon | Verb::Uncordon => match read(&incoming) {
                Ok(cordon) => return self.cordon(incoming, cordon),
                Err(failure) => Err(failure),
            },
            Verb::Assign | Verb::Unassign => return self.assign(incoming),
            Verb::FactSet | Verb::FactDelete => return self.order_fact(incoming),
            Verb::Facts => read(&incoming).map(|query: FactQuery| self.listed_facts(&query)),
            Verb::Reload => return self.reload(incoming),
            Verb::Waiting | Verb::Status | Verb::Nodes | Verb::Assignments | Verb::Decision => return,
        };
        match told {
            Ok(told) => self.reply(Outgoing::new(&incoming, told.to_string().into(), None)),
            Err(failure) => self.fail(&incoming, &failure),
        }
    }

    /// Returns the page of nodes that is asked for.
    pub(super) fn page(&self, page: &NodesPage) -> String {
        let mut shown = NodePage::new(PAGE_BYTES);
        let generation = ("generation".to_owned(), json!(self.cluster.generation()));
        if let Some(id) = &page.node {
            if let Some(node) = self.cluster.get(id) {
                shown.push(node, &self.beside(node));
            }
            return shown.reply(Map::from_iter([("next".to_owned(), json!(null)), generation]));
        }
        let limit = page.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
        let mut next = None;
        for node in self.cluster.nodes_after(&page.after) {
            if shown.len() == limit || !shown.push(node, &self.beside(node)) {
                next = shown.last().cloned();
                break;
            }
        }
        let total = ("total".to_owned(), json!(self.cluster.len()));
        shown.reply(Map::from_iter([("next".to_owned(), json!(next)), total, generation]))
    }

    /// Returns the fields of a node of a page that scripts do not see.
    fn beside(&self, node: &Node) -> Map<String, Value> {
        let mut beside = Map::new();
        beside.insert("state".to_owned(), json!(self.state(node)));
        beside.insert("pending".to_owned(), json!(node.pending().len()));
        if let Some(mark) = self.view.mark(node.id()) {
            beside.insert("marks".to_owned(), json!(mark));
        }
        if let Some(check_in) = self.view.check_in(node.id()) {
            let age_ms = u64::try_from(self.since(check_in.at).as_millis()).unwrap_or(u64::MAX);
            beside.insert("checkedIn".to_owned(), json!({"age_ms": age_ms, "late": check_in.is_late}));
        }
        beside
    }

    /// Returns the text of the outlook that a dry run of a cordon asks for.
    pub(super) fn dry_run(&self, incoming: &Incoming) -> Result<String, Failure> {
        let cordon: Cordon = read(incoming)?;
        self.outlook(&cordon.node).map(|outlook| json!(outlook).to_string())
    }

    /// Orders that a mark is written; the reply waits for that, and by then the mark counts.
    fn cordon(&mut self, incoming: Incoming, cordon: Cordon) {
        let cordoned = incoming.verb == Verb::Cordon;
        if cordon.drain && !cordoned {
            let message = "`drain` goes with a cordon; an uncordon ends a drain";
            return self.fail(&incoming, &Failure::new(FailureName::BadRequest, message));
        }
        if cordon.dry_run && !cordoned {
            let message = "`dry_run` goes with a cordon";
            return self.fail(&incoming, &Failure::new(FailureName::BadRequest, message));
        }
        if cordon.dry_run {
            return self.answer_in_turn(incoming);
        }
        if cordoned && self.cluster.find(&cordon.node).is_none() {
            let message = format!("the cluster has no node `{}`", cordon.node);
            return self.fail(&incoming, &Failure::new(FailureName::UnknownNode, message));
        }
        if !cordoned {
            let node = Arc::from(cordon.node.as_str());
            self.failures.forget(&node);
            self.queue_uncordoned(&node);
        }
        let kind = match (cordoned, cordon.drain) {
            (true, true) => MarkKind::Drain,
            (true, false) => MarkKind::Cordon,
            (false, _) => MarkKind::Uncordon,
        };
        // Only the registry knows how long a cool-down lasts.
        let was_cooling = self.cluster.get(&cordon.node).is_some_and(|node| node.marks().cooling_down);
        let word = MarkAuthor { by: cordon.by, at_ms: self.now.unix_ms, reason: cordon.reason };
        self.order(Effect::Mark(MarkOrder { incoming, node: cordon.node.into(), kind, word, was_cooling }));
    }

    /// Orders that a node is accepted, which may not have reported yet, or forgotten, which must not report any more.
    fn member(&mut self, incoming: Incoming, member: MemberOrder) {
        let is_forgotten = incoming.verb == Verb::Forget;
        if is_forgotten && self.cluster.get(&member.node).is_some_and(|node| !node.is_stale()) {
            let message =
                format!("the node `{}` reports, and would be back at once: stop its agent first", member.node);
            return self.fail(&incoming, &Failure::new(FailureName::BadRequest, message));
        }
        let kind = if is_forgotten { MarkKind::Forget } else { MarkKind::Accept };
        let was_cooling = self.cluster.get(&member.node).is_some_and(|node| node.marks().cooling_down);
        let word = MarkAuthor { by: member.by, at_ms: self.now.unix_ms, reason: member.reason };
        self.order(Effect::Mark(MarkOrder { incoming, node: member.node.into(), kind, word, was_cooling }));
    }

    /// Passes a request for a reload of the config to the server, which answers the request.
    fn reload(&mut self, incoming: Incoming) {
        let replicas = 1 + self.replicas.others();
        self.order(Effect::Reload(ReloadRequest { incoming, replicas }));
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(incoming: &Incoming) -> Result<T, Failure> {
    let (body, limits) = (incoming.body(), JsonLimits::bytes(MESSAGE_BYTES));
    let bad = |message: String| Failure::new(FailureName::BadRequest, message);
    if !body.trim_ascii_start().starts_with(b"{") {
        // serde would read a list as the fields of an object in their order.
        let found = json::parse(body, limits).map_err(|error| bad(error.about("the request")))?;
        return Err(bad(format!("the request must be an object, not {}", json::kind(&found))));
    }
    json::parse_as(body, limits).map_err(|error| bad(error.about("the request")))
}

#[cfg(test)]
mod tests;
