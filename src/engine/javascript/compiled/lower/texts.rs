//! Methods of texts, and patterns.

use boa_ast::expression::{Expression, RegExpLiteral};

use super::super::ir::{Ex, HostCall, St};
use super::expressions::after;
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    /// A method of a text, which bails out where `base` is none.
    pub(super) fn text_method(&mut self, base: Val, name: &str, given: &'t [Expression]) -> Res<Val> {
        let call = match (name, given.len()) {
            ("startsWith", 1) => HostCall::StartsWith,
            ("endsWith", 1) => HostCall::EndsWith,
            ("includes", 1) => HostCall::Includes,
            ("indexOf", 1) => HostCall::IndexOf,
            ("toLowerCase", 0) => HostCall::Lower,
            ("toUpperCase", 0) => HostCall::Upper,
            ("trim", 0) => HostCall::Trim,
            _ => return Err(self.refusal(format!("the method `{name}`"))),
        };
        let mut steps: Vec<St> = Vec::new();
        let base = self.hold(base, &mut steps);
        let given = self.plain_arguments(given, &mut steps)?;
        let values = std::iter::once(base.ex).chain(given.into_iter().map(|value| value.ex)).collect();
        Ok(after(steps, Val::plain(Ex::Host(call, values))))
    }

    /// `/pattern/.test(text)`.
    pub(super) fn pattern_method(
        &mut self,
        pattern: &'t RegExpLiteral,
        name: &str,
        given: &'t [Expression],
    ) -> Res<Val> {
        let (source, flags) = (self.literal_text(pattern.pattern())?, self.literal_text(pattern.flags())?);
        let [text] = given else { return Err(self.refusal(format!("the method `{name}` of a pattern"))) };
        // With `g` and `y` a pattern remembers where it was; each evaluation makes a new one, but that is for Boa.
        if name != "test" || flags.contains(['g', 'y']) {
            return Err(self.refusal(format!("the method `{name}` of a pattern")));
        }
        let number = i32::try_from(self.patterns.len()).unwrap_or(i32::MAX);
        self.patterns.push((source, flags));
        let text = self.value(text)?;
        Ok(Val::plain(Ex::Host(HostCall::Matches, vec![text.ex, Ex::Num(f64::from(number))])))
    }
}
