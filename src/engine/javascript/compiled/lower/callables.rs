//! Functions as values, as far as the source alone tells which ones they are: `const order = by('sessions')`,
//! `const rule = strict ? isIdle : isUp`, `const choose = strategies[mode] || strategies.any`.
//!
//! No function object exists when compiled code runs. A function value is a number, and a call of the value selects by
//! that number one of the calls that were written out, a call for each function that the value may be. A closure shares
//! variables with the code around, so a function is refused wherever those variables could belong to another call.

use std::ops::ControlFlow;
use std::rc::Rc;

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField, SimplePropertyAccess};
use boa_ast::expression::operator::Conditional;
use boa_ast::expression::operator::binary::{BinaryOp, LogicalOp};
use boa_ast::expression::{Call, Expression};
use boa_ast::function::FunctionBody;
use boa_ast::statement::Return as ReturnStatement;
use boa_ast::visitor::{VisitWith, Visitor};

use super::super::ir::{BailCause, Binary, Ex, St, Unary};
use super::functions::{PassedArgument, function};
use super::names::{Meaning, ScopeId, nothing};
use super::{Fun, Lowering, Res, Val};

/// The value of an expression or variable that is a function.
#[derive(Clone)]
pub(super) enum Callable<'t> {
    /// A function of the source.
    Own(Fun<'t>),
    /// A choice: the callable whose number `which` holds. `null` or `undefined` in `which` is no function.
    OneOf {
        which: Ex,
        /// The number that stands for each callable, and the callable.
        options: Rc<[(usize, usize)]>,
        /// The number of functions of the source that the value may be.
        leaves: usize,
    },
}

/// The most functions that a value may be: a call is written out for each function.
const MAX_LEAVES: usize = 64;

/// Returns the targets of the `return` statements of a body, without those of inner functions.
pub(super) fn returned(body: &FunctionBody) -> Vec<&Expression> {
    struct Returns<'ast>(Vec<&'ast Expression>);
    impl<'ast> Visitor<'ast> for Returns<'ast> {
        type BreakTy = std::convert::Infallible;

        fn visit_return(&mut self, node: &'ast ReturnStatement) -> ControlFlow<Self::BreakTy> {
            self.0.extend(node.target());
            ControlFlow::Continue(())
        }

        fn visit_function_body(&mut self, _: &'ast FunctionBody) -> ControlFlow<Self::BreakTy> {
            ControlFlow::Continue(())
        }
    }
    let mut returns = Returns(Vec::new());
    let _ = body.statement_list().visit_with(&mut returns);
    returns.0
}

/// Whether a function returns functions that are written in the function's body.
pub(super) fn returns_functions(of: Fun<'_>) -> bool {
    fn is_function(expression: &Expression) -> bool {
        match expression {
            Expression::Parenthesized(inner) => is_function(inner.expression()),
            Expression::Conditional(choice) => is_function(choice.if_true()) || is_function(choice.if_false()),
            // `(...functions) => functions.reduce((f, g) => x => g(f(x)))`
            Expression::Call(call) => match call.args() {
                [callback] => function(callback, ScopeId::TOP).is_some_and(returns_functions),
                _ => false,
            },
            _ => function(expression, ScopeId::TOP).is_some(),
        }
    }
    returned(of.body).into_iter().any(is_function)
}

impl<'t> Lowering<'t> {
    /// Notes `callable`; returns the number under which the callable is known in this pass.
    pub(super) fn note_callable(&mut self, callable: Callable<'t>) -> usize {
        self.functions.push(callable);
        self.depths.push(self.repeats);
        self.functions.len() - 1
    }

    /// Notes the choice between `options`, by the number that `which` holds.
    pub(super) fn note_choice(&mut self, which: Ex, options: Rc<[(usize, usize)]>) -> Res<usize> {
        let leaves = options.iter().map(|(_, option)| match self.functions.get(*option) {
            Some(Callable::OneOf { leaves, .. }) => *leaves,
            _ => 1,
        });
        let leaves = leaves.sum();
        if leaves > MAX_LEAVES {
            return Err(self.refusal("a value that may be so many functions"));
        }
        Ok(self.note_callable(Callable::OneOf { which, options, leaves }))
    }

    /// The function of the source for the callable `number`; `None` for a choice.
    pub(super) fn own_function(&self, number: usize) -> Option<Fun<'t>> {
        match self.functions.get(number) {
            Some(Callable::Own(function)) => Some(*function),
            _ => None,
        }
    }

    /// Whether `expression` is a function, as far as the source tells; nothing is lowered.
    pub(super) fn is_callable(&self, expression: &'t Expression) -> bool {
        match expression {
            Expression::Parenthesized(inner) => self.is_callable(inner.expression()),
            Expression::Identifier(name) => {
                let meaning = self.meaning(self.current(), name.sym());
                matches!(meaning, Some((_, Meaning::Function(_) | Meaning::FunctionVariable(_))))
            }
            Expression::Conditional(choice) => {
                let (yes, no) = (choice.if_true(), choice.if_false());
                match (self.is_callable(yes), self.is_callable(no)) {
                    (true, true) => true,
                    (true, false) => self.is_absence(no),
                    (false, true) => self.is_absence(yes),
                    (false, false) => false,
                }
            }
            Expression::Binary(binary) => {
                matches!(binary.op(), BinaryOp::Logical(LogicalOp::Or | LogicalOp::Coalesce))
                    && self.is_callable(binary.lhs())
                    && self.is_callable(binary.rhs())
            }
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => self.is_function_member(access),
            Expression::Call(call) => self.factory(call).is_some() || self.folded(call).is_some(),
            _ => function(expression, self.current()).is_some(),
        }
    }

    /// Whether `expression` is `null` or `undefined`.
    pub(super) fn is_absence(&self, expression: &Expression) -> bool {
        use boa_ast::expression::literal::LiteralKind;
        match expression {
            Expression::Literal(literal) => matches!(literal.kind(), LiteralKind::Null | LiteralKind::Undefined),
            _ => self.global(expression).as_deref() == Some("undefined"),
        }
    }

    /// The function of the source that `expression` names or is; nothing is lowered.
    fn source_of(&self, expression: &'t Expression) -> Option<Fun<'t>> {
        match expression {
            Expression::Identifier(name) => match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::Function(number))) => self.own_function(number),
                _ => None,
            },
            _ => function(expression, self.current()),
        }
    }

    /// The function that `call` calls, where that function returns functions.
    fn factory(&self, call: &'t Call) -> Option<Fun<'t>> {
        self.source_of(call.function()).filter(|function| returns_functions(*function))
    }

    /// The list and the callback of `functions.reduce((f, g) => x => g(f(x)))`.
    fn folded(&self, call: &'t Call) -> Option<(&'t Expression, &'t Expression)> {
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = call.function() else { return None };
        let PropertyAccessField::Const(name) = access.field() else { return None };
        let ([callback], "reduce") = (call.args(), self.name(name.sym()).as_str()) else { return None };
        let is_folded = self.is_fixed_list(access.target()) && self.source_of(callback).is_some_and(returns_functions);
        is_folded.then_some((access.target(), callback))
    }

    /// The function that a list of functions is folded to, each by a call of `callback`.
    fn folded_callable(
        &mut self,
        list: &'t Expression,
        callback: &'t Expression,
        steps: &mut Vec<St>,
    ) -> Res<Option<usize>> {
        let Some(list) = self.fixed_list(list, steps)? else { return Ok(None) };
        let Some(callback) = self.source_of(callback) else { return Ok(None) };
        let mut made = None;
        for (place, element) in list.iter().enumerate() {
            made = match (made, element) {
                (None, PassedArgument::Function(first)) => Some(*first),
                (Some(before), PassedArgument::Function(_)) => {
                    let place = PassedArgument::Value(Val::plain(Ex::Num(place as f64)));
                    let given = vec![PassedArgument::Function(before), element.clone(), place];
                    Some(self.made_callable(callback, given, steps)?)
                }
                _ => return Err(self.refusal("a list of functions and other values")),
            };
        }
        match made {
            Some(made) => Ok(Some(made)),
            None => Err(self.refusal("a fold of no functions")),
        }
    }

    /// Lowers `expression` to a callable; `None` where the source does not tell that `expression` is a function.
    pub(super) fn callee(&mut self, expression: &'t Expression, steps: &mut Vec<St>) -> Res<Option<usize>> {
        if !self.is_callable(expression) {
            return Ok(None);
        }
        match expression {
            Expression::Parenthesized(inner) => self.callee(inner.expression(), steps),
            Expression::Identifier(name) => match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::Function(function))) => Ok(Some(function)),
                Some((_, Meaning::FunctionVariable(variable))) => self.held_callable(variable, steps),
                _ => Ok(None),
            },
            Expression::Conditional(choice) => self.conditional_callable(choice, steps).map(Some),
            Expression::Binary(binary) => self.either_callable(binary.lhs(), binary.rhs(), steps),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => self.member_callable(access, steps),
            Expression::Call(call) => {
                self.at(expression)?;
                if let Some((list, callback)) = self.folded(call) {
                    return self.folded_callable(list, callback, steps);
                }
                let Some(function) = self.factory(call) else { return Ok(None) };
                let given = self.arguments(call.args(), steps)?;
                self.made_callable(function, given, steps).map(Some)
            }
            _ => Ok(self.written_function(expression)),
        }
    }

    /// The function that is written as `expression`.
    fn written_function(&mut self, expression: &'t Expression) -> Option<usize> {
        let scope = self.current();
        if let Expression::FunctionExpression(f) = expression
            && f.has_binding_identifier()
            && let Some(name) = f.name()
        {
            // It may call itself by that name, which is refused when it does.
            let own = self.scope(Some(scope));
            let function = self.note_callable(Callable::Own(function(expression, own)?));
            self.mean(own, name.sym(), Meaning::Function(function));
            return Some(function);
        }
        Some(self.note_callable(Callable::Own(function(expression, scope)?)))
    }

    /// `condition ? f : g`, where `f` or `g` may be `null` or `undefined`.
    fn conditional_callable(&mut self, choice: &'t Conditional, steps: &mut Vec<St>) -> Res<usize> {
        let condition = self.condition(choice.condition())?;
        let which = self.local(None);
        let mut options = Vec::new();
        let mut arms = Vec::new();
        for arm in [choice.if_true(), choice.if_false()] {
            let mut arm_steps = Vec::new();
            let number = match self.in_region(|lowering| lowering.callee(arm, &mut arm_steps))? {
                Some(option) => {
                    options.push((options.len(), option));
                    Ex::Num((options.len() - 1) as f64)
                }
                None => nothing(),
            };
            arm_steps.push(self.set(which, Val::plain(number)));
            arms.push(arm_steps);
        }
        let (no, yes) = (arms.pop().unwrap_or_default(), arms.pop().unwrap_or_default());
        steps.push(St::If(condition, yes, no));
        self.note_choice(Ex::Get(which), options.into())
    }

    /// `f || g` and `f ?? g`, which are the same for functions.
    fn either_callable(
        &mut self,
        left: &'t Expression,
        right: &'t Expression,
        steps: &mut Vec<St>,
    ) -> Res<Option<usize>> {
        let Some(left) = self.callee(left, steps)? else { return Ok(None) };
        let which = self.local(None);
        let is_absent = self.is_absent(left);
        let mut otherwise = Vec::new();
        let right = self.in_region(|lowering| lowering.callee(right, &mut otherwise))?;
        let Some(right) = right else { return Ok(None) };
        otherwise.push(self.set(which, Val::plain(Ex::Num(1.0))));
        let keep = vec![self.set(which, Val::plain(Ex::Num(0.0)))];
        steps.push(St::If(is_absent, otherwise, keep));
        self.note_choice(Ex::Get(which), [(0, left), (1, right)].into()).map(Some)
    }

    /// Whether the callable `number` is `null` or `undefined` when the code runs.
    pub(super) fn is_absent(&self, number: usize) -> Ex {
        let Some(Callable::OneOf { which, options, .. }) = self.functions.get(number) else { return Ex::Bool(false) };
        let mut is_absent = Ex::Un(Unary::IsNullish, Box::new(which.clone()));
        for (own, option) in options.iter() {
            let inner = self.is_absent(*option);
            if inner != Ex::Bool(false) {
                is_absent = Ex::If(Box::new(is_number_of(which, *own)), Box::new(inner), Box::new(is_absent));
            }
        }
        is_absent
    }

    /// Gives up where the callable `number` is no function. A method throws then, even over an empty list.
    pub(super) fn check_callback(&self, number: usize, steps: &mut Vec<St>) {
        let is_function = self.is_function(number);
        if is_function != Ex::Bool(true) {
            steps.push(St::If(is_function, Vec::new(), vec![St::Bail(BailCause::Throws)]));
        }
    }

    /// Whether the callable `number` is a function when the code runs.
    fn is_function(&self, number: usize) -> Ex {
        let Some(Callable::OneOf { which, options, .. }) = self.functions.get(number) else { return Ex::Bool(true) };
        options.iter().fold(Ex::Bool(false), |others, (own, option)| {
            let is_it = is_number_of(which, *own);
            Ex::If(Box::new(is_it), Box::new(self.is_function(*option)), Box::new(others))
        })
    }

    /// Calls the callable `number` with the receiver `this`.
    pub(super) fn call(
        &mut self,
        number: usize,
        this: Option<&Val>,
        given: Vec<PassedArgument>,
        steps: &mut Vec<St>,
    ) -> Res<Val> {
        let (which, options) = match self.functions.get(number) {
            Some(Callable::Own(function)) => return self.call_function(*function, this, given, steps),
            Some(Callable::OneOf { which, options, .. }) => (which.clone(), Rc::clone(options)),
            None => return Err(self.refusal("a function that is not found")),
        };
        let result = self.local(None);
        let mut otherwise = vec![St::Bail(BailCause::Kind)];
        for (own, option) in options.iter() {
            let mut body = Vec::new();
            let given = given.clone();
            let said = self.in_region(|lowering| lowering.call(*option, this, given, &mut body))?;
            body.push(self.set(result, said));
            otherwise = vec![St::If(is_number_of(&which, *own), body, otherwise)];
        }
        steps.extend(otherwise);
        Ok(self.get(result))
    }

    /// Whether `access` reads a member that is a function: of a table, or of a list of functions.
    fn is_function_member(&self, access: &'t SimplePropertyAccess) -> bool {
        if self.is_fixed_list(access.target()) {
            return matches!(access.field(), PropertyAccessField::Expr(_));
        }
        let Some(shape) = self.shape_of_name(access.target()) else { return false };
        match access.field() {
            PropertyAccessField::Const(name) => self.has_function(&shape, Some(&self.name(name.sym()))),
            PropertyAccessField::Expr(_) => self.has_function(&shape, None),
        }
    }

    /// The function that `access` reads.
    fn member_callable(&mut self, access: &'t SimplePropertyAccess, steps: &mut Vec<St>) -> Res<Option<usize>> {
        if let Some(list) = self.fixed_list(access.target(), steps)? {
            let PropertyAccessField::Expr(place) = access.field() else { return Ok(None) };
            return self.element_callable(&list, place, steps).map(Some);
        }
        let base = self.value(access.target())?;
        let base = self.hold(base, steps);
        match access.field() {
            PropertyAccessField::Const(name) => {
                let name = self.literal_text(name.sym())?;
                self.member_function(&base, &name, steps)
            }
            PropertyAccessField::Expr(name) => self.computed_function(&base, name, steps),
        }
    }
}

/// Whether `which` is the number `number`.
pub(super) fn is_number_of(which: &Ex, number: usize) -> Ex {
    Ex::Bin(Binary::StrictEqual, Box::new(which.clone()), Box::new(Ex::Num(number as f64)))
}
