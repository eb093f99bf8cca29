//! WebAssembly components in wasmtime: compiled, typed policies at native speed.
//!
//! A component keeps the nodes as columns in the component's own memory and receives the rows that changed
//! (`wit/balancer.wit`), so that a decision moves no node list. `language` compiles, before the worker is sealed;
//! `exports` reads the interfaces of a component; `instance` holds an instance with its memory, `columns` builds rows
//! of nodes, and `run` makes the calls.
//!
//! Unlike Boa, wasmtime can stop a component from inside: time by the alarm, which increments the epoch that compiled
//! code checks in every loop; memory by a limit of the instance.

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

/// Returns the engine.
#[must_use]
pub fn engine(settings: &Settings) -> Box<dyn Engine> {
    Box::new(language::Wasm::new(settings))
}
