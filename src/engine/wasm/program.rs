//! A compiled component, and the instance of it that is kept.

use std::cell::RefCell;
use std::rc::Rc;

use wasmtime::component::InstancePre;

use crate::model::NodeParts;
use crate::script::{CallContext, Isolation, LoadError, NodeFunction, Run, Script, ScriptError, ScriptShape};

use super::exports::ComponentExports;
use super::host::InstanceHost;
use super::instance::{Instance, InstantiationError};
use super::language::ComponentEngine;
use super::run::ComponentRun;
use super::trap::{self, EndedCall};

/// A component that can be asked.
pub(super) struct ComponentProgram {
    pub(super) engine: Rc<ComponentEngine>,
    ready: InstancePre<InstanceHost>,
    outline: ComponentExports,
    shape: ScriptShape,
    pub(super) isolation: Isolation,
    /// The instance that waits for the next call; a call takes it out, and one that traps does not put it back.
    warm: RefCell<Option<Instance>>,
}

impl ComponentProgram {
    /// Makes a first instance, so that what is wrong shows now and not with the first request.
    pub(super) fn new(
        engine: Rc<ComponentEngine>,
        ready: InstancePre<InstanceHost>,
        outline: ComponentExports,
        isolation: Isolation,
    ) -> Result<Self, LoadError> {
        let shape = outline.shape()?;
        let program = Self { engine, ready, outline, shape, isolation, warm: RefCell::default() };
        let first = match program.fresh() {
            // Compiling it may have taken most of the time.
            Err(EndedCall::Interrupted) => program.fresh(),
            first => first,
        };
        match first {
            Ok(first) => program.put_back(first),
            Err(EndedCall::Trapped(error) | EndedCall::Passed(error)) => return Err(LoadError::new(error.message())),
            Err(EndedCall::Interrupted) => return Err(LoadError::new("the component takes too long to start")),
        }
        Ok(program)
    }

    /// Whether the component may ask for documents.
    pub(super) fn reads_documents(&self) -> bool {
        self.outline.documents
    }

    /// A new instance.
    pub(super) fn fresh(&self) -> Result<Instance, EndedCall> {
        let limits = &self.engine.limits;
        Instance::new(&self.ready, self.outline, limits).map_err(|stillborn| match stillborn {
            InstantiationError::Wrong(message) => EndedCall::Passed(trap::declared(&message, limits)),
            InstantiationError::Trapped(error, host) => trap::ended(&error, &host, &*self.engine.alarm, limits),
        })
    }

    /// The instance that is kept, or a new one.
    pub(super) fn warm(&self) -> Result<Instance, EndedCall> {
        let kept = self.warm.borrow_mut().take();
        kept.map_or_else(|| self.fresh(), Ok)
    }

    /// Keeps `instance` for the next call.
    pub(super) fn put_back(&self, instance: Instance) {
        *self.warm.borrow_mut() = Some(instance);
    }
}

impl Script for ComponentProgram {
    fn shape(&self) -> ScriptShape {
        self.shape
    }

    fn reads(&self, _function: NodeFunction) -> NodeParts {
        self.outline.reads()
    }

    fn prepare(&self, scene: CallContext<'_>) -> Result<(), ScriptError> {
        match self.isolation {
            Isolation::Warm => ComponentRun::new(self, CallContext { asked: None, ..scene }).prepare(),
            Isolation::Fresh => Ok(()),
        }
    }

    fn open<'a>(&'a self, scene: CallContext<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        let mut session = ComponentRun::new(self, scene);
        if self.isolation == Isolation::Fresh && scene.asked.is_some() {
            // The instance of the whole request; a pure call is told of its node alone.
            session.prepare()?;
        }
        Ok(Box::new(session))
    }
}
