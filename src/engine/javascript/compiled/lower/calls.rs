//! Calls: of the script's own functions, of what the language has, and of methods.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField, SimplePropertyAccess};

use super::super::ir::{Binary, Ex, HostCall, St, Unary};
use super::super::value;
use super::dictionaries::DictionaryListing;
use super::expressions::after;
use super::functions::PassedArgument;
use super::operators::{to_number, truth};
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    pub(super) fn call_expression(&mut self, callee: &'t Expression, given: &'t [Expression]) -> Res<Val> {
        if given.iter().any(|argument| matches!(argument, Expression::Spread(_))) {
            return Err(self.refusal("`...` in a call"));
        }
        match callee {
            Expression::Parenthesized(inner) => self.call_expression(inner.expression(), given),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => {
                let PropertyAccessField::Const(name) = access.field() else {
                    return Err(self.refusal("a method whose name is computed"));
                };
                let name = self.literal_text(name.sym())?;
                if let Some(holder) = self.global(access.target()) {
                    return self.global_method(&holder, &name, given);
                }
                if let Expression::RegExpLiteral(pattern) = access.target() {
                    return self.pattern_method(pattern, &name, given);
                }
                let base = self.value(access.target())?;
                self.at(callee)?;
                self.method(base, &name, given)
            }
            _ => match (self.callee(callee), self.global(callee)) {
                (Some(function), _) => {
                    let mut steps = Vec::new();
                    let given = self.arguments(given, &mut steps)?;
                    self.at(callee)?;
                    let Some(function) = self.functions.get(function).copied() else {
                        return Err(self.refusal("a function that is not found"));
                    };
                    let value = self.call(function, given, &mut steps)?;
                    Ok(after(steps, value))
                }
                (None, Some(name)) => self.global_function(&name, given),
                (None, None) => Err(self.refusal("a call of a value")),
            },
        }
    }

    /// The name of what the language has, where `expression` is one that the script does not declare itself.
    pub(super) fn global(&self, expression: &Expression) -> Option<String> {
        let Expression::Identifier(name) = expression else { return None };
        (!self.is_declared(name.sym())).then(|| self.name(name.sym()))
    }

    /// Whether `expression` logs.
    pub(super) fn is_logging(&self, expression: &Expression) -> bool {
        let Expression::Call(call) = expression else { return false };
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = call.function() else { return false };
        self.global(access.target()).as_deref() == Some("console")
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
            ("Math", "PI") => std::f64::consts::PI,
            _ => return None,
        };
        Some(Val::plain(Ex::Num(number)))
    }

    /// The values that a function of the language is given.
    pub(super) fn plain_arguments(&mut self, given: &'t [Expression], steps: &mut Vec<St>) -> Res<Vec<Val>> {
        let given = self.arguments(given, steps)?;
        let values = given.into_iter().map(|argument| match argument {
            PassedArgument::Value(value) => Ok(value),
            PassedArgument::Function(_) => Err(self.refusal("a function as a value")),
        });
        values.collect()
    }

    fn global_function(&mut self, name: &str, given: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        let given = self.plain_arguments(given, &mut steps)?;
        let value = self.conversion(name, given)?;
        Ok(after(steps, value))
    }

    /// A function of the language that makes one value of another.
    pub(super) fn conversion(&mut self, name: &str, given: Vec<Val>) -> Res<Val> {
        let first = given.into_iter().next();
        let ex = match (name, first) {
            ("Number", None) => Ex::Num(0.0),
            ("Number", Some(value)) => to_number(value.ex),
            ("Boolean", None) => Ex::Bool(false),
            ("Boolean", Some(value)) => truth(value.ex),
            ("String", None) => self.text("").ex,
            ("String", Some(value)) => Ex::Host(HostCall::ToText, vec![value.ex]),
            ("isNaN", value) => {
                let value = value.unwrap_or_else(Val::undefined);
                Ex::Un(Unary::IsNaN, Box::new(value.ex))
            }
            _ => return Err(self.refusal(format!("a call of `{name}`"))),
        };
        Ok(Val::plain(ex))
    }

    fn global_method(&mut self, holder: &str, name: &str, given: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        if holder == "Math" && name == "random" {
            return Ok(Val::plain(Ex::Host(HostCall::Random, Vec::new())));
        }
        if holder == "Date" && name == "now" && given.is_empty() {
            return Ok(Val::plain(Ex::Host(HostCall::Now, Vec::new())));
        }
        let listing = match (holder, name, given) {
            ("Object", "keys", [_]) => Some(DictionaryListing::Keys),
            ("Object", "values", [_]) => Some(DictionaryListing::Values),
            ("Object", "entries", [_]) => Some(DictionaryListing::Entries),
            _ => None,
        };
        if let (Some(listing), [of]) = (listing, given) {
            let of = self.value(of)?;
            return self.listing(of, listing);
        }
        let given = self.plain_arguments(given, &mut steps)?;
        let mut values = given.into_iter().map(|value| value.ex);
        let refused = || self.refusal(format!("`{holder}.{name}`"));
        let mut one = |op: Unary| {
            let value = values.next().unwrap_or(Ex::Const(value::UNDEFINED));
            Ok(Ex::Un(op, Box::new(value)))
        };
        let ex: Res<Ex> = match (holder, name) {
            ("Math", "floor") => one(Unary::Floor),
            ("Math", "ceil") => one(Unary::Ceil),
            ("Math", "trunc") => one(Unary::Trunc),
            ("Math", "abs") => one(Unary::Abs),
            ("Math", "sqrt") => one(Unary::Sqrt),
            ("Math", "round") => one(Unary::Round),
            ("Math", "min" | "max") => {
                let (op, start) = match name {
                    "min" => (Binary::Min, f64::INFINITY),
                    _ => (Binary::Max, f64::NEG_INFINITY),
                };
                Ok(values.fold(Ex::Num(start), |left, right| Ex::Bin(op, Box::new(left), Box::new(right))))
            }
            ("Array", "isArray") => one(Unary::IsList),
            ("Number", "isNaN") => match values.next() {
                Some(value) => {
                    let is_number = Ex::Un(Unary::IsNumber, Box::new(value.clone()));
                    let is_nan = Ex::Un(Unary::IsNaN, Box::new(value));
                    Ok(Ex::If(Box::new(is_number), Box::new(is_nan), Box::new(Ex::Bool(false))))
                }
                None => Ok(Ex::Bool(false)),
            },
            ("Number", "isFinite") => match values.next() {
                Some(value) => {
                    let is_number = Ex::Un(Unary::IsNumber, Box::new(value.clone()));
                    // The difference of an infinity from itself is no number.
                    let difference = Ex::Bin(Binary::Sub, Box::new(value.clone()), Box::new(value));
                    let is_finite = Ex::Un(Unary::Not, Box::new(Ex::Un(Unary::IsNaN, Box::new(difference))));
                    Ok(Ex::If(Box::new(is_number), Box::new(is_finite), Box::new(Ex::Bool(false))))
                }
                None => Ok(Ex::Bool(false)),
            },
            _ => Err(refused()),
        };
        Ok(after(steps, Val::plain(ex?)))
    }
}
