//! The globals that a script may change, read from the script's syntax tree.
//!
//! An assignment goes to the global object where no scope around the assignment declares the name; `this` outside of
//! classes may be the global object itself. After calls of a script that does neither, no global needs to be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::Spanned;
use boa_ast::expression::literal::{ObjectMethodDefinition, PropertyDefinition};
use boa_ast::expression::operator::assign::Assign;
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::{Unary, Update};
use boa_ast::expression::{Expression, Identifier, This};
use boa_ast::function::{
    ArrowFunction, AsyncArrowFunction, AsyncFunctionDeclaration, AsyncFunctionExpression, AsyncGeneratorDeclaration,
    AsyncGeneratorExpression, ClassDeclaration, ClassElement, ClassExpression, FormalParameterList, FunctionBody,
    FunctionDeclaration, FunctionExpression, GeneratorDeclaration, GeneratorExpression,
};
use boa_ast::operations::{bound_names, lexically_declared_names, var_declared_names};
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement};
use boa_ast::statement::iteration::{ForInLoop, ForLoop, ForLoopInitializer, ForOfLoop, IterableLoopInitializer};
use boa_ast::statement::{Block, Catch, Switch, With};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use super::edits::Place;
use super::targets::{self, Target};
use super::tree::Tree;

/// Globals that lead to the global object: other names of the object, and `Function`, which makes functions that return
/// the object.
const GLOBAL_OBJECTS: [&str; 3] = ["self", "global", "Function"];

/// The properties of the global object that a script may change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine::javascript) enum GlobalUse {
    /// No property.
    #[default]
    None,
    /// These properties, by assignments to names that the script does not declare.
    Names(BTreeSet<String>),
    /// Any property: the script can reach the object itself.
    Any,
}

impl GlobalUse {
    /// Returns the use of globals by the script `tree`.
    #[cfg(test)]
    pub(in crate::engine::javascript) fn of(tree: &Tree) -> Self {
        Self::with_names(tree).0
    }

    /// Returns the same, and the places in the text of `tree` where each undeclared name is read; without names that
    /// the script also tests with `typeof`.
    pub(in crate::engine::javascript) fn with_names(tree: &Tree) -> (Self, BTreeMap<String, Vec<Place>>) {
        let list = tree.script.statements();
        let mut top: BTreeSet<Sym> = var_declared_names(list).into_iter().collect();
        top.extend(lexically_declared_names(list));
        let mut scopes = Scopes {
            tree,
            scopes: vec![top],
            classes: 0,
            usage: Self::None,
            names: BTreeMap::new(),
            asked: BTreeSet::new(),
        };
        let _ = list.visit_with(&mut scopes);
        let Scopes { usage, mut names, asked, .. } = scopes;
        names.retain(|name, _| !asked.contains(name));
        (usage, names)
    }

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

type Flow = ControlFlow<std::convert::Infallible>;

/// A walk over the tree with the scopes around the visited place.
struct Scopes<'t> {
    tree: &'t Tree,
    scopes: Vec<BTreeSet<Sym>>,
    /// The number of open class bodies: strict code, in which `this` is never the global object.
    classes: usize,
    usage: GlobalUse,
    /// The places where undeclared names are read.
    names: BTreeMap<String, Vec<Place>>,
    /// The names that are tested with `typeof`.
    asked: BTreeSet<String>,
}

impl Scopes<'_> {
    fn is_declared(&self, name: Identifier) -> bool {
        self.scopes.iter().any(|scope| scope.contains(&name.sym()))
    }

    fn read(&mut self, name: Identifier) {
        if !self.is_declared(name) {
            let start = name.span().start();
            let place = (start.line_number(), start.column_number());
            self.names.entry(self.tree.name(name.sym())).or_default().push(place);
        }
    }

    /// Records an assignment to `target`, which changes a global where no scope declares the name.
    fn written(&mut self, target: Option<Target<'_>>) {
        if let Some(Target::Name(name)) = target
            && !self.is_declared(name)
        {
            self.usage.add(self.tree.name(name.sym()));
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
}

fn loop_names(variable: &IterableLoopInitializer) -> Vec<Sym> {
    match variable {
        IterableLoopInitializer::Let(binding) | IterableLoopInitializer::Const(binding) => bound_names(binding),
        _ => Vec::new(),
    }
}

/// Visits each kind of function; the kinds differ here only in their names.
macro_rules! visit_functions {
    ($($visit:ident($kind:ty) $name:expr;)*) => {$(
        fn $visit(&mut self, node: &'ast $kind) -> Flow {
            let own_name: Option<Identifier> = ($name)(node);
            self.in_function(own_name.map(Identifier::sym), node.parameters(), node.body(), |this| node.visit_with(this))
        }
    )*};
}

impl<'ast> Visitor<'ast> for Scopes<'_> {
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
        self.in_class(Some(node.name().sym()), |this| node.visit_with(this))
    }

    fn visit_class_expression(&mut self, node: &'ast ClassExpression) -> Flow {
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
            this.written(targets::iterated(node.initializer()));
            node.visit_with(this)
        })
    }

    fn visit_for_of_loop(&mut self, node: &'ast ForOfLoop) -> Flow {
        self.in_scope(loop_names(node.initializer()), |this| {
            this.written(targets::iterated(node.initializer()));
            node.visit_with(this)
        })
    }

    fn visit_expression(&mut self, node: &'ast Expression) -> Flow {
        if let Expression::Identifier(name) = node {
            self.read(*name);
        }
        node.visit_with(self)
    }

    fn visit_property_definition(&mut self, node: &'ast PropertyDefinition) -> Flow {
        if let PropertyDefinition::IdentifierReference(name) = node {
            self.read(*name);
        }
        node.visit_with(self)
    }

    fn visit_assign(&mut self, node: &'ast Assign) -> Flow {
        self.written(targets::assigned(node));
        node.visit_with(self)
    }

    fn visit_update(&mut self, node: &'ast Update) -> Flow {
        self.written(Some(targets::updated(node)));
        node.visit_with(self)
    }

    fn visit_unary(&mut self, node: &'ast Unary) -> Flow {
        if let Some(Target::Name(name)) = targets::deleted(node) {
            self.usage.add(self.tree.name(name.sym()));
        }
        if let (UnaryOp::TypeOf, Expression::Identifier(name)) = (node.op(), node.target()) {
            self.asked.insert(self.tree.name(name.sym()));
        }
        node.visit_with(self)
    }

    fn visit_object_pattern_element(&mut self, node: &'ast ObjectPatternElement) -> Flow {
        self.written(targets::of_object_pattern(node));
        node.visit_with(self)
    }

    fn visit_array_pattern_element(&mut self, node: &'ast ArrayPatternElement) -> Flow {
        self.written(targets::of_array_pattern(node));
        node.visit_with(self)
    }

    fn visit_with(&mut self, node: &'ast With) -> Flow {
        self.usage = GlobalUse::Any;
        node.visit_with(self)
    }

    fn visit_this(&mut self, _node: &'ast This) -> Flow {
        if self.classes == 0 {
            self.usage = GlobalUse::Any;
        }
        ControlFlow::Continue(())
    }

    fn visit_sym(&mut self, node: &'ast Sym) -> Flow {
        if matches!(self.tree.name(*node).as_str(), "globalThis" | "__proto__") {
            self.usage = GlobalUse::Any;
        }
        ControlFlow::Continue(())
    }

    fn visit_identifier(&mut self, node: &'ast Identifier) -> Flow {
        if !self.is_declared(*node) && GLOBAL_OBJECTS.contains(&self.tree.name(node.sym()).as_str()) {
            self.usage = GlobalUse::Any;
        }
        self.visit_sym(node.sym_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn read(source: &str) -> GlobalUse {
        GlobalUse::of(&parse(source).unwrap())
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
            "function h(self) { return self.a } const global = 1; [global].length",
        ] {
            assert_eq!(read(local), GlobalUse::None, "{local}");
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
            "typeof self == 'object' && self",
            "global.a = 1",
            "var root = Function('return this')()",
        ] {
            assert_ne!(read(global), GlobalUse::None, "{global}");
        }
    }
}
