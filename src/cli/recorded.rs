//! Decisions that a running service recorded, with everything that they were made from.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::Namespace;
use crate::nats::Bus;

use super::exit::{self, CommandExit};
use super::remote;

/// The most pages that a recorded decision has: of a thousand nodes, each as large as a page.
const MAX_PAGES: usize = 1_000;
/// The longest id of a decision in bytes; the id becomes a file's name.
const MAX_ID_BYTES: usize = 100;
/// The time for the answer of the replica that took the decision; no other replica answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether `text` may be the id of a decision.
pub(super) fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(is_plain)
}

/// Whether `record` has what a decision is made from: nodes, a request, a time and random bits.
pub(super) fn is_complete(record: &Value) -> bool {
    ["nodes", "request", "now", "seed", "chain"].into_iter().all(|field| record.get(field).is_some())
        && record.get("nodes").is_some_and(Value::is_array)
}

/// Fetches the recorded decision `id` page by page: `decision`, `chain`, `request`, `now`, `seed`, all `nodes`, and
/// `node` or `error`.
///
/// # Errors
/// A decision that is not recorded, and a replica that does not answer.
pub(super) async fn fetch(bus: &Bus, namespace: &Namespace, id: &str) -> Result<Map<String, Value>, CommandExit> {
    let (mut nodes, mut after) = (Vec::new(), json!(0));
    for _page in 0..MAX_PAGES {
        let body = json!({ "decision": id, "after": after, "limit": 1000 });
        let told = remote::ask_within(bus, namespace.decision(), &body, PATIENCE).await;
        let told = told.map_err(|exit| match exit.message.as_str() {
            message if message.contains("no answer") => {
                let why = "no replica answers for it: the one that took the decision is gone, or it is no decision";
                CommandExit::new(exit.code, format!("the decision `{id}` is not there: {why}"))
            }
            _ => exit,
        })?;
        let Value::Object(mut told) = told else { break };
        let Some(Value::Array(page)) = told.shift_remove("nodes") else { break };
        nodes.extend(page);
        after = told.shift_remove("next").unwrap_or_default();
        if after.is_null() {
            told.shift_remove("total");
            told.insert("nodes".to_owned(), Value::Array(nodes));
            return Ok(told);
        }
    }
    Err(CommandExit::new(exit::OTHER, "the service told no recorded decision; is it of another release?"))
}
