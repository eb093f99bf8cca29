//! A compiled script, and the engine that compiled the script.

#[cfg(feature = "wasm")]
use std::cell::OnceCell;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsNativeError, JsResult, JsValue, Source as Text};

use crate::engine::Settings;
use crate::model::{Node, NodeParts, Position, SlotIndex, Thrown};
use crate::script::{
    CallContext, Coverage, Engine, LoadError, NodeFunction, PointCounter, RequestPath, Run, Script, ScriptError,
    ScriptShape, ScriptSource, see_login_alone,
};
#[cfg(feature = "wasm")]
use crate::script::{FunctionTier, ScriptLimits, TierLedger};

use super::analysis::depends::Depends;
use super::analysis::global_use::GlobalUse;
use super::analysis::reads::FunctionReads;
use super::analysis::scan::check_depth;
use super::analysis::source;
use super::analysis::survey::Survey;
use super::call_context::JavaScriptCallContext;
use super::collector::Collector;
#[cfg(feature = "wasm")]
use super::compiled::{ModuleCompiler, Tier, Tiers};
use super::fault::CallFault;
use super::globals::Globals;
use super::isolate::Isolate;
use super::nodes::{Documents, KeptObjects};
use super::run::JavaScriptRun;
#[cfg(feature = "wasm")]
use super::tiered_run::TieredRun;
use super::tools::ObjectOwner;
use super::wrapper::Wrapper;
use super::{counter, thrown};

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
    /// The counts of what runs, where coverage is wanted.
    coverage: RefCell<Option<Arc<Coverage>>>,
    /// Where it is written what becomes of compiled functions.
    #[cfg(feature = "wasm")]
    ledger: RefCell<Option<Rc<TierLedger>>>,
    /// What compiles functions, once one is there to be compiled; absent where it does not start.
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
    fn isolate(&self) -> Result<Rc<Isolate>, String> {
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
}

#[cfg(feature = "wasm")]
impl JavaScript {
    fn compiler(&self) -> Option<&ModuleCompiler> {
        // Where it does not start, Boa runs everything, as ever.
        self.0.compiler.get_or_init(|| ModuleCompiler::new(&self.0.settings.alarm).ok()).as_ref()
    }
}

#[cfg(feature = "wasm")]
impl JavaScriptProgram {
    /// The compiled functions, with what runs them.
    pub(super) fn compiled(&self) -> Option<(&ModuleCompiler, &Tiers)> {
        let tiers = self.tiers.as_ref()?;
        self.engine.compiler().map(|compiler| (compiler, tiers))
    }

    pub(super) fn is_whole_list(&self) -> bool {
        self.shape == ScriptShape::WholeList
    }

    /// Whether one run of the top level serves all calls.
    pub(super) fn is_stateless(&self) -> bool {
        self.is_stateless
    }

    /// Whether that run is over.
    ///
    /// # Errors
    /// Where there is no engine.
    pub(super) fn has_kept_functions(&self) -> Result<bool, ScriptError> {
        Ok(self.kept_functions(&self.isolate()?).is_some())
    }

    pub(super) fn limits(&self) -> &ScriptLimits {
        &self.engine.0.settings.limits
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

impl JavaScript {
    /// Compiles `source`.
    ///
    /// # Errors
    /// What is wrong with it, with the place.
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
        let entry = reading.entry;
        let mut program = JavaScriptProgram {
            engine: self.clone(),
            counter,
            shape: reading.shape,
            needs: Cell::new(ScriptNeeds::of(&reading.survey)),
            wrapper,
            survey: reading.survey,
            reads: reading.reads,
            sees_login_alone: reading.depends.paths.as_deref().is_some_and(see_login_alone),
            depends: reading.depends,
            is_stateless: reading.is_stateless,
            functions: RefCell::default(),
            documents: Default::default(),
            kept: RefCell::default(),
            compiled: RefCell::default(),
            remarks: Vec::new(),
            #[cfg(feature = "wasm")]
            tiers: None,
        };
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
            let what = (program.shape, &entry);
            let has_global = |name: &str| isolate.globals.has(name);
            let scribe = (&source.file, self.0.ledger.borrow().clone());
            program.tiers = Some(Tiers::compile(&parsed.tree, &parsed.moves, what, (compiler, scribe), &has_global));
        }
        program.remarks = undeclared(program.survey(), &isolate.globals, &source.file);
        Ok(program)
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

/// The input that a whole-list script needs, as far as the script's syntax shows, until a run shows more.
#[derive(Clone, Copy)]
pub(super) struct ScriptNeeds {
    /// The owner of the node objects: all requests, or this request.
    pub(super) nodes: ObjectOwner,
    /// Whether the script reads fields of the input that the source does not name.
    pub(super) every_field: bool,
    /// Whether the script reads the sessions of the user.
    pub(super) user_sessions: bool,
}

impl ScriptNeeds {
    fn of(survey: &Survey) -> Self {
        let nodes = if survey.may_write_nodes { ObjectOwner::Own } else { ObjectOwner::Shared };
        Self { nodes, every_field: false, user_sessions: false }
    }
}

/// A script that can be run.
pub(super) struct JavaScriptProgram {
    engine: JavaScript,
    /// The counter of the script's statements, where coverage is wanted.
    counter: Option<PointCounter>,
    shape: ScriptShape,
    survey: Survey,
    reads: FunctionReads,
    depends: Depends,
    sees_login_alone: bool,
    needs: Cell<ScriptNeeds>,
    /// Whether a single run of the top level serves all calls.
    is_stateless: bool,
    /// The functions that this run returned, with the context of the run.
    functions: RefCell<Option<(Rc<Isolate>, JsObject)>>,
    /// The fields of documents that `filter` and `score` look at.
    documents: [Documents; 2],
    /// The objects that both functions received and cannot write to, with the context of the objects.
    kept: RefCell<Option<(Rc<Isolate>, [KeptObjects; 2])>>,
    wrapper: Wrapper,
    /// The compiled factory of the functions, with the context of the compilation.
    compiled: RefCell<Option<(Rc<Isolate>, JsObject)>>,
    /// The probable mistakes in the script.
    remarks: Vec<LoadError>,
    /// What runs its functions.
    #[cfg(feature = "wasm")]
    tiers: Option<Tiers>,
}

impl JavaScriptProgram {
    pub(super) fn isolate(&self) -> Result<Rc<Isolate>, ScriptError> {
        self.engine
            .isolate()
            .map_err(|message| ScriptError::Thrown(Thrown { name: "InternalError".to_owned(), message }, None))
    }

    pub(super) fn collector(&self) -> &Collector {
        &self.engine.0.collector
    }

    /// Runs `work` on the engine's own account: the script's time stands still meanwhile.
    pub(super) fn own_work<T>(&self, work: impl FnOnce() -> T) -> T {
        let alarm = &self.engine.0.settings.alarm;
        alarm.pause();
        let result = work();
        alarm.resume();
        result
    }

    pub(super) fn survey(&self) -> &Survey {
        &self.survey
    }

    pub(super) fn needs(&self) -> ScriptNeeds {
        self.needs.get()
    }

    pub(super) fn learn(&self, needs: ScriptNeeds) {
        self.needs.set(needs);
    }

    /// Returns the fields of a node that `function` can look at, and the cached fields of documents; `None` where the
    /// function may look at any field.
    pub(super) fn wanted(&self, function: NodeFunction) -> Option<(&BTreeSet<String>, &Documents)> {
        let [filter, score] = &self.documents;
        let documents = match function {
            NodeFunction::Filter => filter,
            NodeFunction::Score => score,
        };
        self.reads.fields(function).map(|fields| (fields, documents))
    }

    /// Returns the object of `node`, which is in `slot`, that `function` receives for each request; `None` where the
    /// script may write to nodes, or look at any field.
    pub(super) fn kept_object(
        &self,
        function: NodeFunction,
        (slot, node): (SlotIndex, &Node),
        isolate: &Rc<Isolate>,
        context: &mut Context,
    ) -> JsResult<Option<JsObject>> {
        let wanted = self.wanted(function).filter(|(fields, _)| !fields.contains("nodeData"));
        let Some(wanted) = wanted.filter(|_| self.needs.get().nodes == ObjectOwner::Shared) else { return Ok(None) };
        let mut kept = self.kept.borrow_mut();
        let (made_in, [filter, score]) = kept.get_or_insert_with(|| (Rc::clone(isolate), Default::default()));
        if !Rc::ptr_eq(made_in, isolate) {
            (*made_in, *filter, *score) = (Rc::clone(isolate), KeptObjects::default(), KeptObjects::default());
        }
        let objects = match function {
            NodeFunction::Filter => filter,
            NodeFunction::Score => score,
        };
        objects.get((slot, node), wanted, self.reads.parts.by(function), &isolate.kit, context).map(Some)
    }

    /// Returns the fields of the request that per-node functions can look at; `None` where the functions may look at
    /// any.
    pub(super) fn request_fields(&self) -> Option<&BTreeSet<String>> {
        self.depends.fields.as_ref()
    }

    /// Whether per-node functions see nothing of the request but the login of the user.
    pub(super) fn sees_login_alone(&self) -> bool {
        self.sees_login_alone
    }

    /// Whether per-node functions can look at the sessions of the user.
    pub(super) fn may_read_user_sessions(&self) -> bool {
        self.depends.paths.is_none()
    }

    /// What a run of the top level is given: the function that counts, where it counts.
    pub(super) fn arguments(&self, context: &mut Context) -> Vec<JsValue> {
        self.counter.iter().map(|counter| counter::function(counter, context)).collect()
    }

    pub(super) fn wrapper(&self) -> &Wrapper {
        &self.wrapper
    }

    /// Returns the script's functions, where an earlier run of the top level serves this call too.
    pub(super) fn kept_functions(&self, isolate: &Rc<Isolate>) -> Option<JsObject> {
        let kept = self.functions.borrow();
        kept.as_ref().filter(|(made_in, _)| Rc::ptr_eq(made_in, isolate)).map(|(_, functions)| functions.clone())
    }

    /// Keeps the functions of a run of the top level, where the run serves other calls.
    pub(super) fn keep_functions(&self, isolate: &Rc<Isolate>, functions: &JsObject) {
        if self.is_stateless {
            *self.functions.borrow_mut() = Some((Rc::clone(isolate), functions.clone()));
        }
    }

    /// Returns the function that runs the top level at each call.
    pub(super) fn factory(&self, isolate: &Rc<Isolate>, context: &mut Context) -> Result<JsObject, CallFault> {
        if let Some((compiled_in, factory)) = &*self.compiled.borrow()
            && Rc::ptr_eq(compiled_in, isolate)
        {
            return Ok(factory.clone());
        }
        let text = Text::from_bytes(self.wrapper.text());
        let factory = context.eval(text.with_path(Path::new(self.wrapper.file())))?;
        let factory = factory
            .as_callable()
            .ok_or_else(|| CallFault::Js(JsNativeError::typ().with_message("the source is no function").into()))?;
        *self.compiled.borrow_mut() = Some((Rc::clone(isolate), factory.clone()));
        Ok(factory)
    }
}

impl Script for JavaScriptProgram {
    fn shape(&self) -> ScriptShape {
        self.shape
    }

    fn depends(&self) -> Option<&[RequestPath]> {
        self.depends.paths.as_deref()
    }

    fn reads(&self, function: NodeFunction) -> NodeParts {
        self.reads.parts.by(function)
    }

    #[cfg(feature = "wasm")]
    fn tiers(&self) -> Vec<FunctionTier> {
        let tiers = self.tiers.iter().flat_map(Tiers::each);
        let tier_of = |(function, tier): (_, &Tier)| FunctionTier {
            function,
            interpreted: tier.interpreted(),
            is_indexed: tier.is_indexed(),
        };
        tiers.map(tier_of).collect()
    }

    fn remarks(&self) -> &[LoadError] {
        &self.remarks
    }

    fn open<'a>(&'a self, scene: CallContext<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        #[cfg(feature = "wasm")]
        if let Some(run) = TieredRun::open(self, scene)? {
            return Ok(Box::new(run));
        }
        JavaScriptRun::open(self, scene).map(|session| Box::new(session) as Box<dyn Run + 'a>)
    }
}
