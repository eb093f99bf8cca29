//! Calls: of the script's own functions, of what the language has, and of methods.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField, SimplePropertyAccess};
use boa_interner::Sym;

use super::super::ir::{Ex, St};
use super::expressions::after;
use super::functions::PassedArgument;
use super::names::Meaning;
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    pub(super) fn call_expression(&mut self, callee: &'t Expression, given: &'t [Expression]) -> Res<Val> {
        if given.iter().any(|argument| matches!(argument, Expression::Spread(_))) {
            return self.spread_call(callee, given);
        }
        match callee {
            Expression::Parenthesized(inner) => self.call_expression(inner.expression(), given),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => {
                let name = match access.field() {
                    PropertyAccessField::Const(name) => self.literal_text(name.sym())?,
                    PropertyAccessField::Expr(name) => {
                        return self.computed_call(access.target(), name, given);
                    }
                };
                if matches!(name.as_str(), "call" | "apply")
                    && let Some(said) = self.borrowed(access, &name, given)?
                {
                    return Ok(said);
                }
                if let ("fill", [value]) = (name.as_str(), given)
                    && let Some(list) = self.filled(access.target(), value)?
                {
                    return Ok(list);
                }
                if let Some(holder) = self.global(access.target()) {
                    return self.global_method(&holder, &name, given);
                }
                if let Some(pattern) = self.pattern(access.target())? {
                    return self.pattern_method(pattern, &name, given);
                }
                let mut steps = Vec::new();
                if let Some(list) = self.fixed_list(access.target(), &mut steps)? {
                    let said = self.fixed_list_method(&list, &name, given)?;
                    return Ok(after(steps, said));
                }
                let base = self.value(access.target())?;
                self.at(callee)?;
                if !self.has_function(&base.shape, Some(&name)) {
                    return self.method(base, &name, given);
                }
                let base = self.hold(base, &mut steps);
                match self.member_function(&base, &name, &mut steps)? {
                    Some(function) => self.call_with(function, Some(&base), given, steps),
                    None => self.method(base, &name, given),
                }
            }
            Expression::Identifier(name)
                if let Some((_, Meaning::OfMath(method))) = self.meaning(self.current(), name.sym()) =>
            {
                let method = self.name(method);
                self.global_method("Math", &method, given)
            }
            _ => {
                let mut steps = Vec::new();
                match (self.callee(callee, &mut steps)?, self.global(callee)) {
                    (Some(function), _) => {
                        self.at(callee)?;
                        self.call_with(function, None, given, steps)
                    }
                    (None, Some(name)) => self.global_function(&name, given),
                    (None, None) => Err(self.refusal("a call of a value")),
                }
            }
        }
    }

    /// Calls a callable with the receiver `this` and the arguments `given`, after `steps`.
    fn call_with(
        &mut self,
        function: usize,
        this: Option<&Val>,
        given: &'t [Expression],
        mut steps: Vec<St>,
    ) -> Res<Val> {
        let given = self.arguments(given, &mut steps)?;
        let value = self.call(function, this, given, &mut steps)?;
        Ok(after(steps, value))
    }

    /// A call of the member of `target` with the computed name `name`.
    fn computed_call(&mut self, target: &'t Expression, name: &'t Expression, given: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        if let Some(list) = self.fixed_list(target, &mut steps)? {
            let function = self.element_callable(&list, name, &mut steps)?;
            return self.call_with(function, None, given, steps);
        }
        let base = self.value(target)?;
        let base = self.hold(base, &mut steps);
        match self.computed_function(&base, name, &mut steps)? {
            Some(function) => self.call_with(function, Some(&base), given, steps),
            None => Err(self.refusal("a method whose name is computed")),
        }
    }

    /// A call whose arguments are spread: of `Math.min`, `Math.max` and `push`.
    fn spread_call(&mut self, callee: &'t Expression, given: &'t [Expression]) -> Res<Val> {
        let refused = || "`...` in a call";
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = callee else {
            return Err(self.refusal(refused()));
        };
        let PropertyAccessField::Const(name) = access.field() else { return Err(self.refusal(refused())) };
        let (name, holder) = (self.literal_text(name.sym())?, self.global(access.target()));
        match (holder.as_deref(), name.as_str(), given) {
            (Some("Math"), "min" | "max", _) => self.extreme(&name, given),
            (None, "push", [_]) => {
                let base = self.value(access.target())?;
                self.method(base, &name, given)
            }
            _ => Err(self.refusal(refused())),
        }
    }

    /// The name of what the language has, where `expression` is one that the script does not declare itself.
    pub(super) fn global(&self, expression: &Expression) -> Option<String> {
        let Expression::Identifier(name) = expression else { return None };
        (!self.is_declared(name.sym())).then(|| self.name(name.sym()))
    }

    /// Returns the name of the `Math` function that `expression` is.
    pub(super) fn method_of_math(&self, expression: &Expression) -> Option<Sym> {
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = expression else { return None };
        let PropertyAccessField::Const(name) = access.field() else { return None };
        let is_constant = self.name(name.sym()).bytes().all(|letter| letter.is_ascii_uppercase() || letter == b'_');
        (self.global(access.target()).as_deref() == Some("Math") && !is_constant).then(|| name.sym())
    }

    /// A constant of the language.
    pub(super) fn constant(&mut self, access: &'t SimplePropertyAccess) -> Option<Val> {
        let holder = self.global(access.target())?;
        let PropertyAccessField::Const(name) = access.field() else { return None };
        let number = match (holder.as_str(), self.name(name.sym()).as_str()) {
            ("Number", "MAX_SAFE_INTEGER") => 9_007_199_254_740_991.0,
            ("Number", "MIN_SAFE_INTEGER") => -9_007_199_254_740_991.0,
            ("Number", "MAX_VALUE") => f64::MAX,
            ("Number", "POSITIVE_INFINITY") => f64::INFINITY,
            ("Number", "NEGATIVE_INFINITY") => f64::NEG_INFINITY,
            ("Number", "NaN") => f64::NAN,
            ("Number", "EPSILON") => f64::EPSILON,
            ("Math", "PI") => std::f64::consts::PI,
            ("Math", "E") => std::f64::consts::E,
            _ => return None,
        };
        Some(Val::plain(Ex::Num(number)))
    }

    /// The values that a function of the language is given.
    pub(super) fn plain_arguments(&mut self, given: &'t [Expression], steps: &mut Vec<St>) -> Res<Vec<Val>> {
        let given = self.arguments(given, steps)?;
        let values = given.into_iter().map(|argument| match argument {
            PassedArgument::Value(value) => Ok(value),
            PassedArgument::Pattern(_) => Err(self.refusal("a pattern as a value")),
            PassedArgument::Function(_) | PassedArgument::List(_) => Err(self.refusal("a function as a value")),
        });
        values.collect()
    }
}
