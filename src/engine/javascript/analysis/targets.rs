//! The targets of assignments, in any syntax.
//!
//! A name or a member is written by `=` and variants, by `++`, by `delete`, by the variable of a loop, and by a
//! pattern. Each of these is a separate node in the tree; a function here returns the target of a single such node.

use boa_ast::expression::access::PropertyAccess;
use boa_ast::expression::operator::assign::{Assign, AssignTarget};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::update::UpdateTarget;
use boa_ast::expression::operator::{Unary, Update};
use boa_ast::expression::{Expression, Identifier};
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement};
use boa_ast::statement::iteration::IterableLoopInitializer;

/// The target of an assignment.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// A variable.
    Name(Identifier),
    /// A property of an object.
    Member(&'a PropertyAccess),
}

/// Returns the target that `node` assigns to; a pattern's elements are nodes of their own.
pub(super) fn assigned(node: &Assign) -> Option<Target<'_>> {
    match node.lhs() {
        AssignTarget::Identifier(name) => Some(Target::Name(*name)),
        AssignTarget::Access(access) => Some(Target::Member(access)),
        AssignTarget::Pattern(_) => None,
    }
}

/// Returns the target that `node` counts up or down.
pub(super) fn updated(node: &Update) -> Target<'_> {
    match node.target() {
        UpdateTarget::Identifier(name) => Target::Name(*name),
        UpdateTarget::PropertyAccess(access) => Target::Member(access),
    }
}

/// Returns the target that `node` deletes, if the target is a name or a member.
pub(super) fn deleted(node: &Unary) -> Option<Target<'_>> {
    match (node.op(), node.target()) {
        (UnaryOp::Delete, Expression::Identifier(name)) => Some(Target::Name(*name)),
        (UnaryOp::Delete, Expression::PropertyAccess(access)) => Some(Target::Member(access)),
        _ => None,
    }
}

/// Returns the target that each round of a `for … in` or `for … of` is written to, where the loop declares no variable.
pub(super) fn iterated(node: &IterableLoopInitializer) -> Option<Target<'_>> {
    match node {
        IterableLoopInitializer::Identifier(name) => Some(Target::Name(*name)),
        IterableLoopInitializer::Access(access) => Some(Target::Member(access)),
        _ => None,
    }
}

/// Returns the target that an element of an object pattern is written to; the elements of a nested pattern are nodes of
/// their own.
pub(super) fn of_object_pattern(node: &ObjectPatternElement) -> Option<Target<'_>> {
    match node {
        ObjectPatternElement::SingleName { ident, .. } | ObjectPatternElement::RestProperty { ident } => {
            Some(Target::Name(*ident))
        }
        ObjectPatternElement::AssignmentPropertyAccess { access, .. }
        | ObjectPatternElement::AssignmentRestPropertyAccess { access } => Some(Target::Member(access)),
        ObjectPatternElement::Pattern { .. } => None,
    }
}

/// Returns the target that an element of an array pattern is written to; the elements of a nested pattern are nodes of
/// their own.
pub(super) fn of_array_pattern(node: &ArrayPatternElement) -> Option<Target<'_>> {
    match node {
        ArrayPatternElement::SingleName { ident, .. } | ArrayPatternElement::SingleNameRest { ident } => {
            Some(Target::Name(*ident))
        }
        ArrayPatternElement::PropertyAccess { access, .. } | ArrayPatternElement::PropertyAccessRest { access } => {
            Some(Target::Member(access))
        }
        ArrayPatternElement::Elision
        | ArrayPatternElement::Pattern { .. }
        | ArrayPatternElement::PatternRest { .. } => None,
    }
}
