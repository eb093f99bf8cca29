//! A compiled component, and the instance of it that is kept.

use std::cell::RefCell;
use std::rc::Rc;

use wasmtime::component::InstancePre;

use crate::script::{Isolation, LoadError, Run, Scene, Script, ScriptError, Shape};

use super::exports::Outline;
use super::host::Host;
use super::instance::Instance;
use super::language::Inner;
use super::run::Session;
use super::trap;

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
        let first = Instance::new(&program.ready, outline, &program.engine.limits).map_err(LoadError::new)?;
        program.put_back(first);
        Ok(program)
    }

    /// Whether the component may ask for documents.
    pub(super) fn reads_documents(&self) -> bool {
        self.outline.documents
    }

    /// A new instance.
    pub(super) fn fresh(&self) -> Result<Instance, ScriptError> {
        Instance::new(&self.ready, self.outline, &self.engine.limits).map_err(|message| {
            trap::declared(&format!("the component could not be started: {message}"), &self.engine.limits)
        })
    }

    /// The instance that is kept, or a new one.
    pub(super) fn warm(&self) -> Result<Instance, ScriptError> {
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

    fn open<'a>(&'a self, scene: Scene<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        Ok(Box::new(Session::new(self, scene)))
    }
}
