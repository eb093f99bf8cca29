//! Built-in functions for numbers, dates and objects, which no script declares.

use boa_ast::expression::Expression;
use boa_ast::expression::literal::PropertyDefinition;

use super::super::host_calls::HostCall;
use super::super::ir::{Binary, Ex, St, Ty, Unary};
use super::super::paths::{ListOrigin, Shape};
use super::super::value;
use super::dictionaries::DictionaryListing;
use super::expressions::after;
use super::names::nothing;
use super::operators::{to_number, truth};
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    /// `Math.min` and `Math.max`, where some arguments are spread.
    pub(super) fn extreme(&mut self, name: &str, given: &'t [Expression]) -> Res<Val> {
        let (op, start) = extreme_operator(name);
        let (mut steps, found) = (Vec::new(), self.local(Some(Ty::Num)));
        steps.push(St::Set(found, Ex::Num(start)));
        let with = |value: Ex| St::Set(found, Ex::Bin(op, Box::new(Ex::Get(found)), Box::new(value)));
        let mut held = Vec::new();
        for argument in given {
            held.push(match argument {
                Expression::Spread(all) => {
                    let from = self.iterable(all.target())?;
                    (self.slice(from, &[])?, true)
                }
                argument => (self.value(argument)?, false),
            });
            if let Some((value, _)) = held.last_mut() {
                *value = self.hold(value.clone(), &mut steps);
            }
        }
        for (value, is_spread) in held {
            if is_spread {
                self.walk_list(value, &mut steps, |_, walked, body| {
                    body.push(with(walked.item.ex));
                    Ok(())
                })?;
            } else {
                steps.push(with(value.ex));
            }
        }
        Ok(after(steps, Val::plain(Ex::Get(found))))
    }

    /// `Math.min` and `Math.max` of the elements of `list`.
    pub(super) fn extreme_of(&mut self, name: &str, list: Val) -> Res<Val> {
        let (op, start) = extreme_operator(name);
        let (mut steps, found) = (Vec::new(), self.local(Some(Ty::Num)));
        steps.push(St::Set(found, Ex::Num(start)));
        self.walk_list(list, &mut steps, |_, walked, body| {
            body.push(St::Set(found, Ex::Bin(op, Box::new(Ex::Get(found)), Box::new(walked.item.ex))));
            Ok(())
        })?;
        Ok(after(steps, Val::plain(Ex::Get(found))))
    }

    /// `Object.freeze`: returns the same value. A script that writes to a frozen value is left to Boa: the write does
    /// nothing or throws.
    fn freeze(&mut self, of: &'t Expression) -> Res<Val> {
        let of = self.value(of)?;
        let is_site = |list: &ListOrigin| matches!(list, ListOrigin::Site(_));
        let is_own = of.shape.objects.iter().all(|object| self.is_own(*object)) && of.shape.lists.iter().all(is_site);
        if !is_own || (of.shape.objects.is_empty() && of.shape.lists.is_empty()) {
            self.refuse_at_last("`Object.freeze` of what is not the script's own")?;
        }
        self.learnt |= self.frozen.add(&of.shape);
        Ok(of)
    }

    /// `Object.assign({}, …)`: the same as a literal that spreads the rest.
    fn assigned(&mut self, given: &'t [Expression]) -> Res<Val> {
        let root = self.literal_root()?;
        let (mut steps, mut fields) = (Vec::new(), Vec::new());
        for from in given.iter().skip(1) {
            if let Expression::ObjectLiteral(literal) = from {
                for property in literal.properties() {
                    let PropertyDefinition::Property(name, value) = property else {
                        return Err(self.refusal("`Object.assign` of this"));
                    };
                    let (name, value) = (self.property_name(name)?, self.value(value)?);
                    self.own_member(root, &name, value, &mut fields, &mut steps)?;
                }
                continue;
            }
            let from = self.value(from)?;
            let from = self.hold(from, &mut steps);
            self.copy_members(root, from, &mut fields, &mut steps)?;
        }
        Ok(after(steps, Val { ex: Ex::Record(root, fields), shape: Shape::object(root) }))
    }

    pub(super) fn global_function(&mut self, name: &str, given: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        let given = self.plain_arguments(given, &mut steps)?;
        let value = self.conversion(name, given)?;
        Ok(after(steps, value))
    }

    /// A function of the language that makes one value of another.
    pub(super) fn conversion(&mut self, name: &str, given: Vec<Val>) -> Res<Val> {
        let mut given = given.into_iter();
        let (first, second) = (given.next(), given.next());
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
            ("isFinite", Some(value)) => {
                // The difference of what is no finite number from itself is none.
                let difference = Ex::Bin(Binary::Sub, Box::new(value.ex.clone()), Box::new(value.ex));
                Ex::Un(Unary::Not, Box::new(Ex::Un(Unary::IsNaN, Box::new(difference))))
            }
            ("parseFloat", Some(value)) => Ex::Host(HostCall::ParseFloat, vec![value.ex]),
            ("parseInt", Some(value)) => {
                Ex::Host(HostCall::ParseInt, vec![value.ex, second.map_or_else(nothing, |value| value.ex)])
            }
            _ => return Err(self.refusal(format!("a call of `{name}`"))),
        };
        Ok(Val::plain(ex))
    }

    pub(super) fn global_method(&mut self, holder: &str, name: &str, given: &'t [Expression]) -> Res<Val> {
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
        match (holder, name, given) {
            ("Array", "from", given) => return self.array_from(given),
            ("Object", "assign", [Expression::ObjectLiteral(into), ..]) if into.properties().is_empty() => {
                return self.assigned(given);
            }
            ("Object", "hasOwn", [of, name]) => return self.has_member(name, of),
            ("Object", "freeze", [of]) if !matches!(of, Expression::Spread(_)) => return self.freeze(of),
            ("Object", "fromEntries", [pairs]) if !matches!(pairs, Expression::Spread(_)) => {
                return self.map_of(pairs, HostCall::NewObject);
            }
            ("JSON", "stringify", [of]) if !matches!(of, Expression::Spread(_)) => {
                let of = self.value(of)?;
                let text = self.json(of, 0, &mut steps)?;
                return Ok(after(steps, text));
            }
            ("JSON", "parse", [text]) if !matches!(text, Expression::Spread(_)) => return self.parsed(text),
            ("Date", "parse", [text]) if !matches!(text, Expression::Spread(_)) => {
                let text = self.value(text)?;
                return Ok(Val::plain(Ex::Host(HostCall::DateParse, vec![text.ex])));
            }
            ("Number", "parseFloat" | "parseInt", given) => return self.global_function(name, given),
            _ => {}
        }
        let values = self.plain_arguments(given, &mut steps)?.into_iter().map(|value| value.ex).collect();
        let ex = match holder {
            "Math" => mathematics(name, values),
            _ => kind_test(holder, name, values.into_iter().next()),
        };
        let ex = ex.ok_or_else(|| self.refusal(format!("`{holder}.{name}`")))?;
        Ok(after(steps, Val::plain(ex)))
    }
}

/// Returns the operator and the start value of `Math.min` or `Math.max`.
fn extreme_operator(name: &str) -> (Binary, f64) {
    match name {
        "min" => (Binary::Min, f64::INFINITY),
        _ => (Binary::Max, f64::NEG_INFINITY),
    }
}

/// `Math.NAME` of `values`; `None` where that is not compiled.
fn mathematics(name: &str, values: Vec<Ex>) -> Option<Ex> {
    let (count, mut values) = (values.len(), values.into_iter());
    let mut one = |op: Unary| Ex::Un(op, Box::new(values.next().unwrap_or(Ex::Const(value::UNDEFINED))));
    Some(match name {
        "floor" => one(Unary::Floor),
        "ceil" => one(Unary::Ceil),
        "trunc" => one(Unary::Trunc),
        "abs" => one(Unary::Abs),
        "sqrt" => one(Unary::Sqrt),
        "round" => one(Unary::Round),
        "min" | "max" => {
            let (op, start) = extreme_operator(name);
            values.fold(Ex::Num(start), |left, right| Ex::Bin(op, Box::new(left), Box::new(right)))
        }
        "pow" | "hypot" | "imul" if count == 2 => {
            let call = match name {
                "pow" => HostCall::MathPow,
                "imul" => HostCall::Imul,
                _ => HostCall::Hypot,
            };
            Ex::Host(call, values.collect())
        }
        "log" | "log2" | "log10" | "exp" | "sign" | "cbrt" if count == 1 => {
            let call = match name {
                "log" => HostCall::Log,
                "log2" => HostCall::Log2,
                "log10" => HostCall::Log10,
                "exp" => HostCall::Exp,
                "sign" => HostCall::Sign,
                _ => HostCall::Cbrt,
            };
            Ex::Host(call, values.collect())
        }
        _ => return None,
    })
}

/// `Array.isArray` or a test of `Number` of `value`, which is absent where nothing is given; `None` for anything else.
fn kind_test(holder: &str, name: &str, value: Option<Ex>) -> Option<Ex> {
    let Some(value) = value else {
        return match (holder, name) {
            ("Array", "isArray") => Some(Ex::Un(Unary::IsList, Box::new(Ex::Const(value::UNDEFINED)))),
            ("Number", "isInteger" | "isNaN" | "isFinite") => Some(Ex::Bool(false)),
            _ => None,
        };
    };
    let given = Box::new(value.clone());
    let holds = match (holder, name) {
        ("Array", "isArray") => return Some(Ex::Un(Unary::IsList, given)),
        ("Number", "isInteger") => {
            let whole = Ex::Un(Unary::Trunc, given.clone());
            // The difference of an infinity from itself is no number.
            let rest = Ex::Bin(Binary::Sub, given, Box::new(whole));
            Ex::Bin(Binary::StrictEqual, Box::new(rest), Box::new(Ex::Num(0.0)))
        }
        ("Number", "isNaN") => Ex::Un(Unary::IsNaN, given),
        ("Number", "isFinite") => {
            // The difference of an infinity from itself is no number.
            let difference = Ex::Bin(Binary::Sub, given.clone(), given);
            Ex::Un(Unary::Not, Box::new(Ex::Un(Unary::IsNaN, Box::new(difference))))
        }
        _ => return None,
    };
    let is_number = Ex::Un(Unary::IsNumber, Box::new(value));
    Some(Ex::If(Box::new(is_number), Box::new(holds), Box::new(Ex::Bool(false))))
}
