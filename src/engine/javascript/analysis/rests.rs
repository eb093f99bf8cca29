//! Keys that an object pattern takes apart beside a rest, rewritten so that the engine leaves them out of the rest.
//!
//! In `{ b: { c }, ...o }` Boa leaves out of `o` only the keys that are given a variable, so that `o` keeps `b`
//! (docs/src/internals/facts.md). The pattern becomes `{ b: rest$0, b: { c }, ...o }`, where a variable takes `b`
//! first. The key is read twice then, which only a getter notices; where the key is computed by more than names and
//! texts, the pattern is refused, because the computation would run twice.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use boa_ast::Spanned;
use boa_ast::declaration::Binding;
use boa_ast::expression::Expression;
use boa_ast::expression::operator::assign::AssignTarget;
use boa_ast::pattern::{ObjectPattern, ObjectPatternElement};
use boa_ast::property::PropertyName;
use boa_ast::statement::iteration::IterableLoopInitializer;
use boa_ast::visitor::{VisitWith, Visitor};

use super::edits::{Edit, Moves, Place, offsets};
use super::tree::Tree;

/// The beginning of the names of our own variables.
const NAME: &str = "rest$";

/// A key that is taken apart beside a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine::javascript) struct SplitKey {
    /// The start and end of the key, without brackets.
    start: Place,
    end: Place,
    is_computed: bool,
    /// Whether the pattern assigns to existing targets, and declares nothing.
    is_assigned: bool,
}

/// The keys of a source that are taken apart beside a rest.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine::javascript) struct SplitKeys {
    keys: BTreeSet<SplitKey>,
    /// The first pattern with a key that cannot be read twice.
    pub(in crate::engine::javascript) refused: Option<Place>,
}

/// Returns such keys in `tree`; the text of `tree` is the source with `moves`.
pub(in crate::engine::javascript) fn split_keys(tree: &Tree, moves: &Moves) -> SplitKeys {
    let mut rests = Rests { moves, is_assigned: false, found: SplitKeys::default() };
    let _ = tree.script.statements().visit_with(&mut rests);
    rests.found
}

impl SplitKeys {
    /// Returns the edits of `text` that put, before each key that is taken apart, the same key with a target of our
    /// own.
    pub(in crate::engine::javascript) fn taken(&self, text: &str) -> Vec<Edit> {
        let mut name = NAME.to_owned();
        while text.contains(&name) {
            name.push('$');
        }
        let offsets = offsets(text, &self.keys.iter().flat_map(|key| [key.start, key.end]).collect());
        let edits = self.keys.iter().enumerate().filter_map(|(number, key)| {
            let (start, end) = (*offsets.get(&key.start)?, *offsets.get(&key.end)?);
            let written = text.get(start..end)?;
            // A member of a list that nobody has needs no declaration.
            let target = if key.is_assigned { "[].x".to_owned() } else { format!("{name}{number}") };
            // Boa takes a number for a computed key, also without brackets.
            let is_bracketed = key.is_computed && text.get(end..)?.trim_start().starts_with(']');
            let text = if is_bracketed { format!("{written}]:{target},[") } else { format!("{written}:{target},") };
            Some(Edit { start, replaced: 0, text, moves: Some(key.start) })
        });
        edits.collect()
    }
}

type Flow = ControlFlow<std::convert::Infallible>;

struct Rests<'m> {
    moves: &'m Moves,
    is_assigned: bool,
    found: SplitKeys,
}

impl Rests<'_> {
    fn place(&self, at: boa_ast::Position) -> Place {
        (at.line_number(), self.moves.back(at.line_number(), at.column_number()))
    }

    fn refuse(&mut self, pattern: &ObjectPattern) {
        let start = self.place(pattern.span().start());
        self.found.refused.get_or_insert(start);
    }

    fn note(&mut self, name: &PropertyName, pattern: &ObjectPattern) {
        let (span, is_computed) = match name {
            PropertyName::Literal(name) => (name.span(), false),
            PropertyName::Computed(expression) => (expression.span(), true),
        };
        let (start, end) = (self.place(span.start()), self.place(span.end()));
        match name {
            PropertyName::Computed(Expression::Identifier(_) | Expression::Literal(_)) | PropertyName::Literal(_) => {
                let is_assigned = self.is_assigned;
                self.found.keys.insert(SplitKey { start, end, is_computed, is_assigned });
            }
            PropertyName::Computed(_) => self.refuse(pattern),
        }
    }

    fn within(&mut self, is_assigned: bool, act: impl FnOnce(&mut Self) -> Flow) -> Flow {
        let before = std::mem::replace(&mut self.is_assigned, is_assigned);
        let flow = act(self);
        self.is_assigned = before;
        flow
    }
}

impl<'ast> Visitor<'ast> for Rests<'_> {
    type BreakTy = std::convert::Infallible;

    fn visit_object_pattern(&mut self, node: &'ast ObjectPattern) -> Flow {
        let (is_rest, is_member) = match node.bindings().last() {
            Some(ObjectPatternElement::RestProperty { .. }) => (true, false),
            Some(ObjectPatternElement::AssignmentRestPropertyAccess { .. }) => (true, true),
            _ => (false, false),
        };
        for element in node.bindings().iter().filter(|_| is_rest) {
            match element {
                // Boa leaves no computed key at all out of a rest that is put into a member.
                ObjectPatternElement::Pattern { name: PropertyName::Computed(_), .. }
                | ObjectPatternElement::SingleName { name: PropertyName::Computed(_), .. }
                | ObjectPatternElement::AssignmentPropertyAccess { name: PropertyName::Computed(_), .. }
                    if is_member =>
                {
                    self.refuse(node);
                }
                ObjectPatternElement::Pattern { name, .. } => self.note(name, node),
                _ => {}
            }
        }
        node.visit_with(self)
    }

    fn visit_assign_target(&mut self, node: &'ast AssignTarget) -> Flow {
        self.within(true, |rests| node.visit_with(rests))
    }

    fn visit_iterable_loop_initializer(&mut self, node: &'ast IterableLoopInitializer) -> Flow {
        let is_assigned = matches!(node, IterableLoopInitializer::Pattern(_));
        self.within(is_assigned, |rests| node.visit_with(rests))
    }

    fn visit_binding(&mut self, node: &'ast Binding) -> Flow {
        self.within(false, |rests| node.visit_with(rests))
    }
}

#[cfg(test)]
mod tests {
    use super::super::edits::apply;
    use super::super::tree::parse;
    use super::*;

    /// Returns `source` as compiled, after a check that the edited text still parses.
    fn compiled(source: &str) -> String {
        let keys = split_keys(&parse(source).unwrap(), &Moves::default());
        let (text, _) = apply(source, keys.taken(source));
        assert!(parse(&text).is_ok(), "{text}");
        text
    }

    #[test]
    fn keys_that_are_taken_apart_beside_a_rest_are_taken_before() {
        for (source, expected) in [
            ("const { b: { c }, ...o } = x", "const { b:rest$0,b: { c }, ...o } = x"),
            (
                "let {a, b: [c] = [], 'd-e': {f}, 1: {g}, ...o} = x",
                "let {a, b:rest$0,b: [c] = [], 'd-e':rest$1,'d-e': {f}, 1:rest$2,1: {g}, ...o} = x",
            ),
            ("const { b: { c: {d}, ...p }, ...o } = x", "const { b:rest$0,b: { c:rest$1,c: {d}, ...p }, ...o } = x"),
            ("(({ b: { c }, ...o }) => o)(rest$0)", "(({ b:rest$$0,b: { c }, ...o }) => o)(rest$0)"),
            ("({ b: { c }, ...o } = x)", "({ b:[].x,b: { c }, ...o } = x)"),
            (
                "({ b: { c = ({d: {e}, ...f}) => f }, ...o } = x)",
                "({ b:[].x,b: { c = ({d:rest$1,d: {e}, ...f}) => f }, ...o } = x)",
            ),
            (
                "for (const { b: [c], ...o } of x) ; for ({ b: [c], ...o } of x) ;",
                "for (const { b:rest$0,b: [c], ...o } of x) ; for ({ b:[].x,b: [c], ...o } of x) ;",
            ),
            (
                "const { [k]: { c }, ['ü']: [d], ...o } = x",
                "const { [k]:rest$0,[k]: { c }, ['ü']:rest$1,['ü']: [d], ...o } = x",
            ),
            (
                "const { b: { c }, d } = x; const { b, ...o } = x; [{...p}, ...q] = x",
                "const { b: { c }, d } = x; const { b, ...o } = x; [{...p}, ...q] = x",
            ),
        ] {
            assert_eq!(compiled(source), expected);
        }
    }

    #[test]
    fn a_key_that_would_be_computed_twice_is_refused() {
        let refused = |source: &str| split_keys(&parse(source).unwrap(), &Moves::default()).refused;
        assert_eq!(refused("const { [k()]: { c }, ...o } = x"), Some((1, 7)));
        assert_eq!(refused("({ [k]: c, ...o.p } = x)"), Some((1, 2)));
        assert_eq!(refused("({ [k]: c, ...o } = x)"), None);
        assert_eq!(refused("const { [k()]: { c } } = x; const { [k()]: d, ...o } = x"), None);
    }
}
