//! The dispatch of requests by verb, and the endpoints about nodes: nodes, cordon, uncordon.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Node};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::wire;

use crate::registry::mark::MarkAuthor;

use super::assigning::AssignmentPage;
use super::cancel::WaitingPage;
use super::effects::{Effect, MarkKind, MarkOrder, ReloadRequest};
use super::facts::FactQuery;
use super::status::StatusQuery;
use super::task::Front;

/// The number of nodes in a page where the requester names no limit, and the most.
const PAGE: (usize, usize) = (100, 1000);
/// The size of a page in bytes: replies stay far below the message size of NATS.
const PAGE_BYTES: usize = 512 * 1024;
/// The largest message to these endpoints, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodesPage {
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
            Verb::Waiting => read(&incoming).map(|page: WaitingPage| self.who_waits(&page)),
            Verb::Status => read(&incoming).map(|query: StatusQuery| json!(self.answer_status(&query))),
            Verb::Nodes => read(&incoming).map(|page: NodesPage| self.page(&page)),
            Verb::Accept | Verb::Forget => match read(&incoming) {
                Ok(member) => return self.member(incoming, member),
                Err(failure) => Err(failure),
            },
            Verb::Cordon | Verb::Uncordon => match read(&incoming) {
                Ok(cordon) => return self.cordon(incoming, cordon),
                Err(failure) => Err(failure),
            },
            Verb::Assign | Verb::Unassign => return self.assign(incoming),
            Verb::Assignments => read(&incoming).map(|page: AssignmentPage| self.assigned(&page)),
            Verb::FactSet | Verb::FactDelete => return self.order_fact(incoming),
            Verb::Facts => read(&incoming).map(|query: FactQuery| self.listed_facts(&query)),
            Verb::Reload => return self.reload(incoming),
            Verb::Decision => return self.recorded(&incoming),
        };
        match told {
            Ok(told) => self.reply(Outgoing::new(&incoming, told.to_string().into(), None)),
            Err(failure) => self.fail(&incoming, &failure),
        }
    }

    fn page(&self, page: &NodesPage) -> Value {
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

    /// Returns the entry of `node` in a page, and the size of the entry in bytes.
    fn shown(&self, node: &Node) -> (Map<String, Value>, usize) {
        let mut shown = wire::node(node);
        shown.insert("state".to_owned(), json!(self.state(node)));
        if let Some(mark) = self.view.mark(node.id()) {
            shown.insert("marks".to_owned(), json!(mark));
        }
        if let Some(check_in) = self.view.check_in(node.id()) {
            let age_ms = u64::try_from(self.since(check_in.at).as_millis()).unwrap_or(u64::MAX);
            shown.insert("checkedIn".to_owned(), json!({"age_ms": age_ms, "late": check_in.is_late}));
        }
        wire::bounded(shown, PAGE_BYTES)
    }

    /// Orders that a mark is written; the reply waits for that, and by then the mark counts.
    fn cordon(&mut self, incoming: Incoming, cordon: Cordon) {
        let cordoned = incoming.verb == Verb::Cordon;
        if cordon.drain && !cordoned {
            let message = "`drain` goes with a cordon; an uncordon ends a drain";
            return self.fail(&incoming, &Failure::new(FailureName::BadRequest, message));
        }
        if cordon.dry_run {
            let told = match cordoned {
                true => self.outlook(&cordon.node),
                false => Err(Failure::new(FailureName::BadRequest, "`dry_run` goes with a cordon")),
            };
            return match told {
                Ok(outlook) => self.reply(Outgoing::new(&incoming, json!(outlook).to_string().into(), None)),
                Err(failure) => self.fail(&incoming, &failure),
            };
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
