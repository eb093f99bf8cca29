//! Expressions.

use crate::script::tree::{Expr, ExprKind, Operator, PatternKind, SourceRange};

use super::variables::EventKind;
use super::{Flow, ListKey};
use crate::check::fields::{Look, look};
use crate::check::value::{Role, Thing, Unit, Value};

impl<'t> Flow<'t> {
    /// Walks through `expression`, and returns what it is worth.
    pub(super) fn expression(&mut self, expression: &'t Expr) -> Value {
        match &expression.kind {
            ExprKind::Name(name) => self.named(name, &expression.span),
            ExprKind::Text(_) => Value::Text(Role::Plain),
            ExprKind::Template(parts) => {
                parts.iter().for_each(|part| {
                    self.expression(part);
                });
                Value::Text(Role::Plain)
            }
            ExprKind::Number(_) => Value::Number(Unit::Plain),
            ExprKind::Truth(_) => Value::Truth,
            ExprKind::Nothing => Value::Unset,
            ExprKind::Regex => Value::Unknown,
            ExprKind::List(elements) => self.list(elements),
            ExprKind::Object(members) => self.object(members),
            ExprKind::Spread(inner) => {
                self.expression(inner);
                Value::Unknown
            }
            ExprKind::Field { of, name, name_span } => {
                let held = self.expression(of);
                let value = self.field_of(&held, name, name_span, Some(of), false);
                self.note_list(expression, &value);
                value
            }
            ExprKind::Index(of, index) => self.indexed(of, index),
            ExprKind::Call(callee, arguments) => self.call(expression, callee, arguments),
            ExprKind::New(class, arguments) => self.made(expression, class, arguments),
            ExprKind::Function(function) => {
                self.enter(function);
                Value::Function(function.number)
            }
            ExprKind::Unary(operator, inner) => self.unary(operator, inner),
            ExprKind::Binary(operator, left, right) => self.binary(expression, *operator, left, right),
            ExprKind::Conditional(condition, then, otherwise) => {
                self.condition(condition);
                let then = self.expression(then);
                then.or(self.expression(otherwise))
            }
            ExprKind::Assign(operator, target, right) => self.assignment(*operator, target, right),
            ExprKind::Update(place) => self.stepped(place),
            ExprKind::Block(body) => self.block_value(body),
            ExprKind::Other(parts) => {
                parts.iter().for_each(|part| {
                    self.expression(part);
                });
                Value::Unknown
            }
        }
    }

    /// Walks through `expression` where its truth counts, and returns what it is worth.
    pub(super) fn condition(&mut self, expression: &'t Expr) -> Value {
        match &expression.kind {
            ExprKind::Unary("!", inner) => {
                self.condition(inner);
                Value::Truth
            }
            ExprKind::Binary(Operator::And | Operator::Or, left, right) => {
                let left = self.condition(left);
                left.or(self.condition(right))
            }
            ExprKind::Assign(None, target, right) => {
                self.assigned_as_condition(expression, target, right);
                self.expression(expression)
            }
            _ => {
                let value = self.expression(expression);
                self.tested(expression, &value);
                value
            }
        }
    }

    fn named(&mut self, name: &str, span: &SourceRange) -> Value {
        let Some(number) = self.variable(name) else {
            self.unsteady_name(name, span);
            return match name {
                "NaN" | "Infinity" => Value::Number(Unit::Plain),
                _ => Value::Unknown,
            };
        };
        self.happens(number, EventKind::Read, span);
        let value = self.variables.get(number).map_or(Value::Unknown, |variable| variable.value.clone());
        if value.is_nodes()
            && let Some(seen) = &mut self.seen
        {
            seen.lists.push((ListKey::Variable(number), span.clone()));
        }
        value
    }

    /// Notes where the list of the input is read.
    fn note_list(&mut self, expression: &Expr, value: &Value) {
        if value.is_nodes()
            && let Some(seen) = &mut self.seen
        {
            seen.lists.push((ListKey::Input, expression.span.clone()));
        }
    }

    fn list(&mut self, elements: &'t [Expr]) -> Value {
        let mut held = Value::Unset;
        for element in elements {
            let value = match &element.kind {
                ExprKind::Spread(inner) => {
                    let inner = self.expression(inner);
                    inner.element().cloned().unwrap_or(Value::Unknown)
                }
                _ => self.expression(element),
            };
            held = held.or(value);
        }
        Value::list(held)
    }

    fn object(&mut self, members: &'t [(Option<String>, Expr)]) -> Value {
        let (mut known, mut is_node, mut is_open) = (Vec::new(), false, false);
        for (name, member) in members {
            match (&member.kind, name) {
                (ExprKind::Spread(inner), _) => {
                    is_node |= self.expression(inner).is_node();
                    is_open = true;
                }
                (_, Some(name)) => known.push((name.clone(), self.expression(member))),
                (_, None) => {
                    self.expression(member);
                    is_open = true;
                }
            }
        }
        match (is_node, is_open) {
            (true, _) => Value::Thing(Thing::Node),
            (false, true) => Value::Unknown,
            (false, false) => Value::record(known),
        }
    }

    /// What the field `name` of `held` is worth; `of` is the expression before it, and `is_short` whether the name of the
    /// field is that of a variable too.
    pub(in crate::check) fn field_of(
        &mut self,
        held: &Value,
        name: &str,
        span: &SourceRange,
        of: Option<&'t Expr>,
        is_short: bool,
    ) -> Value {
        match held {
            Value::Unset => Value::Unset,
            Value::Thing(thing) => match look(*thing, name) {
                Look::Known(value) => value,
                Look::Open => {
                    self.no_list(*thing, name, span, of);
                    Value::Unknown
                }
                Look::Meant(meant) => {
                    self.unknown_field(*thing, name, span, Some(meant), is_short);
                    Value::Unknown
                }
                Look::Missing => {
                    self.unknown_field(*thing, name, span, None, is_short);
                    Value::Unknown
                }
            },
            Value::Record(members) => {
                members.iter().find(|(known, _)| known == name).map_or(Value::Unknown, |(_, value)| value.clone())
            }
            Value::List(_) => self.list_field(held, name, span),
            Value::Text(Role::Place) => {
                self.place_for_node(name, span, of);
                Value::Unknown
            }
            Value::Text(_) if name == "length" => Value::Number(Unit::Plain),
            Value::Number(unit) => {
                self.number_field(*unit, name, span, of);
                Value::Unknown
            }
            _ => Value::Unknown,
        }
    }

    fn indexed(&mut self, of: &'t Expr, index: &'t Expr) -> Value {
        let held = self.expression(of);
        self.expression(index);
        match held {
            Value::List(element) => *element,
            Value::Thing(Thing::Metadata) => Value::Text(Role::Metadata),
            Value::Unset => Value::Unset,
            _ => Value::Unknown,
        }
    }

    fn unary(&mut self, operator: &str, inner: &'t Expr) -> Value {
        match operator {
            "!" => {
                self.condition(inner);
                Value::Truth
            }
            "-" | "+" | "~" => {
                let value = self.expression(inner);
                self.calculated((inner, &value));
                Value::Number(Unit::Plain)
            }
            "typeof" => {
                // Of a variable that nobody declares it is no mistake.
                if inner.name().is_none() {
                    self.expression(inner);
                }
                Value::Text(Role::Plain)
            }
            "await" => {
                self.expression(inner);
                Value::Unknown
            }
            "delete" => {
                self.expression(inner);
                Value::Truth
            }
            _ => {
                self.expression(inner);
                Value::Unset
            }
        }
    }

    fn binary(&mut self, whole: &'t Expr, operator: Operator, left: &'t Expr, right: &'t Expr) -> Value {
        match operator {
            Operator::And => {
                let first = self.condition(left);
                let second = self.expression(right);
                // What is false of the first stands for nothing.
                if second == Value::Unset { first } else { second }
            }
            Operator::Or | Operator::Coalesce => {
                let left = self.expression(left);
                left.or(self.expression(right))
            }
            Operator::Comma => {
                self.expression(left);
                self.expression(right)
            }
            _ => {
                let (one, other) = (self.expression(left), self.expression(right));
                self.operated(whole, operator, (left, &one), (right, &other))
            }
        }
    }

    fn operated(
        &mut self,
        whole: &'t Expr,
        operator: Operator,
        left: (&'t Expr, &Value),
        right: (&'t Expr, &Value),
    ) -> Value {
        match operator {
            Operator::Add => {
                self.added(whole, left, right);
                match (left.1, right.1) {
                    (Value::Number(_), Value::Number(_)) => Value::Number(Unit::Plain),
                    (Value::Text(_), _) | (_, Value::Text(_)) => Value::Text(Role::Plain),
                    (Value::List(one), Value::List(other)) if !self.is_javascript() => {
                        Value::list((**one).clone().or((**other).clone()))
                    }
                    _ => Value::Unknown,
                }
            }
            Operator::Arithmetic => {
                self.calculated(left);
                self.calculated(right);
                Value::Number(Unit::Plain)
            }
            Operator::Other => Value::Unknown,
            Operator::In => Value::Truth,
            _ => {
                self.compared(whole, operator, left, right);
                Value::Truth
            }
        }
    }

    fn assignment(
        &mut self,
        operator: Option<Operator>,
        target: &'t crate::script::tree::Pattern,
        right: &'t Expr,
    ) -> Value {
        let value = self.expression(right);
        let Some(operator) = operator else {
            if let PatternKind::Place(place) = &target.kind
                && place.field().is_some()
                && self.source(&right.span).contains(self.source(&place.span))
            {
                self.step_member(place);
            }
            self.assign(target, value.clone(), Some(right));
            return value;
        };
        let PatternKind::Name(name) = &target.kind else {
            if let PatternKind::Place(place) = &target.kind {
                self.step_member(place);
                self.expression(place);
            }
            return Value::Unknown;
        };
        let Some(number) = self.variable(name) else { return Value::Unknown };
        self.happens(number, EventKind::Step, &target.span);
        let held = self.variables.get(number).map_or(Value::Unknown, |variable| variable.value.clone());
        let made = match operator {
            Operator::And | Operator::Or | Operator::Coalesce => held.or(value),
            Operator::Add => match (&held, &value) {
                (Value::Number(_), Value::Number(_)) => Value::Number(Unit::Plain),
                (Value::Text(_), _) | (_, Value::Text(_)) => Value::Text(Role::Plain),
                _ => Value::Unknown,
            },
            _ => Value::Number(Unit::Plain),
        };
        self.give(number, made.clone(), None);
        made
    }

    fn block_value(&mut self, body: &'t [crate::script::tree::Stmt]) -> Value {
        use crate::script::tree::StmtKind;
        self.scoped(|flow| {
            flow.declare_functions(body);
            let Some((last, before)) = body.split_last() else { return Value::Unset };
            flow.statements(before);
            match &last.kind {
                StmtKind::Expr(value) => flow.expression(value),
                _ => {
                    flow.statements(std::slice::from_ref(last));
                    Value::Unset
                }
            }
        })
    }
}
