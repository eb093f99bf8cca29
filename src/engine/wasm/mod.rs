//! WebAssembly components in wasmtime: compiled, typed policies at native speed.
//!
//! A component keeps the nodes as columns in its own memory and is told of rows that changed (`wit/balancer.wit`), so
//! that a decision moves no node list. `language` compiles, before the worker is sealed; `exports` reads what a component
//! is; `instance` holds one with its memory, and `columns` what it is told of nodes; `run` asks it.
//!
//! Unlike Boa it can be stopped from inside: time by the alarm, which moves the epoch that compiled code looks at in
//! every loop; memory by a limit of the instance.

mod columns;
mod contract;
mod exports;
mod host;
mod instance;
mod language;
mod program;
mod run;
mod trap;

use crate::engine::Settings;
use crate::script::Engine;

/// The engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(language::Wasm::new(settings))
}
