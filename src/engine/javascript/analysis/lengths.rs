//! Assignments to a list's `length`, rewritten so that the engine carries them out.
//!
//! Boa caches at each `x.length = …` the position of the property, and from the second time on writes there without
//! truncating the list (docs/src/internals/facts.md). Boa caches nothing at `x['length'] = …`, so that form is
//! compiled. Places come from the syntax tree: comments and strings are never touched. Rejected: a helper function in
//! the place of the assignment, which would appear in stack traces; compiling again for each request, which leaks.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use boa_ast::Spanned;
use boa_ast::expression::Identifier;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::operator::assign::Assign;
use boa_ast::expression::operator::update::Update;
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement};
use boa_ast::statement::iteration::{ForInLoop, ForOfLoop};
use boa_ast::visitor::{VisitWith, Visitor};

use super::edits::{Edit, Moves, Place, offsets};
use super::targets::{self, Target};
use super::tree::Tree;

/// An assignment to a `length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine::javascript) struct LengthWrite {
    /// The end of the object in the tree; closing brackets of the object may follow.
    object_end: Place,
    name_start: Place,
    name_end: Place,
}

/// Returns the assignments to a `length` in `tree`; the text of `tree` is the source with `moves`.
pub(in crate::engine::javascript) fn length_writes(tree: &Tree, moves: &Moves) -> BTreeSet<LengthWrite> {
    let mut lengths = Lengths { tree, moves, found: BTreeSet::new() };
    let _ = tree.script.statements().visit_with(&mut lengths);
    lengths.found
}

/// Returns the edits that make `writes` in `text` computed: `.length` becomes `['length']`.
pub(in crate::engine::javascript) fn computed(text: &str, writes: &BTreeSet<LengthWrite>) -> Vec<Edit> {
    let places = writes.iter().flat_map(|write| [write.object_end, write.name_start, write.name_end]).collect();
    let offsets = offsets(text, &places);
    let edits = writes.iter().filter_map(|write| {
        let [object_end, start, end] =
            [write.object_end, write.name_start, write.name_end].map(|place| offsets.get(&place).copied());
        let (start, end) = (start?, end?);
        let dot = dot(text, object_end?, start)?;
        let put = |start, place, text: &str| Edit { start, replaced: 0, text: text.to_owned(), moves: Some(place) };
        Some([
            Edit { start: dot, replaced: 1, text: "[".to_owned(), moves: None },
            put(start, write.name_start, "'"),
            put(end, write.name_end, "']"),
        ])
    });
    edits.flatten().collect()
}

/// Returns the dot between `start` and the name at `end`: the first dot that only comments and blanks follow.
fn dot(text: &str, start: usize, end: usize) -> Option<usize> {
    let between = text.get(start..end)?;
    let (dot, _) = between.match_indices('.').find(|(dot, _)| between.get(dot + 1..).is_some_and(is_blank))?;
    Some(start + dot)
}

/// Whether `text` consists of blanks and whole comments alone.
fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = match rest.as_bytes() {
            [b'/', b'/', ..] => rest.find(['\n', '\r', '\u{2028}', '\u{2029}']),
            [b'/', b'*', ..] => rest.get(2..).and_then(|comment| comment.find("*/")).map(|end| end + 4),
            _ => None,
        };
        let Some(end) = end else { return false };
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    true
}

type Flow = ControlFlow<std::convert::Infallible>;

struct Lengths<'t> {
    tree: &'t Tree,
    moves: &'t Moves,
    found: BTreeSet<LengthWrite>,
}

impl Lengths<'_> {
    /// Records an assignment to a member called `length`. At `super.length` Boa caches nothing.
    fn written(&mut self, target: Option<Target<'_>>) {
        if let Some(Target::Member(PropertyAccess::Simple(access))) = target
            && let PropertyAccessField::Const(name) = access.field()
            && self.is_length(name)
        {
            let place =
                |at: boa_ast::Position| (at.line_number(), self.moves.back(at.line_number(), at.column_number()));
            self.found.insert(LengthWrite {
                object_end: place(access.target().span().end()),
                name_start: place(name.span().start()),
                name_end: place(name.span().end()),
            });
        }
    }

    fn is_length(&self, name: &Identifier) -> bool {
        self.tree.name(name.sym()) == "length"
    }
}

impl<'ast> Visitor<'ast> for Lengths<'_> {
    type BreakTy = std::convert::Infallible;

    fn visit_assign(&mut self, node: &'ast Assign) -> Flow {
        self.written(targets::assigned(node));
        node.visit_with(self)
    }

    fn visit_update(&mut self, node: &'ast Update) -> Flow {
        self.written(Some(targets::updated(node)));
        node.visit_with(self)
    }

    fn visit_for_in_loop(&mut self, node: &'ast ForInLoop) -> Flow {
        self.written(targets::iterated(node.initializer()));
        node.visit_with(self)
    }

    fn visit_for_of_loop(&mut self, node: &'ast ForOfLoop) -> Flow {
        self.written(targets::iterated(node.initializer()));
        node.visit_with(self)
    }

    fn visit_object_pattern_element(&mut self, node: &'ast ObjectPatternElement) -> Flow {
        self.written(targets::of_object_pattern(node));
        node.visit_with(self)
    }

    fn visit_array_pattern_element(&mut self, node: &'ast ArrayPatternElement) -> Flow {
        self.written(targets::of_array_pattern(node));
        node.visit_with(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::edits::apply;
    use super::super::tree::parse;
    use super::*;

    /// Returns `source` as compiled, after a check that the edited text still parses.
    fn compiled(source: &str) -> String {
        let writes = length_writes(&parse(source).unwrap(), &Moves::default());
        let (text, _) = apply(source, computed(source, &writes));
        assert!(parse(&text).is_ok(), "{text}");
        assert!(length_writes(&parse(&text).unwrap(), &Moves::default()).is_empty(), "{text}");
        text
    }

    #[test]
    fn assignments_to_a_length_are_computed() {
        for (source, expected) in [
            ("a.length = 1", "a['length'] = 1"),
            ("a.length -= 2; a.length ??= b.length", "a['length'] -= 2; a['length'] ??= b.length"),
            ("a.length++; --a.length", "a['length']++; --a['length']"),
            ("--a.length", "--a['length']"),
            ("a.length = b.length = 0", "a['length'] = b['length'] = 0"),
            ("a[0][b.length].length = 0", "a[0][b.length]['length'] = 0"),
            ("a[b.length = 1].length = 0", "a[b['length'] = 1]['length'] = 0"),
            ("f(x).y.length = 0; (a || b).length = 0", "f(x).y['length'] = 0; (a || b)['length'] = 0"),
            ("(a.length) = 0; ((a)).length++", "(a['length']) = 0; ((a))['length']++"),
            ("a?.b(c.length = 1); new F().length = 1", "a?.b(c['length'] = 1); new F()['length'] = 1"),
            (
                "this.length = 1; f`x`.length = 1; 1..length = 2",
                "this['length'] = 1; f`x`['length'] = 1; 1.['length'] = 2",
            ),
            (
                "({}).length = 1; [].length = 1; /x/.length = 1",
                "({})['length'] = 1; []['length'] = 1; /x/['length'] = 1",
            ),
            (
                "(function () {}).length = 1; f(() => 1).length = 1",
                "(function () {})['length'] = 1; f(() => 1)['length'] = 1",
            ),
            ("`${a.length = 1}${`${a.length++}`}`", "`${a['length'] = 1}${`${a['length']++}`}`"),
            ("[a.length, ...b.length] = c", "[a['length'], ...b['length']] = c"),
            ("({x: a.length, ...b.length} = c)", "({x: a['length'], ...b['length']} = c)"),
            ("for (a.length of b) ; for (a.length in b) ;", "for (a['length'] of b) ; for (a['length'] in b) ;"),
            ("const f = (x = a.length = 1) => x.length--", "const f = (x = a['length'] = 1) => x['length']--"),
            (
                "class A { #x = []; y = b.length = 1; m() { this.#x.length = 0 } }",
                "class A { #x = []; y = b['length'] = 1; m() { this.#x['length'] = 0 } }",
            ),
            ("a // here.\n  .length = 1", "a // here.\n  ['length'] = 1"),
            (
                "a[1 /*].*/] /* a.b */ . // it's\r\n /**/ length = 1",
                "a[1 /*].*/] /* a.b */ [ // it's\r\n /**/ 'length'] = 1",
            ),
            ("'ä€😀'.length = 1;\u{2028}a.length = 1", "'ä€😀'['length'] = 1;\u{2028}a['length'] = 1"),
            (r"a.l\u0065ngth = 1", r"a['l\u0065ngth'] = 1"),
            (
                "async function f() { (await a).length = 1; for await (a.length of b) ; }",
                "async function f() { (await a)['length'] = 1; for await (a['length'] of b) ; }",
            ),
            (
                "function* f() { (yield a).length = 1 } switch (a) { case b.length = 1: }",
                "function* f() { (yield a)['length'] = 1 } switch (a) { case b['length'] = 1: }",
            ),
        ] {
            assert_eq!(compiled(source), expected);
        }
    }

    #[test]
    fn all_else_is_left_as_it_is() {
        for source in [
            "a.length == 1; a.length === b.length; a.length >= 1",
            "if (a.length) b = c[a.length]",
            "'a.length = 1'; `a.length = 1`; /a.length = 1/; // a.length = 1\n/* a.length = 1 */",
            "a['length'] = 1; a.lengths = 1; length = 1; a.b = { length: 1 }",
            "delete a.length; -a.length; typeof a.length; a.length + +b",
            "const { length } = a; const [x = a.length] = b; class A { length = 1; #length = 1; m() { this.#length = 1 } }",
            "class B extends Array { m() { super.length = 1 } }",
            "a.length\n++b",
        ] {
            assert_eq!(compiled(source), source);
        }
    }
}
