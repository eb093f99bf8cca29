//! What a script may write to, read from its syntax tree: nodes, and globals.
//!
//! A whole-list script that cannot write to a node shares frozen node objects with all requests; one that may gets its
//! own. Freezing alone would not do: outside of strict mode a write to a frozen object is lost in silence. So every
//! assignment to a member counts as a write to a node, unless its object is a variable that only ever holds what the
//! script made itself. Writes that throw by themselves (strict code, array methods) need no such care: see `run`.
//!
//! Rejected: finding out at run time. Boa offers no hook on assignment, and a proxy costs 0.3 us per property.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::declaration::{Binding, Variable};
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::literal::ObjectMethodDefinition;
use boa_ast::expression::operator::assign::{Assign, AssignOp, AssignTarget};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::update::UpdateTarget;
use boa_ast::expression::operator::{Unary, Update};
use boa_ast::expression::{Expression, Identifier, This};
use boa_ast::function::{
    ArrowFunction, AsyncArrowFunction, AsyncFunctionDeclaration, AsyncFunctionExpression, AsyncGeneratorDeclaration,
    AsyncGeneratorExpression, ClassDeclaration, ClassElement, ClassExpression, FormalParameter, FormalParameterList,
    FunctionBody, FunctionDeclaration, FunctionExpression, GeneratorDeclaration, GeneratorExpression,
};
use boa_ast::operations::{bound_names, lexically_declared_names, var_declared_names};
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement};
use boa_ast::statement::iteration::{ForInLoop, ForLoop, ForLoopInitializer, ForOfLoop, IterableLoopInitializer};
use boa_ast::statement::{Block, Catch, Switch, With};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use super::syntax::Tree;

/// What a script may do to what outlives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Survey {
    /// Whether an assignment of it may hit a node.
    pub(super) may_write_nodes: bool,
    /// What it may do to the global object.
    pub(super) globals: GlobalUse,
    /// Every name and short text that stands in it.
    pub(super) mentioned: BTreeSet<String>,
}

/// Which properties of the global object a script may change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum GlobalUse {
    /// None.
    #[default]
    None,
    /// These, by assigning to names that it does not declare.
    Names(BTreeSet<String>),
    /// Any: it can get hold of the object itself.
    Any,
}

impl GlobalUse {
    fn add(&mut self, name: String) {
        match self {
            Self::None => *self = Self::Names(BTreeSet::from([name])),
            Self::Names(names) => {
                names.insert(name);
            }
            Self::Any => {}
        }
    }
}

pub(super) fn survey(tree: &Tree) -> Survey {
    let list = tree.script.statements();
    let mut surveyor = Surveyor { tree, ..Surveyor::new(tree) };
    let mut top: BTreeSet<Sym> = var_declared_names(list).into_iter().collect();
    top.extend(lexically_declared_names(list));
    surveyor.scopes.push(top);
    let _ = list.visit_with(&mut surveyor);
    surveyor.conclude()
}

/// Longer texts are not kept: they name no field.
const MAX_MENTION: usize = 64;
/// Names that let a script write without an assignment, and without an error.
const SILENT_WRITERS: [&str; 5] = ["Reflect", "Proxy", "__proto__", "setPrototypeOf", "__defineSetter__"];

pub(super) struct Surveyor<'t> {
    pub(super) tree: &'t Tree,
    /// Names declared around the place that is being visited.
    scopes: Vec<BTreeSet<Sym>>,
    /// Variables by name, over all scopes: whether all they ever hold is the script's own.
    own: BTreeMap<Sym, bool>,
    /// Variables whose members are assigned to.
    targets: BTreeSet<Sym>,
    /// Globals that the verdict relies on being the built-in ones.
    pub(super) relied_on: BTreeSet<Sym>,
    /// How many class bodies are open: strict code, in which a lost write throws.
    classes: usize,
    survey: Survey,
}

type Flow = ControlFlow<std::convert::Infallible>;

impl<'t> Surveyor<'t> {
    fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            scopes: Vec::new(),
            own: BTreeMap::new(),
            targets: BTreeSet::new(),
            relied_on: BTreeSet::new(),
            classes: 0,
            survey: Survey::default(),
        }
    }

    fn conclude(mut self) -> Survey {
        let foreign = |name: &Sym| !self.own.get(name).copied().unwrap_or_default();
        self.survey.may_write_nodes |= self.targets.iter().any(foreign);
        self.survey.may_write_nodes |= self.relied_on.iter().any(|name| self.own.contains_key(name));
        self.survey
    }

    pub(super) fn is_named(&self, name: &Identifier, expected: &str) -> bool {
        self.tree.name(name.sym()) == expected
    }

    /// Notes that the variable `name` holds something; `own` where that is the script's own.
    fn holds(&mut self, name: Sym, own: bool) {
        self.own.entry(name).and_modify(|all| *all &= own).or_insert(own);
    }

    fn hold_foreign(&mut self, names: Vec<Sym>) {
        for name in names {
            self.holds(name, false);
        }
    }

    /// Notes an assignment to the variable `name`.
    fn assigned(&mut self, name: Sym, own: bool) {
        self.holds(name, own);
        if !self.scopes.iter().any(|scope| scope.contains(&name)) {
            self.survey.globals.add(self.tree.name(name));
        }
    }

    /// Notes an assignment to a member.
    fn member_written(&mut self, access: &PropertyAccess) {
        let PropertyAccess::Simple(access) = access else {
            // `super.x` and `#x` write to `this`, and only inside classes or methods.
            self.survey.may_write_nodes |= matches!(access, PropertyAccess::Super(_)) && self.classes == 0;
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
                _ => self.survey.may_write_nodes = true,
            },
            _ => self.survey.may_write_nodes = true,
        }
    }

    fn in_scope(&mut self, names: impl IntoIterator<Item = Sym>, visit: impl FnOnce(&mut Self) -> Flow) -> Flow {
        self.scopes.push(names.into_iter().collect());
        let flow = visit(self);
        self.scopes.pop();
        flow
    }

    fn in_function(
        &mut self,
        own_name: Option<Sym>,
        list: &FormalParameterList,
        body: &FunctionBody,
        visit: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let mut names = bound_names(list);
        names.extend(own_name);
        names.extend(var_declared_names(body));
        names.extend(lexically_declared_names(body));
        names.push(Sym::ARGUMENTS);
        self.in_scope(names, visit)
    }

    fn in_class(&mut self, name: Option<Sym>, visit: impl FnOnce(&mut Self) -> Flow) -> Flow {
        self.classes += 1;
        let flow = self.in_scope(name, visit);
        self.classes -= 1;
        flow
    }

    fn loop_variable(&mut self, variable: &IterableLoopInitializer) {
        match variable {
            IterableLoopInitializer::Identifier(name) => self.assigned(name.sym(), false),
            IterableLoopInitializer::Access(access) => self.member_written(access),
            IterableLoopInitializer::Var(variable) => self.hold_foreign(bound_names(variable)),
            IterableLoopInitializer::Let(binding) | IterableLoopInitializer::Const(binding) => {
                self.hold_foreign(bound_names(binding));
            }
            // The pattern's elements are visited as such.
            IterableLoopInitializer::Pattern(_) => {}
        }
    }
}

fn loop_names(variable: &IterableLoopInitializer) -> Vec<Sym> {
    match variable {
        IterableLoopInitializer::Let(binding) | IterableLoopInitializer::Const(binding) => bound_names(binding),
        _ => Vec::new(),
    }
}

/// Functions differ in their names and nothing else that matters here.
macro_rules! visit_functions {
    ($($visit:ident($kind:ty) $name:expr;)*) => {$(
        fn $visit(&mut self, node: &'ast $kind) -> Flow {
            let own_name: Option<Identifier> = ($name)(node);
            if let Some(name) = own_name {
                self.holds(name.sym(), true);
            }
            self.in_function(own_name.map(Identifier::sym), node.parameters(), node.body(), |this| node.visit_with(this))
        }
    )*};
}

impl<'ast> Visitor<'ast> for Surveyor<'_> {
    type BreakTy = std::convert::Infallible;

    visit_functions! {
        visit_function_declaration(FunctionDeclaration) |node: &FunctionDeclaration| Some(node.name());
        visit_async_function_declaration(AsyncFunctionDeclaration) |node: &AsyncFunctionDeclaration| Some(node.name());
        visit_generator_declaration(GeneratorDeclaration) |node: &GeneratorDeclaration| Some(node.name());
        visit_async_generator_declaration(AsyncGeneratorDeclaration) |node: &AsyncGeneratorDeclaration| Some(node.name());
        visit_function_expression(FunctionExpression) FunctionExpression::name;
        visit_async_function_expression(AsyncFunctionExpression) AsyncFunctionExpression::name;
        visit_generator_expression(GeneratorExpression) GeneratorExpression::name;
        visit_async_generator_expression(AsyncGeneratorExpression) AsyncGeneratorExpression::name;
        visit_arrow_function(ArrowFunction) ArrowFunction::name;
        visit_async_arrow_function(AsyncArrowFunction) AsyncArrowFunction::name;
        visit_object_method_definition(ObjectMethodDefinition) |_| None;
    }

    fn visit_class_declaration(&mut self, node: &'ast ClassDeclaration) -> Flow {
        self.holds(node.name().sym(), true);
        self.in_class(Some(node.name().sym()), |this| node.visit_with(this))
    }

    fn visit_class_expression(&mut self, node: &'ast ClassExpression) -> Flow {
        if let Some(name) = node.name() {
            self.holds(name.sym(), true);
        }
        self.in_class(node.name().map(Identifier::sym), |this| node.visit_with(this))
    }

    fn visit_class_element(&mut self, node: &'ast ClassElement) -> Flow {
        match node {
            ClassElement::MethodDefinition(method) => {
                self.in_function(None, method.parameters(), method.body(), |this| node.visit_with(this))
            }
            ClassElement::StaticBlock(block) => {
                let mut names: Vec<Sym> = var_declared_names(block.statements()).into_iter().collect();
                names.extend(lexically_declared_names(block.statements()));
                self.in_scope(names, |this| node.visit_with(this))
            }
            _ => node.visit_with(self),
        }
    }

    fn visit_block(&mut self, node: &'ast Block) -> Flow {
        self.in_scope(lexically_declared_names(node.statement_list()), |this| node.visit_with(this))
    }

    fn visit_switch(&mut self, node: &'ast Switch) -> Flow {
        let names: Vec<Sym> = node.cases().iter().flat_map(|case| lexically_declared_names(case.body())).collect();
        self.in_scope(names, |this| node.visit_with(this))
    }

    fn visit_catch(&mut self, node: &'ast Catch) -> Flow {
        let names = node.parameter().map(bound_names).unwrap_or_default();
        self.hold_foreign(names.clone());
        self.in_scope(names, |this| node.visit_with(this))
    }

    fn visit_for_loop(&mut self, node: &'ast ForLoop) -> Flow {
        let names = match node.init() {
            Some(ForLoopInitializer::Lexical(lexical)) => bound_names(lexical.declaration()),
            _ => Vec::new(),
        };
        self.in_scope(names, |this| node.visit_with(this))
    }

    fn visit_for_in_loop(&mut self, node: &'ast ForInLoop) -> Flow {
        self.in_scope(loop_names(node.initializer()), |this| {
            this.loop_variable(node.initializer());
            node.visit_with(this)
        })
    }

    fn visit_for_of_loop(&mut self, node: &'ast ForOfLoop) -> Flow {
        self.in_scope(loop_names(node.initializer()), |this| {
            this.loop_variable(node.initializer());
            node.visit_with(this)
        })
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
                self.assigned(name.sym(), own);
            }
            AssignTarget::Access(access) => self.member_written(access),
            AssignTarget::Pattern(_) => {}
        }
        node.visit_with(self)
    }

    fn visit_update(&mut self, node: &'ast Update) -> Flow {
        match node.target() {
            UpdateTarget::Identifier(name) => self.assigned(name.sym(), true),
            UpdateTarget::PropertyAccess(access) => self.member_written(access),
        }
        node.visit_with(self)
    }

    fn visit_unary(&mut self, node: &'ast Unary) -> Flow {
        if node.op() == UnaryOp::Delete {
            match node.target() {
                Expression::PropertyAccess(access) => self.member_written(access),
                Expression::Identifier(name) => self.survey.globals.add(self.tree.name(name.sym())),
                _ => self.survey.may_write_nodes = true,
            }
        }
        node.visit_with(self)
    }

    fn visit_object_pattern_element(&mut self, node: &'ast ObjectPatternElement) -> Flow {
        match node {
            ObjectPatternElement::SingleName { ident, .. } | ObjectPatternElement::RestProperty { ident } => {
                self.assigned(ident.sym(), false);
            }
            ObjectPatternElement::AssignmentPropertyAccess { access, .. }
            | ObjectPatternElement::AssignmentRestPropertyAccess { access } => self.member_written(access),
            ObjectPatternElement::Pattern { .. } => {}
        }
        node.visit_with(self)
    }

    fn visit_array_pattern_element(&mut self, node: &'ast ArrayPatternElement) -> Flow {
        match node {
            ArrayPatternElement::SingleName { ident, .. } | ArrayPatternElement::SingleNameRest { ident } => {
                self.assigned(ident.sym(), false);
            }
            ArrayPatternElement::PropertyAccess { access, .. } | ArrayPatternElement::PropertyAccessRest { access } => {
                self.member_written(access);
            }
            ArrayPatternElement::Elision
            | ArrayPatternElement::Pattern { .. }
            | ArrayPatternElement::PatternRest { .. } => {}
        }
        node.visit_with(self)
    }

    fn visit_with(&mut self, node: &'ast With) -> Flow {
        self.survey.may_write_nodes = true;
        self.survey.globals = GlobalUse::Any;
        node.visit_with(self)
    }

    fn visit_this(&mut self, _node: &'ast This) -> Flow {
        if self.classes == 0 {
            self.survey.globals = GlobalUse::Any;
        }
        ControlFlow::Continue(())
    }

    /// Every name and every text in the source, wherever it stands.
    fn visit_sym(&mut self, node: &'ast Sym) -> Flow {
        let name = self.tree.name(*node);
        self.survey.may_write_nodes |= SILENT_WRITERS.contains(&name.as_str());
        if matches!(name.as_str(), "globalThis" | "__proto__") {
            self.survey.globals = GlobalUse::Any;
        }
        if name.len() <= MAX_MENTION {
            self.survey.mentioned.insert(name);
        }
        ControlFlow::Continue(())
    }

    fn visit_identifier(&mut self, node: &'ast Identifier) -> Flow {
        self.visit_sym(node.sym_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn read(source: &str) -> Survey {
        survey(&parse(source).unwrap())
    }

    #[test]
    fn only_undeclared_names_and_this_touch_globals() {
        for local in [
            "var a; a = 1; function f(b) { b = 1; a = 2; var c; c = 3; { let d; d = 1 } }",
            "for (let i = 0; i < 3; i++) {}",
            "for (const x of []) { let y; y = x }",
            "try {} catch (e) { e = 1 }",
            "class A { constructor() { this.a = 1 } }",
            "switch (1) { case 1: let z; z = 1 }",
            "const f = (x) => { x = 1; }",
            "function g({p}, [q]) { p = 1; q = 2 }",
        ] {
            assert_eq!(read(local).globals, GlobalUse::None, "{local}");
        }
        for global in [
            "x = 1",
            "function f() { { let i; } i = 1 }",
            "for (let i = 0; ; ) {} for (i = 0; ; ) {}",
            "function f() { var x } function g() { x = 1 }",
            "for (k in {}) ;",
            "[x] = [1]",
            "globalThis.a = 1",
            "function f() { return this }",
            "undeclared++",
            "({x} = {x: 1})",
            "delete x",
        ] {
            assert_ne!(read(global).globals, GlobalUse::None, "{global}");
        }
    }
}
