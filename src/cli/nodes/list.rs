//! The list of nodes: those of the cluster, and those that are gone since a day.

use std::collections::BTreeSet;

use comfy_table::Cell;
use serde_json::{Value, json};

use crate::cli::bench::units::span;
use crate::cli::exit::CommandExit;
use crate::cli::output;
use crate::cli::remote::ask;
use crate::cli::table::{self, Tone, toned};
use crate::config::Namespace;
use crate::host;
use crate::nats::{Bus, wire};
use crate::plain::Plain;
use crate::registry;
use crate::registry::journal::{KeptRecord, MAX_HISTORY, NodeEvent};

/// The time for which a node that is gone is listed, in milliseconds.
const GONE_MS: i64 = 24 * 60 * 60 * 1000;
/// The most nodes whose history is looked at because a user was assigned to the node last.
const MAX_LOOKS: usize = 50;
/// The state of a node that left.
const GONE: &str = "gone";
/// The state of a node that missed as many reports as it may.
const OUT_OF_SYNC: &str = "out of sync";

/// A node that left.
struct GoneNode {
    id: String,
    since_ms: i64,
    reason: String,
}

/// Which nodes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// The nodes of the cluster; in a table also those that are gone.
    Cluster,
    /// The nodes that are gone since a day.
    Gone,
}

/// Prints the `listed` nodes.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub(super) async fn list(bus: &Bus, namespace: &Namespace, listed: Listed, as_json: bool) -> Result<(), CommandExit> {
    let mut nodes = all(bus, namespace).await?;
    // The list of a cluster as JSON is food for `place --nodes` and `simulate`: no node is in it that cannot be chosen.
    if as_json && listed == Listed::Cluster {
        return output::json(format_args!("{:#}", Value::Array(nodes)));
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let gone = gone(bus, namespace, &nodes, now_ms).await;
    if as_json {
        let gone = gone
            .iter()
            .map(|node| json!({"id": node.id, "state": GONE, "since_ms": node.since_ms, "reason": node.reason}));
        return output::json(format_args!("{:#}", gone.collect::<Value>()));
    }
    if listed == Listed::Gone {
        nodes.clear();
    }
    let hostname = host::name();
    let is_here =
        |node: &Value| is_of_machine(node.get("id"), &hostname) || is_of_machine(node.get("hostname"), &hostname);
    let headings =
        ["node", "state", "sessions", "pending", "max", "load", "free memory", "seen", "agent", "up", "address"];
    let mut rows = table::table(&headings);
    for node in &nodes {
        rows.add_row(row(node, is_here(node), now_ms));
    }
    for node in &gone {
        let since = u64::try_from(now_ms.saturating_sub(node.since_ms) / 1000).unwrap_or_default();
        let mut row: Vec<_> = [node.id.as_str(), GONE].iter().map(|text| toned(text, Tone::Quiet)).collect();
        row.extend((0..5).map(|_| Cell::new("-")));
        row.push(toned(format!("{} ago", span(since)), Tone::Quiet));
        row.extend([Cell::new("-"), Cell::new("-"), toned(&node.reason, Tone::Quiet)]);
        rows.add_row(row);
    }
    output::answer(rows)?;
    let mut words = format!("{} node{}", nodes.len(), if nodes.len() == 1 { "" } else { "s" });
    if !gone.is_empty() {
        words.push_str(&format!(", and {} gone since a day", gone.len()));
    }
    if nodes.iter().any(is_here) {
        words.push_str("; * is this machine");
    }
    output::aside(words);
    Ok(())
}

/// Returns all nodes of the cluster.
async fn all(bus: &Bus, namespace: &Namespace) -> Result<Vec<Value>, CommandExit> {
    let (mut nodes, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(bus, namespace.nodes(), &json!({"after": after, "limit": 1000})).await?;
        nodes.extend(page.get("nodes").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next").and_then(Value::as_str) {
            Some(next) if next > after.as_str() => next.clone_into(&mut after),
            _ => return Ok(nodes),
        }
    }
}

/// Returns the nodes that left within a day and are not among `nodes`, by id. A login that may not read the history is
/// shown none.
async fn gone(bus: &Bus, namespace: &Namespace, nodes: &[Value], now_ms: i64) -> Vec<GoneNode> {
    let Ok(records) = registry::last_records(bus, namespace).await else { return Vec::new() };
    let there: BTreeSet<&str> = nodes.iter().filter_map(|node| node.get("id")?.as_str()).collect();
    let mut left = Vec::new();
    let (mut looks, absent) = (0, records.into_iter().filter(|kept| !there.contains(&*kept.record.node)));
    for mut kept in absent {
        if is_about_user(&kept) && looks < MAX_LOOKS {
            looks += 1;
            let history = registry::history(bus, namespace, &kept.record.node, MAX_HISTORY).await.unwrap_or_default();
            kept = history.into_iter().rfind(|kept| !is_about_user(kept)).unwrap_or(kept);
        }
        if kept.record.event == NodeEvent::Left && kept.at_ms.saturating_add(GONE_MS) > now_ms {
            left.push(kept);
        }
    }
    let mut gone: Vec<_> = left
        .into_iter()
        .map(|kept| GoneNode { id: kept.record.node.to_string(), since_ms: kept.at_ms, reason: kept.record.reason })
        .collect();
    gone.sort_by(|one, other| one.id.cmp(&other.id));
    gone
}

/// Whether a record is about the assignment of a user, which says nothing of the node's own life.
fn is_about_user(kept: &KeptRecord) -> bool {
    matches!(kept.record.event, NodeEvent::Assigned | NodeEvent::Unassigned)
}

/// Whether `name` is the name of this machine, with or without a domain.
fn is_of_machine(name: Option<&Value>, hostname: &str) -> bool {
    let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) else { return false };
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    name.eq_ignore_ascii_case(hostname) || short(name) == short(hostname)
}

fn row(node: &Value, is_here: bool, now_ms: i64) -> Vec<Cell> {
    let number = |pointer: &str| node.pointer(pointer).and_then(Value::as_f64);
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
    let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let address = Some(text("/urls/0")).filter(|url| !url.is_empty()).unwrap_or_else(|| text("/hostname"));
    let is_late = node.pointer("/checkedIn/late") == Some(&Value::Bool(true));
    let word = text("/state");
    let (state, tone) = match is_late && word != wire::STALE {
        true => (OUT_OF_SYNC.to_owned(), Tone::Bad),
        false => (state(&word, number("/sessions")), table::tone_of_state(&word)),
    };
    let started_ms = node.pointer("/agent/started_ms").and_then(Value::as_i64);
    let up = started_ms.map(|started_ms| u64::try_from(now_ms.saturating_sub(started_ms) / 1000).unwrap_or_default());
    let seen = node.pointer("/checkedIn/age_ms").and_then(Value::as_u64);
    let mut cells = table::row([format!("{}{}", text("/id"), if is_here { " *" } else { "" })]);
    cells.push(toned(state, tone));
    cells.extend(table::row([
        shown(number("/sessions")),
        shown(number("/pending")),
        shown(number("/maxSessions")),
        shown(number("/loadavg/0")),
        number("/freemem").map_or("-".to_owned(), |bytes| format!("{:.1} GiB", bytes / f64::from(1 << 30))),
        seen.map_or("-".to_owned(), |age_ms| format!("{} ago", span(age_ms / 1000))),
        or_none(text("/agent/version")),
        up.map_or("-".to_owned(), span),
        or_none(Plain(address).to_string()),
    ]));
    cells
}

/// Renders a node's state; of a node that is being drained also the number of sessions left.
fn state(state: &str, sessions: Option<f64>) -> String {
    match sessions.filter(|_| state == wire::DRAINING) {
        Some(left) => format!("{state}, {left} left"),
        None => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_by_its_name_with_or_without_a_domain() {
        for name in ["node7", "NODE7", "node7.example.org"] {
            assert!(is_of_machine(Some(&json!(name)), "node7"), "{name}");
            assert!(is_of_machine(Some(&json!(name)), "node7.example.org"), "{name}");
        }
        assert!(!is_of_machine(Some(&json!("node70")), "node7") && !is_of_machine(Some(&json!("")), "node7"));
        assert!(!is_of_machine(None, "node7"));
    }
}
