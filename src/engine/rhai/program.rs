//! A compiled script, and the engine that compiled it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rhai::{AST, Engine as Language};

use crate::engine::Settings;
use crate::engine::reads::Reads;
use crate::engine::residents::Residents;
use crate::model::Parts;
use crate::script::{
    Coverage, Engine, Function, LoadError, RequestPath, Run, Scene, Script, ScriptError, Shape, Source, SourceText,
    see_login_alone,
};

use super::comments::without_comments;
use super::coverage::{self, NodeCounter, PointsOfTree};
use super::definitions::Definitions;
use super::depends::depends;
use super::input::Wishes;
use super::language::{self, Sizes, language};
use super::reads::reads;
use super::run::Session;
use super::stage::Stage;
use super::thrown;
use super::view::Shared;
use super::{mentions, shape};

/// The engine: one language and one set of nodes for all its scripts.
#[derive(Clone)]
pub(super) struct Rhai(Rc<Inner>);

pub(super) struct Inner {
    pub(super) language: RefCell<Language>,
    pub(super) stage: Rc<Stage>,
    pub(super) residents: Residents<Shared>,
    source_bytes: usize,
    /// The sizes that are set.
    sizes: Cell<Sizes>,
    /// Where what runs is counted, where it is.
    coverage: RefCell<Option<Rc<Coverage>>>,
}

impl Rhai {
    pub(super) fn new(settings: &Settings) -> Self {
        let stage = Rc::new(Stage::new(settings.limits, Rc::clone(&settings.alarm)));
        let source_bytes = settings.limits.source_bytes;
        let language = RefCell::new(language(&stage, settings.limits.source_depth));
        let (residents, sizes) = (Residents::default(), Cell::new(Sizes::over(0)));
        let coverage = RefCell::default();
        Self(Rc::new(Inner { language, stage, residents, source_bytes, sizes, coverage }))
    }
}

impl Inner {
    /// Lets values grow as far as suits a cluster of so many nodes.
    pub(super) fn fit(&self, nodes: usize) {
        let sizes = Sizes::over(nodes);
        if self.sizes.replace(sizes) != sizes {
            sizes.set(&mut self.language.borrow_mut());
        }
    }
}

impl Engine for Rhai {
    fn cover(&self, coverage: &Rc<Coverage>) {
        coverage::install(&mut self.0.language.borrow_mut(), &self.0.stage);
        *self.0.coverage.borrow_mut() = Some(Rc::clone(coverage));
    }

    fn load(&self, source: &Source) -> Result<Box<dyn Script>, LoadError> {
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
        language::know(&mut language, &inner.stage, &mentions::properties(&text));
        let code = without_comments(&text);
        let wanted = mentions::wanted(code.as_deref().unwrap_or(&text), &reading.request_names);
        let definitions = code.as_deref().and_then(|code| Definitions::of(&ast, code));
        let reads = reads(definitions.as_ref());
        let depends = definitions.and_then(|definitions| depends(&definitions, reading.shape));
        let (engine, shape, entry) = (self.clone(), reading.shape, reading.entry);
        // What depends on what comes with the request reads no sessions: those come from the cluster.
        let login_alone = depends.as_deref().is_some_and(see_login_alone);
        let wishes = Wishes { fields: wanted, user_sessions: depends.is_none(), login_alone };
        let counter = inner.coverage.borrow().as_ref().map(|coverage| {
            let tree = PointsOfTree::of(&ast);
            let counter = coverage.script(&source.file, tree.points());
            Rc::new(tree.counted_by(counter))
        });
        Ok(Box::new(Program { engine, source, ast, shape, entry, wishes, reads, depends, counter }))
    }
}

/// A script that can be run.
pub(super) struct Program {
    engine: Rhai,
    pub(super) source: SourceText,
    pub(super) ast: AST,
    shape: Shape,
    /// The name of the whole-list function.
    pub(super) entry: String,
    /// What it reads of the request.
    pub(super) wishes: Wishes,
    /// What its per-node functions read of a node.
    reads: Reads,
    /// What they depend on beside the node, where that can be told.
    depends: Option<Vec<RequestPath>>,
    /// Counts what of it runs, where that is asked for.
    pub(super) counter: Option<Rc<NodeCounter>>,
}

impl Program {
    pub(super) fn engine(&self) -> &Inner {
        &self.engine.0
    }
}

impl Script for Program {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn reads(&self, function: Function) -> Parts {
        self.reads.by(function)
    }

    fn depends(&self) -> Option<&[RequestPath]> {
        self.depends.as_deref()
    }

    fn open<'a>(&'a self, scene: Scene<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        Ok(Box::new(Session::new(self, scene)))
    }
}
