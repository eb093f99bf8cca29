//! Visits every expression of a tree, wherever the expression stands.

use crate::script::tree::{Expr, ExprKind, FunctionTree, Pattern, PatternKind, Stmt, StmtKind};

/// Shows `look` every expression in `body`, those of functions too.
pub(in crate::check) fn expressions<'t>(body: &'t [Stmt], look: &mut dyn FnMut(&'t Expr)) {
    body.iter().for_each(|statement| in_statement(statement, look));
}

fn in_statement<'t>(statement: &'t Stmt, look: &mut dyn FnMut(&'t Expr)) {
    match &statement.kind {
        StmtKind::Expr(value) | StmtKind::Return(Some(value)) | StmtKind::Throw(value) => expression(value, look),
        StmtKind::Declare(_, list) => {
            for (target, value) in list {
                pattern(target, look);
                value.iter().for_each(|value| expression(value, look));
            }
        }
        StmtKind::Function(function) => in_function(function, look),
        StmtKind::If(condition, then, otherwise) => {
            expression(condition, look);
            expressions(then, look);
            expressions(otherwise, look);
        }
        StmtKind::ForEach { variable, list, body, .. } => {
            pattern(variable, look);
            expression(list, look);
            expressions(body, look);
        }
        StmtKind::Loop { first, condition, update, body, .. } => {
            expressions(first, look);
            condition.iter().chain(update).for_each(|part| expression(part, look));
            expressions(body, look);
        }
        StmtKind::Switch(value, cases) => {
            expression(value, look);
            for (condition, body) in cases {
                condition.iter().for_each(|condition| expression(condition, look));
                expressions(body, look);
            }
        }
        StmtKind::Try { body, catch, finally } => {
            expressions(body, look);
            if let Some((variable, body)) = catch {
                variable.iter().for_each(|variable| pattern(variable, look));
                expressions(body, look);
            }
            expressions(finally, look);
        }
        StmtKind::Block(body) => expressions(body, look),
        StmtKind::Other(parts) => parts.iter().for_each(|part| expression(part, look)),
        StmtKind::Return(None) | StmtKind::Break | StmtKind::Continue => {}
    }
}

fn in_function<'t>(function: &'t FunctionTree, look: &mut dyn FnMut(&'t Expr)) {
    function.parameters.iter().for_each(|parameter| pattern(parameter, look));
    expressions(&function.body, look);
}

fn pattern<'t>(target: &'t Pattern, look: &mut dyn FnMut(&'t Expr)) {
    match &target.kind {
        PatternKind::Name(_) => {}
        PatternKind::Fields(fields) => fields.iter().for_each(|(_, _, inner)| pattern(inner, look)),
        PatternKind::Elements(elements) => elements.iter().flatten().for_each(|inner| pattern(inner, look)),
        PatternKind::Rest(inner) => pattern(inner, look),
        PatternKind::Place(place) => expression(place, look),
    }
    target.default.iter().for_each(|default| expression(default, look));
}

/// Shows `look` the expression `value` and every expression within.
pub(in crate::check) fn expression<'t>(value: &'t Expr, look: &mut dyn FnMut(&'t Expr)) {
    look(value);
    match &value.kind {
        ExprKind::Name(_)
        | ExprKind::Text(_)
        | ExprKind::Number(_)
        | ExprKind::Truth(_)
        | ExprKind::Nothing
        | ExprKind::Regex => {}
        ExprKind::Template(parts) | ExprKind::List(parts) | ExprKind::Other(parts) => {
            parts.iter().for_each(|part| expression(part, look));
        }
        ExprKind::Object(members) => members.iter().for_each(|(_, member)| expression(member, look)),
        ExprKind::Spread(inner) | ExprKind::Unary(_, inner) | ExprKind::Update(inner) => expression(inner, look),
        ExprKind::Field { of, .. } => expression(of, look),
        ExprKind::Index(of, index) => {
            expression(of, look);
            expression(index, look);
        }
        ExprKind::Call(callee, arguments) | ExprKind::New(callee, arguments) => {
            expression(callee, look);
            arguments.iter().for_each(|argument| expression(argument, look));
        }
        ExprKind::Function(function) => in_function(function, look),
        ExprKind::Binary(_, left, right) => {
            expression(left, look);
            expression(right, look);
        }
        ExprKind::Conditional(condition, then, otherwise) => {
            expression(condition, look);
            expression(then, look);
            expression(otherwise, look);
        }
        ExprKind::Assign(_, target, right) => {
            pattern(target, look);
            expression(right, look);
        }
        ExprKind::Block(body) => expressions(body, look),
    }
}
