//! Calls of the script's own functions, which are written out in their place.

use boa_ast::declaration::{Binding, Declaration};
use boa_ast::expression::Expression;
use boa_ast::expression::literal::PropertyDefinition;
use boa_ast::function::{FormalParameterList, FunctionBody, FunctionDeclaration};
use boa_ast::property::PropertyName;
use boa_ast::{Statement, StatementListItem};

use super::super::super::analysis::tree::Tree;
use super::super::ir::{Ex, St, Ty, Unary};
use super::super::paths::Shape;
use super::expressions::from_list;
use super::names::{Meaning, nothing};
use super::{Fun, Jump, Lowering, Res, Return, Val};

/// The signature and body of a function.
type Parts<'t> = (&'t FormalParameterList, &'t FunctionBody);

/// What a function is called with.
#[derive(Clone)]
pub(super) enum PassedArgument {
    Value(Val),
    /// One of the script's functions.
    Function(usize),
}

/// The parts of `expression`, where it is a function that returns what it says.
pub(super) fn function(expression: &Expression) -> Option<Parts<'_>> {
    match expression {
        Expression::FunctionExpression(f) => Some((f.parameters(), f.body())),
        Expression::ArrowFunction(f) => Some((f.parameters(), f.body())),
        Expression::Parenthesized(inner) => function(inner.expression()),
        _ => None,
    }
}

/// The parts of a declared function.
pub(super) fn function_of_declaration(declaration: &FunctionDeclaration) -> Parts<'_> {
    (declaration.parameters(), declaration.body())
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

/// Whether the top level of `tree` does nothing but to declare functions and constants.
pub(in super::super) fn has_quiet_top(tree: &Tree) -> bool {
    let is_quiet = |expression: Option<&Expression>| expression.is_none_or(is_quiet);
    tree.script.statements().statements().iter().all(|item| match item {
        StatementListItem::Declaration(declaration) => match &**declaration {
            Declaration::FunctionDeclaration(_) => true,
            Declaration::Lexical(list) => {
                let list = list.variable_list().as_ref();
                list.iter()
                    .all(|variable| !matches!(variable.binding(), Binding::Pattern(_)) && is_quiet(variable.init()))
            }
            _ => false,
        },
        StatementListItem::Statement(statement) => match &**statement {
            Statement::Empty => true,
            Statement::Expression(expression) => is_quiet(Some(expression)),
            Statement::Var(list) => list.0.as_ref().iter().all(|variable| is_quiet(variable.init())),
            _ => false,
        },
    })
}

/// Whether evaluating `expression` does nothing that anybody could see.
fn is_quiet(expression: &Expression) -> bool {
    match expression {
        Expression::Literal(_) => true,
        Expression::ArrayLiteral(list) => list.as_ref().iter().flatten().all(is_quiet),
        Expression::ObjectLiteral(object) => object.properties().iter().all(|property| match property {
            PropertyDefinition::Property(PropertyName::Literal(_), value) => is_quiet(value),
            _ => false,
        }),
        _ => function(expression).is_some(),
    }
}

/// What a body returns that does nothing else.
fn lone_return(body: &FunctionBody) -> Option<&Expression> {
    let [StatementListItem::Statement(only)] = body.statements() else { return None };
    let Statement::Return(only) = &**only else { return None };
    only.target()
}

/// Whether the last statement of a body is its end.
fn ends(body: &FunctionBody) -> bool {
    let Some(StatementListItem::Statement(last)) = body.statements().last() else { return false };
    matches!(**last, Statement::Return(_) | Statement::Throw(_))
}

impl<'t> Lowering<'t> {
    /// The function that `expression` is: written there, or a name of one.
    pub(super) fn callee(&mut self, expression: &'t Expression) -> Option<usize> {
        match expression {
            Expression::Parenthesized(inner) => self.callee(inner.expression()),
            Expression::Identifier(name) => match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::Function(function))) => Some(function),
                _ => None,
            },
            _ => {
                let (parameters, body) = function(expression)?;
                let scope = self.current();
                if let Expression::FunctionExpression(f) = expression
                    && f.has_binding_identifier()
                    && let Some(name) = f.name()
                {
                    // It may call itself by that name, which is refused when it does.
                    let own = self.scope(Some(scope));
                    let function = self.function(Fun { parameters, body, scope: own });
                    self.mean(own, name.sym(), Meaning::Function(function));
                    return Some(function);
                }
                Some(self.function(Fun { parameters, body, scope }))
            }
        }
    }

    /// Calls `function`.
    pub(super) fn call(&mut self, function: Fun<'t>, given: Vec<PassedArgument>, steps: &mut Vec<St>) -> Res<Val> {
        if self.calls.iter().any(|body| std::ptr::eq(*body, function.body)) {
            return Err(self.refusal("a function that calls itself"));
        }
        self.calls.push(function.body);
        self.jumps.push(Jump { leave: None, go_on: None, name: None });
        let result = self.in_region(|lowering| lowering.write_out(function, given, steps));
        self.jumps.pop();
        self.calls.pop();
        result
    }

    fn write_out(&mut self, function: Fun<'t>, given: Vec<PassedArgument>, steps: &mut Vec<St>) -> Res<Val> {
        let list = function.body.statement_list();
        let scope = self.open_function(Some(function.scope), list, steps)?;
        let mut given = given.into_iter();
        for parameter in function.parameters.as_ref() {
            if parameter.is_rest_param() {
                let rest = self.rest_parameter(given.by_ref(), steps)?;
                self.bind(parameter.variable().binding(), rest, scope, Meaning::Set, steps)?;
                break;
            }
            let argument = given.next().unwrap_or(PassedArgument::Value(Val::undefined()));
            match (argument, parameter.variable().binding()) {
                (PassedArgument::Function(function), Binding::Identifier(name)) => {
                    self.mean(scope, name.sym(), Meaning::Function(function));
                }
                (PassedArgument::Function(_), Binding::Pattern(_)) => {
                    return Err(self.refusal("a function that is taken apart"));
                }
                (PassedArgument::Value(value), binding) => {
                    let value = match parameter.init() {
                        Some(default) => self.or_default(value, default, steps)?,
                        None => value,
                    };
                    self.bind(binding, value, scope, Meaning::Set, steps)?;
                }
            }
        }
        // What a declaration in the body says goes before a parameter of its name.
        self.declare_block(scope, list)?;
        let result = match lone_return(function.body) {
            Some(expression) => self.value(expression)?,
            None => self.write_out_body(function.body, steps)?,
        };
        self.leave();
        Ok(result)
    }

    /// The list of the arguments that are left.
    fn rest_parameter(&mut self, given: impl Iterator<Item = PassedArgument>, steps: &mut Vec<St>) -> Res<Val> {
        let (site, list) = (self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        for argument in given {
            match argument {
                PassedArgument::Value(value) => self.push(site, list, value, steps),
                PassedArgument::Function(_) => return Err(self.refusal("a function as a value")),
            }
        }
        Ok(Val { ex: from_list(list), shape: Shape::site(site) })
    }

    fn write_out_body(&mut self, body: &'t FunctionBody, steps: &mut Vec<St>) -> Res<Val> {
        let (label, result) = (self.label(), self.local(None));
        self.returns.push(Return { label, result });
        let mut inner = Vec::new();
        for item in body.statements() {
            self.item(item, &mut inner)?;
        }
        if !ends(body) {
            let end = self.set(result, Val::undefined());
            inner.push(end);
        }
        self.returns.pop();
        steps.push(St::Block(label, inner));
        Ok(self.get(result))
    }

    /// Returns `value` from the function that is being written out.
    pub(super) fn return_value(&mut self, value: Val, steps: &mut Vec<St>) -> Res<()> {
        let Some(Return { label, result }) = self.returns.last() else {
            return Err(self.refusal("`return` outside of a function"));
        };
        let (label, result) = (*label, *result);
        let set = self.set(result, value);
        steps.extend([set, St::Break(label)]);
        Ok(())
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
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match self.callee(argument) {
                Some(function) => given.push(PassedArgument::Function(function)),
                None => {
                    let value = self.value(argument)?;
                    given.push(PassedArgument::Value(self.hold(value, steps)));
                }
            }
        }
        Ok(given)
    }
}
