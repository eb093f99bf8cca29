//! Which values a script made itself: writing to their members is no writing to a node.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::operator::binary::BinaryOp;
use boa_interner::Sym;

use super::survey::Surveyor;

/// Constructors that always make something new.
const MAKERS: [&str; 9] = ["Array", "Map", "Set", "WeakMap", "WeakSet", "Date", "RegExp", "Error", "TypeError"];
/// Methods of a global that always make something new, whatever they are given.
const GLOBAL_MAKERS: [(&str, &str); 7] = [
    ("Object", "keys"),
    ("Object", "values"),
    ("Object", "entries"),
    ("Object", "fromEntries"),
    ("JSON", "parse"),
    ("Array", "from"),
    ("Array", "of"),
];
/// Methods that make a new list, of whatever object that has them.
const LIST_MAKERS: [&str; 6] = ["map", "filter", "slice", "concat", "split", "flatMap"];
impl Surveyor<'_> {
    /// Whether `value` is always something that the script made itself, or no object at all. `held_by` is the variable
    /// that is to hold it: `x = x || {}` adds nothing foreign.
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

#[cfg(test)]
mod tests {
    use super::super::survey::{Survey, survey};
    use super::super::syntax::parse;

    fn read(source: &str) -> Survey {
        survey(&parse(source).unwrap())
    }

    #[test]
    fn writes_to_what_the_script_made_are_no_writes_to_nodes() {
        for harmless in [
            "var counts = {}; counts[x] = (counts[x] || 0) + 1; counts.a++",
            "const m = new Map(); m.size = 1",
            "let best; for (const n of nodes) { if (!best || n.a < best.a) best = n; }",
            "class E extends Error { constructor(m) { super(m); this.name = 'E'; } }",
            "var out = out || []; out[0] = 1; delete out[0]",
            "function F() {} F.prototype.go = function () {}; F.count = 1",
            "var copy = Object.assign({}, node); copy.rank = 1",
            "var list = nodes.map(n => ({...n})); list[0] = 1",
            "nodes.sort((a, b) => a.x - b.x)",
        ] {
            assert!(!read(harmless).may_write_nodes, "{harmless}");
        }
        for write in [
            "nodes.forEach(n => { n.score = 1; })",
            "for (const n of nodes) n.score++",
            "var x = {}; x = nodes[0]; x.a = 1",
            "var x = {}; x.a.b = 1",
            "var x = nodes[0]; delete x.a",
            "[nodes[0].a] = [1]",
            "({a: nodes[0].a} = {a: 1})",
            "for (nodes[0].a of [1]) ;",
            "for (nodes[0].a in {}) ;",
            "function f() { this.x = 1; } f.call(nodes[0])",
            "const {a} = nodes[0]; a.b = 1",
            "try {} catch (e) { e.a = 1 }",
            "Reflect.set(nodes[0], 'a', 1)",
            "with (nodes[0]) { a = 1 }",
            "class Map { constructor(n) { return n; } } var m = new Map(node); m.x = 1",
            "function f(...x) { x.a = 1 }",
            "var o = {}; o.__proto__ = nodes[0]; o.sessions = 1",
            "var x = {}; function f(x) { x.a = 1 }",
            "undeclared.x = 1",
            "nodes[0].a ||= 1",
            "nodes[0]['a'] += 1",
            "delete nodes[0]?.a",
        ] {
            assert!(read(write).may_write_nodes, "{write}");
        }
    }
}
