//! The only definition of a per-node function, where the syntax tree shows that there is no other.
//!
//! A name that appears in a source twice as a variable may get another function later, only sometimes, or from other
//! code: finding out is not worth the effort. Property names do not count, so `list.filter(…)` is no use of `filter`.

use std::ops::ControlFlow;

use boa_ast::expression::Identifier;
use boa_ast::visitor::{VisitWith, Visitor};
use boa_ast::{Statement, StatementListItem};
use boa_interner::Sym;

use super::global_use::GlobalUse;
use super::tree::{FunctionSyntax, Tree, named};

/// Returns the function that `name` always is after the top level of `tree` has run, where `globals` is the tree's use
/// of globals.
pub(super) fn definition<'t>(tree: &'t Tree, name: &str, globals: &GlobalUse) -> Option<FunctionSyntax<'t>> {
    let items = tree.script.statements().statements().iter();
    let mut found = items.flat_map(|item| named(item).into_iter().map(move |(sym, value)| (item, sym, value)));
    let (item, sym, function) = found.find(|(_, sym, _)| tree.name(*sym) == name)?;
    let function = function?;
    let mut uses = NameUses { name: sym, count: 0 };
    let _ = tree.script.statements().visit_with(&mut uses);
    // A function expression is named after its variable where the expression has no name of its own.
    let expected = if function.own_name == Some(sym) { 2 } else { 1 };
    let is_reachable = is_undeclared(item) && *globals == GlobalUse::Any;
    (uses.count == expected && !is_reachable).then_some(function)
}

/// Whether `item` defines by an assignment. A name without any other declaration becomes a property of the global
/// object.
fn is_undeclared(item: &StatementListItem) -> bool {
    matches!(item, StatementListItem::Statement(statement) if matches!(**statement, Statement::Expression(_)))
}

/// Counts the occurrences of a name as a variable, in any scope.
struct NameUses {
    name: Sym,
    count: usize,
}

impl<'ast> Visitor<'ast> for NameUses {
    type BreakTy = std::convert::Infallible;

    fn visit_identifier(&mut self, node: &'ast Identifier) -> ControlFlow<Self::BreakTy> {
        self.count += usize::from(node.sym() == self.name);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn is_one(source: &str) -> bool {
        let tree = parse(source).unwrap();
        definition(&tree, "filter", &GlobalUse::of(&tree)).is_some()
    }

    #[test]
    fn one_definition_is_seen_however_it_is_written() {
        for source in [
            "function filter(n) { return true }",
            "async function filter(n) { return true }",
            "const filter = n => true",
            "let filter = (n) => { return true }, x = 1",
            "var filter = function (n) { return true }",
            "var filter = function filter(n) { return true }",
            "var filter = function other(n) { return true }",
            "const filter = (async n => true)",
            "filter = n => true",
            "filter = (function (n) { return true })",
            "function filter(n) { return n.metadata.list.filter(x => x.filter).length } const o = { 'filter': 1 }",
            "function filter(n) { return 1 } function g() { return this }",
            r"function f\u0069lter(n) { return 1 }",
        ] {
            assert!(is_one(source), "{source}");
        }
    }

    #[test]
    fn a_name_that_may_be_given_something_else_has_no_definition() {
        for source in [
            "",
            "function filter(n) { return 1 } function filter(n) { return 2 }",
            "function filter(n) { return 1 } filter = x",
            "function filter(n) { return 1 } if (x) filter = y",
            "function filter(n) { return 1 } function g() { filter = 1 }",
            "function filter(n) { return 1 } var filter",
            "function filter(n) { return 1 } { function filter(n) { return 2 } }",
            "function filter(n) { return 1 } x: function filter(n) { return 2 }",
            "if (x) { var filter = n => 1 }",
            "var filter; filter = n => 1",
            "var filter = n => 1, filter = n => 2",
            "let filter = n => 1; [filter] = [2]",
            "let filter = n => 1; ({a: filter} = {a: 2})",
            "let filter = n => 1; ({filter} = {filter: 2})",
            "let filter = n => 1; for (filter of []) ;",
            "let filter = n => 1; for (filter in {}) ;",
            "var filter = n => 1; for (var filter of []) ;",
            "let filter = n => 1; filter++",
            "let filter = n => 1; filter ||= 2",
            "const filter = n => 1, [g] = [filter]",
            "const {filter} = {filter: n => 1}",
            "const filter = x ? n => 1 : n => 2",
            "filter = n => 1; filter = n => 2",
            "filter = n => 1; globalThis.filter = n => 2",
            "filter = n => 1; this.filter = n => 2",
            "filter = n => 1; (function () { this['fil' + 'ter'] = 2 })()",
            "filter = n => 1; delete filter",
            "var filter = n => 1; var g = filter",
            r"let filter = n => 1; f\u{69}lter = n => 2",
        ] {
            assert!(!is_one(source), "{source}");
        }
    }
}
