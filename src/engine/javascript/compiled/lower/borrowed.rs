//! Methods that are borrowed: `[].slice.call(list)`, `Array.prototype.map.call(list, each)`,
//! `Object.prototype.hasOwnProperty.call(table, name)`, `Math.max.apply(null, list)`, `helper.call(null, node)`.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField, SimplePropertyAccess};
use boa_ast::expression::literal::LiteralKind;

use super::super::ir::{BailCause, Ex, St, Unary};
use super::expressions::after;
use super::{Lowering, Res, Val};

/// The methods of lists that may be borrowed for a list; a call for another value with a length is left to Boa.
const LENT: [&str; 16] = [
    "concat",
    "every",
    "filter",
    "find",
    "findIndex",
    "forEach",
    "includes",
    "indexOf",
    "join",
    "map",
    "push",
    "reduce",
    "reverse",
    "slice",
    "some",
    "sort",
];

impl<'t> Lowering<'t> {
    /// Lowers `access.NAME(given)`, where `access` is a function and NAME is `call` or `apply`; `None` for any other
    /// call.
    pub(super) fn borrowed(
        &mut self,
        access: &'t SimplePropertyAccess,
        name: &str,
        given: &'t [Expression],
    ) -> Res<Option<Val>> {
        let mut steps = Vec::new();
        if name == "call"
            && let Some(function) = self.callee(access.target(), &mut steps)?
        {
            // Whoever looks at `this` is refused.
            let Some((this, given)) = given.split_first() else { return Ok(None) };
            if !self.is_idle(this) {
                return Ok(None);
            }
            let given = self.arguments(given, &mut steps)?;
            let value = self.call(function, None, given, &mut steps)?;
            return Ok(Some(after(steps, value)));
        }
        let Expression::PropertyAccess(PropertyAccess::Simple(method)) = access.target() else { return Ok(None) };
        let PropertyAccessField::Const(own) = method.field() else { return Ok(None) };
        let own = self.literal_text(own.sym())?;
        match (self.lender(method.target())?.as_str(), own.as_str(), name, given) {
            ("Math", "min" | "max", "apply", [this, list]) if self.is_idle(this) => {
                let list = self.value(list)?;
                self.extreme_of(&own, list).map(Some)
            }
            ("Array", _, "call", [of, rest @ ..]) if LENT.contains(&own.as_str()) => {
                let of = self.value(of)?;
                let of = self.hold(of, &mut steps);
                let is_text = Ex::Un(Unary::IsText, Box::new(of.ex.clone()));
                steps.push(St::If(is_text, vec![St::Bail(BailCause::Kind)], Vec::new()));
                let said = self.method(of, &own, rest)?;
                Ok(Some(after(steps, said)))
            }
            ("Object", "hasOwnProperty", "call", [of, key]) => {
                let of = self.value(of)?;
                self.method(of, "hasOwnProperty", std::slice::from_ref(key)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns the global object that lends a member of `expression`: `Math`, or the holder of a prototype (`Array` for
    /// `Array.prototype` and for `[]`); empty for any other expression.
    fn lender(&self, expression: &Expression) -> Res<String> {
        Ok(match expression {
            Expression::ArrayLiteral(list) if list.as_ref().is_empty() => "Array".to_owned(),
            Expression::ObjectLiteral(object) if object.properties().is_empty() => "Object".to_owned(),
            Expression::Parenthesized(inner) => self.lender(inner.expression())?,
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => match access.field() {
                PropertyAccessField::Const(name) if self.name(name.sym()) == "prototype" => {
                    self.global(access.target()).filter(|holder| holder != "Math").unwrap_or_default()
                }
                _ => String::new(),
            },
            Expression::Identifier(_) => self.global(expression).filter(|holder| holder == "Math").unwrap_or_default(),
            _ => String::new(),
        })
    }

    /// Whether evaluating `expression`, the first argument of `call` or `apply`, has no effect.
    fn is_idle(&self, expression: &Expression) -> bool {
        match expression {
            Expression::This(_) => true,
            Expression::Literal(literal) => !matches!(literal.kind(), LiteralKind::BigInt(_)),
            Expression::Identifier(_) => {
                self.global(expression).is_some_and(|name| ["undefined", "Math"].contains(&&*name))
            }
            _ => false,
        }
    }
}
