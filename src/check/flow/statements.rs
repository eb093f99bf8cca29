//! Statements.

use crate::script::tree::{Expr, Pattern, Stmt, StmtKind};

use super::variables::VariableEventKind;
use super::{FunctionRole, ValueFlow};
use crate::check::value::{Measure, Role, Thing, Worth};

impl<'t> ValueFlow<'t> {
    pub(super) fn statements(&mut self, body: &'t [Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }

    /// Walks through statements with a scope of their own.
    fn block(&mut self, body: &'t [Stmt]) {
        self.scoped(|flow| {
            flow.declare_functions(body);
            flow.statements(body);
        });
    }

    fn statement(&mut self, statement: &'t Stmt) {
        match &statement.kind {
            StmtKind::Expr(value) => {
                self.unused(value);
                self.statement = value.span.clone();
                self.expression(value);
            }
            StmtKind::Declare(how, list) => {
                for (pattern, value) in list {
                    let worth = value.as_ref().map_or(Worth::Unset, |value| self.expression(value));
                    self.declare_all(*how, pattern);
                    if value.is_some() {
                        self.assign(pattern, worth, value.as_ref());
                    }
                }
            }
            StmtKind::Function(function) => self.enter(function),
            StmtKind::Return(value) => self.returned(value.as_ref()),
            StmtKind::Throw(value) => {
                self.expression(value);
            }
            StmtKind::If(condition, then, otherwise) => {
                self.condition(condition);
                self.block(then);
                self.block(otherwise);
            }
            StmtKind::ForEach { variable, is_declared, is_index, list, body } => {
                self.each(variable, *is_declared, *is_index, list, body);
            }
            StmtKind::Loop { first, condition, update, body, .. } => {
                self.turn(first, condition.as_ref(), update.as_ref(), body);
            }
            StmtKind::Switch(value, cases) => {
                let worth = self.expression(value);
                for (case, body) in cases {
                    if let Some(case) = case {
                        self.expression(case);
                        self.compared_case(value, &worth, case);
                    }
                    self.block(body);
                }
            }
            StmtKind::Try { body, catch, finally } => {
                self.block(body);
                if let Some((variable, body)) = catch {
                    self.caught(variable.as_ref(), body);
                }
                self.block(finally);
            }
            StmtKind::Block(body) => self.block(body),
            StmtKind::Break | StmtKind::Continue => {}
            StmtKind::Other(parts) => parts.iter().for_each(|part| {
                self.expression(part);
            }),
        }
    }

    fn turn(&mut self, first: &'t [Stmt], condition: Option<&'t Expr>, update: Option<&'t Expr>, body: &'t [Stmt]) {
        self.scoped(|flow| {
            flow.declare_functions(first);
            flow.statements(first);
            flow.turns += 1;
            if let Some(condition) = condition {
                flow.condition(condition);
            }
            flow.block(body);
            if let Some(update) = update {
                flow.expression(update);
            }
            flow.turns -= 1;
        });
    }

    fn caught(&mut self, variable: Option<&'t Pattern>, body: &'t [Stmt]) {
        self.scoped(|flow| {
            if let Some(variable) = variable {
                flow.declare_pattern(variable);
                flow.bind(variable, Worth::Unknown);
            }
            flow.block(body);
        });
    }

    fn returned(&mut self, value: Option<&'t Expr>) {
        let Some(value) = value else { return };
        let is_test = self.function().and_then(|number| self.functions.get(number)).is_some_and(|facts| facts.is_test)
            || matches!(self.role(), Some(FunctionRole::Filter(_)));
        let worth = if is_test { self.condition(value) } else { self.expression(value) };
        self.returns(worth);
        match self.role() {
            Some(FunctionRole::Whole) => self.answered(value),
            Some(FunctionRole::Score(_)) => self.scored(value),
            _ => {}
        }
    }

    fn each(&mut self, variable: &'t Pattern, is_declared: bool, is_index: bool, list: &'t Expr, body: &'t [Stmt]) {
        let worth = self.expression(list);
        if !is_index {
            self.looped(list, &worth);
        }
        let element = match (&worth, is_index) {
            (Worth::List(_), true) => Worth::Text(Role::Place),
            (_, true) => Worth::Text(Role::Plain),
            (Worth::List(element), false) => (**element).clone(),
            (Worth::Text(_), false) => Worth::Text(Role::Plain),
            _ => Worth::Unknown,
        };
        self.scoped(|flow| {
            if is_declared {
                for (name, span) in super::variables::names(variable) {
                    flow.declare(&name, &span);
                }
            }
            flow.turns += 1;
            flow.bind(variable, element);
            flow.block(body);
            flow.turns -= 1;
        });
    }

    /// Gives the field or element `place` a `value`.
    pub(super) fn assign_place(&mut self, place: &'t Expr, value: Worth) {
        use crate::script::tree::ExprKind;
        match &place.kind {
            ExprKind::Field { of, name, .. } => {
                self.expression(of);
                let Some(number) = of.name().and_then(|name| self.variable(name)) else { return };
                if let Some(variable) = self.variables.get_mut(number)
                    && let Worth::Record(members) = &mut variable.value
                {
                    match members.iter_mut().find(|(known, _)| known == name) {
                        Some((_, held)) => *held = held.clone().or(value),
                        None => variable.value = Worth::Unknown,
                    }
                }
            }
            ExprKind::Index(of, index) => {
                self.expression(index);
                let held = self.expression(of);
                let Some(number) = of.name().and_then(|name| self.variable(name)) else { return };
                match held {
                    Worth::List(_) => self.give(number, Worth::list(value), None),
                    Worth::Record(_) => self.give(number, Worth::Unknown, None),
                    _ => {}
                }
            }
            _ => {
                self.expression(place);
            }
        }
    }

    /// Notes that `place` is increased or decreased; returns the new worth.
    pub(super) fn stepped(&mut self, place: &'t Expr) -> Worth {
        let number = place.name().and_then(|name| self.variable(name));
        match number {
            Some(number) => {
                self.happens(number, VariableEventKind::Step, &place.span);
                self.give(number, Worth::Number(Measure::Plain), None);
            }
            None => {
                self.step_member(place);
                self.peek(place);
            }
        }
        Worth::Number(Measure::Plain)
    }

    /// Notes that `place`, a member of an object of the top level, is computed from its old value, once in a call.
    pub(super) fn step_member(&mut self, place: &'t Expr) {
        let is_once = self.turns == 0 && self.role() == Some(FunctionRole::Whole);
        let Some((of, name)) = place.field().filter(|_| is_once) else { return };
        let Some(number) = of.name().and_then(|name| self.variable(name)) else { return };
        let variable = self.variables.get(number);
        let is_outer = variable.is_some_and(|variable| variable.function.is_none() && !variable.is_undeclared);
        let is_made = variable.is_some_and(|variable| matches!(variable.value, Worth::Record(_) | Worth::Function(_)));
        if let (true, Some(seen)) = (is_outer && is_made, &mut self.seen) {
            seen.member_steps.push((name.to_owned(), place.span.clone()));
        }
    }

    /// Returns the name of the list in the thing, where a script takes the thing for a list.
    pub(in crate::check) fn list_in(thing: Thing) -> Option<&'static str> {
        match thing {
            Thing::Input => Some("nodes"),
            Thing::NodeData => Some("sessions"),
            _ => None,
        }
    }
}
