//! The ids of the nodes that the cluster has, from a node list or from a running service.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::model::Change;
use crate::worker::WorkerLimits;

use super::bus::BusArgs;
use super::exit::CommandExit;
use super::{nodes_file, remote};

/// The number of nodes in a page of the answer.
const PAGE: usize = 1_000;

/// Returns the ids in the node list `file`, else those of the service of `bus`; nothing where neither is given.
///
/// # Errors
/// A file that cannot be read, or a service that does not answer.
pub(super) fn of(file: Option<&Path>, bus: &BusArgs) -> Result<Option<BTreeSet<String>>, CommandExit> {
    if let Some(file) = file {
        let nodes = nodes_file::read(Some(file), WorkerLimits::default().request_bytes)?;
        let ids = nodes.reports.iter().filter_map(|change| match change {
            Change::Report(report) => Some(report.id.to_string()),
            _ => None,
        });
        return Ok(Some(ids.collect()));
    }
    // A variable of the environment alone asks for nothing: a check needs no service.
    let is_asked = std::env::args_os().any(|argument| argument.to_string_lossy().starts_with("--nats"));
    if !is_asked || !bus.is_given() {
        return Ok(None);
    }
    remote::with_bus(bus, None, async |bus, namespace| {
        let (mut ids, mut after) = (BTreeSet::new(), String::new());
        loop {
            let page = remote::ask(&bus, namespace.nodes(), &json!({"after": after, "limit": PAGE})).await?;
            let nodes = page.get("nodes").and_then(Value::as_array).into_iter().flatten();
            ids.extend(nodes.filter_map(|node| node.get("id")?.as_str().map(str::to_owned)));
            match page.get("next").and_then(Value::as_str) {
                Some(next) if next > after.as_str() => next.clone_into(&mut after),
                _ => return Ok(Some(ids)),
            }
        }
    })
}
