//! What functions are compiled by, and what of a function is compiled once.

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

/// Stack of compiled code in bytes.
const STACK_BYTES: usize = 512 << 10;
/// So many functions of a module are looked at for the loop that a call was in: what a script calls is written out.
const FRAMES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// What all compiled functions share.
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
    /// What it says.
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

    /// What counts the time of scripts.
    pub(in super::super) fn alarm(&self) -> &dyn Alarm {
        &*self.alarm
    }

    /// Does `work` of our own, in time that is not the script's.
    pub(super) fn own_work<T>(&self, work: impl FnOnce() -> T) -> T {
        self.alarm.pause();
        let result = work();
        self.alarm.resume();
        result
    }

    /// A number that no other run had.
    pub(in super::super) fn next_run(&self) -> u64 {
        self.runs.set(self.runs.get() + 1);
        self.runs.get()
    }

    /// Compiles `lowered`, whose texts are `strings`.
    ///
    /// # Errors
    /// What wasmtime says, or a pattern that it does not know.
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
    /// The index of the script's own function, and where its loops are.
    own: u32,
    loops: Vec<LoopSpan>,
    /// The order in which it keeps nodes, or why it is no function that keeps the best one.
    pub(super) best: Result<NodeOrder, Refusal>,
}

impl CompiledCode {
    /// Whether it keeps the best node, so that not every one has to be looked at.
    pub(super) fn keeps_best(&self) -> bool {
        self.best.is_ok()
    }

    /// Why it does not.
    #[cfg(test)]
    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.best.as_ref().err().map(|refusal| refusal.0)
    }

    /// The line and column of the innermost loop in which a call was that ended with `error`.
    pub(super) fn place(&self, error: &wasmtime::Error) -> Option<(u32, u32)> {
        let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
        let at = frames.iter().find(|frame| frame.func_index() == self.own)?.func_offset()?;
        let around = self.loops.iter().filter(|span| (span.bytes.0..span.bytes.1).contains(&at));
        around.max_by_key(|span| span.bytes.0).map(|span| span.place)
    }
}
