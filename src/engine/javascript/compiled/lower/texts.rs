//! Methods of texts and numbers, and patterns.

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::{Expression, RegExpLiteral};

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Ex, St, Unary};
use super::super::paths::PathId;
use super::dictionaries::DictionaryListing;
use super::expressions::after;
use super::names::{Meaning, nothing};
use super::{Lowering, Res, Val};

/// A pattern of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownPattern {
    place: usize,
    is_global: bool,
}

/// A pattern that is used: a constant, or a member of a table.
pub(super) struct AskedPattern {
    /// The number of the pattern, as compiled code tells it.
    pub(super) number: Ex,
    is_global: bool,
}

impl From<KnownPattern> for AskedPattern {
    fn from(KnownPattern { place, is_global }: KnownPattern) -> Self {
        Self { number: Ex::Num(place as f64), is_global }
    }
}

impl<'t> Lowering<'t> {
    /// A method of a text, which bails out where `base` is none.
    pub(super) fn text_method(&mut self, base: Val, name: &str, given: &'t [Expression]) -> Res<Val> {
        if let ("match" | "replace" | "replaceAll", [pattern, rest @ ..]) = (name, given)
            && let Some(pattern) = self.pattern(pattern)?
        {
            return self.matched(base, (name, pattern), rest);
        }
        let (call, most) = match (name, given.len()) {
            ("startsWith", 1) => (HostCall::StartsWith, 1),
            ("endsWith", 1) => (HostCall::EndsWith, 1),
            ("toLowerCase", 0) => (HostCall::Lower, 0),
            ("toUpperCase", 0) => (HostCall::Upper, 0),
            ("trim", 0) => (HostCall::Trim, 0),
            ("trimStart", 0) => (HostCall::TrimStart, 0),
            ("trimEnd", 0) => (HostCall::TrimEnd, 0),
            ("charAt", 0 | 1) => (HostCall::CharAt, 1),
            ("charCodeAt", 0 | 1) => (HostCall::CharCode, 1),
            ("substring", 1 | 2) => (HostCall::Substring, 2),
            ("substr", 1 | 2) => (HostCall::Substr, 2),
            ("replace", 2) => (HostCall::Replace, 2),
            ("replaceAll", 2) => (HostCall::ReplaceAll, 2),
            ("padStart", 1 | 2) => (HostCall::PadStart, 2),
            ("padEnd", 1 | 2) => (HostCall::PadEnd, 2),
            ("repeat", 1) => (HostCall::Repeat, 1),
            ("lastIndexOf", 1) => (HostCall::LastIndexOf, 1),
            ("localeCompare", 1) => (HostCall::Collate, 1),
            ("toFixed", 0 | 1) => (HostCall::Fixed, 1),
            ("toString", 0) => (HostCall::ToText, 0),
            ("toString", 1) => (HostCall::Radix, 1),
            _ => return Err(self.refusal(format!("the method `{name}`"))),
        };
        let mut steps: Vec<St> = Vec::new();
        let base = self.hold(base, &mut steps);
        if call == HostCall::ToText {
            let is_nothing = Ex::Un(Unary::IsNullish, Box::new(base.ex.clone()));
            steps.push(St::If(is_nothing, vec![St::Bail(BailCause::Throws)], Vec::new()));
        }
        let given = self.plain_arguments(given, &mut steps)?;
        let mut values: Vec<Ex> = std::iter::once(base.ex).chain(given.into_iter().map(|value| value.ex)).collect();
        values.resize(most + 1, nothing());
        Ok(after(steps, Val::plain(Ex::Host(call, values))))
    }

    /// Lowers `expression` to a pattern, a constant or a member of a table; `None` for any other expression.
    pub(super) fn pattern(&mut self, expression: &'t Expression) -> Res<Option<AskedPattern>> {
        if let Some(pattern) = self.known_pattern(expression)? {
            return Ok(Some(pattern.into()));
        }
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = expression else { return Ok(None) };
        let PropertyAccessField::Const(name) = access.field() else { return Ok(None) };
        let Some(shape) = self.shape_of_name(access.target()) else { return Ok(None) };
        let (mut fields, mut flags) = (Vec::new(), Vec::new());
        for object in &shape.objects {
            let Some(field) = self.paths.field(*object, &self.name(name.sym())) else { continue };
            if let Some(is_global) = self.kept_patterns.get(&field) {
                fields.push(field);
                flags.push(*is_global);
            }
        }
        let Some(is_global) = flags.first().copied() else { return Ok(None) };
        if flags.contains(&!is_global) {
            return Err(self.refusal("patterns with `g` and without"));
        }
        let base = Box::new(self.value(access.target())?.ex);
        Ok(Some(AskedPattern { number: Ex::Field { base, fields, length: false, name: None }, is_global }))
    }

    /// Keeps a pattern as the member `name` of the literal `root`; returns the member, and the number that the member
    /// holds.
    pub(super) fn keep_pattern(&mut self, root: PathId, name: &str, pattern: KnownPattern) -> Res<(PathId, Ex)> {
        let Some(field) = self.paths.field(root, name) else { return Err(self.refusal("so many members")) };
        match self.kept_patterns.insert(field, pattern.is_global) {
            Some(is_global) if is_global != pattern.is_global => {
                return Err(self.refusal("patterns with `g` and without"));
            }
            known => self.learnt |= known.is_none(),
        }
        Ok((field, Ex::Num(pattern.place as f64)))
    }

    /// Whether `expression` is a constant pattern; nothing is lowered.
    pub(super) fn is_known_pattern(&self, expression: &Expression) -> bool {
        match expression {
            Expression::RegExpLiteral(_) => true,
            Expression::Identifier(name) => {
                matches!(self.meaning(self.current(), name.sym()), Some((_, Meaning::Pattern(_))))
            }
            _ => false,
        }
    }

    /// The pattern that `expression` is: written there, or a constant that is one.
    pub(super) fn known_pattern(&mut self, expression: &'t Expression) -> Res<Option<KnownPattern>> {
        match expression {
            Expression::Parenthesized(inner) => self.known_pattern(inner.expression()),
            Expression::RegExpLiteral(pattern) => self.new_pattern(pattern).map(Some),
            Expression::Identifier(name) => Ok(match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::Pattern(pattern))) => Some(pattern),
                _ => None,
            }),
            _ => Ok(None),
        }
    }

    pub(super) fn new_pattern(&mut self, pattern: &'t RegExpLiteral) -> Res<KnownPattern> {
        let (source, flags) = (self.literal_text(pattern.pattern())?, self.literal_text(pattern.flags())?);
        // Such a pattern remembers where it was.
        if flags.contains('y') {
            return Err(self.refusal("a pattern with `y`"));
        }
        let (place, is_global) = (self.patterns.len(), flags.contains('g'));
        self.patterns.push((source, flags));
        Ok(KnownPattern { place, is_global })
    }

    /// `pattern.test(text)`
    pub(super) fn pattern_method(&mut self, pattern: AskedPattern, name: &str, given: &'t [Expression]) -> Res<Val> {
        let [text] = given else { return Err(self.refusal(format!("the method `{name}` of a pattern"))) };
        // With `g` a pattern goes on where it was.
        if pattern.is_global || !matches!(name, "test" | "exec") {
            return Err(self.refusal(format!("the method `{name}` of a pattern")));
        }
        let text = self.value(text)?;
        if name == "exec" {
            let text = Val::plain(Ex::Host(HostCall::ToText, vec![text.ex]));
            return self.matched(text, ("match", pattern), &[]);
        }
        Ok(Val::plain(Ex::Host(HostCall::Matches, vec![text.ex, pattern.number])))
    }

    /// `match` and `replace` by a pattern.
    fn matched(&mut self, text: Val, (name, pattern): (&str, AskedPattern), rest: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        let text = self.hold(text, &mut steps);
        let is_text = Ex::Un(Unary::IsText, Box::new(text.ex.clone()));
        steps.push(St::If(is_text, Vec::new(), vec![St::Bail(BailCause::Kind)]));
        if let ([by], true) = (rest, name != "match") {
            if name == "replaceAll" && !pattern.is_global || self.is_callable(by) {
                return Err(self.refusal("a replacement that is computed"));
            }
            let by = self.value(by)?;
            let call = if pattern.is_global { HostCall::ReplaceMatches } else { HostCall::ReplaceMatch };
            return Ok(after(steps, Val::plain(Ex::Host(call, vec![text.ex, pattern.number, by.ex]))));
        }
        if name != "match" || !rest.is_empty() {
            return Err(self.refusal(format!("the method `{name}` of a text")));
        }
        let call = if pattern.is_global { HostCall::MatchAll } else { HostCall::Match };
        let found = Val::plain(Ex::Host(call, vec![text.ex, pattern.number]));
        let found = self.hold(found, &mut steps);
        let listed = self.in_region(|lowering| lowering.listing(found.clone(), DictionaryListing::Values))?;
        let is_nothing = Ex::Un(Unary::IsNullish, Box::new(found.ex.clone()));
        let ex = Ex::If(Box::new(is_nothing), Box::new(found.ex), Box::new(listed.ex));
        Ok(after(steps, Val { ex, shape: listed.shape }))
    }
}
