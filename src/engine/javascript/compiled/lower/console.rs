//! Lines that are logged, and errors that are thrown.

use std::rc::Rc;

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::literal::{LiteralKind, ObjectLiteral, PropertyDefinition};
use boa_ast::property::PropertyName;
use boa_ast::statement::Throw;

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, St, Ty, Unary};
use super::super::thrown::ThrowPlace;
use super::expressions::{after, from_list};
use super::functions::PassedArgument;
use super::operators::to_number;
use super::{Lowering, Res, Val};

/// The errors of the language, which have no fields beside their words.
const ERRORS: [&str; 5] = ["Error", "TypeError", "RangeError", "ReferenceError", "SyntaxError"];

/// The depth to which values within values are logged.
const MAX_JSON_DEPTH: usize = 3;

/// An error that compiled code can throw: the name is constant, and the message is an expression.
struct KnownError<'t> {
    name: Rc<str>,
    message: Option<&'t Expression>,
    /// Whether the error is an object literal of the script, not an error of the language.
    is_own: bool,
}

impl<'t> Lowering<'t> {
    /// Lowers `expression` where `expression` is a call of `console`; returns whether that is the case.
    pub(super) fn log(&mut self, expression: &'t Expression, steps: &mut Vec<St>) -> Res<bool> {
        let Expression::Call(call) = expression else { return Ok(false) };
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = call.function() else { return Ok(false) };
        if self.global(access.target()).as_deref() != Some("console") {
            return Ok(false);
        }
        let PropertyAccessField::Const(name) = access.field() else { return Err(self.refusal("a computed method")) };
        let level = match self.name(name.sym()).as_str() {
            "log" | "info" | "debug" => 0,
            "warn" => 1,
            "error" | "trace" => 2,
            _ => {
                steps.push(St::Bail(BailCause::Logs));
                return Ok(true);
            }
        };
        if call.args().iter().any(|argument| matches!(argument, Expression::Spread(_))) {
            steps.push(St::Bail(BailCause::Logs));
            return Ok(true);
        }
        let given = self.arguments(call.args(), steps)?;
        let values = given.into_iter().map(|argument| match argument {
            PassedArgument::Value(value) => Some(value),
            _ => None,
        });
        let Some(values) = values.collect::<Option<Vec<_>>>() else {
            steps.push(St::Bail(BailCause::Logs));
            return Ok(true);
        };
        let line = match self.formatted(&values, steps)? {
            Some(line) => line,
            None => self.side_by_side(values, steps)?,
        };
        steps.push(St::Eval(Ex::Host(HostCall::Write, vec![Ex::Num(f64::from(level)), line.ex])));
        Ok(true)
    }

    /// Returns the line of `values`, with spaces between.
    fn side_by_side(&mut self, values: Vec<Val>, steps: &mut Vec<St>) -> Res<Val> {
        let mut line = self.text("");
        let count = values.len();
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                let space = self.text(" ");
                line = self.joined(line, space.ex, steps);
            }
            let call = if place == 0 && count > 1 { HostCall::LogStart } else { HostCall::ToText };
            let part = self.shown(call, value, steps)?;
            line = self.joined(line, part, steps);
        }
        Ok(line)
    }

    /// Returns the line where the first of several values is a constant template, each `%` in the template begins `%s`
    /// or `%d`, and each of the other values fills one of these placeholders; else `None`.
    fn formatted(&mut self, values: &[Val], steps: &mut Vec<St>) -> Res<Option<Val>> {
        let Some((Val { ex: Ex::Const(template), .. }, rest)) = values.split_first() else { return Ok(None) };
        let Some(template) = self.strings.text_of(*template) else { return Ok(None) };
        let mut parts = template.split('%');
        let first = parts.next().unwrap_or_default().to_owned();
        let parts: Vec<_> = parts.map(|part| part.split_at_checked(1)).collect();
        let is_plain = |part: &Option<(&str, &str)>| part.is_some_and(|(kind, _)| matches!(kind, "s" | "d"));
        if rest.is_empty() || parts.len() != rest.len() || !parts.iter().all(is_plain) {
            return Ok(None);
        }
        let parts: Vec<(bool, String)> =
            parts.into_iter().flatten().map(|(kind, after)| (kind == "d", after.to_owned())).collect();
        let mut line = self.text(&first);
        for ((is_number, after), value) in parts.into_iter().zip(rest) {
            let mut value = value.clone();
            if is_number {
                value = Val::plain(to_number(value.ex));
            }
            let part = self.shown(HostCall::ToText, value, steps)?;
            line = self.joined(line, part, steps);
            let after = self.text(&after);
            line = self.joined(line, after.ex, steps);
        }
        Ok(Some(line))
    }

    /// Returns `left` followed by `right`, as one text.
    pub(super) fn joined(&mut self, left: Val, right: Ex, steps: &mut Vec<St>) -> Val {
        self.hold(Val::plain(Ex::Bin(Binary::Plus, Box::new(left.ex), Box::new(right))), steps)
    }

    /// Returns `value` as text for the log: literals and lists as JSON. Other objects are left to Boa.
    fn shown(&mut self, call: HostCall, value: Val, steps: &mut Vec<St>) -> Res<Ex> {
        let value = self.hold(value, steps);
        if self.literal_of(&value.shape).is_some() {
            let text = self.json(value, 0, steps)?;
            return Ok(text.ex);
        }
        for test in [Unary::IsObject, Unary::IsDictionary] {
            let test = Ex::Un(test, Box::new(value.ex.clone()));
            steps.push(St::If(test, vec![St::Bail(BailCause::Logs)], Vec::new()));
        }
        let is_list = Ex::Un(Unary::IsList, Box::new(value.ex.clone()));
        let shown = self.local(None);
        let (mut listed, mut told) = (Vec::new(), Vec::new());
        let text = self.json_of_list(value.clone(), 0, &mut listed)?;
        listed.push(self.set(shown, text));
        told.push(self.set(shown, Val::plain(Ex::Host(call, vec![value.ex]))));
        steps.push(St::If(is_list, listed, told));
        Ok(Ex::Get(shown))
    }

    /// Returns `value` as JSON; `undefined` where `value` has no JSON.
    pub(super) fn json(&mut self, value: Val, depth: usize, steps: &mut Vec<St>) -> Res<Val> {
        let value = self.hold(value, steps);
        if let Some((_, names)) = self.literal_of(&value.shape).filter(|_| depth < MAX_JSON_DEPTH) {
            return self.json_of_literal(&value, &names, depth, steps);
        }
        if value.shape.lists.is_empty() || depth >= MAX_JSON_DEPTH {
            return Ok(self.hold(Val::plain(Ex::Host(HostCall::Json, vec![value.ex])), steps));
        }
        let is_list = Ex::Un(Unary::IsList, Box::new(value.ex.clone()));
        let made = self.local(None);
        let (mut listed, mut told) = (Vec::new(), Vec::new());
        let text = self.json_of_list(value.clone(), depth, &mut listed)?;
        listed.push(self.set(made, text));
        told.push(self.set(made, Val::plain(Ex::Host(HostCall::Json, vec![value.ex]))));
        steps.push(St::If(is_list, listed, told));
        Ok(self.get(made))
    }

    fn json_of_literal(&mut self, value: &Val, names: &[String], depth: usize, steps: &mut Vec<St>) -> Res<Val> {
        let (made, between) = (self.local(None), self.local(None));
        let (open, empty) = (self.text("{"), self.text(""));
        steps.extend([self.set(made, open), self.set(between, empty)]);
        for name in names {
            if name.parse::<u32>().is_ok() {
                return Err(self.refusal("a table with places for names"));
            }
            let member = self.member(value.clone(), name)?;
            let member = self.json(member, depth + 1, steps)?;
            let (key, comma) = (self.text(&format!("{}:", serde_json::Value::from(name.as_str()))), self.text(","));
            let mut own = Vec::new();
            let mut text = self.get(made);
            for part in [Ex::Get(between), key.ex, member.ex.clone()] {
                text = self.joined(text, part, &mut own);
            }
            own.extend([self.set(made, text), self.set(between, comma)]);
            let is_absent = Ex::Un(Unary::IsUndefined, Box::new(member.ex));
            steps.push(St::If(is_absent, Vec::new(), own));
        }
        let (text, close) = (self.get(made), self.text("}"));
        Ok(self.joined(text, close.ex, steps))
    }

    fn json_of_list(&mut self, list: Val, depth: usize, steps: &mut Vec<St>) -> Res<Val> {
        let (site, made) = (self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(made, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        self.walk_list(list, steps, |lowering, walked, body| {
            let item = lowering.json(walked.item, depth + 1, body)?;
            let is_absent = Ex::Un(Unary::IsUndefined, Box::new(item.ex.clone()));
            let nothing = lowering.text("null");
            let item = Ex::If(Box::new(is_absent), Box::new(nothing.ex), Box::new(item.ex));
            lowering.push(site, made, Val::plain(item), body);
            Ok(())
        })?;
        let (open, comma, close) = (self.text("["), self.text(","), self.text("]"));
        let items = Ex::Host(HostCall::Join, vec![from_list(made), comma.ex]);
        let text = self.joined(open, items, steps);
        Ok(self.joined(text, close.ex, steps))
    }

    /// Lowers `throw`: a known error ends the code with the error's text, any other value is left to Boa.
    pub(super) fn throw(&mut self, throw: &'t Throw, steps: &mut Vec<St>) -> Res<()> {
        // What is thrown within `try` is caught by Boa.
        let known = match self.tries {
            0 => self.error(throw.target()),
            _ => None,
        };
        let Some(KnownError { name, message, is_own }) = known else {
            steps.push(St::Bail(BailCause::Throws));
            return Ok(());
        };
        let message = match message {
            None => self.text(""),
            Some(message) => {
                let message = self.value(message)?;
                let message = self.hold(message, steps);
                let is_absent = Ex::Un(Unary::IsUndefined, Box::new(message.ex.clone()));
                let is_text = Ex::Un(Unary::IsText, Box::new(message.ex.clone()));
                let empty = self.text("");
                let text = Ex::Host(HostCall::ToText, vec![message.ex.clone()]);
                if is_own {
                    // Of an object without words the fields are told.
                    let given = Ex::If(Box::new(is_text), Box::new(message.ex), Box::new(empty.ex));
                    let given = self.hold(Val::plain(given), steps);
                    steps.push(St::If(given.ex.clone(), Vec::new(), vec![St::Bail(BailCause::Throws)]));
                    given
                } else {
                    Val::plain(Ex::If(Box::new(is_absent), Box::new(empty.ex), Box::new(text)))
                }
            }
        };
        let place = self.throws.len();
        self.throws.push(ThrowPlace { name });
        steps.push(St::Eval(Ex::Host(HostCall::Throw, vec![Ex::Num(place as f64), message.ex])));
        Ok(())
    }

    /// Returns the error that `expression` makes; `None` where the error is not known.
    fn error(&self, expression: &'t Expression) -> Option<KnownError<'t>> {
        let (callee, given) = match expression {
            Expression::New(new) => (new.constructor(), new.arguments()),
            Expression::Call(call) => (call.function(), call.args()),
            Expression::Parenthesized(inner) => return self.error(inner.expression()),
            Expression::ObjectLiteral(object) => return self.own_error(object),
            _ => return None,
        };
        let global = self.global(callee)?;
        let name: Rc<str> = ERRORS.into_iter().find(|name| *name == global)?.into();
        match given {
            [] => Some(KnownError { name, message: None, is_own: false }),
            [Expression::Spread(_)] => None,
            [message] => Some(KnownError { name, message: Some(message), is_own: false }),
            _ => None,
        }
    }

    /// `{name: 'LicenseError', message: …}`
    fn own_error(&self, object: &'t ObjectLiteral) -> Option<KnownError<'t>> {
        let member = |property: &'t PropertyDefinition| match property {
            PropertyDefinition::Property(PropertyName::Literal(name), value) => Some((self.name(name.sym()), value)),
            _ => None,
        };
        let [first, second] = object.properties() else { return None };
        let (first, second) = (member(first)?, member(second)?);
        let (name, message) = match (first.0.as_str(), second.0.as_str()) {
            ("name", "message") => (first.1, second.1),
            ("message", "name") => (second.1, first.1),
            _ => return None,
        };
        let Expression::Literal(literal) = name else { return None };
        let LiteralKind::String(name) = literal.kind() else { return None };
        let name: Rc<str> = self.literal_text(*name).ok().filter(|name| !name.is_empty())?.into();
        Some(KnownError { name, message: Some(message), is_own: true })
    }

    /// Lowers a call that logs, as a value.
    pub(super) fn logged(&mut self, expression: &'t Expression) -> Res<Option<Val>> {
        let mut steps = Vec::new();
        Ok(self.log(expression, &mut steps)?.then(|| after(steps, Val::undefined())))
    }
}
