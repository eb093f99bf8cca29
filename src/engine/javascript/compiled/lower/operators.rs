//! Operators, assignments and what they convert.

use boa_ast::expression::Expression;
use boa_ast::expression::access::PropertyAccess;
use boa_ast::expression::operator::assign::{Assign, AssignOp, AssignTarget};
use boa_ast::expression::operator::binary::{ArithmeticOp, BinaryOp, BitwiseOp, LogicalOp, RelationalOp};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::update::{Update, UpdateOp, UpdateTarget};
use boa_ast::expression::operator::{Binary as BinaryExpression, Unary as UnaryExpression};
use boa_interner::Sym;

use super::super::host_calls::HostCall;
use super::super::ir::{Binary, Ex, St, Unary};
use super::expressions::after;
use super::names::nothing;
use super::writes;
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    pub(super) fn binary(&mut self, binary: &'t BinaryExpression) -> Res<Val> {
        // `x + (x = 1)` is what `x` was before in JavaScript; in Boa, which has to agree, it is what `x` is then.
        if let Expression::Identifier(name) = binary.lhs()
            && !matches!(binary.op(), BinaryOp::Logical(_) | BinaryOp::Comma)
            && is_assigned_in(binary.rhs(), name.sym())
        {
            return Err(self.refusal("a variable that is set beside the operator that it stands before"));
        }
        match binary.op() {
            BinaryOp::Logical(op) => self.logical(op, binary.lhs(), binary.rhs()),
            BinaryOp::Comma => {
                let mut steps = Vec::new();
                self.effect(binary.lhs(), &mut steps)?;
                let value = self.value(binary.rhs())?;
                Ok(Val { ex: Ex::Do(steps, Box::new(value.ex)), shape: value.shape })
            }
            BinaryOp::Arithmetic(op) => {
                let (left, right) = (self.value(binary.lhs())?, self.value(binary.rhs())?);
                self.arithmetic(op, left.ex, right.ex)
            }
            BinaryOp::Relational(RelationalOp::In) => self.has_member(binary.lhs(), binary.rhs()),
            BinaryOp::Relational(op) => {
                let (left, right) = (self.value(binary.lhs())?, self.value(binary.rhs())?);
                self.relation(op, left.ex, right.ex).map(Val::plain)
            }
            BinaryOp::Bitwise(op) => {
                let (left, right) = (self.value(binary.lhs())?, self.value(binary.rhs())?);
                Ok(Val::plain(Ex::Host(bits(op), vec![left.ex, right.ex])))
            }
        }
    }

    fn relation(&self, op: RelationalOp, left: Ex, right: Ex) -> Res<Ex> {
        let (op, negated) = match op {
            RelationalOp::Equal => (Binary::LooseEqual, false),
            RelationalOp::NotEqual => (Binary::LooseEqual, true),
            RelationalOp::StrictEqual => (Binary::StrictEqual, false),
            RelationalOp::StrictNotEqual => (Binary::StrictEqual, true),
            RelationalOp::LessThan => (Binary::AnyLess, false),
            RelationalOp::LessThanOrEqual => (Binary::AnyLessEqual, false),
            RelationalOp::GreaterThan => (Binary::AnyGreater, false),
            RelationalOp::GreaterThanOrEqual => (Binary::AnyGreaterEqual, false),
            RelationalOp::In => return Err(self.refusal("`in`")),
            RelationalOp::InstanceOf => return Err(self.refusal("`instanceof`")),
        };
        let same = Ex::Bin(op, Box::new(left), Box::new(right));
        Ok(if negated { Ex::Un(Unary::Not, Box::new(same)) } else { same })
    }

    fn logical(&mut self, op: LogicalOp, left: &'t Expression, right: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let left = self.value(left)?;
        let left = self.hold(left, &mut steps);
        let right = self.in_region(|lowering| lowering.value(right))?;
        Ok(self.either(op, left, right, steps))
    }

    /// The one of two values that `op` says; `steps` come first.
    fn either(&mut self, op: LogicalOp, left: Val, right: Val, steps: Vec<St>) -> Val {
        let shape = left.shape.clone().or(&right.shape);
        let (own, other) = (Box::new(left.ex.clone()), Box::new(right.ex));
        let ex = match op {
            LogicalOp::And => Ex::If(Box::new(left.ex), other, own),
            LogicalOp::Or => Ex::If(Box::new(left.ex), own, other),
            LogicalOp::Coalesce => Ex::If(Box::new(Ex::Un(Unary::IsNullish, Box::new(left.ex))), other, own),
        };
        Val { ex: Ex::Do(steps, Box::new(ex)), shape }
    }

    /// An expression of which only the truth is wanted.
    pub(super) fn condition(&mut self, expression: &'t Expression) -> Res<Ex> {
        match expression {
            Expression::Parenthesized(inner) => self.condition(inner.expression()),
            Expression::Unary(unary) if unary.op() == UnaryOp::Not => {
                let inner = self.condition(unary.target())?;
                Ok(Ex::Un(Unary::Not, Box::new(inner)))
            }
            Expression::Binary(binary) => match binary.op() {
                BinaryOp::Logical(op @ (LogicalOp::And | LogicalOp::Or)) => {
                    let left = self.condition(binary.lhs())?;
                    let right = self.in_region(|lowering| lowering.condition(binary.rhs()))?;
                    let right = truth(right);
                    Ok(match op {
                        LogicalOp::And => Ex::If(Box::new(left), Box::new(right), Box::new(Ex::Bool(false))),
                        _ => Ex::If(Box::new(left), Box::new(Ex::Bool(true)), Box::new(right)),
                    })
                }
                _ => self.value(expression).map(|value| value.ex),
            },
            _ => {
                let mut steps = Vec::new();
                match self.callee(expression, &mut steps)? {
                    // A function is true.
                    Some(function) => {
                        let is_there = Ex::Un(Unary::Not, Box::new(self.is_absent(function)));
                        Ok(after(steps, Val::plain(is_there)).ex)
                    }
                    None => self.value(expression).map(|value| value.ex),
                }
            }
        }
    }

    pub(super) fn unary(&mut self, unary: &'t UnaryExpression) -> Res<Val> {
        let ex = match unary.op() {
            UnaryOp::Not => Ex::Un(Unary::Not, Box::new(self.condition(unary.target())?)),
            UnaryOp::Minus => match self.value(unary.target())?.ex {
                Ex::Num(number) => Ex::Num(-number),
                other => Ex::Un(Unary::Neg, Box::new(other)),
            },
            UnaryOp::Plus => to_number(self.value(unary.target())?.ex),
            UnaryOp::TypeOf => match unary.target() {
                Expression::Identifier(name) if !self.is_declared(name.sym()) => {
                    return Err(self.refusal("`typeof` of a name that is not declared"));
                }
                target => Ex::Un(Unary::TypeOf, Box::new(self.value(target)?.ex)),
            },
            UnaryOp::Void => {
                let value = self.value(unary.target())?;
                Ex::Do(vec![St::Eval(value.ex)], Box::new(nothing()))
            }
            UnaryOp::Delete => return Err(self.refusal("`delete`")),
            UnaryOp::Tilde => {
                let value = self.value(unary.target())?;
                Ex::Host(HostCall::BitXor, vec![value.ex, Ex::Num(-1.0)])
            }
        };
        Ok(Val::plain(ex))
    }

    /// An assignment; its value is what was assigned.
    pub(super) fn assignment(&mut self, assign: &'t Assign, steps: &mut Vec<St>) -> Res<Val> {
        match assign.lhs() {
            AssignTarget::Identifier(name) => {
                self.at(name)?;
                let value = match assign.op() {
                    AssignOp::Assign => self.value(assign.rhs())?,
                    op => {
                        let before = self.read(*name)?;
                        self.compound(op, before, assign.rhs(), steps)?
                    }
                };
                let value = self.hold(value, steps);
                let set = self.write(*name, value.clone())?;
                steps.push(set);
                Ok(value)
            }
            AssignTarget::Access(PropertyAccess::Simple(access)) => {
                let target = self.target(access, steps)?;
                let value = match assign.op() {
                    AssignOp::Assign => self.value(assign.rhs())?,
                    op => {
                        let before = self.read_target(&target)?;
                        self.compound(op, before, assign.rhs(), steps)?
                    }
                };
                let value = self.hold(value, steps);
                self.write_target(target, value.clone(), steps)?;
                Ok(value)
            }
            AssignTarget::Access(_) => Err(self.refusal("an assignment to a private member")),
            AssignTarget::Pattern(pattern) => {
                if assign.op() != AssignOp::Assign {
                    return Err(self.refusal("an assignment to a pattern"));
                }
                let value = self.value(assign.rhs())?;
                let value = self.hold(value, steps);
                self.assign_pattern(pattern, value.clone(), steps)?;
                Ok(value)
            }
        }
    }

    fn compound(&mut self, op: AssignOp, before: Val, right: &'t Expression, steps: &mut Vec<St>) -> Res<Val> {
        let op = match op {
            AssignOp::Add => ArithmeticOp::Add,
            AssignOp::Sub => ArithmeticOp::Sub,
            AssignOp::Mul => ArithmeticOp::Mul,
            AssignOp::Div => ArithmeticOp::Div,
            AssignOp::Mod => ArithmeticOp::Mod,
            AssignOp::Exp => ArithmeticOp::Exp,
            AssignOp::BoolAnd | AssignOp::BoolOr | AssignOp::Coalesce => {
                let before = self.hold(before, steps);
                let right = self.in_region(|lowering| lowering.value(right))?;
                let op = match op {
                    AssignOp::BoolAnd => LogicalOp::And,
                    AssignOp::BoolOr => LogicalOp::Or,
                    _ => LogicalOp::Coalesce,
                };
                return Ok(self.either(op, before, right, Vec::new()));
            }
            AssignOp::And | AssignOp::Or | AssignOp::Xor | AssignOp::Shl | AssignOp::Shr | AssignOp::Ushr => {
                let before = self.hold(before, steps);
                let right = self.value(right)?;
                let call = match op {
                    AssignOp::And => HostCall::BitAnd,
                    AssignOp::Or => HostCall::BitOr,
                    AssignOp::Xor => HostCall::BitXor,
                    AssignOp::Shl => HostCall::ShiftLeft,
                    AssignOp::Shr => HostCall::ShiftRight,
                    _ => HostCall::ShiftRightUnsigned,
                };
                return Ok(Val::plain(Ex::Host(call, vec![before.ex, right.ex])));
            }
            AssignOp::Assign => return Err(self.refusal("this assignment")),
        };
        let before = self.hold(before, steps);
        let right = self.value(right)?;
        self.arithmetic(op, before.ex, right.ex)
    }

    fn arithmetic(&self, op: ArithmeticOp, left: Ex, right: Ex) -> Res<Val> {
        let op = match op {
            ArithmeticOp::Add => Binary::Plus,
            ArithmeticOp::Sub => Binary::Sub,
            ArithmeticOp::Mul => Binary::Mul,
            ArithmeticOp::Div => Binary::Div,
            ArithmeticOp::Mod => Binary::Rem,
            ArithmeticOp::Exp => return Ok(Val::plain(Ex::Host(HostCall::Power, vec![left, right]))),
        };
        Ok(Val::plain(Ex::Bin(op, Box::new(left), Box::new(right))))
    }

    /// `++` and `--`.
    pub(super) fn update(&mut self, update: &'t Update, steps: &mut Vec<St>) -> Res<Val> {
        let (by, is_post) = match update.op() {
            UpdateOp::IncrementPost => (Binary::Add, true),
            UpdateOp::IncrementPre => (Binary::Add, false),
            UpdateOp::DecrementPost => (Binary::Sub, true),
            UpdateOp::DecrementPre => (Binary::Sub, false),
        };
        let changed = |before: &Val| Ex::Bin(by, Box::new(before.ex.clone()), Box::new(Ex::Num(1.0)));
        match update.target() {
            UpdateTarget::Identifier(name) => {
                self.at(name)?;
                let before = self.read(*name)?;
                let before = self.hold(Val::plain(to_number(before.ex)), steps);
                let after = self.hold(Val::plain(changed(&before)), steps);
                let set = self.write(*name, after.clone())?;
                steps.push(set);
                Ok(if is_post { before } else { after })
            }
            UpdateTarget::PropertyAccess(PropertyAccess::Simple(access)) => {
                let target = self.target(access, steps)?;
                let before = self.read_target(&target)?;
                let before = self.hold(Val::plain(to_number(before.ex)), steps);
                let after = self.hold(Val::plain(changed(&before)), steps);
                self.write_target(target, after.clone(), steps)?;
                Ok(if is_post { before } else { after })
            }
            UpdateTarget::PropertyAccess(_) => Err(self.refusal("an assignment to a private member")),
        }
    }
}

/// Whether `expression` may give the variable `name` a value.
fn is_assigned_in(expression: &Expression, name: Sym) -> bool {
    !matches!(expression, Expression::Literal(_) | Expression::Identifier(_))
        && writes::is_assigned_in(expression, name)
}

/// The call for an operator on bits.
fn bits(op: BitwiseOp) -> HostCall {
    match op {
        BitwiseOp::And => HostCall::BitAnd,
        BitwiseOp::Or => HostCall::BitOr,
        BitwiseOp::Xor => HostCall::BitXor,
        BitwiseOp::Shl => HostCall::ShiftLeft,
        BitwiseOp::Shr => HostCall::ShiftRight,
        BitwiseOp::UShr => HostCall::ShiftRightUnsigned,
    }
}

/// `ex` as a number.
pub(super) fn to_number(ex: Ex) -> Ex {
    // Nothing is changed by a factor of one, a negative nothing included.
    Ex::Bin(Binary::Mul, Box::new(ex), Box::new(Ex::Num(1.0)))
}

/// `ex` as a truth value.
pub(super) fn truth(ex: Ex) -> Ex {
    Ex::Un(Unary::Not, Box::new(Ex::Un(Unary::Not, Box::new(ex))))
}
