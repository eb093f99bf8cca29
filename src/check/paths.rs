//! The ways through a function: whether any reaches the end without a value, and the values that the others return.

use crate::script::tree::{Expr, ExprKind, FunctionTree, Stmt, StmtKind};

/// The ends of the ways through statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    /// Whether a way goes on behind them.
    goes_on: bool,
    /// Whether a way leaves the loop or case around them.
    breaks: bool,
}

/// Whether a way through `function` reaches the end without `return` and without an error.
#[must_use]
pub(in crate::check) fn falls_through(function: &FunctionTree) -> bool {
    list(&function.body).goes_on
}

/// Returns the values of the `return`s of `function`, without those of inner functions; `None` for a `return` without a
/// value.
#[must_use]
pub(in crate::check) fn returns(function: &FunctionTree) -> Vec<Option<&Expr>> {
    let mut found = Vec::new();
    collect(&function.body, &mut found);
    found
}

fn collect<'t>(body: &'t [Stmt], found: &mut Vec<Option<&'t Expr>>) {
    for statement in body {
        match &statement.kind {
            StmtKind::Return(value) => found.push(value.as_ref()),
            StmtKind::If(_, then, otherwise) => {
                collect(then, found);
                collect(otherwise, found);
            }
            StmtKind::ForEach { body, .. } | StmtKind::Loop { body, .. } | StmtKind::Block(body) => {
                collect(body, found)
            }
            StmtKind::Switch(_, cases) => cases.iter().for_each(|(_, body)| collect(body, found)),
            StmtKind::Try { body, catch, finally } => {
                collect(body, found);
                catch.iter().for_each(|(_, body)| collect(body, found));
                collect(finally, found);
            }
            StmtKind::Expr(value) => in_expression(value, found),
            StmtKind::Declare(_, list) => {
                list.iter().filter_map(|(_, value)| value.as_ref()).for_each(|value| in_expression(value, found));
            }
            _ => {}
        }
    }
}

/// In Rhai, blocks are values, and may return from the function around them.
fn in_expression<'t>(value: &'t Expr, found: &mut Vec<Option<&'t Expr>>) {
    match &value.kind {
        ExprKind::Block(body) => collect(body, found),
        ExprKind::Conditional(_, then, otherwise) => {
            in_expression(then, found);
            in_expression(otherwise, found);
        }
        ExprKind::Assign(_, _, right) => in_expression(right, found),
        _ => {}
    }
}

fn list(body: &[Stmt]) -> Ends {
    let mut ends = Ends { goes_on: true, breaks: false };
    for statement in body {
        let own = one(statement);
        ends.breaks |= own.breaks;
        ends.goes_on &= own.goes_on;
        if !ends.goes_on {
            break;
        }
    }
    ends
}

fn one(statement: &Stmt) -> Ends {
    let through = Ends { goes_on: true, breaks: false };
    match &statement.kind {
        StmtKind::Return(_) | StmtKind::Throw(_) => Ends::default(),
        StmtKind::Break | StmtKind::Continue => Ends { goes_on: false, breaks: true },
        StmtKind::If(_, then, otherwise) => either(list(then), list(otherwise)),
        StmtKind::Block(body) => list(body),
        StmtKind::Loop { condition, body, .. } => {
            // Behind an endless loop the way goes on only where a `break` leaves the loop.
            let is_endless = condition.as_ref().is_none_or(|condition| matches!(condition.kind, ExprKind::Truth(true)));
            let inner = list(body);
            Ends { goes_on: !is_endless || inner.breaks, breaks: false }
        }
        StmtKind::ForEach { .. } => through,
        StmtKind::Switch(_, cases) => {
            let has_default = cases.iter().any(|(condition, _)| condition.is_none());
            let inner = cases.iter().map(|(_, body)| list(body));
            let last_goes_on = cases.last().is_some_and(|(_, body)| list(body).goes_on);
            let breaks = inner.fold(false, |breaks, ends| breaks | ends.breaks);
            Ends { goes_on: !has_default || last_goes_on || breaks, breaks: false }
        }
        StmtKind::Try { body, catch, finally } => {
            let finally = list(finally);
            let inner = match catch {
                Some((_, catch)) => either(list(body), list(catch)),
                None => list(body),
            };
            Ends { goes_on: inner.goes_on && finally.goes_on, breaks: inner.breaks || finally.breaks }
        }
        _ => through,
    }
}

fn either(one: Ends, other: Ends) -> Ends {
    Ends { goes_on: one.goes_on || other.goes_on, breaks: one.breaks || other.breaks }
}
