//! The parts of a node that a per-node function can read, read from the function's syntax tree.
//!
//! A function reads no more than the fields that are named behind the first parameter, as long as the parameter's name
//! is used for nothing else: any other use of the name, harmless or not, may show the function the whole node. So
//! variables are told apart by name alone, and two variables of the same name count as a single variable, which errs on
//! the safe side.

mod holders;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::declaration::{Binding, Variable};
use boa_ast::expression::access::{PropertyAccess, SimplePropertyAccess};
use boa_ast::expression::operator::binary::{BinaryOp, LogicalOp};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::{Binary, Conditional, Unary};
use boa_ast::expression::{
    Call, Expression, Identifier, Optional, OptionalOperation, OptionalOperationKind, TaggedTemplate, This,
};
use boa_ast::function::FormalParameter;
use boa_ast::pattern::{ObjectPattern, ObjectPatternElement, Pattern};
use boa_ast::property::PropertyName;
use boa_ast::statement::{If, With};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use crate::engine::reads::Reads;
use crate::model::NodeParts;
use crate::script::NodeFunction as AskedFunction;

use super::definitions::definition;
use super::global_use::GlobalUse;
use super::tree::{BACK_DOORS, FunctionSyntax, INHERITED, Tree, field_name};
use holders::{DATA, Holder, Holders, field};

/// The fields and parts of a node that the per-node functions of a source read.
pub(in crate::engine::javascript) struct FunctionReads {
    /// The parts of a node, by function.
    pub(in crate::engine::javascript) parts: Reads,
    /// The fields that `filter` can look at, where all of these are known.
    filter: Option<BTreeSet<String>>,
    score: Option<BTreeSet<String>>,
}

impl FunctionReads {
    /// Returns the fields that `function` can look at; `None` where the function may look at any field.
    pub(in crate::engine::javascript) fn fields(&self, function: AskedFunction) -> Option<&BTreeSet<String>> {
        match function {
            AskedFunction::Filter => self.filter.as_ref(),
            AskedFunction::Score => self.score.as_ref(),
        }
    }
}

/// Returns the fields and parts that the functions of `tree` read, where `globals` is the tree's use of globals.
pub(in crate::engine::javascript) fn reads(tree: &Tree, globals: &GlobalUse) -> FunctionReads {
    let read = |name: &str| {
        let function = definition(tree, name, globals);
        function.map_or((NodeParts::ALL, None), |function| read_by(&function, tree))
    };
    let ((filter, filter_fields), (score, score_fields)) = (read("filter"), read("score"));
    let parts = Reads::new(|name| if name == "filter" { filter } else { score });
    FunctionReads { parts, filter: filter_fields, score: score_fields }
}

fn read_by(function: &FunctionSyntax<'_>, tree: &Tree) -> (NodeParts, Option<BTreeSet<String>>) {
    let holders = Holders { tree, variables: BTreeMap::new() };
    // Whether `nodeData` exists may decide an answer, though that tells nothing about its content.
    let data = tree.interner.get(DATA).map(|_| DATA.to_owned());
    let fields = Some(data.into_iter().collect());
    let mut reads = ReadsWalk { holders, phase: ReadsPhase::Holders, parts: NodeParts::NONE, fields };
    // A closure may use a variable above the place of the variable's assignment: so all variables are found first.
    for phase in [ReadsPhase::Holders, ReadsPhase::Uses] {
        reads.phase = phase;
        let mut parameters = function.parameters.as_ref().iter();
        if let Some(first) = parameters.next() {
            reads.first_parameter(first);
        }
        for other in parameters {
            let _ = reads.visit_formal_parameter(other);
        }
        let _ = reads.visit_function_body(function.body);
    }
    (reads.parts, reads.fields)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadsPhase {
    /// Finds the variables that hold the node or the node's data.
    Holders,
    /// Finds the uses of these variables.
    Uses,
}

type Flow = ControlFlow<std::convert::Infallible>;

struct ReadsWalk<'t> {
    holders: Holders<'t>,
    phase: ReadsPhase,
    parts: NodeParts,
    /// The named fields; `None` once the function may see the whole node.
    fields: Option<BTreeSet<String>>,
}

impl ReadsWalk<'_> {
    fn first_parameter(&mut self, parameter: &FormalParameter) {
        match parameter.variable().binding() {
            _ if parameter.is_rest_param() || parameter.init().is_some() => self.show_whole(),
            Binding::Identifier(name) => self.hold(*name, Holder::Node),
            Binding::Pattern(Pattern::Object(pattern)) => self.taken_apart(Holder::Node, pattern),
            Binding::Pattern(Pattern::Array(_)) => self.show_whole(),
        }
    }

    fn hold(&mut self, name: Identifier, held: Holder) {
        let before = self.holders.variables.insert(name.sym(), held);
        // A variable that is found only now may have been used before, without a record.
        let is_late = before.is_none() && self.phase == ReadsPhase::Uses;
        if is_late || before.is_some_and(|before| before != held) {
            self.show_whole();
        }
    }

    /// Records that the field `name` of `held` is read, as a value and not as the object of a method call.
    fn read(&mut self, held: Holder, name: Option<String>) {
        let Some(name) = name.filter(|name| !INHERITED.contains(&name.as_str())) else { return self.show_whole() };
        let (parts, field) = match held {
            Holder::Node => (NodeParts::of_field(&name), name),
            Holder::Data => (NodeParts::of_data_field(&name), DATA.to_owned()),
        };
        self.parts = self.parts.and(parts);
        self.fields.iter_mut().for_each(|fields| drop(fields.replace(field.clone())));
    }

    /// Records that the function may look at the whole node.
    fn show_whole(&mut self) {
        (self.parts, self.fields) = (NodeParts::ALL, None);
    }

    /// Visits the parts of `expression`, which is the node or the node's data, beside the name itself.
    fn beside(&mut self, expression: &Expression) {
        match expression {
            Expression::Parenthesized(inner) => self.beside(inner.expression()),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => self.beside(access.target()),
            Expression::Optional(optional) => self.beside(optional.target()),
            Expression::Binary(binary) => {
                self.beside(binary.lhs());
                if binary.op() == BinaryOp::Logical(LogicalOp::And) {
                    self.beside(binary.rhs());
                } else {
                    let _ = self.visit_expression(binary.rhs());
                }
            }
            _ => {}
        }
    }

    /// Visits `expression` where only the truth of the value counts, which tells nothing about a node or a node's data.
    fn truth(&mut self, expression: &Expression) -> Flow {
        match expression {
            held if self.holders.held(held).is_some() => self.beside(held),
            Expression::Parenthesized(inner) => self.truth(inner.expression())?,
            Expression::Unary(unary) if unary.op() == UnaryOp::Not => self.truth(unary.target())?,
            Expression::Binary(binary) if matches!(binary.op(), BinaryOp::Logical(LogicalOp::And | LogicalOp::Or)) => {
                self.truth(binary.lhs())?;
                self.truth(binary.rhs())?;
            }
            other => self.visit_expression(other)?,
        }
        ControlFlow::Continue(())
    }

    /// Visits `expression` where only a falsy value is passed on, which neither a node nor a node's data is.
    fn falsy(&mut self, expression: &Expression) -> Flow {
        match expression {
            held if self.holders.held(held).is_some() => self.beside(held),
            Expression::Parenthesized(inner) => self.falsy(inner.expression())?,
            Expression::Binary(binary) if binary.op() == BinaryOp::Logical(LogicalOp::And) => {
                self.falsy(binary.lhs())?;
                self.falsy(binary.rhs())?;
            }
            other => self.visit_expression(other)?,
        }
        ControlFlow::Continue(())
    }

    /// Shows the whole node to a `function` that is called as a method of the node or the node's data, as the
    /// function's `this`.
    fn called(&mut self, function: &Expression) {
        let on = match function {
            Expression::Parenthesized(inner) => return self.called(inner.expression()),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => access.target(),
            Expression::Optional(optional) => optional.target(),
            _ => return,
        };
        if self.holders.held(on).is_some() {
            self.show_whole();
        }
    }

    /// Visits the operations after a `?.` behind the node or the node's data.
    fn chain(&mut self, held: Holder, chain: &[OptionalOperation]) -> Flow {
        let Some((first, rest)) = chain.split_first() else { return ControlFlow::Continue(()) };
        let (Some(field), is_called) = (field(first), rest.first().is_some_and(is_call)) else {
            self.show_whole();
            return ControlFlow::Continue(());
        };
        if is_called {
            self.show_whole();
        }
        if self.holders.is_data(held, field) && !rest.is_empty() {
            return self.chain(Holder::Data, rest);
        }
        self.read(held, field_name(self.holders.tree, field));
        rest.iter().try_for_each(|operation| self.visit_optional_operation(operation))
    }

    /// Reads the fields that `pattern` takes out of `held`.
    fn taken_apart(&mut self, held: Holder, pattern: &ObjectPattern) {
        for element in pattern.bindings() {
            let (name, inner) = match element {
                ObjectPatternElement::SingleName { name, .. }
                | ObjectPatternElement::AssignmentPropertyAccess { name, .. } => (name, None),
                ObjectPatternElement::Pattern { name, pattern, default_init } => {
                    (name, Some(pattern).filter(|_| default_init.is_none()))
                }
                ObjectPatternElement::RestProperty { .. }
                | ObjectPatternElement::AssignmentRestPropertyAccess { .. } => {
                    self.show_whole();
                    continue;
                }
            };
            let name = match name {
                PropertyName::Literal(name) => Some(self.holders.tree.name(name.sym())),
                PropertyName::Computed(_) => None,
            };
            match (held, name.as_deref(), inner) {
                (Holder::Node, Some(DATA), Some(Pattern::Object(inner))) => self.taken_apart(Holder::Data, inner),
                _ => {
                    self.read(held, name);
                    let _ = self.visit_object_pattern_element(element);
                }
            }
        }
    }
}

fn is_call(operation: &OptionalOperation) -> bool {
    matches!(operation.kind(), OptionalOperationKind::Call { .. })
}

impl<'ast> Visitor<'ast> for ReadsWalk<'_> {
    type BreakTy = std::convert::Infallible;

    /// A variable in any use that no other visitor method recognises.
    fn visit_identifier(&mut self, node: &'ast Identifier) -> Flow {
        if self.holders.variables.contains_key(node.sym_ref()) && self.phase == ReadsPhase::Uses {
            self.show_whole();
        }
        self.visit_sym(node.sym_ref())
    }

    fn visit_sym(&mut self, node: &'ast Sym) -> Flow {
        if BACK_DOORS.contains(&self.holders.tree.name(*node).as_str()) {
            self.show_whole();
        }
        ControlFlow::Continue(())
    }

    fn visit_this(&mut self, _node: &'ast This) -> Flow {
        self.show_whole();
        ControlFlow::Continue(())
    }

    fn visit_with(&mut self, node: &'ast With) -> Flow {
        self.show_whole();
        node.visit_with(self)
    }

    fn visit_simple_property_access(&mut self, node: &'ast SimplePropertyAccess) -> Flow {
        let Some(held) = self.holders.held(node.target()) else { return node.visit_with(self) };
        self.beside(node.target());
        self.read(held, field_name(self.holders.tree, node.field()));
        self.visit_property_access_field(node.field())
    }

    fn visit_optional(&mut self, node: &'ast Optional) -> Flow {
        if node.chain().first().is_some_and(is_call) {
            self.called(node.target());
        }
        let Some(held) = self.holders.held(node.target()) else { return node.visit_with(self) };
        self.beside(node.target());
        self.chain(held, node.chain())
    }

    fn visit_call(&mut self, node: &'ast Call) -> Flow {
        self.called(node.function());
        node.visit_with(self)
    }

    fn visit_tagged_template(&mut self, node: &'ast TaggedTemplate) -> Flow {
        self.called(node.tag());
        node.visit_with(self)
    }

    fn visit_variable(&mut self, node: &'ast Variable) -> Flow {
        let Some((value, held)) = node.init().and_then(|value| Some((value, self.holders.held(value)?))) else {
            return node.visit_with(self);
        };
        match node.binding() {
            Binding::Identifier(name) => self.hold(*name, held),
            Binding::Pattern(Pattern::Object(pattern)) => self.taken_apart(held, pattern),
            Binding::Pattern(Pattern::Array(_)) => self.show_whole(),
        }
        self.beside(value);
        ControlFlow::Continue(())
    }

    fn visit_binary(&mut self, node: &'ast Binary) -> Flow {
        if node.op() != BinaryOp::Logical(LogicalOp::And) {
            return node.visit_with(self);
        }
        self.falsy(node.lhs())?;
        self.visit_expression(node.rhs())
    }

    fn visit_unary(&mut self, node: &'ast Unary) -> Flow {
        if node.op() == UnaryOp::Not { self.truth(node.target()) } else { node.visit_with(self) }
    }

    fn visit_if(&mut self, node: &'ast If) -> Flow {
        self.truth(node.cond())?;
        self.visit_statement(node.body())?;
        node.else_node().map_or(ControlFlow::Continue(()), |other| self.visit_statement(other))
    }

    fn visit_conditional(&mut self, node: &'ast Conditional) -> Flow {
        self.truth(node.condition())?;
        self.visit_expression(node.if_true())?;
        self.visit_expression(node.if_false())
    }
}

#[cfg(test)]
mod tests;
