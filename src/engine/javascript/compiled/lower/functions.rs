//! Calls of the script's own functions, which are written out in their place.

use boa_ast::declaration::Binding;
use boa_ast::expression::Expression;
use boa_ast::function::{FormalParameterList, FunctionBody, FunctionDeclaration};
use boa_ast::{Statement, StatementListItem};

use super::super::ir::{Ex, St, Ty, Unary};
use super::super::paths::Shape;
use super::expressions::from_list;
use super::fixed_lists::FixedList;
use super::names::{Meaning, ScopeId, nothing};
use super::texts::KnownPattern;
use super::{Jump, Lowering, Res, Val};

/// A function of the source, with the scope around the function.
#[derive(Clone, Copy)]
pub(super) struct Fun<'t> {
    pub(super) parameters: &'t FormalParameterList,
    pub(super) body: &'t FunctionBody,
    /// Whether `this` is that of the code around.
    pub(super) is_arrow: bool,
    pub(super) scope: ScopeId,
}

impl<'t> Fun<'t> {
    /// A function that has a `this` of the function's own: no arrow.
    pub(super) fn new(parameters: &'t FormalParameterList, body: &'t FunctionBody, scope: ScopeId) -> Self {
        Self { parameters, body, is_arrow: false, scope }
    }

    /// A function that is declared in `scope`.
    pub(super) fn declared(declaration: &'t FunctionDeclaration, scope: ScopeId) -> Self {
        Self::new(declaration.parameters(), declaration.body(), scope)
    }
}

/// More calls within each other than these are not written out.
const MAX_DEPTH: usize = 48;

/// What a function is called with.
#[derive(Clone)]
pub(super) enum PassedArgument {
    Value(Val),
    /// A callable, by number.
    Function(usize),
    /// A constant pattern.
    Pattern(KnownPattern),
    /// A list of functions or patterns.
    List(FixedList),
}

/// The function that is written as `expression`, as if it stood in `scope`.
pub(super) fn function(expression: &Expression, scope: ScopeId) -> Option<Fun<'_>> {
    match expression {
        Expression::FunctionExpression(f) => Some(Fun::new(f.parameters(), f.body(), scope)),
        Expression::ArrowFunction(f) => Some(Fun { is_arrow: true, ..Fun::new(f.parameters(), f.body(), scope) }),
        Expression::Parenthesized(inner) => function(inner.expression(), scope),
        _ => None,
    }
}

/// The expression that a whole statement is, or all that a lone variable is given.
pub(super) fn lone_expression(item: &StatementListItem) -> Option<&Expression> {
    let StatementListItem::Statement(statement) = item else { return None };
    match &**statement {
        Statement::Expression(expression) => Some(expression),
        Statement::Var(declaration) => match declaration.0.as_ref() {
            [only] => only.init(),
            _ => None,
        },
        _ => None,
    }
}

/// What a body returns that does nothing else.
fn lone_return(body: &FunctionBody) -> Option<&Expression> {
    let [StatementListItem::Statement(only)] = body.statements() else { return None };
    let Statement::Return(only) = &**only else { return None };
    only.target()
}

impl<'t> Lowering<'t> {
    /// Calls `function` with the receiver `this`.
    pub(super) fn call_function(
        &mut self,
        function: Fun<'t>,
        this: Option<&Val>,
        given: Vec<PassedArgument>,
        steps: &mut Vec<St>,
    ) -> Res<Val> {
        self.within_call(function, |lowering| {
            lowering.begin_call(function, this, given, steps)?;
            let result = match lone_return(function.body) {
                Some(expression) => lowering.value(expression)?,
                None => lowering.write_out_body(function.body, steps)?,
            };
            lowering.leave();
            Ok(result)
        })
    }

    /// Calls `function`, which returns functions; returns the callable that the call gives.
    pub(super) fn made_callable(
        &mut self,
        function: Fun<'t>,
        given: Vec<PassedArgument>,
        steps: &mut Vec<St>,
    ) -> Res<usize> {
        self.within_call(function, |lowering| {
            lowering.begin_call(function, None, given, steps)?;
            let made = match lone_return(function.body) {
                Some(expression) => lowering.callee(expression, steps)?,
                None => Some(lowering.write_out_factory(function.body, steps)?),
            };
            lowering.leave();
            made.ok_or_else(|| lowering.refusal("a function that returns functions and other values"))
        })
    }

    /// Lowers a call of `function`, which is refused within itself.
    fn within_call<T>(&mut self, function: Fun<'t>, lower: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        // A closure that is made twice is two functions, each in a scope of its own.
        let is_it = |other: &Fun<'_>| std::ptr::eq(other.body, function.body) && other.scope == function.scope;
        if self.calls.iter().any(is_it) || self.calls.len() >= MAX_DEPTH {
            return Err(self.refusal("a function that calls itself"));
        }
        self.tick()?;
        self.calls.push(function);
        self.jumps.push(Jump { leave: None, go_on: None, name: None });
        let result = self.in_region(lower);
        self.jumps.pop();
        self.calls.pop();
        result
    }

    /// Enters the scope of a call, with the parameters set to `given`.
    fn begin_call(
        &mut self,
        function: Fun<'t>,
        this: Option<&Val>,
        given: Vec<PassedArgument>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        let list = function.body.statement_list();
        let scope = self.open_function(Some(function.scope), list, steps)?;
        if !function.is_arrow {
            self.receive(scope, this.cloned());
        }
        let mut given = given.into_iter();
        for parameter in function.parameters.as_ref() {
            if parameter.is_rest_param() {
                let rest = self.rest_parameter(given.by_ref().collect(), steps)?;
                self.bind_fixed(parameter.variable().binding(), rest, scope, Meaning::Set, steps)?;
                break;
            }
            let mut argument = given.next().unwrap_or(PassedArgument::Value(Val::undefined()));
            if let Some(default) = parameter.init() {
                argument = self.argument_or_default(argument, default, steps)?;
            }
            self.bind_parameter(function, parameter.variable().binding(), argument, scope, steps)?;
        }
        // What a declaration in the body says goes before a parameter of its name.
        self.declare_block(scope, list)
    }

    /// Declares a parameter. A parameter that is given a constant text, and is never assigned to, stands for that text.
    fn bind_parameter(
        &mut self,
        function: Fun<'t>,
        binding: &'t Binding,
        argument: PassedArgument,
        scope: ScopeId,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        if let (PassedArgument::Value(Val { ex: Ex::Const(bits), .. }), Binding::Identifier(name)) =
            (&argument, binding)
            && self.strings.text_of(*bits).is_some()
            && self.writes.count(Some(function.body), name.sym()) == 0
        {
            self.mean(scope, name.sym(), Meaning::Text(*bits));
            return Ok(());
        }
        self.bind_fixed(binding, argument, scope, Meaning::Set, steps)
    }

    fn argument_or_default(
        &mut self,
        argument: PassedArgument,
        default: &'t Expression,
        steps: &mut Vec<St>,
    ) -> Res<PassedArgument> {
        match argument {
            PassedArgument::Value(value) if value.ex == nothing() => self.argument(default, steps),
            PassedArgument::Value(value) => self.or_default(value, default, steps).map(PassedArgument::Value),
            PassedArgument::Function(function) if self.own_function(function).is_none() => {
                Err(self.refusal("a default of what may be a function"))
            }
            other => Ok(other),
        }
    }

    /// The list of the arguments that are left.
    fn rest_parameter(&mut self, given: Vec<PassedArgument>, steps: &mut Vec<St>) -> Res<PassedArgument> {
        if given.iter().any(|argument| !matches!(argument, PassedArgument::Value(_))) {
            return Ok(PassedArgument::List(given.into()));
        }
        let (site, list) = (self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        for argument in given {
            if let PassedArgument::Value(value) = argument {
                self.push(site, list, value, steps);
            }
        }
        Ok(PassedArgument::Value(Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// `value`, or what `default` says where that is `undefined`.
    pub(super) fn or_default(&mut self, value: Val, default: &'t Expression, steps: &mut Vec<St>) -> Res<Val> {
        if value.ex == nothing() {
            return self.value(default);
        }
        let held = self.hold(value, steps);
        let default = self.in_region(|lowering| lowering.value(default))?;
        let is_absent = Ex::Un(Unary::IsUndefined, Box::new(held.ex.clone()));
        let shape = held.shape.or(&default.shape);
        Ok(Val { ex: Ex::If(Box::new(is_absent), Box::new(default.ex), Box::new(held.ex)), shape })
    }

    /// The arguments of a call.
    pub(super) fn arguments(&mut self, arguments: &'t [Expression], steps: &mut Vec<St>) -> Res<Vec<PassedArgument>> {
        arguments.iter().map(|argument| self.argument(argument, steps)).collect()
    }

    /// An argument of a call, or an element of a list of functions.
    pub(super) fn argument(&mut self, argument: &'t Expression, steps: &mut Vec<St>) -> Res<PassedArgument> {
        if let Some(list) = self.fixed_list(argument, steps)? {
            return Ok(PassedArgument::List(list));
        }
        if let Some(function) = self.callee(argument, steps)? {
            return Ok(PassedArgument::Function(function));
        }
        if let Some(pattern) = self.known_pattern(argument)? {
            return Ok(PassedArgument::Pattern(pattern));
        }
        let value = self.value(argument)?;
        Ok(PassedArgument::Value(self.hold(value, steps)))
    }
}
