//! A compiled component, and the instance that is kept between calls.

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

/// A component that can be called.
pub(super) struct ComponentProgram {
    pub(super) engine: Rc<ComponentEngine>,
    ready: InstancePre<InstanceHost>,
    outline: ComponentExports,
    shape: ScriptShape,
    pub(super) isolation: Isolation,
    /// The instance that waits for the next call; a call takes the instance out, and an instance that traps is not put
    /// back.
    warm: RefCell<Option<Instance>>,
}

impl ComponentProgram {
    /// Creates a first instance, so that faults show now and not with the first request.
    pub(super) fn new(
        engine: Rc<ComponentEngine>,
        ready: InstancePre<InstanceHost>,
        outline: ComponentExports,
        isolation: Isolation,
    ) -> Result<Self, LoadError> {
        let shape = outline.shape()?;
        let program = Self { engine, ready, outline, shape, isolation, warm: RefCell::default() };
        let first = match program.fresh() {
            // Compiling the component may have used most of the time.
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

    /// Returns a new instance.
    pub(super) fn fresh(&self) -> Result<Instance, EndedCall> {
        let limits = &self.engine.limits;
        Instance::new(&self.ready, self.outline, limits).map_err(|error| match error {
            InstantiationError::Wrong(message) => EndedCall::Passed(trap::declared(&message, limits)),
            InstantiationError::Trapped(trap, host) => trap::ended(&trap, &host, &*self.engine.alarm, limits),
        })
    }

    /// Returns the kept instance, or a new instance.
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

    fn prepare(&self, call_context: CallContext<'_>) -> Result<(), ScriptError> {
        match self.isolation {
            Isolation::Warm => ComponentRun::new(self, CallContext { asked: None, ..call_context }).prepare(),
            Isolation::Fresh => Ok(()),
        }
    }

    fn open<'a>(&'a self, call_context: CallContext<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        let mut session = ComponentRun::new(self, call_context);
        if self.isolation == Isolation::Fresh && call_context.asked.is_some() {
            // This instance serves the whole request; the instance of a pure call receives the call's node alone.
            session.prepare()?;
        }
        Ok(Box::new(session))
    }
}
