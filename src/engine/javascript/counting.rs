//! Counters in a source, for coverage: a call before each statement and on each way of a branch.
//!
//! Boa tells nobody which statement it runs, so the text is changed before it is compiled, and only where coverage is
//! asked for. The syntax tree says what there is, but not where statements begin and end: that is found by walking
//! through the text beside the tree. Lines stay where they are. What comes of it is parsed again: a source on which the
//! walk goes astray runs as it is, without counts.
//!
//! Ways of a branch are those of Istanbul: both arms of `if`, an `else` that is not there, both arms of `?:`, each
//! operand of `&&`, `||` and `??`, each `case` and `default`.

mod walk;

use std::ops::ControlFlow;

use boa_ast::expression::Expression;
use boa_ast::expression::access::PropertyAccessField;
use boa_ast::function::FunctionBody;
use boa_ast::visitor::{VisitWith, Visitor};
use boa_ast::{Position, Spanned};

use crate::script::{CoverageKind, CoveragePoint};

use super::analysis::edits::{Edit, Moves, apply};
use super::analysis::tree;
use super::places::SourcePlaces;

/// A source with counters.
pub(super) struct Counted {
    /// The text with the counters in it.
    pub(super) text: String,
    /// What they moved.
    pub(super) moves: Moves,
    /// What is counted, in the order of the counters' numbers; places are those of the text without counters.
    pub(super) points: Vec<CoveragePoint>,
}

/// `text` with calls of `counter` in it; absent where they could not be put in.
pub(super) fn count(text: &str, counter: &str) -> Option<Counted> {
    let parsed = tree::parse(text).ok()?;
    let mut pen =
        Pen { text, places: SourcePlaces::of(text), counter, inserts: Vec::new(), points: Vec::new(), ways: 0 };
    walk::script(&parsed, &mut pen)?;
    let (points, edits) = (std::mem::take(&mut pen.points), pen.into_edits());
    let (text, moves) = apply(text, edits);
    tree::parse(&text).ok()?;
    Some(Counted { text, moves, points })
}

/// Writes counters into a text.
struct Pen<'t> {
    text: &'t str,
    places: SourcePlaces<'t>,
    counter: &'t str,
    /// What is put in, in the order of the text where places are the same.
    inserts: Vec<(usize, String)>,
    points: Vec<CoveragePoint>,
    ways: u32,
}

impl Pen<'_> {
    /// A call of the counter for what begins at `at`.
    fn call(&mut self, at: usize, kind: CoverageKind) -> String {
        let (line, column) = self.places.place(at);
        self.points.push(CoveragePoint { line, column, kind });
        format!("{}({})", self.counter, self.points.len() - 1)
    }

    /// Counts the statement that begins at `at`.
    fn statement(&mut self, at: usize) {
        let call = self.call(at, CoverageKind::Statement);
        self.put(at, format!("{call};"));
    }

    /// Counts the statements that begin at `at` as a way of `branch`.
    fn way(&mut self, branch: u32, place: usize, at: usize) {
        let call = self.call(place, CoverageKind::Way(branch));
        self.put(at, format!("{call};"));
    }

    /// The number of the next branch.
    fn branch(&mut self) -> u32 {
        self.ways += 1;
        self.ways - 1
    }

    fn put(&mut self, at: usize, text: impl Into<String>) {
        self.inserts.push((at, text.into()));
    }

    /// The bytes of `node`, whose own span is all of it.
    fn span(&self, node: &impl Spanned) -> Option<(usize, usize)> {
        self.bytes(node.span().start(), node.span().end())
    }

    /// The bytes of `expression`. The parser's span of a call begins at the arguments, and that of `a[0]` ends before the
    /// bracket, so what lies within counts too.
    fn expression(&self, expression: &Expression) -> Option<(usize, usize)> {
        let mut extent = Extent { pen: self, bytes: None };
        match extent.visit_expression(expression) {
            ControlFlow::Continue(()) => extent.bytes,
            ControlFlow::Break(()) => None,
        }
    }

    fn bytes(&self, start: Position, end: Position) -> Option<(usize, usize)> {
        let (start, end) = (self.places.offset(start)?, self.places.offset(end)?);
        (start <= end).then_some((start, end))
    }

    /// Where the next token begins, from `at` on.
    fn skip(&self, at: usize) -> Option<usize> {
        let mut rest = self.text.get(at..)?;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            rest = match (rest.strip_prefix("//"), rest.strip_prefix("/*")) {
                (Some(line), _) => line.trim_start_matches(|c| !matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')),
                (None, Some(block)) => block.get(block.find("*/")? + 2..)?,
                (None, None) => return Some(self.text.len() - rest.len()),
            };
        }
    }

    /// Behind the token `token`, which is the next one from `at` on.
    fn pass(&self, at: usize, token: &str) -> Option<usize> {
        let start = self.skip(at)?;
        self.text.get(start..)?.starts_with(token).then_some(start + token.len())
    }

    /// Behind the semicolon, where one is next; else `at`.
    fn pass_semicolon(&self, at: usize) -> usize {
        self.pass(at, ";").unwrap_or(at)
    }

    /// All of it as edits, one for each place.
    fn into_edits(mut self) -> Vec<Edit> {
        self.inserts.sort_by_key(|(at, _)| *at);
        let mut edits: Vec<Edit> = Vec::new();
        for (at, text) in self.inserts {
            match edits.last_mut().filter(|last| last.start == at) {
                Some(last) => last.text.push_str(&text),
                None => edits.push(Edit { start: at, replaced: 0, text, moves: Some(self.places.place(at)) }),
            }
        }
        edits
    }
}

/// From where to where the expressions reach that were visited.
struct Extent<'p, 't> {
    pen: &'p Pen<'t>,
    bytes: Option<(usize, usize)>,
}

impl Extent<'_, '_> {
    fn reach(&mut self, found: Option<(usize, usize)>) -> ControlFlow<()> {
        let Some((start, end)) = found else { return ControlFlow::Break(()) };
        self.bytes = Some(self.bytes.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
        ControlFlow::Continue(())
    }
}

impl<'ast> Visitor<'ast> for Extent<'_, '_> {
    type BreakTy = ();

    fn visit_expression(&mut self, node: &'ast Expression) -> ControlFlow<()> {
        self.reach(self.pen.span(node))?;
        node.visit_with(self)
    }

    fn visit_property_access_field(&mut self, node: &'ast PropertyAccessField) -> ControlFlow<()> {
        let PropertyAccessField::Expr(name) = node else { return ControlFlow::Continue(()) };
        let inside = self.pen.expression(name);
        let bracket = inside.and_then(|(start, end)| Some((start, self.pen.pass(end, "]")?)));
        self.reach(bracket)
    }

    /// What lies in a function's body lies within the function.
    fn visit_function_body(&mut self, _node: &'ast FunctionBody) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` with its counters, which are written `c(0)` and so on.
    fn counted(text: &str) -> String {
        count(text, "c").map_or("none".to_owned(), |counted| {
            assert_eq!(counted.text.lines().count(), text.lines().count(), "no line moves");
            counted.text
        })
    }

    #[test]
    fn statements_and_ways_are_counted() {
        for (text, expected) in [
            ("a()", "c(0);a()"),
            ("a();b()\nd()", "c(0);a();c(1);b()\nc(2);d()"),
            ("function f(n) { 'use strict'; return n }", "function f(n) { 'use strict'; c(0);return n }"),
            ("if (a) b()", "c(0);if (a) {c(1);c(2);b()} else {c(3);}"),
            ("if (a) b(); else d();", "c(0);if (a) {c(1);c(2);b();} else {c(3);c(4);d();}"),
            (
                "if (a) if (b) d(); else e()",
                "c(0);if (a) {c(1);c(2);if (b) {c(3);c(4);d();} else {c(5);c(6);e()}} else {c(7);}",
            ),
            ("x = n => n.a ? 1 : 2", "c(0);x = n => (c(1),n.a ? (c(2),1) : (c(3),2))"),
            ("x = a[0]\ny = b?.[c[0]] ?? [d[1]][0]", "c(0);x = a[0]\nc(1);y = (c(2),b?.[c[0]]) ?? (c(3),[d[1]][0])"),
            ("x[0] = 1; y[z[1]]++; new A(b[0])", "c(0);x[0] = 1; c(1);y[z[1]]++; c(2);new A(b[0])"),
            ("x = a || b.c.d(e) !== -1", "c(0);x = (c(1),a) || (c(2),b.c.d(e) !== -1)"),
            ("x = a ? new B(1).c() : (() => 1)()", "c(0);x = a ? (c(1),new B(1).c()) : (c(2),(() => (c(3),1))())"),
            ("x = a && b.c() || d", "c(0);x = (c(1),a) && (c(2),b.c()) || (c(3),d)"),
            ("for (const x of l) y(x)", "c(0);for (const x of l) {c(1);y(x)}"),
            ("for (let i = 0; i < 3; i++) { y(i) }", "c(0);for (let i = 0; i < 3; i++) { c(1);y(i) }"),
            ("while (a) b()\nd()", "c(0);while (a) {c(1);b()}\nc(2);d()"),
            ("do a(); while (b)", "c(0);do {c(1);a();} while (b)"),
            (
                "try { a() } catch (e) { b() } finally { d() }",
                "c(0);try { c(1);a() } catch (e) { c(2);b() } finally { c(3);d() }",
            ),
            (
                "switch (a) { case 1: b(); break; default: d() }",
                "c(0);switch (a) { case 1:c(1); c(2);b(); c(3);break; default:c(4); c(5);d() }",
            ),
            (
                "class A { m() { return 1 } static n = () => 2 }\nb()",
                "c(0);class A { m() { c(1);return 1 } static n = () => (c(2),2) }\nc(3);b()",
            ),
            ("outer: for (;;) { break outer }", "c(0);outer: for (;;) { c(1);break outer }"),
            ("/* a */ a // b\n/* c\n */ b()", "/* a */ c(0);a // b\n/* c\n */ c(1);b()"),
        ] {
            assert_eq!(counted(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_not_counted() {
        assert_eq!(counted("if (a) function f() {}"), "none");
        assert_eq!(counted("a("), "none");
    }

    /// Every script of the repository that can be parsed as it stands.
    #[test]
    fn the_scripts_that_come_with_the_project_can_be_counted() {
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
        let (mut counted, mut missed) = (0, Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                let name = name.to_string_lossy();
                if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
                    folders.push(path);
                } else if name.ends_with(".js")
                    && let Ok(text) = std::fs::read_to_string(&path)
                    && text.len() < 200_000
                    && let Some(own) = text.strip_prefix("#!").map(|rest| format!("//{rest}")).or(Some(text.clone()))
                    && tree::parse(&own).is_ok()
                {
                    match count(&own, "count$") {
                        Some(_) => counted += 1,
                        None => missed.push(path),
                    }
                }
            }
        }
        assert!(counted > 20 && missed.is_empty(), "{counted} counted, not {missed:?}");
    }
}
