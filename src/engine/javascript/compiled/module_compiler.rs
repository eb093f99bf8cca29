//! The compiler of functions to WebAssembly, and the compiled code, which is made once for each function.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use regress::{Flags, Regex};
use wasmtime::{Config, Engine, InstancePre, Linker, Module, WasmBacktrace};

use crate::clock::Alarm;

use super::best::{self, NodeOrder, Refusal};
use super::emit::{self, LoopSpan};
use super::host::{self, Surroundings};
use super::lower::Lowered;
use super::paths::Paths;
use super::strings::Strings;
use super::table::Owner;
use super::thrown::ThrowPlace;

/// The stack of compiled code, in bytes.
const STACK_BYTES: usize = 512 << 10;
/// The most frames of a backtrace that are read to find the loop of a call: functions that the script calls are
/// inlined, so that the script's own function is near the top.
const FRAMES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// The compiler, which all compiled functions share.
pub(in super::super) struct ModuleCompiler {
    linker: Linker<Surroundings>,
    engine: Engine,
    pub(super) alarm: Rc<dyn Alarm>,
    runs: Cell<u64>,
}

impl ModuleCompiler {
    /// Starts wasmtime.
    ///
    /// # Errors
    /// The error of wasmtime.
    pub(in super::super) fn new(alarm: &Rc<dyn Alarm>) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true).max_wasm_stack(STACK_BYTES).wasm_backtrace_max_frames(Some(FRAMES));
        // A sealed process makes no files in memory, which copies of an image would be.
        config.memory_init_cow(false);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        host::offer(&mut linker)?;
        let ringing = engine.clone();
        alarm.on_overtime(Box::new(move || ringing.increment_epoch()));
        Ok(Self { linker, engine, alarm: Rc::clone(alarm), runs: Cell::default() })
    }

    /// Returns the alarm that counts the time of scripts.
    pub(in super::super) fn alarm(&self) -> &dyn Alarm {
        &*self.alarm
    }

    /// Returns a number that no other run has.
    pub(in super::super) fn next_run(&self) -> u64 {
        self.runs.set(self.runs.get() + 1);
        self.runs.get()
    }

    /// Compiles `lowered`, with the texts in `strings`.
    ///
    /// # Errors
    /// The error of wasmtime, or of a pattern that cannot be compiled.
    pub(super) fn compile(&self, lowered: Lowered, strings: &Strings) -> Result<CompiledCode, String> {
        let best = best::recognise(&lowered);
        let emitted = emit::module(&lowered, best.as_ref().ok().map(|best| &best.probe));
        let module = Module::new(&self.engine, &emitted.bytes).map_err(|error| format!("{error:#}"))?;
        let ready = self.linker.instantiate_pre(&module).map_err(|error| format!("{error:#}"))?;
        let patterns = lowered.patterns.iter().map(|(source, flags)| {
            if !source.is_ascii() || flags.contains(['u', 'v']) {
                return Err("a pattern of other letters".to_owned());
            }
            let units = source.encode_utf16().map(u32::from);
            Regex::from_unicode(units, Flags::from(flags.as_str())).map_err(|error| error.to_string())
        });
        let patterns = patterns.collect::<Result<_, _>>()?;
        let Lowered { parameters, paths, writes_lists, throws, written, .. } = lowered;
        let owner = if writes_lists { Owner::Script } else { Owner::Shared };
        let (own, loops, writes_nodes) = (emitted.run, emitted.loops, written > 0);
        let (strings, best) = (strings.clone(), best.map(|best| best.order));
        Ok(CompiledCode { ready, parameters, paths, owner, patterns, strings, throws, writes_nodes, own, loops, best })
    }
}

/// A compiled function.
pub(in super::super) struct CompiledCode {
    pub(super) ready: InstancePre<Surroundings>,
    pub(super) parameters: usize,
    pub(super) paths: Paths,
    pub(super) owner: Owner,
    pub(super) patterns: Vec<Regex>,
    pub(super) strings: Strings,
    pub(super) throws: Vec<ThrowPlace>,
    pub(super) writes_nodes: bool,
    /// The index of the script's own function in the module, and the loops of that function.
    own: u32,
    loops: Vec<LoopSpan>,
    /// The order in which the function keeps nodes, or the reason why the function does not count as keeping the best
    /// node.
    pub(super) best: Result<NodeOrder, Refusal>,
}

impl CompiledCode {
    /// Whether the function keeps the best node, so that not every node has to be looked at.
    pub(super) fn keeps_best(&self) -> bool {
        self.best.is_ok()
    }

    /// Returns the reason why the function does not count as keeping the best node.
    #[cfg(test)]
    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.best.as_ref().err().map(|refusal| refusal.0)
    }

    /// Returns the line and column of the innermost loop around the call that ended with `error`.
    pub(super) fn place(&self, error: &wasmtime::Error) -> Option<(u32, u32)> {
        let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
        let at = frames.iter().find(|frame| frame.func_index() == self.own)?.func_offset()?;
        let around = self.loops.iter().filter(|span| (span.bytes.0..span.bytes.1).contains(&at));
        around.max_by_key(|span| span.bytes.0).map(|span| span.place)
    }
}
