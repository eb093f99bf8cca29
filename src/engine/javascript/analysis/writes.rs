//! Whether a script may write to nodes, read from the script's syntax tree.
//!
//! A whole-list script that cannot write to a node shares frozen node objects with all requests; a script that may gets
//! separate copies. Freezing alone would not do: outside of strict mode a write to a frozen object is lost in silence.
//! So every assignment to a member counts as a write to a node, unless the object is a variable that only ever holds
//! values made by the script itself. Writes that throw by themselves (strict code, array methods) need no such care:
//! see `run`.
//!
//! Rejected: detecting writes at run time. Boa offers no hook on assignment, and a proxy costs 0.3 us per property.

mod own;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::declaration::{Binding, Variable};
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::operator::assign::{Assign, AssignOp, AssignTarget};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::{Unary, Update};
use boa_ast::expression::{Call, Expression, Identifier};
use boa_ast::function::{
    AsyncFunctionDeclaration, AsyncGeneratorDeclaration, ClassDeclaration, ClassExpression, FormalParameter,
    FunctionDeclaration, GeneratorDeclaration,
};
use boa_ast::operations::bound_names;
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement};
use boa_ast::statement::iteration::{ForInLoop, ForOfLoop, IterableLoopInitializer};
use boa_ast::statement::{Catch, Try, With};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use super::targets::{self, Target};
use super::tree::Tree;

/// Methods that change their list.
const CHANGERS: [&str; 9] = ["sort", "reverse", "push", "pop", "shift", "unshift", "splice", "fill", "copyWithin"];
/// Functions of `Object` that change their first argument.
const OBJECT_CHANGERS: [&str; 3] = ["assign", "defineProperty", "defineProperties"];
/// Names that let a script write without an assignment, and without an error.
const SILENT_WRITERS: [&str; 5] = ["Reflect", "Proxy", "__proto__", "setPrototypeOf", "__defineSetter__"];

/// Whether an assignment of the script `tree` may hit a node.
pub(super) fn may_write_nodes(tree: &Tree) -> bool {
    let mut writes = Writes {
        tree,
        own: BTreeMap::new(),
        targets: BTreeSet::new(),
        changed: BTreeSet::new(),
        relied_on: BTreeSet::new(),
        classes: 0,
        found: false,
        throwing: false,
        catches: false,
    };
    let _ = tree.script.statements().visit_with(&mut writes);
    let foreign = |name: &Sym| !writes.own.get(name).copied().unwrap_or_default();
    writes.found
        || (writes.catches && (writes.throwing || writes.changed.iter().any(foreign)))
        || writes.targets.iter().any(foreign)
        || writes.relied_on.iter().any(|name| writes.own.contains_key(name))
}

type Flow = ControlFlow<std::convert::Infallible>;

/// A walk over the tree. Variables are told apart by name alone: two variables of the same name count as a single
/// variable, which errs on the safe side.
struct Writes<'t> {
    tree: &'t Tree,
    /// The variables, and whether all their values are the script's own.
    own: BTreeMap<Sym, bool>,
    /// The variables with assigned members.
    targets: BTreeSet<Sym>,
    /// The variables that are changed by a method.
    changed: BTreeSet<Sym>,
    /// The globals that the result assumes to be the built-in globals.
    relied_on: BTreeSet<Sym>,
    /// The number of open class bodies: strict code, in which a lost write throws.
    classes: usize,
    found: bool,
    /// Whether the script may write in a way that throws on a shared node.
    throwing: bool,
    /// Whether the script may catch such an error: then the script would take another branch than with nodes that the
    /// script owns.
    catches: bool,
}

impl Writes<'_> {
    fn is_named(&self, name: &Identifier, expected: &str) -> bool {
        self.tree.name(name.sym()) == expected
    }

    /// Records that the variable `name` holds a value; `own` where the value is the script's own.
    fn holds(&mut self, name: Sym, own: bool) {
        self.own.entry(name).and_modify(|all| *all &= own).or_insert(own);
    }

    fn hold_foreign(&mut self, names: Vec<Sym>) {
        for name in names {
            self.holds(name, false);
        }
    }

    /// Records an assignment to a member.
    fn member_written(&mut self, access: &PropertyAccess) {
        let PropertyAccess::Simple(access) = access else {
            // `super.x` and `#x` write to `this`, and only inside classes or methods.
            self.found |= matches!(access, PropertyAccess::Super(_)) && self.classes == 0;
            return;
        };
        self.object_written(access.target());
    }

    fn object_written(&mut self, object: &Expression) {
        match object {
            Expression::Identifier(name) => {
                self.targets.insert(name.sym());
            }
            Expression::This(_) if self.classes > 0 => {}
            Expression::Parenthesized(inner) => self.object_written(inner.expression()),
            // `F.prototype.method = …` of a function of the script's own.
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => match (access.target(), access.field()) {
                (Expression::Identifier(name), PropertyAccessField::Const(field))
                    if self.is_named(field, "prototype") =>
                {
                    self.targets.insert(name.sym());
                }
                _ => self.found = true,
            },
            _ => self.found = true,
        }
    }

    /// Records that `target` is given a value that the script did not make.
    fn given_foreign(&mut self, target: Option<Target<'_>>) {
        match target {
            Some(Target::Name(name)) => self.holds(name.sym(), false),
            Some(Target::Member(access)) => self.member_written(access),
            None => {}
        }
    }

    fn loop_variable(&mut self, variable: &IterableLoopInitializer) {
        self.given_foreign(targets::iterated(variable));
        match variable {
            IterableLoopInitializer::Var(variable) => self.hold_foreign(bound_names(variable)),
            IterableLoopInitializer::Let(binding) | IterableLoopInitializer::Const(binding) => {
                self.hold_foreign(bound_names(binding));
            }
            // The pattern's elements are visited as such.
            IterableLoopInitializer::Pattern(_)
            | IterableLoopInitializer::Identifier(_)
            | IterableLoopInitializer::Access(_) => {}
        }
    }
}

/// A declared function is the script's own.
macro_rules! visit_declarations {
    ($($visit:ident($kind:ty);)*) => {$(
        fn $visit(&mut self, node: &'ast $kind) -> Flow {
            self.holds(node.name().sym(), true);
            node.visit_with(self)
        }
    )*};
}

impl<'ast> Visitor<'ast> for Writes<'_> {
    type BreakTy = std::convert::Infallible;

    visit_declarations! {
        visit_function_declaration(FunctionDeclaration);
        visit_async_function_declaration(AsyncFunctionDeclaration);
        visit_generator_declaration(GeneratorDeclaration);
        visit_async_generator_declaration(AsyncGeneratorDeclaration);
    }

    fn visit_class_declaration(&mut self, node: &'ast ClassDeclaration) -> Flow {
        self.holds(node.name().sym(), true);
        self.classes += 1;
        let flow = node.visit_with(self);
        self.classes -= 1;
        flow
    }

    fn visit_class_expression(&mut self, node: &'ast ClassExpression) -> Flow {
        if let Some(name) = node.name() {
            self.holds(name.sym(), true);
        }
        self.classes += 1;
        let flow = node.visit_with(self);
        self.classes -= 1;
        flow
    }

    fn visit_catch(&mut self, node: &'ast Catch) -> Flow {
        self.hold_foreign(node.parameter().map(bound_names).unwrap_or_default());
        node.visit_with(self)
    }

    fn visit_for_in_loop(&mut self, node: &'ast ForInLoop) -> Flow {
        self.loop_variable(node.initializer());
        node.visit_with(self)
    }

    fn visit_for_of_loop(&mut self, node: &'ast ForOfLoop) -> Flow {
        self.loop_variable(node.initializer());
        node.visit_with(self)
    }

    fn visit_variable(&mut self, node: &'ast Variable) -> Flow {
        match (node.binding(), node.init()) {
            (Binding::Identifier(name), Some(value)) => {
                let own = self.is_own(value, name.sym());
                self.holds(name.sym(), own);
            }
            (Binding::Identifier(name), None) => self.holds(name.sym(), true),
            (Binding::Pattern(pattern), _) => self.hold_foreign(bound_names(pattern)),
        }
        node.visit_with(self)
    }

    fn visit_formal_parameter(&mut self, node: &'ast FormalParameter) -> Flow {
        self.hold_foreign(bound_names(node));
        node.visit_with(self)
    }

    fn visit_assign(&mut self, node: &'ast Assign) -> Flow {
        match node.lhs() {
            AssignTarget::Identifier(name) => {
                let own = match node.op() {
                    AssignOp::Assign | AssignOp::BoolAnd | AssignOp::BoolOr | AssignOp::Coalesce => {
                        self.is_own(node.rhs(), name.sym())
                    }
                    _ => true,
                };
                self.holds(name.sym(), own);
            }
            AssignTarget::Access(access) => {
                self.member_written(access);
                // `F.prototype.x = …` counts as the script's own only while no node becomes a prototype.
                if let PropertyAccess::Simple(access) = access
                    && matches!(access.field(), PropertyAccessField::Const(field) if self.is_named(field, "prototype"))
                {
                    self.found |=
                        !matches!(node.rhs(), Expression::ObjectLiteral(_) | Expression::Call(_) | Expression::New(_));
                }
            }
            AssignTarget::Pattern(_) => {}
        }
        node.visit_with(self)
    }

    fn visit_call(&mut self, node: &'ast Call) -> Flow {
        if let Expression::PropertyAccess(PropertyAccess::Simple(access)) = node.function()
            && let PropertyAccessField::Const(method) = access.field()
        {
            let method = self.tree.name(method.sym());
            let changed = match access.target() {
                Expression::Identifier(name) if self.is_named(name, "Object") => {
                    node.args().first().filter(|_| OBJECT_CHANGERS.contains(&method.as_str()))
                }
                list => Some(list).filter(|_| CHANGERS.contains(&method.as_str())),
            };
            self.throwing |= changed.is_some_and(|changed| !self.is_new(changed));
        }
        node.visit_with(self)
    }

    fn visit_try(&mut self, node: &'ast Try) -> Flow {
        self.catches = true;
        node.visit_with(self)
    }

    fn visit_update(&mut self, node: &'ast Update) -> Flow {
        match targets::updated(node) {
            Target::Name(name) => self.holds(name.sym(), true),
            Target::Member(access) => self.member_written(access),
        }
        node.visit_with(self)
    }

    fn visit_unary(&mut self, node: &'ast Unary) -> Flow {
        if node.op() == UnaryOp::Delete {
            match node.target() {
                Expression::PropertyAccess(access) => self.member_written(access),
                Expression::Identifier(_) => {}
                _ => self.found = true,
            }
        }
        node.visit_with(self)
    }

    fn visit_object_pattern_element(&mut self, node: &'ast ObjectPatternElement) -> Flow {
        self.given_foreign(targets::of_object_pattern(node));
        node.visit_with(self)
    }

    fn visit_array_pattern_element(&mut self, node: &'ast ArrayPatternElement) -> Flow {
        self.given_foreign(targets::of_array_pattern(node));
        node.visit_with(self)
    }

    fn visit_with(&mut self, node: &'ast With) -> Flow {
        self.found = true;
        node.visit_with(self)
    }

    /// Visits every name and every text in the source.
    fn visit_sym(&mut self, node: &'ast Sym) -> Flow {
        let name = self.tree.name(*node);
        self.found |= SILENT_WRITERS.contains(&name.as_str());
        self.catches |= matches!(name.as_str(), "catch" | "then" | "allSettled");
        ControlFlow::Continue(())
    }

    fn visit_identifier(&mut self, node: &'ast Identifier) -> Flow {
        self.visit_sym(node.sym_ref())
    }
}

#[cfg(test)]
mod tests;
