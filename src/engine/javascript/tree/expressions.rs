//! Expressions.

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::literal::{Literal, LiteralKind, ObjectLiteral, PropertyDefinition, TemplateElement};
use boa_ast::expression::operator::assign::AssignOp;
use boa_ast::expression::operator::binary::{ArithmeticOp, BinaryOp, LogicalOp, RelationalOp};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::update::UpdateTarget;
use boa_ast::expression::{Expression, Optional, OptionalOperationKind};
use boa_ast::property::MethodDefinitionKind;

use crate::script::tree::{Expr, ExprKind, Operator, PatternKind, SourceRange};

use super::{FunctionForm, FunctionParts, TreeBuilder};

impl TreeBuilder<'_> {
    pub(super) fn expression(&mut self, expression: &Expression) -> Expr {
        if let Expression::Parenthesized(inner) = expression {
            return self.expression(inner.expression());
        }
        let span = self.range(expression);
        let kind = match expression {
            Expression::Identifier(name) => match self.name(name.sym()).as_str() {
                "undefined" => ExprKind::Nothing,
                name => ExprKind::Name(name.to_owned()),
            },
            Expression::This(_) => ExprKind::Name("this".to_owned()),
            Expression::Literal(literal) => self.literal(literal),
            Expression::RegExpLiteral(_) => ExprKind::Regex,
            Expression::ArrayLiteral(list) => {
                ExprKind::List(list.as_ref().iter().flatten().map(|element| self.expression(element)).collect())
            }
            Expression::ObjectLiteral(object) => ExprKind::Object(self.members(object)),
            Expression::Spread(spread) => ExprKind::Spread(Box::new(self.expression(spread.target()))),
            Expression::TemplateLiteral(template) => self.template(template.elements()),
            Expression::PropertyAccess(access) => return self.access(access),
            Expression::Call(call) => {
                let (callee, arguments) = (self.expression(call.function()), self.expressions(call.args()));
                // Boa's place of a call is that of its brackets.
                let span = callee.span.start..span.end;
                return Expr { kind: ExprKind::Call(Box::new(callee), arguments), span };
            }
            Expression::New(new) => {
                let (class, arguments) = (self.expression(new.constructor()), self.expressions(new.arguments()));
                let before = self.places.text().get(..class.span.start).unwrap_or_default().trim_end();
                let start = before.strip_suffix("new").map_or(class.span.start, str::len);
                let span = start..span.end.max(class.span.end);
                return Expr { kind: ExprKind::New(Box::new(class), arguments), span };
            }
            Expression::Optional(optional) => return self.optional(optional),
            Expression::Assign(assign) => {
                let target = self.target(assign.lhs());
                ExprKind::Assign(assigned(assign.op()), Box::new(target), Box::new(self.expression(assign.rhs())))
            }
            Expression::Unary(unary) => ExprKind::Unary(before(unary.op()), Box::new(self.expression(unary.target()))),
            Expression::Update(update) => self.update(update.target()),
            Expression::Binary(binary) => {
                let (left, right) = (self.expression(binary.lhs()), self.expression(binary.rhs()));
                ExprKind::Binary(between(binary.op()), Box::new(left), Box::new(right))
            }
            Expression::Conditional(choice) => ExprKind::Conditional(
                Box::new(self.expression(choice.condition())),
                Box::new(self.expression(choice.if_true())),
                Box::new(self.expression(choice.if_false())),
            ),
            Expression::Await(wait) => ExprKind::Unary("await", Box::new(self.expression(wait.target()))),
            other => self.rare(other, &span),
        };
        Expr { kind, span }
    }

    /// The functions, and what no rule looks into.
    fn rare(&mut self, expression: &Expression, span: &SourceRange) -> ExprKind {
        let start = Some(span.start);
        let (plain, is_async, is_generator) = (FunctionForm::default(), true, true);
        let parts = match expression {
            Expression::FunctionExpression(f) => FunctionParts {
                name: f.name().map(|n| n.sym()),
                parameters: f.parameters(),
                body: f.body(),
                start,
                form: plain,
            },
            Expression::ArrowFunction(f) => {
                let form = FunctionForm { is_arrow: true, ..plain };
                FunctionParts { name: None, parameters: f.parameters(), body: f.body(), start, form }
            }
            Expression::AsyncArrowFunction(f) => {
                let form = FunctionForm { is_arrow: true, is_async, ..plain };
                FunctionParts { name: None, parameters: f.parameters(), body: f.body(), start, form }
            }
            Expression::AsyncFunctionExpression(f) => {
                let form = FunctionForm { is_async, ..plain };
                FunctionParts {
                    name: f.name().map(|n| n.sym()),
                    parameters: f.parameters(),
                    body: f.body(),
                    start,
                    form,
                }
            }
            Expression::GeneratorExpression(f) => {
                let form = FunctionForm { is_generator, ..plain };
                FunctionParts {
                    name: f.name().map(|n| n.sym()),
                    parameters: f.parameters(),
                    body: f.body(),
                    start,
                    form,
                }
            }
            Expression::AsyncGeneratorExpression(f) => {
                let form = FunctionForm { is_generator, is_async, ..plain };
                FunctionParts {
                    name: f.name().map(|n| n.sym()),
                    parameters: f.parameters(),
                    body: f.body(),
                    start,
                    form,
                }
            }
            Expression::ClassExpression(class) => {
                return ExprKind::Other(self.class(class.super_ref(), class.constructor(), class.elements()));
            }
            Expression::TaggedTemplate(template) => {
                let tag = self.expression(template.tag());
                let mut parts = self.expressions(template.exprs());
                parts.push(tag);
                return ExprKind::Other(parts);
            }
            Expression::SuperCall(call) => return ExprKind::Other(self.expressions(call.arguments())),
            Expression::Yield(value) => {
                return ExprKind::Other(value.target().map(|value| self.expression(value)).into_iter().collect());
            }
            _ => return ExprKind::Other(Vec::new()),
        };
        let function = self.function(&parts);
        ExprKind::Function(function)
    }

    fn expressions(&mut self, expressions: &[Expression]) -> Vec<Expr> {
        expressions.iter().map(|expression| self.expression(expression)).collect()
    }

    fn literal(&self, literal: &Literal) -> ExprKind {
        match literal.kind() {
            LiteralKind::String(text) => ExprKind::Text(self.name(*text)),
            LiteralKind::Num(number) => ExprKind::Number(*number),
            LiteralKind::Int(number) => ExprKind::Number(f64::from(*number)),
            LiteralKind::Bool(truth) => ExprKind::Truth(*truth),
            LiteralKind::Null | LiteralKind::Undefined => ExprKind::Nothing,
            LiteralKind::BigInt(_) => ExprKind::Other(Vec::new()),
        }
    }

    fn template(&mut self, elements: &[TemplateElement]) -> ExprKind {
        match elements {
            [TemplateElement::String(text)] => ExprKind::Text(self.name(*text)),
            elements => {
                let mut values = Vec::new();
                for element in elements {
                    if let TemplateElement::Expr(value) = element {
                        values.push(self.expression(value));
                    }
                }
                ExprKind::Template(values)
            }
        }
    }

    fn members(&mut self, object: &ObjectLiteral) -> Vec<(Option<String>, Expr)> {
        object
            .properties()
            .iter()
            .map(|property| match property {
                PropertyDefinition::IdentifierReference(name) => {
                    let (span, name) = (self.range(name), self.name(name.sym()));
                    (Some(name.clone()), Expr { kind: ExprKind::Name(name), span })
                }
                PropertyDefinition::Property(name, value) => (self.key(name).0, self.expression(value)),
                PropertyDefinition::MethodDefinition(method) => {
                    let is_method = method.kind() == MethodDefinitionKind::Ordinary;
                    let name = self.key(method.name()).0.filter(|_| is_method);
                    let (parameters, body) = (method.parameters(), method.body());
                    let function = self.function(&FunctionParts {
                        name: None,
                        parameters,
                        body,
                        start: None,
                        form: FunctionForm::default(),
                    });
                    let span = function.span.clone();
                    (name, Expr { kind: ExprKind::Function(function), span })
                }
                PropertyDefinition::SpreadObject(value) => {
                    let value = self.expression(value);
                    let span = value.span.clone();
                    (None, Expr { kind: ExprKind::Spread(Box::new(value)), span })
                }
                PropertyDefinition::CoverInitializedName(name, value) => {
                    (Some(self.name(name.sym())), self.expression(value))
                }
            })
            .collect()
    }

    pub(super) fn access(&mut self, access: &PropertyAccess) -> Expr {
        let span = self.range(access);
        let kind = match access {
            PropertyAccess::Simple(access) => {
                let of = self.expression(access.target());
                return self.field(of, access.field());
            }
            PropertyAccess::Private(access) => ExprKind::Other(vec![self.expression(access.target())]),
            PropertyAccess::Super(_) => ExprKind::Other(Vec::new()),
        };
        Expr { kind, span }
    }

    fn field(&mut self, of: Expr, field: &PropertyAccessField) -> Expr {
        let start = of.span.start;
        match field {
            PropertyAccessField::Const(name) => {
                let name_span = self.range(name);
                let span = start..name_span.end.max(start);
                Expr { kind: ExprKind::Field { of: Box::new(of), name: self.name(name.sym()), name_span }, span }
            }
            PropertyAccessField::Expr(index) => {
                let index = self.expression(index);
                // The bracket behind it belongs to it.
                let end = self.places.text().get(index.span.end..).map_or(0, |rest| {
                    rest.find(']')
                        .filter(|at| rest.get(..*at).is_some_and(|t| t.trim().is_empty()))
                        .map_or(0, |at| at + 1)
                });
                let span = start..(index.span.end + end).max(start);
                let kind = match &index.kind {
                    // Between the quotation marks.
                    ExprKind::Text(name) if index.span.len() == name.len() + 2 => {
                        let name_span =
                            index.span.start + 1..index.span.end.saturating_sub(1).max(index.span.start + 1);
                        ExprKind::Field { of: Box::new(of), name: name.clone(), name_span }
                    }
                    _ => ExprKind::Index(Box::new(of), Box::new(index)),
                };
                Expr { kind, span }
            }
        }
    }

    fn optional(&mut self, optional: &Optional) -> Expr {
        let mut made = self.expression(optional.target());
        for operation in optional.chain() {
            let span = made.span.start..self.range(operation).end.max(made.span.start);
            made = match operation.kind() {
                OptionalOperationKind::SimplePropertyAccess { field } => self.field(made, field),
                OptionalOperationKind::PrivatePropertyAccess { .. } => Expr { kind: ExprKind::Other(vec![made]), span },
                OptionalOperationKind::Call { args } => {
                    let args = self.expressions(args);
                    Expr { kind: ExprKind::Call(Box::new(made), args), span }
                }
            };
        }
        made
    }

    fn update(&mut self, target: &UpdateTarget) -> ExprKind {
        let target = match target {
            UpdateTarget::Identifier(name) => {
                Expr { kind: ExprKind::Name(self.name(name.sym())), span: self.range(name) }
            }
            UpdateTarget::PropertyAccess(access) => match self.place(access) {
                pattern if matches!(pattern.kind, PatternKind::Place(_)) => {
                    let PatternKind::Place(place) = pattern.kind else { return ExprKind::Other(Vec::new()) };
                    place
                }
                _ => return ExprKind::Other(Vec::new()),
            },
        };
        ExprKind::Update(Box::new(target))
    }
}

fn before(operator: UnaryOp) -> &'static str {
    match operator {
        UnaryOp::Minus => "-",
        UnaryOp::Plus => "+",
        UnaryOp::Not => "!",
        UnaryOp::Tilde => "~",
        UnaryOp::TypeOf => "typeof",
        UnaryOp::Delete => "delete",
        UnaryOp::Void => "void",
    }
}

fn between(operator: BinaryOp) -> Operator {
    match operator {
        BinaryOp::Relational(relation) => match relation {
            RelationalOp::Equal => Operator::Equal(true),
            RelationalOp::StrictEqual => Operator::Equal(false),
            RelationalOp::NotEqual => Operator::Unequal(true),
            RelationalOp::StrictNotEqual => Operator::Unequal(false),
            RelationalOp::GreaterThan => Operator::Greater,
            RelationalOp::GreaterThanOrEqual => Operator::AtLeast,
            RelationalOp::LessThan => Operator::Less,
            RelationalOp::LessThanOrEqual => Operator::AtMost,
            RelationalOp::In => Operator::In,
            RelationalOp::InstanceOf => Operator::Other,
        },
        BinaryOp::Logical(LogicalOp::And) => Operator::And,
        BinaryOp::Logical(LogicalOp::Or) => Operator::Or,
        BinaryOp::Logical(LogicalOp::Coalesce) => Operator::Coalesce,
        BinaryOp::Arithmetic(ArithmeticOp::Add) => Operator::Add,
        BinaryOp::Arithmetic(_) | BinaryOp::Bitwise(_) => Operator::Arithmetic,
        BinaryOp::Comma => Operator::Comma,
    }
}

fn assigned(operator: AssignOp) -> Option<Operator> {
    match operator {
        AssignOp::Assign => None,
        AssignOp::Add => Some(Operator::Add),
        AssignOp::BoolAnd => Some(Operator::And),
        AssignOp::BoolOr => Some(Operator::Or),
        AssignOp::Coalesce => Some(Operator::Coalesce),
        _ => Some(Operator::Arithmetic),
    }
}
