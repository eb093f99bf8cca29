//! Expressions.

use crate::script::tree::{Expr, ExprKind, Operator, PatternKind, SourceRange};

use super::variables::VariableEventKind;
use super::{ListKey, ValueFlow};
use crate::check::fields::{FieldLook, look};
use crate::check::value::{Measure, Role, Thing, Worth};

impl<'t> ValueFlow<'t> {
    /// Walks through `expression`; returns the worth of the expression.
    pub(super) fn expression(&mut self, expression: &'t Expr) -> Worth {
        match &expression.kind {
            ExprKind::Name(name) => self.named(name, &expression.span),
            ExprKind::Text(_) => Worth::Text(Role::Plain),
            ExprKind::Template(parts) => {
                parts.iter().for_each(|part| {
                    self.expression(part);
                });
                Worth::Text(Role::Plain)
            }
            ExprKind::Number(_) => Worth::Number(Measure::Plain),
            ExprKind::Truth(_) => Worth::Truth,
            ExprKind::Nothing => Worth::Unset,
            ExprKind::Regex => Worth::Unknown,
            ExprKind::List(elements) => self.list(elements),
            ExprKind::Object(members) => self.object(members),
            ExprKind::Spread(inner) => {
                self.expression(inner);
                Worth::Unknown
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
                Worth::Function(function.number)
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
                Worth::Unknown
            }
        }
    }

    /// Walks through `expression` where its truth counts; returns the worth of the expression.
    pub(super) fn condition(&mut self, expression: &'t Expr) -> Worth {
        match &expression.kind {
            ExprKind::Unary("!", inner) => {
                self.condition(inner);
                Worth::Truth
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

    fn named(&mut self, name: &str, span: &SourceRange) -> Worth {
        let Some(number) = self.variable(name) else {
            self.unsteady_name(name, span);
            return match name {
                "Infinity" => Worth::Number(Measure::Plain),
                // As false as nothing.
                "NaN" => Worth::Unset,
                _ => Worth::Unknown,
            };
        };
        self.happens(number, VariableEventKind::Read, span);
        let value = self.variables.get(number).map_or(Worth::Unknown, |variable| variable.value.clone());
        if value.is_nodes()
            && let Some(seen) = &mut self.seen
        {
            seen.lists.push((ListKey::Variable(number), span.clone()));
        }
        value
    }

    /// Notes where the list of the input is read.
    fn note_list(&mut self, expression: &Expr, value: &Worth) {
        if value.is_nodes()
            && let Some(seen) = &mut self.seen
        {
            seen.lists.push((ListKey::Input, expression.span.clone()));
        }
    }

    fn list(&mut self, elements: &'t [Expr]) -> Worth {
        let mut held = Worth::Unset;
        for element in elements {
            let value = match &element.kind {
                ExprKind::Spread(inner) => {
                    let inner = self.expression(inner);
                    inner.element().cloned().unwrap_or(Worth::Unknown)
                }
                _ => self.expression(element),
            };
            held = held.or(value);
        }
        Worth::list(held)
    }

    fn object(&mut self, members: &'t [(Option<String>, Expr)]) -> Worth {
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
            (true, _) => Worth::Thing(Thing::Node),
            (false, true) => Worth::Unknown,
            (false, false) => Worth::record(known),
        }
    }

    /// Returns the worth of the field `name` of `held`; `of` is the expression before the field, and `is_short` whether
    /// the name of the field is also the name of a variable.
    pub(in crate::check) fn field_of(
        &mut self,
        held: &Worth,
        name: &str,
        span: &SourceRange,
        of: Option<&'t Expr>,
        is_short: bool,
    ) -> Worth {
        match held {
            Worth::Unset => Worth::Unset,
            // A field that the script itself sets may be anything.
            Worth::Thing(_) if self.own_fields.contains(name) => Worth::Unknown,
            Worth::Thing(thing) => match look(*thing, name) {
                FieldLook::Known(value) => value,
                FieldLook::Open => {
                    self.no_list(*thing, name, span, of);
                    Worth::Unknown
                }
                FieldLook::Meant(meant) => {
                    self.unknown_field(*thing, name, span, Some(meant), is_short);
                    Worth::Unknown
                }
                FieldLook::Missing => {
                    self.unknown_field(*thing, name, span, None, is_short);
                    Worth::Unknown
                }
            },
            Worth::Record(members) => {
                members.iter().find(|(known, _)| known == name).map_or(Worth::Unknown, |(_, value)| value.clone())
            }
            Worth::List(_) => self.list_field(held, name, span),
            Worth::Text(Role::Place) => {
                self.place_for_node(name, span, of);
                Worth::Unknown
            }
            Worth::Text(_) if name == "length" => Worth::Number(Measure::Plain),
            Worth::Number(unit) => {
                self.number_field(*unit, name, span, of);
                Worth::Unknown
            }
            _ => Worth::Unknown,
        }
    }

    fn indexed(&mut self, of: &'t Expr, index: &'t Expr) -> Worth {
        let held = self.expression(of);
        self.expression(index);
        match held {
            Worth::List(element) => *element,
            Worth::Thing(Thing::Metadata) => Worth::Text(Role::Metadata),
            Worth::Unset => Worth::Unset,
            _ => Worth::Unknown,
        }
    }

    fn unary(&mut self, operator: &str, inner: &'t Expr) -> Worth {
        match operator {
            "!" => {
                self.condition(inner);
                Worth::Truth
            }
            "-" | "+" | "~" => {
                let value = self.expression(inner);
                self.calculated((inner, &value));
                Worth::Number(Measure::Plain)
            }
            "typeof" => {
                // A variable that nobody declares is no mistake here.
                if inner.name().is_none() {
                    self.expression(inner);
                }
                Worth::Text(Role::Plain)
            }
            "await" => {
                self.expression(inner);
                Worth::Unknown
            }
            "delete" => {
                self.expression(inner);
                Worth::Truth
            }
            _ => {
                self.expression(inner);
                Worth::Unset
            }
        }
    }

    fn binary(&mut self, whole: &'t Expr, operator: Operator, left: &'t Expr, right: &'t Expr) -> Worth {
        match operator {
            Operator::And => {
                let first = self.condition(left);
                let second = self.expression(right);
                // A false first value stands for nothing.
                if second == Worth::Unset { first } else { second }
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
        left: (&'t Expr, &Worth),
        right: (&'t Expr, &Worth),
    ) -> Worth {
        match operator {
            Operator::Add => {
                self.added(whole, left, right);
                match (left.1, right.1) {
                    (Worth::Number(_), Worth::Number(_)) => Worth::Number(Measure::Plain),
                    (Worth::Text(_), _) | (_, Worth::Text(_)) => Worth::Text(Role::Plain),
                    (Worth::List(one), Worth::List(other)) if !self.is_javascript() => {
                        Worth::list((**one).clone().or((**other).clone()))
                    }
                    _ => Worth::Unknown,
                }
            }
            Operator::Arithmetic => {
                self.calculated(left);
                self.calculated(right);
                Worth::Number(Measure::Plain)
            }
            Operator::Other => Worth::Unknown,
            Operator::In => Worth::Truth,
            _ => {
                self.compared(whole, operator, left, right);
                Worth::Truth
            }
        }
    }

    fn assignment(
        &mut self,
        operator: Option<Operator>,
        target: &'t crate::script::tree::Pattern,
        right: &'t Expr,
    ) -> Worth {
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
            return Worth::Unknown;
        };
        let Some(number) = self.variable(name) else { return Worth::Unknown };
        self.happens(number, VariableEventKind::Step, &target.span);
        let held = self.variables.get(number).map_or(Worth::Unknown, |variable| variable.value.clone());
        let made = match operator {
            Operator::And | Operator::Or | Operator::Coalesce => held.or(value),
            Operator::Add => match (&held, &value) {
                (Worth::Number(_), Worth::Number(_)) => Worth::Number(Measure::Plain),
                (Worth::Text(_), _) | (_, Worth::Text(_)) => Worth::Text(Role::Plain),
                _ => Worth::Unknown,
            },
            _ => Worth::Number(Measure::Plain),
        };
        self.give(number, made.clone(), None);
        made
    }

    fn block_value(&mut self, body: &'t [crate::script::tree::Stmt]) -> Worth {
        use crate::script::tree::StmtKind;
        self.scoped(|flow| {
            flow.declare_functions(body);
            let Some((last, before)) = body.split_last() else { return Worth::Unset };
            flow.statements(before);
            match &last.kind {
                StmtKind::Expr(value) => flow.expression(value),
                _ => {
                    flow.statements(std::slice::from_ref(last));
                    Worth::Unset
                }
            }
        })
    }
}
