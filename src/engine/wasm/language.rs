//! The engine: a single wasmtime for all components of a worker.

use std::cell::Cell;
use std::rc::Rc;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine as Wasmtime};

use crate::clock::Alarm;
use crate::engine::Settings;
use crate::script::{Engine, LoadError, Script, ScriptLimits, ScriptSource};

use super::exports::ComponentExports;
use super::host::{self, InstanceHost};
use super::program::ComponentProgram;

/// The stack of a component in bytes.
const STACK_BYTES: usize = 512 << 10;
/// The first bytes of components, and of core modules.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// The engine.
pub(super) struct Wasm {
    inner: Result<Rc<ComponentEngine>, String>,
}

/// The parts that the engine's scripts share.
pub(super) struct ComponentEngine {
    pub(super) limits: ScriptLimits,
    pub(super) alarm: Rc<dyn Alarm>,
    wasmtime: Wasmtime,
    linker: Linker<InstanceHost>,
    runs: Cell<u64>,
}

impl Wasm {
    pub(super) fn new(settings: &Settings) -> Self {
        let inner = start(settings).map_err(|error| format!("wasmtime did not start: {error:#}"));
        Self { inner: inner.map(Rc::new) }
    }
}

fn start(settings: &Settings) -> wasmtime::Result<ComponentEngine> {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK_BYTES).wasm_backtrace_max_frames(None);
    // A sealed process cannot create memory files, which copies of a memory image would need.
    config.memory_init_cow(false);
    let wasmtime = Wasmtime::new(&config)?;
    let mut linker = Linker::new(&wasmtime);
    host::offer(&mut linker)?;
    let engine = wasmtime.clone();
    settings.alarm.on_overtime(Box::new(move || engine.increment_epoch()));
    let (limits, alarm) = (settings.limits, Rc::clone(&settings.alarm));
    Ok(ComponentEngine { limits, alarm, wasmtime, linker, runs: Cell::new(0) })
}

impl ComponentEngine {
    /// Returns a number that no other run had.
    pub(super) fn next_run(&self) -> u64 {
        self.runs.set(self.runs.get() + 1);
        self.runs.get()
    }
}

impl Engine for Wasm {
    fn load(&self, source: &ScriptSource) -> Result<Box<dyn Script>, LoadError> {
        let inner = self.inner.as_ref().map_err(LoadError::new)?;
        let bytes = source.bytes();
        if bytes.starts_with(CORE_MODULE) {
            return Err(LoadError::new(
                "this is a core WebAssembly module and no component: build it for `wasm32-wasip2`, or make one of it by \
                 `wasm-tools component new`",
            ));
        }
        if !bytes.starts_with(COMPONENT) {
            return Err(LoadError::new("this is no WebAssembly component: it does not begin as one"));
        }
        let wrong = |error: &wasmtime::Error| LoadError::new(inner.limits.cut(&format!("{error:#}")));
        let component = Component::from_binary(&inner.wasmtime, bytes).map_err(|error| wrong(&error))?;
        let outline = ComponentExports::of(&component, &inner.wasmtime)?;
        let mut linker = inner.linker.clone();
        // Toolchains add imports that are never called; a call of such an import traps with the import's name.
        linker.define_unknown_imports_as_traps(&component).map_err(|error| wrong(&error))?;
        let ready = linker.instantiate_pre(&component).map_err(|error| wrong(&error))?;
        let program = ComponentProgram::new(Rc::clone(inner), ready, outline, source.isolation)?;
        Ok(Box::new(program))
    }
}
