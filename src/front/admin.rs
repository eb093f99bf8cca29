//! The endpoints that need no chain, and those about nodes: nodes, cordon, uncordon.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Node};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::wire;

use crate::registry::marks::Word;

use super::cancel::WaitingPage;
use super::effects::{Effect, MarkKind, MarkOrder, ReloadRequest};
use super::task::Front;

/// Nodes in a page, where the requester names no limit, and at most.
const PAGE: (usize, usize) = (100, 1000);
/// Size of a page: replies stay far below the message size of NATS.
const PAGE_BYTES: usize = 512 * 1024;
/// Size of a message to these endpoints.
const MESSAGE_BYTES: usize = 64 * 1024;

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
            Verb::Confirm | Verb::Release | Verb::Renew => match self.about_reservation(&incoming) {
                Some(told) => told,
                None => return,
            },
            Verb::Cancel => return self.cancel(incoming),
            Verb::Waiting => read(&incoming).map(|page: WaitingPage| self.who_waits(&page)),
            Verb::Nodes => read(&incoming).map(|page: Page| self.page(&page)),
            Verb::Cordon | Verb::Uncordon => match read(&incoming) {
                Ok(cordon) => return self.cordon(incoming, cordon),
                Err(failure) => Err(failure),
            },
            Verb::Reload => return self.reload(incoming),
            Verb::Decision => return self.recorded(&incoming),
        };
        match told {
            Ok(told) => self.reply(Outgoing::new(&incoming, told.to_string().into(), None)),
            Err(failure) => self.fail(&incoming, &failure),
        }
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
        if let Some(mark) = self.view.mark(node.id()) {
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
            let node = Arc::from(cordon.node.as_str());
            self.failures.forget(&node);
            self.tell_uncordoned(&node);
        }
        let kind = match (cordoned, cordon.drain) {
            (true, true) => MarkKind::Drain,
            (true, false) => MarkKind::Cordon,
            (false, _) => MarkKind::Uncordon,
        };
        // How long a cool-down lasts, the registry alone knows.
        let was_cooling = self.cluster.get(&cordon.node).is_some_and(|node| node.marks().cooling_down);
        let word = Word { by: cordon.by, at_ms: self.now.unix_ms, reason: cordon.reason };
        self.order(Effect::Mark(MarkOrder { incoming, node: cordon.node.into(), kind, word, was_cooling }));
    }

    /// Hands a request to read the config again to whoever reads that, and answers.
    fn reload(&mut self, incoming: Incoming) {
        let replicas = 1 + self.replicas.others();
        self.order(Effect::Reload(ReloadRequest { incoming, replicas }));
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(incoming: &Incoming) -> Result<T, Failure> {
    let (body, limits) = (incoming.body(), JsonLimits::bytes(MESSAGE_BYTES));
    let bad = |message: String| Failure::new(FailureName::BadRequest, message);
    if !body.trim_ascii_start().starts_with(b"{") {
        // A list would be read as the fields of an object in their order.
        let found = json::parse(body, limits).map_err(|error| bad(error.about("the request")))?;
        return Err(bad(format!("the request must be an object, not {}", json::kind(&found))));
    }
    json::parse_as(body, limits).map_err(|error| bad(error.about("the request")))
}

#[cfg(test)]
mod tests;
