//! The variables of a function that hold its node or the node's `nodeData`, and the expressions that are one of the two.

use std::collections::BTreeMap;

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::operator::binary::{BinaryOp, LogicalOp};
use boa_ast::expression::{Expression, OptionalOperation, OptionalOperationKind};
use boa_interner::Sym;

use super::super::tree::{Tree, field_name};

/// The field that is looked into, because its own fields are in different parts.
pub(super) const DATA: &str = "nodeData";

/// What an expression or a variable is beyond doubt, where it is one of the two that are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The node.
    Node,
    /// Its `nodeData`.
    Data,
}

/// The variables that are given the node or its data where they are declared.
pub(super) struct Holders<'t> {
    pub(super) tree: &'t Tree,
    pub(super) variables: BTreeMap<Sym, Holder>,
}

impl Holders<'_> {
    pub(super) fn is_data(&self, held: Holder, field: &PropertyAccessField) -> bool {
        held == Holder::Node && field_name(self.tree, field).as_deref() == Some(DATA)
    }

    /// What `expression` is, where it is the node or its data. Both are always there, so that of `node.nodeData || {}`
    /// the right side never counts.
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

/// The field that `operation` looks at, where it does.
pub(super) fn field(operation: &OptionalOperation) -> Option<&PropertyAccessField> {
    match operation.kind() {
        OptionalOperationKind::SimplePropertyAccess { field } => Some(field),
        OptionalOperationKind::PrivatePropertyAccess { .. } | OptionalOperationKind::Call { .. } => None,
    }
}
