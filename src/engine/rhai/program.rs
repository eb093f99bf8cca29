//! A compiled script, and the engine that compiled the script.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rhai::{AST, Engine as Language};

use crate::engine::Settings;
use crate::engine::reads::Reads;
use crate::engine::residents::NodeCache;
use crate::model::NodeParts;
use crate::script::{
    CallContext, Coverage, Engine, LoadError, NodeFunction, RequestPath, Run, Script, ScriptError, ScriptShape,
    ScriptSource, SourceText, see_login_alone,
};

use super::call_context::RhaiCallContext;
use super::comments::without_comments;
use super::coverage::{self, NodeCounter, PointsOfTree};
use super::definitions::Definitions;
use super::depends::depends;
use super::input::RhaiRequestWishes;
use super::language::{self, Sizes, language};
use super::reads::reads;
use super::run::RhaiRun;
use super::thrown;
use super::view::SharedView;
use super::{mentions, shape};

/// The engine: a single language and a single set of nodes for all scripts.
#[derive(Clone)]
pub(super) struct Rhai(Rc<RhaiEngine>);

pub(super) struct RhaiEngine {
    pub(super) language: RefCell<Language>,
    pub(super) context: Rc<RhaiCallContext>,
    pub(super) residents: NodeCache<SharedView>,
    source_bytes: usize,
    /// The sizes in force.
    sizes: Cell<Sizes>,
    /// The counts of what runs, where coverage is wanted.
    coverage: RefCell<Option<Arc<Coverage>>>,
}

impl Rhai {
    pub(super) fn new(settings: &Settings) -> Self {
        let context = Rc::new(RhaiCallContext::new(settings.limits, Rc::clone(&settings.alarm)));
        let source_bytes = settings.limits.source_bytes;
        let language = RefCell::new(language(&context, settings.limits.source_depth));
        let (residents, sizes) = (NodeCache::default(), Cell::new(Sizes::over(0)));
        let coverage = RefCell::default();
        Self(Rc::new(RhaiEngine { language, context, residents, source_bytes, sizes, coverage }))
    }
}

impl RhaiEngine {
    /// Sets the sizes of values for a cluster of this many nodes.
    pub(super) fn fit(&self, nodes: usize) {
        let sizes = Sizes::over(nodes);
        if self.sizes.replace(sizes) != sizes {
            sizes.set(&mut self.language.borrow_mut());
        }
    }
}

impl Engine for Rhai {
    fn cover(&self, coverage: &Arc<Coverage>) {
        coverage::install(&mut self.0.language.borrow_mut(), &self.0.context);
        *self.0.coverage.borrow_mut() = Some(Arc::clone(coverage));
    }

    fn load(&self, source: &ScriptSource) -> Result<Box<dyn Script>, LoadError> {
        let inner = &self.0;
        let source = source.text()?;
        if source.text.len() > inner.source_bytes {
            let (bytes, max) = (source.text.len(), inner.source_bytes);
            return Err(LoadError::new(format!("the source has {bytes} bytes, at most {max} are accepted")));
        }
        // A first line for a shell is a comment.
        let text = match source.text.strip_prefix("#!") {
            Some(rest) => format!("//{rest}"),
            None => source.text.to_string(),
        };
        let mut language = inner.language.borrow_mut();
        let ast = language.compile(&text).map_err(|error| thrown::refused(&error, &source))?;
        let reading = shape::read(&ast)?;
        language::know(&mut language, &inner.context, &mentions::properties(&text));
        let code = without_comments(&text);
        let wanted = mentions::wanted(code.as_deref().unwrap_or(&text), &reading.request_names);
        let definitions = code.as_deref().and_then(|code| Definitions::of(&ast, code));
        let reads = reads(definitions.as_ref());
        let depends = definitions.and_then(|definitions| depends(&definitions, reading.shape));
        let (engine, shape, entry) = (self.clone(), reading.shape, reading.entry);
        // Functions that depend only on values of the request itself read no sessions, which come from the cluster.
        let login_alone = depends.as_deref().is_some_and(see_login_alone);
        let wishes = RhaiRequestWishes { fields: wanted, user_sessions: depends.is_none(), login_alone };
        let counter = inner.coverage.borrow().as_ref().map(|coverage| {
            let tree = PointsOfTree::of(&ast);
            let counter = coverage.script(&source.file, tree.points());
            Rc::new(tree.counted_by(counter))
        });
        Ok(Box::new(RhaiProgram { engine, source, ast, shape, entry, wishes, reads, depends, counter }))
    }
}

/// A script that can be run.
pub(super) struct RhaiProgram {
    engine: Rhai,
    pub(super) source: SourceText,
    pub(super) ast: AST,
    shape: ScriptShape,
    /// The name of the whole-list function.
    pub(super) entry: String,
    /// The parts of the request that the script reads.
    pub(super) wishes: RhaiRequestWishes,
    /// The parts of a node that the per-node functions read.
    reads: Reads,
    /// The paths into the request on which these functions depend beside the node, where the paths are known.
    depends: Option<Vec<RequestPath>>,
    /// The counter of the script's nodes, where coverage is wanted.
    pub(super) counter: Option<Rc<NodeCounter>>,
}

impl RhaiProgram {
    pub(super) fn engine(&self) -> &RhaiEngine {
        &self.engine.0
    }
}

impl Script for RhaiProgram {
    fn shape(&self) -> ScriptShape {
        self.shape
    }

    fn reads(&self, function: NodeFunction) -> NodeParts {
        self.reads.by(function)
    }

    fn depends(&self) -> Option<&[RequestPath]> {
        self.depends.as_deref()
    }

    fn open<'a>(&'a self, call_context: CallContext<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        Ok(Box::new(RhaiRun::new(self, call_context)))
    }
}
