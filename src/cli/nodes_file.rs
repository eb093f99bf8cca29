//! The node list that `place` is given: an array of nodes, or a FastX 4 document with the request beside it.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::model::json::{self, JsonLimits};
use crate::model::{Change, Report};

use super::exit::Exit;

/// Size of a node list: 100,000 nodes with four sessions each take about 80 MiB.
const MAX_BYTES: u64 = 256 << 20;
/// A list of nodes, or a document that holds one, nests two levels deeper than a node.
const LIMITS: JsonLimits = JsonLimits { max_bytes: MAX_BYTES as usize, max_depth: json::MAX_DEPTH + 2 };

/// A node list with the request that came along.
#[derive(Debug)]
pub struct NodesFile {
    /// The nodes, in the order of the file.
    pub reports: Vec<Change>,
    /// What else the document says: FastX 4's `params`, and any field of a request.
    pub request: Map<String, Value>,
}

/// Reads the node list in `path`; absent: on standard input. The request in it may have `max_request_bytes`.
///
/// # Errors
/// What cannot be read, is no node list, names a node twice, or has a request too large; the message names the file and
/// the node.
pub fn read(path: Option<&Path>, max_request_bytes: usize) -> Result<NodesFile, Exit> {
    let name = path.map_or("standard input".to_owned(), |path| path.display().to_string());
    let unreadable = |error: std::io::Error| Exit::usage(format!("{name}: {error}"));
    let mut text = Vec::new();
    match path {
        Some(path) => std::fs::File::open(path).map_err(unreadable)?.take(MAX_BYTES + 1).read_to_end(&mut text),
        None => std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut text),
    }
    .map_err(unreadable)?;
    let told = |why: String| Exit::usage(format!("{name}: {why}"));
    let file = parse(&text).map_err(told)?;
    // Once it is part of the question, nobody knows where it came from.
    check_request(&file.request, max_request_bytes).map_err(told)?;
    Ok(file)
}

fn check_request(request: &Map<String, Value>, max_bytes: usize) -> Result<(), String> {
    let text = json!(request).to_string();
    let parsed = json::parse(text.as_bytes(), JsonLimits::bytes(max_bytes));
    parsed.map(|_request| ()).map_err(|error| format!("the request in it is {error}"))
}

/// Reads the node list in `text`.
///
/// # Errors
/// What is wrong with `text`, with the place of the node that it is about.
pub fn parse(text: &[u8]) -> Result<NodesFile, String> {
    if text.trim_ascii().is_empty() {
        return Err("it is empty; expected a JSON array of nodes, or {\"nodes\": […], \"params\": {…}}".to_owned());
    }
    let (nodes, request) = match json::parse(text, LIMITS).map_err(|error| error.to_string())? {
        Value::Array(nodes) => (nodes, Map::new()),
        Value::Object(mut document) => match document.remove("nodes").or_else(|| document.remove("servers")) {
            Some(Value::Array(nodes)) => (nodes, document),
            Some(other) => return Err(format!("`nodes` is {}, expected a list of nodes", json::kind(&other))),
            None => {
                return Err(
                    "it has no `nodes`; expected an array of nodes, or {\"nodes\": […], \"params\": {…}}".to_owned()
                );
            }
        },
        other => return Err(format!("it is {}, expected an array of nodes", json::kind(&other))),
    };
    let mut seen = BTreeSet::new();
    let mut reports = Vec::with_capacity(nodes.len());
    for (place, node) in nodes.into_iter().enumerate() {
        let report = Report::from_value(node).map_err(|error| format!("node number {}: {error}", place + 1))?;
        if !seen.insert(Arc::clone(&report.id)) {
            return Err(format!("node number {}: the id `{}` is taken by an earlier node", place + 1, report.id));
        }
        reports.push(Change::Report(Arc::new(report)));
    }
    Ok(NodesFile { reports, request })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("", "empty"),
            ("7", "a number"),
            ("{\"params\":{}}", "no `nodes`"),
            ("{\"nodes\":7}", "`nodes` is a number"),
            ("[{\"id\":\"a\"},{\"id\":\"a\"}]", "node number 2: the id `a` is taken"),
            ("[{\"id\":\"a\",\"maxSessions\":-1}]", "`maxSessions` is -1"),
            ("[{\"id\":\"a\"", "line 1"),
            ("[NaN]", "not valid JSON"),
        ] {
            let message = parse(text.as_bytes()).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
        assert_eq!(parse(br#"{"nodes":[{"id":"a b/*\u00fc"}],"params":{"me":{}}}"#).unwrap().reports.len(), 1);
    }
}
