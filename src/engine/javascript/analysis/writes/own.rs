//! The values that a script makes itself, which are never nodes.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::operator::binary::BinaryOp;
use boa_interner::Sym;

use super::Writes;

/// Constructors that always make a new object.
const MAKERS: [&str; 9] = ["Array", "Map", "Set", "WeakMap", "WeakSet", "Date", "RegExp", "Error", "TypeError"];
/// Methods of a global that always make a new object, for any arguments.
const GLOBAL_MAKERS: [(&str, &str); 7] = [
    ("Object", "keys"),
    ("Object", "values"),
    ("Object", "entries"),
    ("Object", "fromEntries"),
    ("JSON", "parse"),
    ("Array", "from"),
    ("Array", "of"),
];
/// Methods that make a new list, on any object.
const LIST_MAKERS: [&str; 6] = ["map", "filter", "slice", "concat", "split", "flatMap"];
/// The lists of the input, which are new for each request.
const NEW_LISTS: [&str; 2] = ["servers", "nodes"];

impl Writes<'_> {
    /// Whether `value` is always made by the script itself, or no object at all. `held_by` is the variable that is to
    /// hold the value: `x = x
    ///
    /// {}` adds nothing foreign.
    pub(super) fn is_own(&mut self, value: &Expression, held_by: Sym) -> bool {
        match value {
            Expression::Identifier(name) => name.sym() == held_by || self.is_named(name, "undefined"),
            Expression::Parenthesized(inner) => self.is_own(inner.expression(), held_by),
            Expression::Conditional(either) => {
                self.is_own(either.if_true(), held_by) && self.is_own(either.if_false(), held_by)
            }
            Expression::Binary(binary) => match binary.op() {
                BinaryOp::Logical(_) => self.is_own(binary.lhs(), held_by) && self.is_own(binary.rhs(), held_by),
                BinaryOp::Comma => self.is_own(binary.rhs(), held_by),
                _ => true,
            },
            Expression::Literal(_)
            | Expression::RegExpLiteral(_)
            | Expression::ArrayLiteral(_)
            | Expression::ObjectLiteral(_)
            | Expression::TemplateLiteral(_)
            | Expression::FunctionExpression(_)
            | Expression::ArrowFunction(_)
            | Expression::AsyncArrowFunction(_)
            | Expression::AsyncFunctionExpression(_)
            | Expression::GeneratorExpression(_)
            | Expression::ClassExpression(_)
            | Expression::Unary(_)
            | Expression::Update(_) => true,
            Expression::New(new) => match new.constructor() {
                Expression::Identifier(name) if MAKERS.contains(&self.tree.name(name.sym()).as_str()) => {
                    self.relied_on.insert(name.sym());
                    true
                }
                _ => false,
            },
            Expression::Call(call) => self.makes_own(call.function(), call.args()),
            _ => false,
        }
    }

    /// Whether `object` is new for each request; for a variable that is decided at the end of the walk.
    pub(super) fn is_new(&mut self, object: &Expression) -> bool {
        match object {
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => match access.field() {
                PropertyAccessField::Const(field) => NEW_LISTS.iter().any(|name| self.is_named(field, name)),
                PropertyAccessField::Expr(_) => false,
            },
            // A variable counts as written to, like a variable with an assigned member.
            Expression::Identifier(name) => {
                self.changed.insert(name.sym());
                true
            }
            other => self.is_own(other, Sym::EMPTY_STRING),
        }
    }

    fn makes_own(&mut self, function: &Expression, args: &[Expression]) -> bool {
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = function else { return false };
        let PropertyAccessField::Const(method) = access.field() else { return false };
        let method = self.tree.name(method.sym());
        if LIST_MAKERS.contains(&method.as_str()) {
            return true;
        }
        let Expression::Identifier(global) = access.target() else { return false };
        let name = self.tree.name(global.sym());
        let makes = match (name.as_str(), method.as_str()) {
            ("Object", "assign") => matches!(args.first(), Some(Expression::ObjectLiteral(_))),
            ("Object", "create") => matches!(args.first(), Some(Expression::Literal(_))),
            pair => GLOBAL_MAKERS.contains(&pair),
        };
        if makes {
            self.relied_on.insert(global.sym());
        }
        makes
    }
}
