//! The number of places of a source that give each variable a value: a variable with a single such place always holds
//! the same function or pattern.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::ControlFlow;

use boa_ast::StatementList;
use boa_ast::declaration::{Binding, Variable};
use boa_ast::expression::operator::assign::{Assign, AssignTarget};
use boa_ast::expression::operator::update::{Update, UpdateTarget};
use boa_ast::function::FunctionBody;
use boa_ast::operations::{bound_names, lexically_declared_names, var_declared_names};
use boa_ast::statement::iteration::IterableLoopInitializer;
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use super::super::super::analysis::tree::Tree;

/// The writes to variables, by the function that declares the variable.
///
/// A write in a block that declares the name itself counts for the function around too: too many writes keep a function
/// interpreted, too few would make the compiled code wrong.
pub(super) struct Writes {
    /// The top level first, and then each function.
    frames: Vec<Frame>,
}

/// The variables of a function, parameters apart.
struct Frame {
    /// The body; absent for the top level.
    body: Option<*const FunctionBody>,
    /// The number of the function around.
    parent: Option<usize>,
    declared: BTreeSet<Sym>,
    counts: BTreeMap<Sym, usize>,
}

impl Writes {
    /// Counts the writes in `tree`: declarations with a value, and assignments.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut count = Count { frames: Vec::new(), current: None };
        count.within(None, tree.script.statements(), |count| {
            let _ = tree.script.statements().visit_with(count);
        });
        Self { frames: count.frames }
    }

    /// Returns the number of writes to the variable that `name` is in the function with `body`, or at the top level.
    pub(super) fn count(&self, body: Option<&FunctionBody>, name: Sym) -> usize {
        let body = body.map(std::ptr::from_ref);
        match self.frames.iter().position(|frame| frame.body == body) {
            Some(frame) => {
                let frame = declaring(&self.frames, frame, name);
                self.frames.get(frame).and_then(|frame| frame.counts.get(&name)).copied().unwrap_or_default()
            }
            // Never met: every write to a variable of this name counts.
            None => self.frames.iter().filter_map(|frame| frame.counts.get(&name)).sum(),
        }
    }
}

/// Returns the innermost frame that declares `name`, from `frame` outwards; the top level where no function does.
fn declaring(frames: &[Frame], mut frame: usize, name: Sym) -> usize {
    while let Some(found) = frames.get(frame)
        && !found.declared.contains(&name)
        && let Some(parent) = found.parent
    {
        frame = parent;
    }
    frame
}

/// Whether `part` of a tree may give the variable `name` a value.
pub(super) fn is_assigned_in(part: &impl VisitWith, name: Sym) -> bool {
    let frame = Frame { body: None, parent: None, declared: BTreeSet::new(), counts: BTreeMap::new() };
    let mut count = Count { frames: vec![frame], current: Some(0) };
    let _ = part.visit_with(&mut count);
    count.frames.iter().any(|frame| frame.counts.contains_key(&name))
}

/// The count under way.
struct Count {
    frames: Vec<Frame>,
    current: Option<usize>,
}

impl Count {
    /// Opens the frame of a function with the statements `list`, and counts the writes there by `visit`.
    fn within(&mut self, body: Option<&FunctionBody>, list: &StatementList, visit: impl FnOnce(&mut Self)) {
        let declared = var_declared_names(list).into_iter().chain(lexically_declared_names(list)).collect();
        let parent = self.current;
        let body = body.map(std::ptr::from_ref);
        self.frames.push(Frame { body, parent, declared, counts: BTreeMap::new() });
        self.current = Some(self.frames.len() - 1);
        visit(self);
        self.current = parent;
    }

    fn add(&mut self, name: Sym) {
        let frame = declaring(&self.frames, self.current.unwrap_or_default(), name);
        if let Some(frame) = self.frames.get_mut(frame) {
            *frame.counts.entry(name).or_default() += 1;
        }
    }

    fn add_all(&mut self, names: Vec<Sym>) {
        names.into_iter().for_each(|name| self.add(name));
    }
}

impl<'ast> Visitor<'ast> for Count {
    type BreakTy = Infallible;

    fn visit_function_body(&mut self, node: &'ast FunctionBody) -> ControlFlow<Infallible> {
        self.within(Some(node), node.statement_list(), |count| {
            let _ = node.visit_with(count);
        });
        ControlFlow::Continue(())
    }

    fn visit_variable(&mut self, node: &'ast Variable) -> ControlFlow<Infallible> {
        if node.init().is_some() {
            self.add_all(bound_names(node));
        }
        node.visit_with(self)
    }

    fn visit_assign(&mut self, node: &'ast Assign) -> ControlFlow<Infallible> {
        match node.lhs() {
            AssignTarget::Identifier(name) => self.add(name.sym()),
            AssignTarget::Pattern(pattern) => self.add_all(bound_names(pattern)),
            AssignTarget::Access(_) => {}
        }
        node.visit_with(self)
    }

    fn visit_update(&mut self, node: &'ast Update) -> ControlFlow<Infallible> {
        if let UpdateTarget::Identifier(name) = node.target() {
            self.add(name.sym());
        }
        node.visit_with(self)
    }

    fn visit_iterable_loop_initializer(&mut self, node: &'ast IterableLoopInitializer) -> ControlFlow<Infallible> {
        match node {
            IterableLoopInitializer::Identifier(name) => self.add(name.sym()),
            IterableLoopInitializer::Var(variable) => self.add_all(bound_names(variable)),
            IterableLoopInitializer::Let(Binding::Identifier(name))
            | IterableLoopInitializer::Const(Binding::Identifier(name)) => self.add(name.sym()),
            _ => {}
        }
        node.visit_with(self)
    }
}
