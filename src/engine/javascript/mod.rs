//! JavaScript in Boa, whole and unmodified: the scripts that FastX 3 and 4 administrators already have.
//!
//! One context serves all scripts of a worker. `program` compiles a source once, into a function whose call is one run
//! of its top level; `run` calls it per request. What a script may see is built by `input` and `nodes`, lazily; what it
//! returned or threw is read by `answer` and `thrown`. `intrinsics` and `globals` keep one run's doings from the next.
//!
//! This engine cannot bound time and memory: Boa has no interrupt. The worker around it does.

mod analysis;
mod answer;
mod call_context;
mod collector;
mod console;
mod dates;
mod dice;
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
mod program;
mod run;
mod shims;
mod sort;
mod thrown;
mod tools;
mod wrapper;

use crate::engine::Settings;
use crate::script::Engine;

/// The engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(program::JavaScript::new(settings))
}
