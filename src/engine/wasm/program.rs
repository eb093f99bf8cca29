//! A compiled component, and the instance of it that is kept.

use std::cell::RefCell;
use std::rc::Rc;

use wasmtime::component::InstancePre;

use crate::model::Parts;
use crate::script::{Function, Isolation, LoadError, Run, Scene, Script, ScriptError, Shape};

use super::exports::Outline;
use super::host::Host;
use super::instance::{Instance, Stillborn};
use super::language::Inner;
use super::run::Session;
use super::trap::{self, Ended};

/// A component that can be asked.
pub(super) struct Program {
    pub(super) engine: Rc<Inner>,
    ready: InstancePre<Host>,
    outline: Outline,
    shape: Shape,
    pub(super) isolation: Isolation,
    /// The instance that waits for the next call; a call takes it out, and one that traps does not put it back.
    warm: RefCell<Option<Instance>>,
}

impl Program {
    /// Makes a first instance, so that what is wrong shows now and not with the first request.
    pub(super) fn new(
        engine: Rc<Inner>,
        ready: InstancePre<Host>,
        outline: Outline,
        isolation: Isolation,
    ) -> Result<Self, LoadError> {
        let shape = outline.shape()?;
        let program = Self { engine, ready, outline, shape, isolation, warm: RefCell::default() };
        let first = match program.fresh() {
            // Compiling it may have taken most of the time.
            Err(Ended::Interrupted) => program.fresh(),
            first => first,
        };
        match first {
            Ok(first) => program.put_back(first),
            Err(Ended::Trapped(error) | Ended::Passed(error)) => return Err(LoadError::new(error.message())),
            Err(Ended::Interrupted) => return Err(LoadError::new("the component takes too long to start")),
        }
        Ok(program)
    }

    /// Whether the component may ask for documents.
    pub(super) fn reads_documents(&self) -> bool {
        self.outline.documents
    }

    /// A new instance.
    pub(super) fn fresh(&self) -> Result<Instance, Ended> {
        let limits = &self.engine.limits;
        Instance::new(&self.ready, self.outline, limits).map_err(|stillborn| match stillborn {
            Stillborn::Wrong(message) => Ended::Passed(trap::declared(&message, limits)),
            Stillborn::Trapped(error, host) => trap::ended(&error, &host, &*self.engine.alarm, limits),
        })
    }

    /// The instance that is kept, or a new one.
    pub(super) fn warm(&self) -> Result<Instance, Ended> {
        let kept = self.warm.borrow_mut().take();
        kept.map_or_else(|| self.fresh(), Ok)
    }

    /// Keeps `instance` for the next call.
    pub(super) fn put_back(&self, instance: Instance) {
        *self.warm.borrow_mut() = Some(instance);
    }
}

impl Script for Program {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn reads(&self, _function: Function) -> Parts {
        self.outline.reads()
    }

    fn prepare(&self, scene: Scene<'_>) -> Result<(), ScriptError> {
        match self.isolation {
            Isolation::Warm => Session::new(self, Scene { asked: None, ..scene }).prepare(),
            Isolation::Fresh => Ok(()),
        }
    }

    fn open<'a>(&'a self, scene: Scene<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        let mut session = Session::new(self, scene);
        if self.isolation == Isolation::Fresh && scene.asked.is_some() {
            // The instance of the whole request; a pure call is told of its node alone.
            session.prepare()?;
        }
        Ok(Box::new(session))
    }
}
