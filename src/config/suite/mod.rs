//! A file of tests, `NAME.test.toml`: read as a config is, every problem reported at once with its line.
//!
//! The file stands beside the scripts that it tests. Chains are written as in a config, or the file names the config;
//! nodes, requests and what is expected of the answers are values here, in which nothing is left to check but the files
//! of nodes: what they hold belongs to whoever runs the tests.

mod check;
mod expected;
pub(super) mod json;
pub mod key;
mod node_source;
mod reader;
pub mod schema;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chain::ChainSet;
use crate::model::{FailureName, Report};

use super::files::Files;
use super::problem::{ConfigErrors, Notes, Problem, quoted};
use super::{Config, raw};

/// How the name of a file of tests ends.
pub const SUITE_SUFFIX: &str = ".test.toml";
/// The largest file of tests in bytes: 10,000 cases take two of them.
pub const MAX_SUITE_BYTES: usize = 16 << 20;
/// The most cases of one file.
pub const MAX_CASES: usize = 20_000;
/// The most nodes of a cluster.
pub const MAX_NODES: u32 = 100_000;
/// The most nodes of a cluster that `for_all` draws.
pub const MAX_DRAWN_NODES: u32 = 1_000;
/// The most clusters that `for_all` draws.
pub const MAX_CLUSTERS: u32 = 10_000;
/// The most times that a case asks its requests.
pub const MAX_REPEAT: u32 = 100_000;
/// The most requests of a case.
pub const MAX_REQUESTS: usize = 10_000;
/// The most questions of one case: its clusters, requests and repetitions together.
pub const MAX_QUESTIONS: u64 = 200_000;
/// The longest name of a case in bytes.
pub const MAX_CASE_NAME_BYTES: usize = 200;
/// The time of a case that names none: 2026-01-15T12:00:00Z, a Thursday, in Unix milliseconds.
pub const DEFAULT_NOW_MS: i64 = 1_768_478_400_000;
/// The random bits of a case that names none.
pub const DEFAULT_SEED: u64 = 1;

/// A file of tests in which everything is as it must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The folder at which its paths start.
    pub base: PathBuf,
    /// The chains that it tests.
    pub set: ChainSet,
    /// Other chains that must pass the same cases.
    pub variants: Vec<Variant>,
    /// The config that the chains came from, where the file names one.
    pub config: Option<Box<Config>>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// Chains that must pass the cases of a file too: the same policy in another language, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What the variant is called.
    pub name: Arc<str>,
    /// Its chains.
    pub set: ChainSet,
}

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name, which no other case of the file has.
    pub name: Arc<str>,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The nodes.
    pub nodes: NodeSource,
    /// The action that is asked for where a request names none.
    pub action: Option<Arc<str>>,
    /// What is asked, one after the other; at least one.
    pub requests: Vec<CaseRequest>,
    /// How often all of that is asked.
    pub repeat: u32,
    /// The time of the requests in Unix milliseconds; absent where the nodes' file may say.
    pub now_ms: Option<i64>,
    /// The random bits of the first request; absent where the nodes' file may say.
    pub seed: Option<u64>,
    /// What is expected of every answer, and of all answers together.
    pub expected: Expectations,
}

/// One request of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRequest {
    /// Its fields, over those of the file.
    pub fields: Map<String, Value>,
    /// What is expected of its answer alone.
    pub expected: Expectations,
}

/// Where the nodes of a case come from.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeSource {
    /// They stand in the file of tests.
    Inline(Vec<Arc<Report>>),
    /// They stand in a file of their own, as `place --nodes` reads it.
    File(PathBuf),
    /// They and the request were recorded with a decision.
    Decision(PathBuf),
    /// They are drawn.
    Generated(Drawn),
    /// Many clusters are drawn, and what is expected must hold on each.
    ForAll {
        /// How many.
        clusters: u32,
        /// The fewest and the most nodes of one.
        sizes: (u32, u32),
        /// The seed that they are drawn with.
        seed: u64,
    },
}

/// A cluster that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// How many nodes.
    pub count: u32,
    /// The seed that they are drawn with.
    pub seed: u64,
    /// What every node has on top.
    pub with: Map<String, Value>,
}

/// What must come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectations {
    /// How each decision ends; anything, where nothing is said.
    pub outcome: Option<ExpectedOutcome>,
    /// What no chosen node may be like.
    pub never: Option<Value>,
    /// What every chosen node must be like.
    pub always: Option<Value>,
    /// The nodes that are chosen one after another, each where those before it are away.
    pub order: Option<Vec<String>>,
    /// How evenly the requests of the case spread over nodes.
    pub spread: Option<Spread>,
    /// The most calls of script functions for one decision.
    pub calls: Option<u64>,
}

/// How a decision must end.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedOutcome {
    /// With one of these nodes.
    OneOf(Vec<String>),
    /// With a node, whichever.
    Any,
    /// Without a node: the chain ended with none, which is no error of a script.
    None,
    /// With an error of this name, where there is one, whose message has these words.
    Error(Option<FailureName>, String),
}

/// How evenly requests must spread over the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The largest part of the requests that one node may get, from 0 to 1.
    pub max_share: Option<f64>,
    /// How many more requests than the node with the fewest the one with the most may get, among all nodes of the case.
    pub max_difference: Option<u64>,
}

impl Expectations {
    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the file of tests at `path`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, files: &dyn Files) -> Result<Suite, ConfigErrors> {
    let file = path.to_string_lossy();
    let unread = |why: String| ConfigErrors::whole(&file, Problem::new(format!("test file {}: {why}", quoted(&file))));
    let contents = files.read(path, MAX_SUITE_BYTES).map_err(|fault| unread(fault.to_string()))?;
    let text = contents.text(MAX_SUITE_BYTES).map_err(unread)?;
    let mut notes = Notes::default();
    let readable = raw::check(text, &mut notes);
    let tree = raw::tree(&readable);
    let base = path.parent().unwrap_or(Path::new(""));
    let reader = reader::SuiteReader { file: &file, text, path, base, files };
    let suite = reader.read(&tree, &mut notes);
    match notes.into_errors(&file, text, str::to_owned) {
        Some(errors) => Err(errors),
        None => suite.map_err(|problem| ConfigErrors::whole(&file, problem)),
    }
}

#[cfg(test)]
mod tests;
