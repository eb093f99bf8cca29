//! Whether a source's top level leaves state that a call of a function could pass to the next call, read from the
//! source's syntax tree.
//!
//! Where the top level consists of functions and plain constants alone, and the functions are only ever called by their
//! names, running the top level again makes the same functions again. Then a single run serves all calls, which saves
//! half of the cost of a short call.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use boa_ast::declaration::{Binding, Declaration, LexicalDeclaration, Variable};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::{Call, Expression, Identifier};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_ast::{Statement, StatementListItem};
use boa_interner::Sym;

use super::global_use::GlobalUse;
use super::tree::{Tree, named};

/// Names by which a function reaches function objects without their names.
const BACK_DOORS: [&str; 4] = ["arguments", "callee", "caller", "eval"];

/// Whether `tree`, with the use `globals` of globals, is such a source.
pub(super) fn is_stateless(tree: &Tree, globals: &GlobalUse) -> bool {
    let items = tree.script.statements().statements();
    if *globals != GlobalUse::None || !items.iter().all(is_harmless) {
        return false;
    }
    let mut uses = FunctionUses { tree, functions: BTreeMap::new(), has_back_door: false };
    for (name, function) in items.iter().flat_map(named) {
        if let Some(function) = function {
            // A function expression may have the name of its variable as its own name.
            let own = i64::from(function.own_name == Some(name));
            *uses.functions.entry(name).or_default() -= 1 + own;
        }
    }
    let _ = tree.script.statements().visit_with(&mut uses);
    !uses.has_back_door && uses.functions.values().all(|others| *others == 0)
}

/// Whether `item` defines functions and plain constants alone.
fn is_harmless(item: &StatementListItem) -> bool {
    match item {
        StatementListItem::Declaration(declaration) => match &**declaration {
            Declaration::FunctionDeclaration(_) => true,
            Declaration::Lexical(LexicalDeclaration::Const(list)) => list.as_ref().iter().all(is_constant),
            _ => false,
        },
        // `'use strict'`, or a superfluous semicolon.
        StatementListItem::Statement(statement) => {
            matches!(&**statement, Statement::Empty | Statement::Expression(Expression::Literal(_)))
        }
    }
}

fn is_constant(variable: &Variable) -> bool {
    let is_name = matches!(variable.binding(), Binding::Identifier(_));
    is_name && variable.init().is_some_and(|value| is_function(value) || is_scalar(value))
}

fn is_function(expression: &Expression) -> bool {
    match expression {
        Expression::FunctionExpression(_) | Expression::ArrowFunction(_) => true,
        Expression::Parenthesized(inner) => is_function(inner.expression()),
        _ => false,
    }
}

fn is_scalar(expression: &Expression) -> bool {
    match expression {
        Expression::Literal(_) => true,
        Expression::Unary(unary) => unary.op() == UnaryOp::Minus && is_scalar(unary.target()),
        Expression::Parenthesized(inner) => is_scalar(inner.expression()),
        _ => false,
    }
}

/// Counts the uses of the functions of the top level.
struct FunctionUses<'t> {
    tree: &'t Tree,
    /// The number of occurrences of each name other than definitions and calls.
    functions: BTreeMap<Sym, i64>,
    has_back_door: bool,
}

impl<'ast> Visitor<'ast> for FunctionUses<'_> {
    type BreakTy = std::convert::Infallible;

    fn visit_identifier(&mut self, node: &'ast Identifier) -> ControlFlow<Self::BreakTy> {
        if let Some(others) = self.functions.get_mut(&node.sym()) {
            *others += 1;
        }
        self.visit_sym(node.sym_ref())
    }

    fn visit_sym(&mut self, node: &'ast Sym) -> ControlFlow<Self::BreakTy> {
        self.has_back_door |= BACK_DOORS.contains(&self.tree.name(*node).as_str());
        ControlFlow::Continue(())
    }

    fn visit_call(&mut self, node: &'ast Call) -> ControlFlow<Self::BreakTy> {
        if let Expression::Identifier(name) = node.function()
            && let Some(others) = self.functions.get_mut(&name.sym())
        {
            *others -= 1;
        }
        node.visit_with(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn is(source: &str) -> bool {
        let tree = parse(source).unwrap();
        is_stateless(&tree, &GlobalUse::of(&tree))
    }

    #[test]
    fn functions_and_constants_leave_nothing() {
        for source in [
            "function score(n) { return -n.sessions }",
            "'use strict'; const MOST = 5, LEAST = -1; const score = n => n.sessions > MOST ? LEAST : 1;",
            "function filter(n, r) { return fits(n, r) } function fits(n, r) { return r.user.login === n.id }",
            "const deep = function deep(n) { return n ? deep(n - 1) : 0 }; function score(n) { return deep(3) }",
            "function score(n) { var list = []; list.push(n); const inner = x => x; return inner(list.length) }",
            "function score(n) { return { score: 1 }.score }",
        ] {
            assert!(is(source), "{source}");
        }
    }

    #[test]
    fn what_a_call_could_leave_behind_is_seen() {
        for source in [
            "let count = 0; function score(n) { return count++ }",
            "var count = 0; function score(n) { return ++count }",
            "const seen = []; function score(n) { seen.push(n); return seen.length }",
            "const seen = {}; function score(n) { return 1 }",
            "const at = Date.now(); function score(n) { return at }",
            "const pattern = /x/g; function score(n) { return pattern.test(n.id) ? 1 : 0 }",
            "function score(n) { score.count = (score.count || 0) + 1; return score.count }",
            "function score(n) { const own = score; own.count = 1; return 1 }",
            "function score(n) { return arguments.callee.count++ }",
            "function score(n) { score = () => 2; return 1 }",
            "function score(n) { total = 1; return total }",
            "function score(n) { this.total = 1; return 1 }",
            "function score(n) { return [1].map(helper)[0] } function helper(x) { return x }",
            "class Best { static seen = 0 } function score(n) { return Best.seen++ }",
            "function* all() { yield 1 } function score(n) { return 1 }",
            "for (const x of [1]) ; function score(n) { return 1 }",
        ] {
            assert!(!is(source), "{source}");
        }
    }
}
