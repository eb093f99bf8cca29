//! On which ways the per-node functions look at the request, read from the syntax tree.
//!
//! What lies on those ways, and the node, decide what a function says, as long as it uses the request for nothing else,
//! and as long as nothing in the source looks at the clock, at chance or at the global object. So most scripts have a key
//! without writing one. Variables are told apart by name alone, which errs on the safe side.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use boa_ast::declaration::{Binding, Variable};
use boa_ast::expression::access::{PropertyAccess, SimplePropertyAccess};
use boa_ast::expression::operator::Update;
use boa_ast::expression::operator::assign::{Assign, AssignTarget};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::update::UpdateTarget;
use boa_ast::expression::{Call, Expression, Identifier, Optional};
use boa_ast::expression::{OptionalOperation, OptionalOperationKind, operator::Unary};
use boa_ast::function::FormalParameter;
use boa_ast::pattern::{ObjectPattern, ObjectPatternElement, Pattern};
use boa_ast::property::PropertyName;
use boa_ast::statement::With;
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use crate::script::{Arity, PerNode, RequestPath, ScriptShape};

use super::definitions::definition;
use super::global_use::GlobalUse;
use super::tree::{BACK_DOORS, FunctionSyntax, Tree, field_name};

/// Names of what says another thing at another time, or that lead to it, wherever in the source they stand.
const UNSTEADY: [&str; 12] = [
    "Date",
    "Temporal",
    "Intl",
    "performance",
    "crypto",
    "random",
    "toLocaleString",
    "globalThis",
    "arguments",
    "eval",
    "WeakRef",
    "import",
];
/// The one object whose methods are steady but for one.
const MATH: &str = "Math";

/// How the functions that are given the request look at it.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine::javascript) struct Depends {
    /// The fields of the request, where they can look at no other.
    pub(in crate::engine::javascript) fields: Option<BTreeSet<String>>,
    /// The ways, where what lies on them decides, with the node, what the functions say.
    pub(in crate::engine::javascript) paths: Option<Vec<RequestPath>>,
}

impl Depends {
    /// How the functions of `tree` do, which does `globals` to globals.
    pub(in crate::engine::javascript) fn of(tree: &Tree, shape: ScriptShape, globals: &GlobalUse) -> Self {
        let Some(mut paths) = paths(tree, shape, globals) else { return Self::default() };
        paths.sort_unstable();
        paths.dedup();
        let fields = paths.iter().map(|path| path.0.first().cloned()).collect();
        let decides = *globals == GlobalUse::None && is_steady(tree) && paths.iter().all(RequestPath::is_given);
        Self { fields, paths: decides.then_some(paths) }
    }
}

/// The ways on which the functions that are given the request look at it: those of two parameters, or `key`.
fn paths(tree: &Tree, shape: ScriptShape, globals: &GlobalUse) -> Option<Vec<RequestPath>> {
    let ScriptShape::PerNode(PerNode { filter, score, key }) = shape else { return None };
    if key {
        return ways(&definition(tree, "key", globals)?, 0, tree);
    }
    let functions = [("filter", filter), ("score", score)].into_iter();
    let mut names = functions.filter(|(_, arity)| *arity == Some(Arity::NodeAndRequest)).peekable();
    names.peek()?;
    let mut paths = Vec::new();
    for (name, _) in names {
        paths.extend(ways(&definition(tree, name, globals)?, 1, tree)?);
    }
    Some(paths)
}

/// Whether nothing in the source says another thing at another time.
fn is_steady(tree: &Tree) -> bool {
    let mut unsteady = Unsteady(tree);
    tree.script.statements().visit_with(&mut unsteady).is_continue()
}

struct Unsteady<'t>(&'t Tree);

impl<'ast> Visitor<'ast> for Unsteady<'_> {
    type BreakTy = ();

    fn visit_sym(&mut self, node: &'ast Sym) -> ControlFlow<()> {
        let name = self.0.name(*node);
        // Only behind its name are the methods of `Math` seen.
        if UNSTEADY.contains(&name.as_str()) || name == MATH {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn visit_simple_property_access(&mut self, node: &'ast SimplePropertyAccess) -> ControlFlow<()> {
        let is_math = matches!(node.target(), Expression::Identifier(name) if self.0.name(name.sym()) == MATH);
        if !is_math {
            return node.visit_with(self);
        }
        match field_name(self.0, node.field()) {
            Some(name) if !UNSTEADY.contains(&name.as_str()) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// The ways on which `function` looks at its parameter in `place`, where it gets at that by its name alone.
fn ways(function: &FunctionSyntax<'_>, place: usize, tree: &Tree) -> Option<Vec<RequestPath>> {
    let parameters = function.parameters.as_ref();
    if parameters.iter().any(FormalParameter::is_rest_param) {
        return None;
    }
    let mut walk = RequestWalk { tree, request: None, paths: Vec::new() };
    for (number, parameter) in parameters.iter().enumerate() {
        let flow = match number == place {
            true => walk.request_parameter(parameter),
            false => walk.visit_formal_parameter(parameter),
        };
        flow.is_continue().then_some(())?;
    }
    walk.visit_function_body(function.body).is_continue().then_some(walk.paths)
}

/// A walk through a function that ends where the request is used in a way that this file does not know.
struct RequestWalk<'t> {
    tree: &'t Tree,
    /// The parameter's name, where it has one.
    request: Option<Sym>,
    paths: Vec<RequestPath>,
}

type Flow = ControlFlow<()>;

impl RequestWalk<'_> {
    fn request_parameter(&mut self, parameter: &FormalParameter) -> Flow {
        match parameter.variable().binding() {
            _ if parameter.is_rest_param() || parameter.init().is_some() => ControlFlow::Break(()),
            Binding::Identifier(name) => {
                self.request = Some(name.sym());
                ControlFlow::Continue(())
            }
            Binding::Pattern(Pattern::Object(pattern)) => self.taken_apart(&[], pattern),
            Binding::Pattern(Pattern::Array(_)) => ControlFlow::Break(()),
        }
    }

    /// Notes the fields that `pattern` takes out of what lies at `way`.
    fn taken_apart(&mut self, way: &[String], pattern: &ObjectPattern) -> Flow {
        for element in pattern.bindings() {
            let (name, inner) = match element {
                ObjectPatternElement::SingleName { name, default_init, .. } => {
                    default_init.iter().try_for_each(|default| self.visit_expression(default))?;
                    (name, None)
                }
                ObjectPatternElement::Pattern { name, pattern: Pattern::Object(inner), default_init: None } => {
                    (name, Some(inner))
                }
                _ => return ControlFlow::Break(()),
            };
            let PropertyName::Literal(name) = name else { return ControlFlow::Break(()) };
            let mut way = way.to_vec();
            way.push(self.tree.name(name.sym()));
            match inner {
                Some(inner) => self.taken_apart(&way, inner)?,
                None => self.paths.push(RequestPath(way)),
            }
        }
        ControlFlow::Continue(())
    }

    fn is_request(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Identifier(name) => Some(name.sym()) == self.request,
            Expression::Parenthesized(inner) => self.is_request(inner.expression()),
            _ => false,
        }
    }

    /// The way that `expression` goes into the request, as far as its names are written out, and whether that is all of
    /// it; absent where it does not begin at the request.
    fn way(&self, expression: &Expression) -> Option<(Vec<String>, bool)> {
        match expression {
            it if self.is_request(it) => Some((Vec::new(), true)),
            Expression::Parenthesized(inner) => self.way(inner.expression()),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => {
                let (way, is_all) = self.way(access.target())?;
                Some(self.onward(way, is_all, field_name(self.tree, access.field())))
            }
            Expression::Optional(optional) => {
                let (mut way, mut is_all) = self.way(optional.target())?;
                for operation in optional.chain() {
                    let name = match operation.kind() {
                        OptionalOperationKind::SimplePropertyAccess { field } => field_name(self.tree, field),
                        OptionalOperationKind::PrivatePropertyAccess { .. } => None,
                        OptionalOperationKind::Call { .. } => {
                            // What is called is looked up where the way ends; the call itself leads elsewhere.
                            if is_all {
                                way.pop();
                            }
                            None
                        }
                    };
                    (way, is_all) = self.onward(way, is_all, name);
                }
                Some((way, is_all))
            }
            _ => None,
        }
    }

    fn onward(&self, mut way: Vec<String>, is_all: bool, name: Option<String>) -> (Vec<String>, bool) {
        match name {
            Some(name) if is_all => {
                way.push(name);
                (way, true)
            }
            _ => (way, false),
        }
    }

    /// Visits what stands in `expression`, which goes into the request, beside the names on its way.
    fn beside(&mut self, expression: &Expression) -> Flow {
        match expression {
            Expression::Parenthesized(inner) => self.beside(inner.expression()),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => {
                self.beside(access.target())?;
                self.visit_property_access_field(access.field())
            }
            Expression::Optional(optional) => {
                self.beside(optional.target())?;
                let chain: &[OptionalOperation] = optional.chain();
                chain.iter().try_for_each(|operation| self.visit_optional_operation(operation))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    /// Notes that what lies at the end of `expression` is read; whether it begins at the request.
    fn read(&mut self, expression: &Expression, is_called: bool) -> Option<Flow> {
        let (mut way, is_all) = self.way(expression)?;
        if is_called && is_all {
            // A method sees what it is called on.
            way.pop();
        }
        self.paths.push(RequestPath(way));
        Some(self.beside(expression))
    }
}

impl<'ast> Visitor<'ast> for RequestWalk<'_> {
    type BreakTy = ();

    fn visit_identifier(&mut self, node: &'ast Identifier) -> Flow {
        if Some(node.sym()) == self.request { ControlFlow::Break(()) } else { self.visit_sym(node.sym_ref()) }
    }

    fn visit_sym(&mut self, node: &'ast Sym) -> Flow {
        match BACK_DOORS.contains(&self.tree.name(*node).as_str()) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn visit_expression(&mut self, node: &'ast Expression) -> Flow {
        match node {
            Expression::PropertyAccess(PropertyAccess::Simple(_)) | Expression::Optional(_) => {
                self.read(node, false).unwrap_or_else(|| node.visit_with(self))
            }
            _ => node.visit_with(self),
        }
    }

    fn visit_simple_property_access(&mut self, node: &'ast SimplePropertyAccess) -> Flow {
        // Where it is no expression, it is written to.
        if self.way(node.target()).is_some() { ControlFlow::Break(()) } else { node.visit_with(self) }
    }

    fn visit_optional(&mut self, node: &'ast Optional) -> Flow {
        if self.way(node.target()).is_some() { ControlFlow::Break(()) } else { node.visit_with(self) }
    }

    fn visit_call(&mut self, node: &'ast Call) -> Flow {
        match self.read(node.function(), true) {
            Some(flow) => flow?,
            None => self.visit_expression(node.function())?,
        }
        node.args().iter().try_for_each(|argument| self.visit_expression(argument))
    }

    fn visit_variable(&mut self, node: &'ast Variable) -> Flow {
        match (node.init(), node.binding()) {
            (Some(value), Binding::Pattern(Pattern::Object(pattern))) => match self.way(value) {
                Some((way, true)) => {
                    self.beside(value)?;
                    self.taken_apart(&way, pattern)
                }
                _ => node.visit_with(self),
            },
            _ => node.visit_with(self),
        }
    }

    fn visit_assign(&mut self, node: &'ast Assign) -> Flow {
        match node.lhs() {
            AssignTarget::Access(PropertyAccess::Simple(access)) if self.way(access.target()).is_some() => {
                ControlFlow::Break(())
            }
            _ => node.visit_with(self),
        }
    }

    fn visit_update(&mut self, node: &'ast Update) -> Flow {
        match node.target() {
            UpdateTarget::PropertyAccess(PropertyAccess::Simple(access)) if self.way(access.target()).is_some() => {
                ControlFlow::Break(())
            }
            _ => node.visit_with(self),
        }
    }

    fn visit_unary(&mut self, node: &'ast Unary) -> Flow {
        if node.op() == UnaryOp::Delete && self.way(node.target()).is_some() {
            return ControlFlow::Break(());
        }
        node.visit_with(self)
    }

    fn visit_with(&mut self, _node: &'ast With) -> Flow {
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests;
