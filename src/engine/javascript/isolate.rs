//! A Boa context made safe to be shared by all scripts of a worker, call by call.
//!
//! A context costs milliseconds to make and a realm leaks 300 kB (docs/src/internals/facts.md), so neither is made per
//! request. Every way for a call to leave state for the next is therefore closed here once: intrinsics are frozen,
//! globals restored.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use boa_engine::module::IdleModuleLoader;
use boa_engine::{Context, JsResult};

use crate::engine::residents::NodeCache;

use super::call_context::{Hooks, JavaScriptCallContext};
use super::globals::Globals;
use super::jobs::Jobs;
use super::nodes::SharedNode;
use super::tools::ContextTools;
use super::{console, dates, dice, guards, host, intrinsics, locales, shims, sort};

/// The depth to which calls may nest. Natives re-enter the interpreter on the native stack: an unoptimised build needs
/// 12 MiB for 2,000 of the worst calls, so this limit leaves half of the worker's 64 MiB.
const MAX_CALLS: usize = 5_000;
/// The number of values that the calls in progress may hold.
const MAX_STACK_VALUES: usize = 512 * 1024;

/// A context with tools, jobs, shared nodes and globals.
pub(super) struct Isolate {
    pub(super) context: RefCell<Context>,
    pub(super) kit: Rc<ContextTools>,
    pub(super) jobs: Rc<Jobs>,
    pub(super) residents: NodeCache<SharedNode>,
    pub(super) globals: Globals,
    /// Whether a call left a change that cannot be undone: no new run starts in this context.
    spoiled: Cell<bool>,
}

impl Isolate {
    pub(super) fn new(stage: JavaScriptCallContext) -> JsResult<Rc<Self>> {
        let stage = Rc::new(stage);
        let jobs = Rc::new(Jobs::default());
        let mut context = Context::builder()
            .host_hooks(Rc::new(Hooks(Rc::clone(&stage))))
            .clock(Rc::clone(&stage))
            .job_executor(Rc::clone(&jobs))
            .module_loader(Rc::new(IdleModuleLoader))
            .build()?;
        let limits = context.runtime_limits_mut();
        limits.set_recursion_limit(MAX_CALLS);
        limits.set_stack_size_limit(MAX_STACK_VALUES);
        limits.disable_loop_iteration_limit();

        let kit = Rc::new(ContextTools::new(Rc::clone(&stage), &mut context)?);
        context.insert_data(Rc::clone(&kit));
        sort::install(&mut context)?;
        guards::install(&mut context)?;
        dice::install(&mut context)?;
        console::install(&mut context)?;
        shims::install(&mut context)?;
        dates::install(&mut context)?;
        host::install(&mut context)?;
        locales::install(&mut context)?;
        intrinsics::remove_unrepeatable(&mut context)?;
        intrinsics::harden(&mut context)?;
        let globals = Globals::snapshot(&mut context)?;
        let spoiled = Cell::new(false);
        Ok(Rc::new(Self {
            context: RefCell::new(context),
            kit,
            jobs,
            residents: NodeCache::default(),
            globals,
            spoiled,
        }))
    }

    pub(super) fn spoil(&self) {
        self.spoiled.set(true);
    }

    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled.get()
    }
}
