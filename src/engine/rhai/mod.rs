//! Rhai: a small language made to be embedded, whose scripts can be stopped without ending their process.
//!
//! One engine serves all scripts of a worker. `program` compiles a source once, `run` calls its functions per request.
//! Nodes are handles on what the cluster has (`view`, `nodes`), and their parts are shared maps and lists (`objects`,
//! `lists`) that become the script's own when it writes to them: nothing is copied for a request but the handles.
//!
//! Rhai counts operations and sizes itself; `stage` adds the alarm, and `language` takes away what a balancer script must
//! not do. A script that passes a limit is told so, and the worker goes on.

mod answer;
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
mod stage;
mod thrown;
mod view;

use crate::engine::Settings;
use crate::script::Engine;

/// The engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(program::Rhai::new(settings))
}
