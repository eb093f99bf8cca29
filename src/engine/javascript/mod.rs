//! JavaScript in Boa, whole and unmodified: the scripts that FastX 3 and 4 administrators already have.
//!
//! A single context serves all scripts of a worker (`engine`). `program` compiles a source once, into a function that runs the top
//! level at each call; `run` calls that function per request. The script's view of request and nodes is built by
//! `input` and `nodes`, lazily; the returned or thrown value is read by `answer` and `thrown`. `intrinsics` and
//! `globals` keep the effects of a run from the next run.
//!
//! This engine cannot bound time and memory: Boa has no interrupt. The worker around the engine bounds both.

mod analysis;
mod annotate;
mod answer;
mod call_context;
mod collector;
#[cfg(feature = "wasm")]
mod compiled;
mod console;
mod counter;
mod counting;
mod dates;
mod dice;
mod engine;
mod engine_trace;
mod fault;
mod globals;
mod guards;
mod host;
mod input;
mod intrinsics;
mod isolate;
mod jobs;
mod lazy;
mod locales;
mod names;
mod nodes;
mod overlay;
mod places;
mod program;
mod run;
mod shims;
mod sort;
mod tail;
mod thrown;
#[cfg(feature = "wasm")]
mod tiered_run;
mod tools;
mod tree;
mod wrapper;

pub use annotate::annotate;

use crate::engine::Settings;
use crate::script::tree::SyntaxTree;
use crate::script::{Engine, SourceText};

/// Returns the engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(engine::JavaScript::new(settings))
}

/// Returns `source` as a tree, or `None` where it does not compile.
#[must_use]
pub fn tree(source: &SourceText) -> Option<SyntaxTree> {
    tree::tree(source)
}
