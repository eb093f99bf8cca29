//! A compiled script.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsNativeError, JsResult, JsValue, Source as Text};

use crate::clock::Alarm;
use crate::model::{Node, NodeParts, SlotIndex, Thrown};
use crate::script::{
    CallContext, LoadError, NodeFunction, PointCounter, RequestPath, Run, Script, ScriptError, ScriptShape,
    see_login_alone,
};
#[cfg(feature = "wasm")]
use crate::script::{FunctionTier, ScriptLimits};

use super::analysis::depends::Depends;
use super::analysis::reads::FunctionReads;
use super::analysis::source::JavaScriptSource;
use super::analysis::survey::Survey;
use super::collector::Collector;
#[cfg(feature = "wasm")]
use super::compiled::{ModuleCompiler, Tier, Tiers};
use super::counter;
use super::engine::JavaScript;
use super::fault::CallFault;
use super::isolate::Isolate;
use super::nodes::{Documents, KeptObjects};
use super::run::JavaScriptRun;
#[cfg(feature = "wasm")]
use super::tiered_run::TieredRun;
use super::tools::ObjectOwner;
use super::wrapper::Wrapper;

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
        &self.engine.settings().limits
    }
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
    pub(super) remarks: Vec<LoadError>,
    /// What runs its functions.
    #[cfg(feature = "wasm")]
    pub(super) tiers: Option<Tiers>,
}

impl JavaScriptProgram {
    /// Creates the program of a source that `engine` read.
    pub(super) fn new(
        engine: &JavaScript,
        counter: Option<PointCounter>,
        wrapper: Wrapper,
        source: JavaScriptSource,
    ) -> Self {
        Self {
            engine: engine.clone(),
            counter,
            shape: source.shape,
            needs: Cell::new(ScriptNeeds::of(&source.survey)),
            wrapper,
            survey: source.survey,
            reads: source.reads,
            sees_login_alone: source.depends.paths.as_deref().is_some_and(see_login_alone),
            depends: source.depends,
            is_stateless: source.is_stateless,
            functions: RefCell::default(),
            documents: Default::default(),
            kept: RefCell::default(),
            compiled: RefCell::default(),
            remarks: Vec::new(),
            #[cfg(feature = "wasm")]
            tiers: None,
        }
    }

    pub(super) fn isolate(&self) -> Result<Rc<Isolate>, ScriptError> {
        self.engine
            .isolate()
            .map_err(|message| ScriptError::Thrown(Thrown { name: "InternalError".to_owned(), message }, None))
    }

    pub(super) fn collector(&self) -> &Collector {
        self.engine.collector()
    }

    /// Returns the alarm that counts the time of scripts.
    pub(super) fn alarm(&self) -> &dyn Alarm {
        &*self.engine.settings().alarm
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
