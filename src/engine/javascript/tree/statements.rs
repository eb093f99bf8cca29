//! Statements and declarations.

use boa_ast::declaration::{Declaration, LexicalDeclaration, VariableList};
use boa_ast::function::{ClassElement, FunctionDeclaration};
use boa_ast::statement::iteration::{ForLoopInitializer, IterableLoopInitializer};
use boa_ast::statement::{LabelledItem, Switch, Try};
use boa_ast::{Statement, StatementListItem};

use crate::script::tree::{Declared, Expr, Pattern, Stmt, StmtKind};

use super::{FunctionForm, FunctionParts, TreeBuilder};

impl TreeBuilder<'_> {
    pub(super) fn item(&mut self, item: &StatementListItem) -> Option<Stmt> {
        match item {
            StatementListItem::Statement(statement) => self.statement(statement),
            StatementListItem::Declaration(declaration) => Some(self.declaration(declaration)),
        }
    }

    fn declaration(&mut self, declaration: &Declaration) -> Stmt {
        match declaration {
            Declaration::Lexical(list) => self.lexical(list),
            Declaration::FunctionDeclaration(f) => self.declared_function(f),
            Declaration::AsyncFunctionDeclaration(f) => {
                let form = FunctionForm { is_async: true, ..FunctionForm::default() };
                self.named(
                    &f.name(),
                    FunctionParts {
                        name: Some(f.name().sym()),
                        parameters: f.parameters(),
                        body: f.body(),
                        start: None,
                        form,
                    },
                )
            }
            Declaration::GeneratorDeclaration(f) => {
                let form = FunctionForm { is_generator: true, ..FunctionForm::default() };
                self.named(
                    &f.name(),
                    FunctionParts {
                        name: Some(f.name().sym()),
                        parameters: f.parameters(),
                        body: f.body(),
                        start: None,
                        form,
                    },
                )
            }
            Declaration::AsyncGeneratorDeclaration(f) => {
                let form = FunctionForm { is_generator: true, is_async: true, ..FunctionForm::default() };
                self.named(
                    &f.name(),
                    FunctionParts {
                        name: Some(f.name().sym()),
                        parameters: f.parameters(),
                        body: f.body(),
                        start: None,
                        form,
                    },
                )
            }
            Declaration::ClassDeclaration(class) => {
                let span = self.range(&class.name());
                let parts = self.class(class.super_ref(), class.constructor(), class.elements());
                stmt(StmtKind::Other(parts), span)
            }
        }
    }

    pub(super) fn class(
        &mut self,
        parent: Option<&boa_ast::Expression>,
        constructor: Option<&boa_ast::function::FunctionExpression>,
        elements: &[ClassElement],
    ) -> Vec<Expr> {
        let mut parts: Vec<_> = parent.map(|parent| self.expression(parent)).into_iter().collect();
        parts.extend(constructor.map(|f| {
            let function = self.function(&FunctionParts {
                name: None,
                parameters: f.parameters(),
                body: f.body(),
                start: None,
                form: FunctionForm::default(),
            });
            function_value(function)
        }));
        for element in elements {
            let part = match element {
                ClassElement::MethodDefinition(method) => {
                    let function = self.function(&FunctionParts {
                        name: None,
                        parameters: method.parameters(),
                        body: method.body(),
                        start: None,
                        form: FunctionForm::default(),
                    });
                    Some(function_value(function))
                }
                ClassElement::FieldDefinition(field) | ClassElement::StaticFieldDefinition(field) => {
                    field.initializer().map(|value| self.expression(value))
                }
                ClassElement::PrivateFieldDefinition(field) | ClassElement::PrivateStaticFieldDefinition(field) => {
                    field.initializer().map(|value| self.expression(value))
                }
                ClassElement::StaticBlock(_) => None,
            };
            parts.extend(part);
        }
        parts
    }

    fn declared_function(&mut self, f: &FunctionDeclaration) -> Stmt {
        let form = FunctionForm::default();
        self.named(
            &f.name(),
            FunctionParts { name: Some(f.name().sym()), parameters: f.parameters(), body: f.body(), start: None, form },
        )
    }

    /// A function whose start is told by its name alone, before which its keyword stands.
    fn named(&mut self, name: &boa_ast::expression::Identifier, parts: FunctionParts<'_>) -> Stmt {
        let name = self.range(name);
        let before = self.places.text().get(..name.start).unwrap_or_default().trim_end_matches(['*', ' ', '\t']);
        let start = before
            .strip_suffix("function")
            .map_or(name.start, |before| before.trim_end().strip_suffix("async").map_or(before.len(), str::len));
        let function = self.function(&FunctionParts { start: Some(start), ..parts });
        let span = function.head.clone();
        stmt(StmtKind::Function(function), span)
    }

    fn lexical(&mut self, list: &LexicalDeclaration) -> Stmt {
        let how = if list.is_const() { Declared::Constant } else { Declared::Block };
        self.variables(how, list.variable_list())
    }

    fn variables(&mut self, how: Declared, list: &VariableList) -> Stmt {
        let list: Vec<(Pattern, Option<Expr>)> = list
            .as_ref()
            .iter()
            .map(|variable| (self.binding(variable.binding()), variable.init().map(|value| self.expression(value))))
            .collect();
        let start = list.first().map_or(0, |(pattern, _)| pattern.span.start);
        let end = list.last().map_or(start, |(pattern, value)| value.as_ref().map_or(pattern.span.end, |v| v.span.end));
        stmt(StmtKind::Declare(how, list), start..end.max(start))
    }

    fn block(&mut self, statement: &Statement) -> Vec<Stmt> {
        match statement {
            Statement::Block(block) => self.items(block.statement_list().statements()),
            other => self.statement(other).into_iter().collect(),
        }
    }

    fn statement(&mut self, statement: &Statement) -> Option<Stmt> {
        Some(match statement {
            Statement::Empty | Statement::Debugger => return None,
            Statement::Block(block) => {
                let body = self.items(block.statement_list().statements());
                let span = body.first().map_or(0..0, |first| first.span.clone());
                stmt(StmtKind::Block(body), span)
            }
            Statement::Var(list) => self.variables(Declared::Function, &list.0),
            Statement::Expression(expression) => {
                let expression = self.expression(expression);
                let span = expression.span.clone();
                stmt(StmtKind::Expr(expression), span)
            }
            Statement::If(choice) => {
                let condition = self.expression(choice.cond());
                let span = condition.span.clone();
                let then = self.block(choice.body());
                let otherwise = choice.else_node().map(|other| self.block(other)).unwrap_or_default();
                stmt(StmtKind::If(condition, then, otherwise), span)
            }
            Statement::Return(end) => {
                let value = end.target().map(|value| self.expression(value));
                let span = value.as_ref().map_or(0..0, |value| value.span.clone());
                stmt(StmtKind::Return(value), span)
            }
            Statement::Throw(throw) => {
                let value = self.expression(throw.target());
                let span = value.span.clone();
                stmt(StmtKind::Throw(value), span)
            }
            Statement::Break(_) => stmt(StmtKind::Break, 0..0),
            Statement::Continue(_) => stmt(StmtKind::Continue, 0..0),
            Statement::Labelled(labelled) => match labelled.item() {
                LabelledItem::Statement(inner) => return self.statement(inner),
                LabelledItem::FunctionDeclaration(f) => self.declared_function(f),
            },
            Statement::Switch(switch) => self.switch(switch),
            Statement::Try(attempt) => self.attempt(attempt),
            Statement::With(with) => {
                let value = self.expression(with.expression());
                let span = value.span.clone();
                stmt(StmtKind::Other(vec![value]), span)
            }
            Statement::WhileLoop(_)
            | Statement::DoWhileLoop(_)
            | Statement::ForLoop(_)
            | Statement::ForInLoop(_)
            | Statement::ForOfLoop(_) => self.iteration(statement)?,
        })
    }

    fn switch(&mut self, switch: &Switch) -> Stmt {
        let value = self.expression(switch.val());
        let span = value.span.clone();
        let cases = switch
            .cases()
            .iter()
            .map(|case| {
                let condition = case.condition().map(|condition| self.expression(condition));
                (condition, self.items(case.body().statements()))
            })
            .collect();
        stmt(StmtKind::Switch(value, cases), span)
    }

    fn attempt(&mut self, attempt: &Try) -> Stmt {
        let body = self.items(attempt.block().statement_list().statements());
        let catch = attempt.catch().map(|catch| {
            let parameter = catch.parameter().map(|binding| self.binding(binding));
            (parameter, self.items(catch.block().statement_list().statements()))
        });
        let finally = attempt.finally().map(|finally| self.items(finally.block().statement_list().statements()));
        let span = body.first().map_or(0..0, |first| first.span.clone());
        stmt(StmtKind::Try { body, catch, finally: finally.unwrap_or_default() }, span)
    }

    fn iteration(&mut self, statement: &Statement) -> Option<Stmt> {
        Some(match statement {
            Statement::WhileLoop(turn) => {
                let condition = self.expression(turn.condition());
                let span = condition.span.clone();
                let body = self.block(turn.body());
                let first = Vec::new();
                stmt(StmtKind::Loop { first, condition: Some(condition), update: None, body, runs_once: false }, span)
            }
            Statement::DoWhileLoop(turn) => {
                let body = self.block(turn.body());
                let condition = self.expression(turn.cond());
                let span = condition.span.clone();
                let first = Vec::new();
                stmt(StmtKind::Loop { first, condition: Some(condition), update: None, body, runs_once: true }, span)
            }
            Statement::ForLoop(turn) => {
                let first = turn.init().map(|init| match init {
                    ForLoopInitializer::Expression(expression) => {
                        let expression = self.expression(expression);
                        let span = expression.span.clone();
                        stmt(StmtKind::Expr(expression), span)
                    }
                    ForLoopInitializer::Var(list) => self.variables(Declared::Function, &list.0),
                    ForLoopInitializer::Lexical(list) => self.lexical(list.declaration()),
                });
                let condition = turn.condition().map(|condition| self.expression(condition));
                let update = turn.final_expr().map(|update| self.expression(update));
                let span = condition.as_ref().map_or(0..0, |condition| condition.span.clone());
                let body = self.block(turn.body());
                let first = first.into_iter().collect();
                stmt(StmtKind::Loop { first, condition, update, body, runs_once: false }, span)
            }
            Statement::ForInLoop(turn) => {
                let list = self.expression(turn.target());
                self.each(turn.initializer(), list, turn.body(), true)
            }
            Statement::ForOfLoop(turn) => {
                let list = self.expression(turn.iterable());
                self.each(turn.initializer(), list, turn.body(), false)
            }
            _ => return None,
        })
    }

    fn each(&mut self, variable: &IterableLoopInitializer, list: Expr, body: &Statement, is_index: bool) -> Stmt {
        let (variable, is_declared) = match variable {
            IterableLoopInitializer::Identifier(name) => (self.variable(*name), false),
            IterableLoopInitializer::Access(access) => (self.place(access), false),
            IterableLoopInitializer::Var(variable) => (self.binding(variable.binding()), true),
            IterableLoopInitializer::Let(binding) | IterableLoopInitializer::Const(binding) => {
                (self.binding(binding), true)
            }
            IterableLoopInitializer::Pattern(pattern) => (self.taken(pattern), false),
        };
        let span = variable.span.start..list.span.end.max(variable.span.start);
        let body = self.block(body);
        stmt(StmtKind::ForEach { variable, is_declared, is_index, list, body }, span)
    }
}

fn function_value(function: crate::script::tree::FunctionTree) -> Expr {
    let span = function.span.clone();
    Expr { kind: crate::script::tree::ExprKind::Function(function), span }
}

fn stmt(kind: StmtKind, span: std::ops::Range<usize>) -> Stmt {
    Stmt { kind, span }
}
