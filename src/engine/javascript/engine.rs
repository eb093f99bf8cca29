//! The engine: the state that all scripts of a worker share, and the loading of a script.

#[cfg(feature = "wasm")]
use std::cell::OnceCell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::engine::Settings;
use crate::model::Position;
#[cfg(feature = "wasm")]
use crate::script::TierLedger;
use crate::script::{Coverage, Engine, LoadError, Script, ScriptSource};

use super::analysis::global_use::GlobalUse;
use super::analysis::scan::check_depth;
use super::analysis::source;
use super::analysis::survey::Survey;
use super::call_context::JavaScriptCallContext;
use super::collector::Collector;
#[cfg(feature = "wasm")]
use super::compiled::{ModuleCompiler, Tiers};
use super::fault::CallFault;
use super::globals::Globals;
use super::isolate::Isolate;
use super::program::JavaScriptProgram;
use super::thrown;
use super::wrapper::Wrapper;

/// The words for a pattern that the engine would carry out wrongly, and that no edit puts right.
const SPLIT_COMPUTED: &str = "the engine cannot leave a computed key out of the rest of this pattern: take the member \
    out in a statement of its own";
/// The number of undeclared names in remarks.
const MAX_REMARKS: usize = 10;

/// The engine: a single context for all scripts, replaced when a script spoiled the context.
#[derive(Clone)]
pub(super) struct JavaScript(Rc<JavaScriptEngine>);

struct JavaScriptEngine {
    settings: Settings,
    /// Created before the first isolate, so that the collector observes the isolate's allocations.
    collector: Rc<Collector>,
    isolate: RefCell<Option<Rc<Isolate>>>,
    /// The counts of executed statements, where coverage is wanted.
    coverage: RefCell<Option<Arc<Coverage>>>,
    /// The ledger of compiled functions that gave up or differed from Boa.
    #[cfg(feature = "wasm")]
    ledger: RefCell<Option<Rc<TierLedger>>>,
    /// The compiler of functions, from the first script on; `None` inside where wasmtime does not start.
    #[cfg(feature = "wasm")]
    compiler: OnceCell<Option<ModuleCompiler>>,
}

impl JavaScript {
    pub(super) fn new(settings: &Settings) -> Self {
        let collector = Rc::new(Collector::new(Rc::clone(&settings.alarm)));
        let (settings, isolate, coverage) = (settings.clone(), RefCell::default(), RefCell::default());
        Self(Rc::new(JavaScriptEngine {
            settings,
            collector,
            isolate,
            coverage,
            #[cfg(feature = "wasm")]
            ledger: RefCell::default(),
            #[cfg(feature = "wasm")]
            compiler: OnceCell::new(),
        }))
    }

    /// Returns a context that no script has spoiled.
    pub(super) fn isolate(&self) -> Result<Rc<Isolate>, String> {
        let mut current = self.0.isolate.borrow_mut();
        if let Some(isolate) = current.as_ref().filter(|isolate| !isolate.is_spoiled()) {
            return Ok(Rc::clone(isolate));
        }
        let settings = &self.0.settings;
        let isolate = Isolate::new(JavaScriptCallContext::new(
            settings.zone.clone(),
            settings.limits,
            Rc::clone(&settings.alarm),
        ));
        let isolate = isolate.map_err(|error| format!("the engine did not start: {error}"))?;
        *current = Some(Rc::clone(&isolate));
        Ok(isolate)
    }

    /// Returns the settings.
    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the observer of collections.
    pub(super) fn collector(&self) -> &Collector {
        &self.0.collector
    }

    /// Returns the compiler of functions; absent where wasmtime does not start.
    #[cfg(feature = "wasm")]
    pub(super) fn compiler(&self) -> Option<&ModuleCompiler> {
        // Without a compiler, Boa runs every script.
        self.0.compiler.get_or_init(|| ModuleCompiler::new(&self.0.settings.alarm).ok()).as_ref()
    }

    /// Compiles `source`.
    ///
    /// # Errors
    /// The first mistake in the source, with its place.
    pub(super) fn load_program(&self, source: &ScriptSource) -> Result<JavaScriptProgram, LoadError> {
        let limits = &self.0.settings.limits;
        let source = &source.text()?;
        if source.text.len() > limits.source_bytes {
            let (bytes, max) = (source.text.len(), limits.source_bytes);
            return Err(LoadError::new(format!("the source has {bytes} bytes, at most {max} are accepted")));
        }
        check_depth(source, limits.source_depth)?;
        let parsed = source::parsed(source)?;
        let reading = source::read_tree(&parsed.tree, &parsed.moves, parsed.declared)?;
        if let Some((line, column)) = reading.split_keys.refused {
            let position = Some(Position { file: Arc::clone(&source.file), line, column });
            return Err(LoadError { message: SPLIT_COMPUTED.to_owned(), position });
        }
        let mut wrapper = Wrapper::new(source, &reading);
        let counter = self.0.coverage.borrow().as_ref().and_then(|coverage| {
            let points = wrapper.count()?;
            Some(coverage.script(&source.file, points))
        });
        #[cfg(feature = "wasm")]
        let entry = reading.entry.clone();
        let mut program = JavaScriptProgram::new(self, counter, wrapper, reading);
        // Errors that the compiler finds beyond the parser must show now and not with the first request.
        let isolate = self.isolate().map_err(LoadError::new)?;
        let compiled = program.factory(&isolate, &mut isolate.context.borrow_mut());
        if let Err(CallFault::Js(error)) = compiled {
            let words = error.to_string();
            return Err(LoadError::new(words.lines().next().unwrap_or_default()));
        }
        #[cfg(feature = "wasm")]
        if limits.verify_every > 0
            // What is counted is the interpreter's.
            && self.0.coverage.borrow().is_none()
            && let Some(compiler) = self.compiler()
        {
            let what = (program.shape(), &entry);
            let has_global = |name: &str| isolate.globals.has(name);
            let scribe = (&source.file, self.0.ledger.borrow().clone());
            program.tiers = Some(Tiers::compile(&parsed.tree, &parsed.moves, what, (compiler, scribe), &has_global));
        }
        program.remarks = undeclared(program.survey(), &isolate.globals, &source.file);
        Ok(program)
    }
}

impl Engine for JavaScript {
    fn cover(&self, coverage: &Arc<Coverage>) {
        *self.0.coverage.borrow_mut() = Some(Arc::clone(coverage));
    }

    #[cfg(feature = "wasm")]
    fn tell_tiers(&self, ledger: &Rc<TierLedger>) {
        *self.0.ledger.borrow_mut() = Some(Rc::clone(ledger));
    }

    fn load(&self, source: &ScriptSource) -> Result<Box<dyn Script>, LoadError> {
        self.load_program(source).map(|program| Box::new(program) as Box<dyn Script>)
    }
}

/// Returns a remark for each name that `survey` reads, and that is neither declared nor a global.
fn undeclared(survey: &Survey, globals: &Globals, file: &Arc<str>) -> Vec<LoadError> {
    let made = match &survey.globals {
        // The script may define any global.
        GlobalUse::Any => return Vec::new(),
        GlobalUse::Names(names) => Some(names),
        GlobalUse::None => None,
    };
    let is_there = |name: &str| globals.has(name) || made.is_some_and(|names| names.contains(name));
    let missing = survey.undeclared.iter().filter(|(name, _)| !is_there(name));
    let remarks = missing.filter_map(|(name, places)| {
        let (line, column) = *places.first()?;
        let position = Some(Position { file: Arc::clone(file), line, column });
        let message = thrown::with_hint("ReferenceError", format!("{name} is not defined"));
        Some(LoadError { message, position })
    });
    remarks.take(MAX_REMARKS).collect()
}
