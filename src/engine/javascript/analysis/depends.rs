//! The paths on which the per-node functions look into the request, read from the syntax tree.
//!
//! The values on those paths, and the node, decide the answer of a function, as long as the function uses the request
//! for nothing else, and nothing in the source looks at the clock, at chance or at the global object. So most scripts
//! have a key without defining `key`. Variables are told apart by name alone, which errs on the safe side.

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

/// Names of functions and objects that answer differently at different times, or that lead to such, anywhere in the
/// source.
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
/// The object that is steady but for a single method, `random`.
const MATH: &str = "Math";

/// The use of the request by the functions that receive the request.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine::javascript) struct Depends {
    /// The fields of the request that the functions can look at, where these are known.
    pub(in crate::engine::javascript) fields: Option<BTreeSet<String>>,
    /// The paths into the request, where the values on these paths and the node alone decide the answers.
    pub(in crate::engine::javascript) paths: Option<Vec<RequestPath>>,
}

impl Depends {
    /// Returns the use of the request by the functions of `tree`, where `globals` is the tree's use of globals.
    pub(in crate::engine::javascript) fn of(tree: &Tree, shape: ScriptShape, globals: &GlobalUse) -> Self {
        let Some(mut paths) = paths(tree, shape, globals) else { return Self::default() };
        paths.sort_unstable();
        paths.dedup();
        let fields = paths.iter().map(|path| path.0.first().cloned()).collect();
        let decides = *globals == GlobalUse::None && is_steady(tree) && paths.iter().all(RequestPath::is_given);
        Self { fields, paths: decides.then_some(paths) }
    }
}

/// Returns the paths of the functions that receive the request: the functions of two parameters, or `key`.
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

/// Whether nothing in the source answers differently at different times.
fn is_steady(tree: &Tree) -> bool {
    let mut unsteady = Unsteady(tree);
    tree.script.statements().visit_with(&mut unsteady).is_continue()
}

struct Unsteady<'t>(&'t Tree);

impl<'ast> Visitor<'ast> for Unsteady<'_> {
    type BreakTy = ();

    fn visit_sym(&mut self, node: &'ast Sym) -> ControlFlow<()> {
        let name = self.0.name(*node);
        // The methods of `Math` are visible only behind the name `Math`.
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

/// Returns the paths on which `function` looks at the parameter in `place`, where the function reaches the parameter by
/// name alone.
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

/// A walk through a function that breaks off where the request is used in a way that this file does not know.
struct RequestWalk<'t> {
    tree: &'t Tree,
    /// The name of the parameter, where the parameter is not destructured.
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

    /// Records the fields that `pattern` takes out of the value at `way`.
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

    /// Returns the path of `expression` into the request, as far as the names are written out, and whether that is the
    /// whole path; `None` where the expression does not begin at the request.
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
                            // A called function is looked up where the path ends; the call itself leads elsewhere.
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

    /// Visits the parts of `expression`, which goes into the request, beside the names on the path.
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

    /// Records that the value at the end of `expression` is read; `None` where the expression does not begin at the
    /// request.
    fn read(&mut self, expression: &Expression, is_called: bool) -> Option<Flow> {
        let (mut way, is_all) = self.way(expression)?;
        if is_called && is_all {
            // A method sees the value that the method is called on.
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
        // Where the access is no expression, the access is written to.
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
