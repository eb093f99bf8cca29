//! Rhai: a small language made to be embedded; Rhai scripts can be stopped without ending their process.
//!
//! A single engine serves all scripts of a worker. `program` compiles a source once, `run` calls the functions per
//! request. Nodes are handles on the cluster's data (`view`, `nodes`), and their parts are shared maps and lists
//! (`objects`, `lists`) that become the script's own when the script writes to them: nothing is copied for a request
//! but the handles.
//!
//! Rhai itself counts operations and sizes; `call_context` adds the alarm, and `language` removes what a balancer
//! script must not do. A script that passes a limit gets an error, and the worker goes on.

mod answer;
mod call_context;
mod comments;
mod comparisons;
mod convert;
mod coverage;
mod definitions;
mod depends;
mod fields;
mod input;
mod language;
mod lists;
mod mentions;
mod nodes;
mod objects;
mod program;
mod reads;
mod run;
mod shape;
mod sorting;
mod thrown;
mod tree;
mod view;

use crate::engine::Settings;
use crate::script::tree::SyntaxTree;
use crate::script::{Engine, SourceText};

/// Returns the engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(program::Rhai::new(settings))
}

/// Returns `source` as a tree, or `None` where it does not compile or is not understood.
#[must_use]
pub fn tree(source: &SourceText) -> Option<SyntaxTree> {
    tree::tree(source)
}
