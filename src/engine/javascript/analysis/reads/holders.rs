//! The variables of a function that hold the node or the node's `nodeData`, and the expressions that evaluate to
//! either.

use std::collections::BTreeMap;

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::operator::binary::{BinaryOp, LogicalOp};
use boa_ast::expression::{Expression, OptionalOperation, OptionalOperationKind};
use boa_interner::Sym;

use super::super::tree::{Tree, field_name};

/// The field with subfields in different parts of the node, which therefore is analysed further.
pub(super) const DATA: &str = "nodeData";

/// The value that an expression or a variable certainly holds, where that is the node or the node's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The node.
    Node,
    /// The node's `nodeData`.
    Data,
}

/// The variables that are declared with the node or the node's data as their value.
pub(super) struct Holders<'t> {
    pub(super) tree: &'t Tree,
    pub(super) variables: BTreeMap<Sym, Holder>,
}

impl Holders<'_> {
    pub(super) fn is_data(&self, held: Holder, field: &PropertyAccessField) -> bool {
        held == Holder::Node && field_name(self.tree, field).as_deref() == Some(DATA)
    }

    /// Returns the value of `expression`, where that is the node or the node's data. Both are always truthy, so that of
    /// `node.nodeData
    ///
    /// {}` the right side never counts.
    pub(super) fn held(&self, expression: &Expression) -> Option<Holder> {
        match expression {
            Expression::Identifier(name) => self.variables.get(&name.sym()).copied(),
            Expression::Parenthesized(inner) => self.held(inner.expression()),
            Expression::Binary(binary) => match binary.op() {
                BinaryOp::Logical(LogicalOp::Or | LogicalOp::Coalesce) => self.held(binary.lhs()),
                BinaryOp::Logical(LogicalOp::And) => self.held(binary.lhs()).and_then(|_| self.held(binary.rhs())),
                _ => None,
            },
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => {
                let held = self.held(access.target())?;
                self.is_data(held, access.field()).then_some(Holder::Data)
            }
            Expression::Optional(optional) => match optional.chain() {
                [only] => {
                    let (held, field) = (self.held(optional.target())?, field(only)?);
                    self.is_data(held, field).then_some(Holder::Data)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Returns the field that `operation` accesses, where `operation` is such an access.
pub(super) fn field(operation: &OptionalOperation) -> Option<&PropertyAccessField> {
    match operation.kind() {
        OptionalOperationKind::SimplePropertyAccess { field } => Some(field),
        OptionalOperationKind::PrivatePropertyAccess { .. } | OptionalOperationKind::Call { .. } => None,
    }
}
