//! Moves steps out of expressions: steps that an expression evaluates first are written before the expression.
//!
//! `return input.nodes.reduce(…).id` has a loop deep in an expression; flat, the loop is a step of the function.

use super::super::ir::{Ex, Piece, St, walk_ex};

/// Returns `steps` with the steps that expressions begin with moved before these expressions.
pub(super) fn flat(steps: &[St]) -> Vec<St> {
    let mut out = Vec::with_capacity(steps.len());
    steps.iter().for_each(|step| flatten(step, &mut out));
    out
}

fn flatten(step: &St, out: &mut Vec<St>) {
    let step = match step {
        St::Set(local, value) => match lift(value, out) {
            Ex::If(condition, yes, no) if has_loop(&yes) || has_loop(&no) => {
                let branch = |value: Ex| flat(&[St::Set(*local, value)]);
                St::If(*condition, branch(*yes), branch(*no))
            }
            value => St::Set(*local, value),
        },
        St::Eval(value) => St::Eval(lift(value, out)),
        St::If(condition, yes, no) => St::If(lift(condition, out), flat(yes), flat(no)),
        St::Block(label, steps) => St::Block(*label, flat(steps)),
        St::Loop(label, steps) => St::Loop(*label, flat(steps)),
        St::Push(list @ (Ex::Get(_) | Ex::Const(_)), value) if !sets(value, list) => {
            St::Push(list.clone(), lift(value, out))
        }
        other => other.clone(),
    };
    out.push(step);
}

/// Whether a loop is in `value`.
fn has_loop(value: &Ex) -> bool {
    let mut found = false;
    walk_ex(value, &mut |piece| found |= matches!(piece, Piece::Step(St::Loop(..))));
    found
}

/// Whether evaluating `value` may set the variable `list`.
fn sets(value: &Ex, list: &Ex) -> bool {
    let mut found = false;
    walk_ex(value, &mut |piece| {
        if let (Piece::Step(St::Set(local, _)), Ex::Get(own)) = (piece, list) {
            found |= local == own;
        }
    });
    found
}

/// Returns `ex` without the steps that `ex` begins with; these are added to `out`.
pub(super) fn lift(ex: &Ex, out: &mut Vec<St>) -> Ex {
    match ex {
        Ex::Do(steps, result) => {
            out.extend(flat(steps));
            lift(result, out)
        }
        Ex::Field { base, fields, length, name } => {
            Ex::Field { base: Box::new(lift(base, out)), fields: fields.clone(), length: *length, name: *name }
        }
        Ex::Un(op, part) => Ex::Un(*op, Box::new(lift(part, out))),
        Ex::Bin(op, left, right) => {
            let left = lift(left, out);
            // What is constant may be looked at later as well.
            let right = match left {
                Ex::Const(_) | Ex::Num(_) | Ex::Int(_) | Ex::Bool(_) => lift(right, out),
                _ => (**right).clone(),
            };
            Ex::Bin(*op, Box::new(left), Box::new(right))
        }
        Ex::If(condition, yes, no) => Ex::If(Box::new(lift(condition, out)), yes.clone(), no.clone()),
        Ex::Host(call, parts) => match parts.split_first() {
            Some((first, rest)) => {
                let first = lift(first, out);
                Ex::Host(*call, std::iter::once(first).chain(rest.iter().cloned()).collect())
            }
            None => ex.clone(),
        },
        _ => ex.clone(),
    }
}
