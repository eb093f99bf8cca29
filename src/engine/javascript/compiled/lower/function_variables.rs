//! Variables to which several functions are assigned: `let order = byLoad; if (input.isAdmin) order = byName`.
//!
//! The variable holds the number of a function, counted in the order of the assignments. A function that is made in a
//! loop may not be kept beyond the loop, because the next round changes the variables that the function shares.

use std::ops::ControlFlow;
use std::rc::Rc;

use boa_ast::expression::operator::assign::{Assign, AssignOp, AssignTarget};
use boa_ast::expression::{Expression, Identifier};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use super::super::ir::{BailCause, Ex, Local, St, Unary};
use super::callables::{Callable, is_number_of};
use super::names::{Meaning, ScopeId, nothing};
use super::{Lowering, Res, Val};

/// A variable that holds functions.
pub(super) struct FunctionVariable {
    /// The variable of the place in `options`.
    which: Local,
    /// The callables that were assigned so far, by number.
    options: Vec<usize>,
    /// The number of loops around the declaration.
    depth: usize,
}

impl<'t> Lowering<'t> {
    /// Whether the source assigns a function to a variable `name`, as far as names of functions are known here.
    fn is_given_functions(&self, name: Sym) -> bool {
        struct Given<'ast> {
            name: Sym,
            values: Vec<&'ast Expression>,
        }
        impl<'ast> Visitor<'ast> for Given<'ast> {
            type BreakTy = std::convert::Infallible;

            fn visit_assign(&mut self, node: &'ast Assign) -> ControlFlow<Self::BreakTy> {
                if matches!(node.lhs(), AssignTarget::Identifier(name) if name.sym() == self.name) {
                    self.values.push(node.rhs());
                }
                node.visit_with(self)
            }
        }
        let mut given = Given { name, values: Vec::new() };
        let _ = self.tree.script.statements().visit_with(&mut given);
        given.values.into_iter().any(|value| self.is_callable(value))
    }

    /// Declares `name` in `scope` as a variable that holds functions, `init` first. Returns `false`, and declares
    /// nothing, where `name` holds other values.
    pub(super) fn declare_function_variable(
        &mut self,
        name: Identifier,
        init: Option<&'t Expression>,
        scope: ScopeId,
        steps: &mut Vec<St>,
    ) -> Res<bool> {
        if let Some((_, Meaning::FunctionVariable(_))) = self.meaning(scope, name.sym()) {
            return Err(self.refusal("a variable that is declared twice"));
        }
        let first = match init {
            Some(init) if !self.is_absence(init) => match self.callee(init, steps)? {
                Some(first) => Some(first),
                None => return Ok(false),
            },
            _ if self.is_given_functions(name.sym()) => None,
            _ => return Ok(false),
        };
        let (which, depth) = (self.local(None), self.repeats);
        let variable = self.function_variables.len();
        self.function_variables.push(FunctionVariable { which, options: Vec::new(), depth });
        self.put_function(variable, first, steps)?;
        self.mean(scope, name.sym(), Meaning::FunctionVariable(variable));
        Ok(true)
    }

    /// The callable that a variable holds now.
    pub(super) fn held_callable(&mut self, variable: usize, steps: &mut Vec<St>) -> Res<Option<usize>> {
        let Some(FunctionVariable { which, options, .. }) = self.function_variables.get(variable) else {
            return Ok(None);
        };
        let (which, options) = (*which, options.iter().copied().enumerate().collect());
        let which = self.get(which);
        let which = self.hold(which, steps);
        self.note_choice(which.ex, options).map(Some)
    }

    /// Assigns a function, or `null`, to a variable that holds functions; returns whether `assign` does that.
    pub(super) fn assign_function(&mut self, assign: &'t Assign, steps: &mut Vec<St>) -> Res<bool> {
        let (AssignTarget::Identifier(name), AssignOp::Assign) = (assign.lhs(), assign.op()) else { return Ok(false) };
        let Some((_, Meaning::FunctionVariable(variable))) = self.meaning(self.current(), name.sym()) else {
            return Ok(false);
        };
        self.at(name)?;
        let function = self.callee(assign.rhs(), steps)?;
        if function.is_none() && !self.is_absence(assign.rhs()) {
            return Err(self.refusal("a variable for functions and other values"));
        }
        self.put_function(variable, function, steps)?;
        Ok(true)
    }

    /// Puts a callable, or nothing, into a variable.
    fn put_function(&mut self, variable: usize, function: Option<usize>, steps: &mut Vec<St>) -> Res<()> {
        if let Some(function) = function {
            return self.put_callable(variable, function, steps);
        }
        let which = self.function_variables.get(variable).map_or(0, |variable| variable.which);
        steps.push(self.set(which, Val::plain(nothing())));
        Ok(())
    }

    /// Puts a callable into a variable: a choice is made now, and not when the variable is called.
    fn put_callable(&mut self, variable: usize, number: usize, steps: &mut Vec<St>) -> Res<()> {
        let Some(held) = self.function_variables.get_mut(variable) else { return Ok(()) };
        let which = held.which;
        if let Some(Callable::OneOf { which: chosen, options, .. }) = self.functions.get(number) {
            let (chosen, options) = (chosen.clone(), Rc::clone(options));
            let is_nothing = Ex::Un(Unary::IsNullish, Box::new(chosen.clone()));
            let nothing = vec![self.set(which, Val::plain(nothing()))];
            let mut otherwise = vec![St::If(is_nothing, nothing, vec![St::Bail(BailCause::Kind)])];
            for (own, option) in options.iter() {
                let mut body = Vec::new();
                self.put_callable(variable, *option, &mut body)?;
                otherwise = vec![St::If(is_number_of(&chosen, *own), body, otherwise)];
            }
            steps.extend(otherwise);
            return Ok(());
        }
        if self.depths.get(number).is_none_or(|depth| *depth > held.depth) {
            return Err(self.refusal("a function that is kept beyond the loop that makes it"));
        }
        let known = held.options.iter().position(|option| *option == number);
        let place = known.unwrap_or(held.options.len());
        if known.is_none() {
            held.options.push(number);
        }
        steps.push(self.set(which, Val::plain(Ex::Num(place as f64))));
        Ok(())
    }
}
