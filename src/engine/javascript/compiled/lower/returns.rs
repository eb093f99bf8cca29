//! The ends of functions that are written out: `return` is a jump to the end of the block that the body has become.

use boa_ast::expression::Expression;
use boa_ast::function::FunctionBody;
use boa_ast::{Statement, StatementListItem};

use super::super::ir::{Ex, Label, Local, St};
use super::{Lowering, Res, Val};

/// Where `return` leads.
pub(super) struct Return {
    pub(super) label: Label,
    pub(super) result: Local,
    /// The variable that tells whether anything was returned, where `finally` comes before the end of the function.
    pub(super) flag: Option<Local>,
    /// The callables that a function which returns functions has returned so far.
    pub(super) callables: Option<Vec<usize>>,
}

/// Whether a body ends with `return` or `throw`.
fn ends(body: &FunctionBody) -> bool {
    let Some(StatementListItem::Statement(last)) = body.statements().last() else { return false };
    matches!(**last, Statement::Return(_) | Statement::Throw(_))
}

impl<'t> Lowering<'t> {
    /// Writes out the body of a function.
    pub(super) fn write_out_body(&mut self, body: &'t FunctionBody, steps: &mut Vec<St>) -> Res<Val> {
        let (result, _) = self.write_out_statements(body, None, steps)?;
        Ok(self.get(result))
    }

    /// Writes out the body of a function that returns functions.
    pub(super) fn write_out_factory(&mut self, body: &'t FunctionBody, steps: &mut Vec<St>) -> Res<usize> {
        let (which, made) = self.write_out_statements(body, Some(Vec::new()), steps)?;
        match made.as_slice() {
            [only] if ends(body) => Ok(*only),
            _ => {
                let options = made.into_iter().enumerate().collect();
                self.note_choice(Ex::Get(which), options)
            }
        }
    }

    /// Writes out the statements of a body; returns the variable of the result, and the callables that are returned
    /// where `callables` is a list, in which case the result is the place of one of these.
    fn write_out_statements(
        &mut self,
        body: &'t FunctionBody,
        callables: Option<Vec<usize>>,
        steps: &mut Vec<St>,
    ) -> Res<(Local, Vec<usize>)> {
        let (label, result) = (self.label(), self.local(None));
        self.returns.push(Return { label, result, flag: None, callables });
        let mut inner = Vec::new();
        for item in body.statements() {
            self.item(item, &mut inner)?;
        }
        if !ends(body) {
            let end = self.set(result, Val::undefined());
            inner.push(end);
        }
        let callables = self.returns.pop().and_then(|end| end.callables);
        steps.push(St::Block(label, inner));
        Ok((result, callables.unwrap_or_default()))
    }

    /// Returns the value of `target` from the function that is being written out.
    pub(super) fn return_value(&mut self, target: Option<&'t Expression>, steps: &mut Vec<St>) -> Res<()> {
        let value = match target {
            Some(target) if self.returns.last().is_some_and(|end| end.callables.is_some()) => {
                match self.callee(target, steps)? {
                    Some(function) => {
                        let made = self.returns.last_mut().and_then(|end| end.callables.as_mut());
                        let place = made.map_or(0, |made| {
                            made.push(function);
                            made.len() - 1
                        });
                        Val::plain(Ex::Num(place as f64))
                    }
                    None if self.is_absence(target) => Val::undefined(),
                    None => return Err(self.refusal("a function that returns functions and other values")),
                }
            }
            Some(target) => self.value(target)?,
            None => Val::undefined(),
        };
        self.end_with(value, steps)
    }

    /// Ends the function that is being written out with `value`.
    pub(super) fn end_with(&mut self, value: Val, steps: &mut Vec<St>) -> Res<()> {
        let Some(Return { label, result, flag, .. }) = self.returns.last() else {
            return Err(self.refusal("`return` outside of a function"));
        };
        let (label, result, flag) = (*label, *result, *flag);
        steps.push(self.set(result, value));
        if let Some(flag) = flag {
            steps.push(self.set(flag, Val::plain(Ex::Bool(true))));
        }
        steps.push(St::Break(label));
        Ok(())
    }
}
