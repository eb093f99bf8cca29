//! Expressions.

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField, SimplePropertyAccess};
use boa_ast::expression::literal::{ArrayLiteral, LiteralKind, TemplateElement, TemplateLiteral};
use boa_ast::expression::{Expression, Optional, OptionalOperationKind};

use super::super::host_calls::HostCall;
use super::super::ir::{Binary, Ex, St, Ty, Unary};
use super::super::paths::{PathId, RootKind, Shape};
use super::super::value;
use super::names::nothing;
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    pub(super) fn value(&mut self, expression: &'t Expression) -> Res<Val> {
        self.at(expression)?;
        match expression {
            Expression::Parenthesized(inner) => self.value(inner.expression()),
            Expression::Identifier(name) => self.read(*name),
            Expression::Literal(literal) => self.literal(literal.kind()),
            Expression::ArrayLiteral(list) => self.list_literal(list),
            Expression::ObjectLiteral(object) => self.object_literal(object),
            Expression::TemplateLiteral(template) => self.template(template),
            Expression::PropertyAccess(PropertyAccess::Simple(access)) => self.access(expression, access),
            Expression::Call(call) => match self.logged(expression)? {
                Some(nothing) => Ok(nothing),
                None => self.call_expression(call.function(), call.args()),
            },
            Expression::New(new) => self.construct(new),
            Expression::Optional(optional) => self.optional(optional),
            Expression::Assign(assign) => {
                let mut steps = Vec::new();
                let value = self.assignment(assign, &mut steps)?;
                Ok(after(steps, value))
            }
            Expression::Update(update) => {
                let mut steps = Vec::new();
                let value = self.update(update, &mut steps)?;
                Ok(after(steps, value))
            }
            Expression::Unary(unary) => self.unary(unary),
            Expression::Binary(binary) => self.binary(binary),
            Expression::Conditional(choice) => {
                let condition = self.condition(choice.condition())?;
                let yes = self.in_region(|lowering| lowering.value(choice.if_true()))?;
                let no = self.in_region(|lowering| lowering.value(choice.if_false()))?;
                let shape = yes.shape.or(&no.shape);
                Ok(Val { ex: Ex::If(Box::new(condition), Box::new(yes.ex), Box::new(no.ex)), shape })
            }
            Expression::RegExpLiteral(_) => Err(self.refusal("a pattern as a value")),
            Expression::FunctionExpression(_) | Expression::ArrowFunction(_) => {
                Err(self.refusal("a function as a value"))
            }
            Expression::Spread(_) => Err(self.refusal("`...` here")),
            Expression::This(_) => self.this().ok_or_else(|| self.refusal("`this`")),
            Expression::TaggedTemplate(_) => Err(self.refusal("a template with a tag")),
            Expression::ClassExpression(_) => Err(self.refusal("a class")),
            Expression::GeneratorExpression(_) | Expression::Yield(_) => Err(self.refusal("a generator")),
            _ => Err(self.refusal("what is asynchronous")),
        }
    }

    fn template(&mut self, template: &'t TemplateLiteral) -> Res<Val> {
        let mut whole: Option<Val> = None;
        for element in template.elements() {
            let part = match element {
                TemplateElement::String(text) => {
                    let text = self.literal_text(*text)?;
                    if text.is_empty() {
                        continue;
                    }
                    self.text(&text)
                }
                TemplateElement::Expr(expression) => {
                    let part = self.value(expression)?;
                    Val::plain(Ex::Host(HostCall::ToText, vec![part.ex]))
                }
            };
            whole = Some(match whole {
                Some(whole) => Val::plain(Ex::Bin(Binary::Plus, Box::new(whole.ex), Box::new(part.ex))),
                None => part,
            });
        }
        Ok(whole.unwrap_or_else(|| self.text("")))
    }

    /// The member that `access` names, which is all of `expression`.
    fn access(&mut self, expression: &'t Expression, access: &'t SimplePropertyAccess) -> Res<Val> {
        if let Some(constant) = self.constant(access) {
            return Ok(constant);
        }
        let mut steps = Vec::new();
        if let PropertyAccessField::Const(name) = access.field()
            && self.name(name.sym()) == "length"
            && let Some(list) = self.fixed_list(access.target(), &mut steps)?
        {
            return Ok(after(steps, Val::plain(Ex::Num(list.len() as f64))));
        }
        let base = self.value(access.target())?;
        match access.field() {
            PropertyAccessField::Const(name) => {
                let name = self.literal_text(name.sym())?;
                self.at(expression)?;
                self.member(base, &name)
            }
            PropertyAccessField::Expr(field) => self.computed(base, field),
        }
    }

    fn literal(&mut self, literal: &LiteralKind) -> Res<Val> {
        Ok(match literal {
            LiteralKind::String(text) => {
                let text = self.literal_text(*text)?;
                self.text(&text)
            }
            LiteralKind::Num(number) => Val::plain(Ex::Num(*number)),
            LiteralKind::Int(number) => Val::plain(Ex::Num(f64::from(*number))),
            LiteralKind::Bool(flag) => Val::plain(Ex::Bool(*flag)),
            LiteralKind::Null => Val::plain(Ex::Const(value::NULL)),
            LiteralKind::Undefined => Val::undefined(),
            LiteralKind::BigInt(_) => return Err(self.refusal("a BigInt")),
        })
    }

    fn list_literal(&mut self, list: &'t ArrayLiteral) -> Res<Val> {
        let site = self.site();
        let address = self.local(Some(Ty::Int));
        let room = i32::try_from(list.as_ref().len()).unwrap_or(i32::MAX).max(4);
        let mut steps = vec![St::Set(address, Ex::Un(Unary::NewList, Box::new(Ex::Int(room))))];
        for item in list.as_ref() {
            match item {
                None => return Err(self.refusal("a hole in a list")),
                Some(Expression::Spread(spread)) => {
                    let from = self.iterable(spread.target())?;
                    self.append_all(site, address, from, &mut steps)?;
                }
                Some(item) => {
                    let item = self.value(item)?;
                    self.push(site, address, item, &mut steps);
                }
            }
        }
        Ok(Val { ex: Ex::Do(steps, Box::new(from_list(address))), shape: Shape::site(site) })
    }

    /// The root of the literal that stands here.
    pub(super) fn literal_root(&mut self) -> Res<PathId> {
        let place = self.next_literal;
        self.next_literal += 1;
        if let Some(root) = self.literals.get(place) {
            return Ok(*root);
        }
        let Some(root) = self.paths.root(RootKind::Record) else { return Err(self.refusal("so many objects")) };
        self.literals.push(root);
        Ok(root)
    }

    /// Whether objects at `path` are the script's own.
    pub(super) fn is_own(&self, path: PathId) -> bool {
        let Some(root) = self.paths.get(path).map(|path| path.root) else { return false };
        self.literals.iter().any(|own| self.paths.get(*own).is_some_and(|own| own.root == root))
    }

    /// Learns that `field` of an object of the script's own may have this shape.
    pub(super) fn learn_field(&mut self, field: PathId, shape: &Shape) {
        self.learnt |= self.literal_fields.entry(field).or_default().add(shape);
    }

    /// `a?.b.c`: where a link is missing, so is the whole.
    fn optional(&mut self, optional: &'t Optional) -> Res<Val> {
        let value = self.value(optional.target())?;
        self.link(value, optional, 0)
    }

    fn link(&mut self, value: Val, optional: &'t Optional, place: usize) -> Res<Val> {
        let Some(operation) = optional.chain().get(place) else { return Ok(value) };
        let OptionalOperationKind::SimplePropertyAccess { field } = operation.kind() else {
            return Err(self.refusal("a call in an optional chain"));
        };
        let next = optional.chain().get(place + 1);
        let mut steps = Vec::new();
        let held = if operation.shorted() { self.hold(value, &mut steps) } else { value };
        let lower = |lowering: &mut Self| {
            if let (PropertyAccessField::Const(name), Some(OptionalOperationKind::Call { args })) =
                (field, next.map(|next| next.kind()))
            {
                // A method that is not there ends compiled code, so it need not be asked whether it is.
                let name = lowering.literal_text(name.sym())?;
                let called = lowering.method(held.clone(), &name, args)?;
                return lowering.link(called, optional, place + 2);
            }
            let member = match field {
                PropertyAccessField::Const(name) => {
                    let name = lowering.literal_text(name.sym())?;
                    lowering.member(held.clone(), &name)?
                }
                PropertyAccessField::Expr(field) => lowering.computed(held.clone(), field)?,
            };
            lowering.link(member, optional, place + 1)
        };
        if !operation.shorted() {
            return lower(self);
        }
        let rest = self.in_region(lower)?;
        let is_missing = Ex::Un(Unary::IsNullish, Box::new(held.ex));
        let ex = Ex::If(Box::new(is_missing), Box::new(nothing()), Box::new(rest.ex));
        Ok(after(steps, Val { ex, shape: rest.shape }))
    }
}

/// `value`, which comes after `steps`.
pub(super) fn after(steps: Vec<St>, value: Val) -> Val {
    if steps.is_empty() {
        return value;
    }
    Val { ex: Ex::Do(steps, Box::new(value.ex)), shape: value.shape }
}

/// The list at `address` as a value.
pub(super) fn from_list(address: usize) -> Ex {
    Ex::Un(Unary::FromList, Box::new(Ex::Get(address)))
}
