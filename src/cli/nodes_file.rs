//! The node list of `place`: an array of nodes, or a FastX 4 document with the request beside the nodes.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::config::problem::nearest;
use crate::model::json::{self, JsonLimits};
use crate::model::{Change, Report};

use super::exit::CommandExit;
use super::output;

/// Size of a node list: 100,000 nodes with four sessions each take about 80 MiB.
const MAX_BYTES: u64 = 256 << 20;
/// Warnings that are shown.
const MAX_WARNINGS: usize = 100;
/// The limits of a list of nodes, or of a document with a list, which nests two levels deeper than a node.
const LIMITS: JsonLimits = JsonLimits { max_bytes: MAX_BYTES as usize, max_depth: json::MAX_DEPTH + 2 };

/// A node list with the request that came along.
#[derive(Clone, Debug)]
pub struct NodesFile {
    /// The nodes, in the order of the file.
    pub reports: Vec<Change>,
    /// The other fields of the document: FastX 4's `params`, and any field of a request.
    pub request: Map<String, Value>,
    /// The warnings about nodes that were repaired or left out, each with the node's id.
    pub warnings: Vec<String>,
}

impl NodesFile {
    /// Returns the ids of the nodes, in the order of the file.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.list().map(|report| report.id.to_string()).collect()
    }

    /// Returns the notes on a question of the user `login`: a user without sessions with nearly the name of a user with
    /// sessions is probably misspelt.
    #[must_use]
    pub fn notes_on(&self, login: &str) -> Vec<String> {
        let users: BTreeSet<&str> =
            self.list().flat_map(|report| report.sessions.listed()).map(|session| &**session.user()).collect();
        let is_known = login.is_empty() || users.contains(login);
        let meant = nearest(login, users.iter().copied()).filter(|_| !is_known);
        let note = meant.map(|meant| format!("no node has a session of `{login}`; did you mean `{meant}`?"));
        note.into_iter().collect()
    }

    fn list(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().filter_map(|change| match change {
            Change::Report(report) => Some(&**report),
            _ => None,
        })
    }
}

/// The node list of a command that reads the same file again and again, and that changes seldom.
#[derive(Debug, Default)]
pub(super) struct KeptNodes {
    kept: Option<(FilePrint, NodesFile)>,
}

impl KeptNodes {
    /// Reads the node list in `path` as [`read`] does, or returns what was read last while the file stays as it was.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn read(&mut self, path: Option<&Path>, max_request_bytes: usize) -> Result<NodesFile, CommandExit> {
        let print = path.and_then(file_print);
        if let (Some(print), Some((kept, nodes))) = (&print, &self.kept)
            && print == kept
        {
            return Ok(nodes.clone());
        }
        let nodes = read(path, max_request_bytes)?;
        self.kept = print.map(|print| (print, nodes.clone()));
        Ok(nodes)
    }
}

/// The inode, size and time of a file, which differ after each save.
pub(super) type FilePrint = (u64, u64, i64, i64);

/// Returns the print of the file at `path`, or `None` where there is none.
pub(super) fn file_print(path: &Path) -> Option<FilePrint> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// Reads the node list in `path`; absent, or `-`: on standard input. The request in the document may have
/// `max_request_bytes`.
///
/// # Errors
/// A file that cannot be read, is no node list, or has a request too large; the message names the file. A node that
/// cannot be used is left out, with a warning.
pub fn read(path: Option<&Path>, max_request_bytes: usize) -> Result<NodesFile, CommandExit> {
    let path = path.filter(|path| *path != Path::new("-"));
    let name = path.map_or("standard input".to_owned(), |path| path.display().to_string());
    let unreadable = |error: std::io::Error| CommandExit::usage(format!("{name}: {error}"));
    let mut text = Vec::new();
    match path {
        Some(path) => std::fs::File::open(path).map_err(unreadable)?.take(MAX_BYTES + 1).read_to_end(&mut text),
        None => {
            if std::io::stdin().is_terminal() {
                output::aside("reading the nodes from standard input; --nodes FILE reads them from a file");
            }
            std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut text)
        }
    }
    .map_err(unreadable)?;
    let refused = |why: String| CommandExit::usage(format!("{name}: {why}"));
    let mut file = parse(&text).map_err(refused)?;
    file.warnings.iter_mut().for_each(|warning| *warning = format!("{name}: {warning}"));
    // As part of the question, the request would no longer show that it came from the file.
    check_request(&file.request, max_request_bytes).map_err(refused)?;
    Ok(file)
}

fn check_request(request: &Map<String, Value>, max_bytes: usize) -> Result<(), String> {
    let text = json!(request).to_string();
    let parsed = json::parse(text.as_bytes(), JsonLimits::bytes(max_bytes));
    parsed.map(|_request| ()).map_err(|error| format!("the request in it is {error}"))
}

/// Parses the node list in `text`.
///
/// # Errors
/// A fault of `text` as a whole.
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
    let (mut seen, mut warnings) = (BTreeSet::new(), Vec::new());
    let mut reports = Vec::with_capacity(nodes.len());
    for (place, node) in nodes.into_iter().enumerate() {
        let place = place + 1;
        match Report::from_value(node) {
            Err(error) => warnings.push(format!("node number {place} is left out: {error}")),
            Ok(report) if !seen.insert(Arc::clone(&report.id)) => {
                let id = &report.id;
                warnings.push(format!("node number {place} is left out: the id `{id}` is taken by an earlier node"));
            }
            Ok(report) => {
                warnings.extend(report.notes().iter().map(|note| format!("node `{}`: {note}", report.id)));
                reports.push(Change::Report(Arc::new(report)));
            }
        }
    }
    if let (true, Some(first)) = (reports.is_empty(), warnings.first()) {
        return Err(format!("none of its nodes can be used: {first}"));
    }
    let more = warnings.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        warnings.truncate(MAX_WARNINGS);
        warnings.push(format!("{more} more warnings are not shown"));
    }
    Ok(NodesFile { reports, request, warnings })
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
            ("[{\"id\":\"a\"", "line 1"),
            ("[NaN]", "not valid JSON"),
        ] {
            let message = parse(text.as_bytes()).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
        let odd = br#"[{"id":"a"},{"id":"a"},7,{"id":"b","maxSessions":-1},{"id":"c","cordoned":"yes"},{"id":"d"}]"#;
        let file = parse(odd).unwrap();
        assert_eq!(file.reports.len(), 3, "no odd node ends a placement");
        let expected = [
            "node number 2 is left out: the id `a` is taken by an earlier node",
            "node number 3 is left out: a node must be an object, this is a number",
            "node `b`: `maxSessions` is -1, which counts as unknown",
            "node number 5 is left out: node `c`: `cordoned` is a string, expected true or false",
        ];
        assert_eq!(file.warnings, expected);
        assert_eq!(parse(br#"{"nodes":[{"id":"a b/*\u00fc"}],"params":{"me":{}}}"#).unwrap().reports.len(), 1);
    }
}
