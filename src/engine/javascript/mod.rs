//! JavaScript in Boa, whole and unmodified: the scripts that FastX 3 and 4 administrators already have.
//!
//! One context serves all scripts of a worker. `program` compiles a source once, into a function whose call is one run
//! of its top level; `run` calls it per request. What a script may see is built by `input` and `nodes`, lazily; what it
//! returned or threw is read by `answer` and `thrown`. `intrinsics` and `globals` keep one run's doings from the next.
//!
//! This engine cannot bound time and memory: Boa has no interrupt. The worker around it does.

mod answer;
mod collector;
mod console;
mod counter;
mod counting;
mod dates;
mod definitions;
mod depends;
mod dice;
mod edits;
mod fault;
mod global_use;
mod globals;
mod guards;
mod host;
mod input;
mod intrinsics;
mod isolate;
mod jobs;
mod kit;
mod lazy;
mod lengths;
mod locales;
mod names;
mod nodes;
mod overlay;
mod places;
mod program;
mod reads;
mod run;
mod scan;
mod shims;
mod sort;
mod stage;
mod stateless;
mod survey;
mod syntax;
mod thrown;
mod wrapper;
mod writes;

use crate::engine::Settings;
use crate::script::Engine;

/// The engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(program::JavaScript::new(settings))
}
