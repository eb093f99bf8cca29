//! A compiled script, and the engine that compiled it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsNativeError, JsResult, JsValue, Source as Text};

use crate::engine::Settings;
use crate::model::{Node, Parts, Position, SlotIndex, Thrown};
use crate::script::{
    Coverage, Engine, Function, LoadError, PointCounter, RequestPath, Run, Scene, Script, ScriptError, Shape, Source,
    see_login_alone,
};

use super::collector::Collector;
use super::depends::Depends;
use super::fault::Fault;
use super::global_use::GlobalUse;
use super::globals::Globals;
use super::isolate::Isolate;
use super::kit::Hold;
use super::nodes::{Documents, Kept};
use super::reads::Reading;
use super::run::Session;
use super::scan::check_depth;
use super::stage::Stage;
use super::survey::Survey;
use super::syntax;
use super::wrapper::Wrapper;
use super::{counter, thrown};

/// How many names that nobody declares are remarked on.
const MAX_REMARKS: usize = 10;

/// The engine: one context for all its scripts, made anew when a script spoilt it.
#[derive(Clone)]
pub(super) struct JavaScript(Rc<Inner>);

struct Inner {
    settings: Settings,
    /// Before the first isolate, so that it sees what that allocates.
    collector: Rc<Collector>,
    isolate: RefCell<Option<Rc<Isolate>>>,
    /// Where what runs is counted, where it is.
    coverage: RefCell<Option<Rc<Coverage>>>,
}

impl JavaScript {
    pub(super) fn new(settings: &Settings) -> Self {
        let collector = Rc::new(Collector::new(Rc::clone(&settings.alarm)));
        let (settings, isolate, coverage) = (settings.clone(), RefCell::default(), RefCell::default());
        Self(Rc::new(Inner { settings, collector, isolate, coverage }))
    }

    /// A context that no script has spoilt.
    fn isolate(&self) -> Result<Rc<Isolate>, String> {
        let mut current = self.0.isolate.borrow_mut();
        if let Some(isolate) = current.as_ref().filter(|isolate| !isolate.is_spoiled()) {
            return Ok(Rc::clone(isolate));
        }
        let settings = &self.0.settings;
        let isolate = Isolate::new(Stage::new(settings.zone.clone(), settings.limits, Rc::clone(&settings.alarm)));
        let isolate = isolate.map_err(|error| format!("the engine did not start: {error}"))?;
        *current = Some(Rc::clone(&isolate));
        Ok(isolate)
    }
}

impl Engine for JavaScript {
    fn cover(&self, coverage: &Rc<Coverage>) {
        *self.0.coverage.borrow_mut() = Some(Rc::clone(coverage));
    }

    fn load(&self, source: &Source) -> Result<Box<dyn Script>, LoadError> {
        let limits = &self.0.settings.limits;
        let source = &source.text()?;
        if source.text.len() > limits.source_bytes {
            let (bytes, max) = (source.text.len(), limits.source_bytes);
            return Err(LoadError::new(format!("the source has {bytes} bytes, at most {max} are accepted")));
        }
        check_depth(source, limits.source_depth)?;
        let reading = syntax::read(source)?;
        let mut wrapper = Wrapper::new(source, &reading);
        let counter = self.0.coverage.borrow().as_ref().and_then(|coverage| {
            let points = wrapper.count()?;
            Some(coverage.script(&source.file, points))
        });
        let mut program = Program {
            engine: self.clone(),
            counter,
            shape: reading.shape,
            needs: Cell::new(Needs::of(&reading.survey)),
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
        };
        // What the compiler refuses beyond the parser must show now and not with the first request.
        let isolate = self.isolate().map_err(LoadError::new)?;
        let compiled = program.factory(&isolate, &mut isolate.context.borrow_mut());
        if let Err(Fault::Js(error)) = compiled {
            let words = error.to_string();
            return Err(LoadError::new(words.lines().next().unwrap_or_default()));
        }
        program.remarks = undeclared(program.survey(), &isolate.globals, &source.file);
        Ok(Box::new(program))
    }
}

/// A remark for each name that `survey` reads, that nobody declares and that no global has.
fn undeclared(survey: &Survey, globals: &Globals, file: &Arc<str>) -> Vec<LoadError> {
    let made = match &survey.globals {
        // It may make any.
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

/// What a whole-list script must be given, as far as its syntax shows, until a run shows more.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    /// Whose node objects it may have.
    pub(super) nodes: Hold,
    /// Whether it reads fields of the input that it does not name.
    pub(super) every_field: bool,
    /// Whether it reads the sessions of the user.
    pub(super) user_sessions: bool,
}

impl Needs {
    fn of(survey: &Survey) -> Self {
        let nodes = if survey.may_write_nodes { Hold::Own } else { Hold::Shared };
        Self { nodes, every_field: false, user_sessions: false }
    }
}

/// A script that can be run.
pub(super) struct Program {
    engine: JavaScript,
    /// Counts what of it runs, where that is asked for.
    counter: Option<PointCounter>,
    shape: Shape,
    survey: Survey,
    reads: Reading,
    depends: Depends,
    sees_login_alone: bool,
    needs: Cell<Needs>,
    /// Whether one run of the top level serves all calls.
    is_stateless: bool,
    /// What that run returned, in the context that it ran in.
    functions: RefCell<Option<(Rc<Isolate>, JsObject)>>,
    /// What `filter` and `score` look at of documents.
    documents: [Documents; 2],
    /// What they were given and cannot write to, in the context that it was made in.
    kept: RefCell<Option<(Rc<Isolate>, [Kept; 2])>>,
    wrapper: Wrapper,
    /// The factory of its functions, in the context that it was compiled in.
    compiled: RefCell<Option<(Rc<Isolate>, JsObject)>>,
    /// What is probably a mistake in it.
    remarks: Vec<LoadError>,
}

impl Program {
    pub(super) fn isolate(&self) -> Result<Rc<Isolate>, ScriptError> {
        self.engine
            .isolate()
            .map_err(|message| ScriptError::Thrown(Thrown { name: "InternalError".to_owned(), message }, None))
    }

    pub(super) fn collector(&self) -> &Collector {
        &self.engine.0.collector
    }

    /// Does what the engine does on its own account: a script's time does not run meanwhile.
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

    pub(super) fn needs(&self) -> Needs {
        self.needs.get()
    }

    pub(super) fn learn(&self, needs: Needs) {
        self.needs.set(needs);
    }

    /// The fields of a node that `function` can look at, and what is kept of documents for it; absent where it may look at
    /// any field.
    pub(super) fn wanted(&self, function: Function) -> Option<(&BTreeSet<String>, &Documents)> {
        let [filter, score] = &self.documents;
        let documents = match function {
            Function::Filter => filter,
            Function::Score => score,
        };
        self.reads.fields(function).map(|fields| (fields, documents))
    }

    /// The object of `node`, which lies in `slot`, that `function` is given for each request; absent where it may write to
    /// nodes, or look at any field.
    pub(super) fn kept_object(
        &self,
        function: Function,
        (slot, node): (SlotIndex, &Node),
        isolate: &Rc<Isolate>,
        context: &mut Context,
    ) -> JsResult<Option<JsObject>> {
        let wanted = self.wanted(function).filter(|(fields, _)| !fields.contains("nodeData"));
        let Some(wanted) = wanted.filter(|_| self.needs.get().nodes == Hold::Shared) else { return Ok(None) };
        let mut kept = self.kept.borrow_mut();
        let (made_in, [filter, score]) = kept.get_or_insert_with(|| (Rc::clone(isolate), Default::default()));
        if !Rc::ptr_eq(made_in, isolate) {
            (*made_in, *filter, *score) = (Rc::clone(isolate), Kept::default(), Kept::default());
        }
        let objects = match function {
            Function::Filter => filter,
            Function::Score => score,
        };
        objects.get((slot, node), wanted, self.reads.parts.by(function), &isolate.kit, context).map(Some)
    }

    /// The fields of the request that functions of one node can look at; absent where they may look at any.
    pub(super) fn request_fields(&self) -> Option<&BTreeSet<String>> {
        self.depends.fields.as_ref()
    }

    /// Whether functions of one node see nothing of the request but the login of its user.
    pub(super) fn sees_login_alone(&self) -> bool {
        self.sees_login_alone
    }

    /// Whether functions of one node can look at the sessions of the user.
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

    /// The script's functions, where an earlier run of the top level serves this call too.
    pub(super) fn kept_functions(&self, isolate: &Rc<Isolate>) -> Option<JsObject> {
        let kept = self.functions.borrow();
        kept.as_ref().filter(|(made_in, _)| Rc::ptr_eq(made_in, isolate)).map(|(_, functions)| functions.clone())
    }

    /// Keeps what a run of the top level returned, where it serves other calls.
    pub(super) fn keep_functions(&self, isolate: &Rc<Isolate>, functions: &JsObject) {
        if self.is_stateless {
            *self.functions.borrow_mut() = Some((Rc::clone(isolate), functions.clone()));
        }
    }

    /// The function whose call is one run of the top level.
    pub(super) fn factory(&self, isolate: &Rc<Isolate>, context: &mut Context) -> Result<JsObject, Fault> {
        if let Some((compiled_in, factory)) = &*self.compiled.borrow()
            && Rc::ptr_eq(compiled_in, isolate)
        {
            return Ok(factory.clone());
        }
        let text = Text::from_bytes(self.wrapper.text());
        let factory = context.eval(text.with_path(Path::new(self.wrapper.file())))?;
        let factory = factory
            .as_callable()
            .ok_or_else(|| Fault::Js(JsNativeError::typ().with_message("the source is no function").into()))?;
        *self.compiled.borrow_mut() = Some((Rc::clone(isolate), factory.clone()));
        Ok(factory)
    }
}

impl Script for Program {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn depends(&self) -> Option<&[RequestPath]> {
        self.depends.paths.as_deref()
    }

    fn reads(&self, function: Function) -> Parts {
        self.reads.parts.by(function)
    }

    fn remarks(&self) -> &[LoadError] {
        &self.remarks
    }

    fn open<'a>(&'a self, scene: Scene<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        Session::open(self, scene).map(|session| Box::new(session) as Box<dyn Run + 'a>)
    }
}
