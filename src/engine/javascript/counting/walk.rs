//! The walk through a text beside its syntax tree, which finds where statements begin and end.
//!
//! Each function is given where its part begins and returns where the part ends, or nothing where text and tree do not
//! agree: then the whole source goes uncounted.

use std::ops::ControlFlow;

use boa_ast::declaration::{Binding, Declaration, VariableList};
use boa_ast::expression::Expression;
use boa_ast::expression::literal::LiteralKind;
use boa_ast::expression::operator::binary::{BinaryOp, LogicalOp};
use boa_ast::expression::operator::{Binary, Conditional};
use boa_ast::function::{ClassDeclaration, FormalParameterList, FunctionBody};
use boa_ast::statement::iteration::ForLoopInitializer;
use boa_ast::statement::{Block, If, LabelledItem, Switch, Try};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_ast::{Spanned, Statement, StatementListItem};

use crate::script::CoverageKind;

use super::super::analysis::tree::Tree;
use super::Pen;

/// Walks through the whole of `tree`.
pub(super) fn script(tree: &Tree, pen: &mut Pen<'_>) -> Option<()> {
    let mut walk = Walk { tree, pen };
    walk.list(tree.script.statements().statements(), 0, Directives::First).map(|_end| ())
}

/// Whether a list of statements may begin with directives, before which nothing may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directives {
    First,
    None,
}

struct Walk<'w, 't> {
    tree: &'w Tree,
    pen: &'w mut Pen<'t>,
}

impl Walk<'_, '_> {
    fn list(&mut self, items: &[StatementListItem], from: usize, directives: Directives) -> Option<usize> {
        let (mut at, mut may_direct) = (from, directives == Directives::First);
        for item in items {
            at = self.pen.skip(at)?;
            may_direct = may_direct && is_directive(item);
            if !may_direct && is_counted(item) {
                self.pen.statement(at);
            }
            at = match item {
                StatementListItem::Statement(statement) => self.statement(statement, at)?,
                StatementListItem::Declaration(declaration) => self.declaration(declaration, at)?,
            };
        }
        Some(at)
    }

    fn declaration(&mut self, declaration: &Declaration, at: usize) -> Option<usize> {
        match declaration {
            Declaration::FunctionDeclaration(f) => self.function(f.parameters(), f.body()),
            Declaration::GeneratorDeclaration(f) => self.function(f.parameters(), f.body()),
            Declaration::AsyncFunctionDeclaration(f) => self.function(f.parameters(), f.body()),
            Declaration::AsyncGeneratorDeclaration(f) => self.function(f.parameters(), f.body()),
            Declaration::ClassDeclaration(class) => self.class(class, at),
            Declaration::Lexical(list) => {
                let end = self.variables(list.variable_list())?;
                Some(self.pen.pass_semicolon(end))
            }
        }
    }

    fn function(&mut self, parameters: &FormalParameterList, body: &FunctionBody) -> Option<usize> {
        self.visit(|walk| walk.visit_formal_parameter_list(parameters))?;
        self.visit(|walk| walk.visit_function_body(body))?;
        self.pen.span(body).map(|(_, end)| end)
    }

    /// A class has no span: it ends behind whatever is known to lie in it, fields without values aside.
    fn class(&mut self, class: &ClassDeclaration, at: usize) -> Option<usize> {
        let head = match class.super_ref() {
            Some(parent) => self.pen.expression(parent)?.1,
            None => self.pen.pass(at, "class")?,
        };
        self.visit(|walk| class.visit_with(walk))?;
        let mut ends = LastEnd { last: class.super_ref().map(|parent| parent.span().end()) };
        let _ = class.visit_with(&mut ends);
        let inside = ends.last.and_then(|last| self.pen.places.offset(last)).unwrap_or(head).max(head);
        let rest = self.pen.text.get(inside..)?;
        // Names of fields, semicolons and comments alone are left.
        rest.find('}').map(|end| inside + end + 1)
    }

    /// Walks through the values of `list`; returns where the last variable ends.
    fn variables(&mut self, list: &VariableList) -> Option<usize> {
        let mut end = None;
        for variable in list.as_ref() {
            self.visit(|walk| walk.visit_binding(variable.binding()))?;
            end = match variable.init() {
                Some(value) => Some(self.expression(value)?),
                None => Some(self.binding_end(variable.binding())?),
            };
        }
        end
    }

    fn binding_end(&self, binding: &Binding) -> Option<usize> {
        match binding {
            Binding::Identifier(name) => self.pen.span(name),
            Binding::Pattern(pattern) => self.pen.span(pattern),
        }
        .map(|(_, end)| end)
    }

    /// Walks through `expression`; returns where it ends.
    fn expression(&mut self, expression: &Expression) -> Option<usize> {
        self.visit(|walk| walk.visit_expression(expression))?;
        self.pen.expression(expression).map(|(_, end)| end)
    }

    fn visit(&mut self, act: impl FnOnce(&mut Self) -> ControlFlow<()>) -> Option<()> {
        match act(self) {
            ControlFlow::Continue(()) => Some(()),
            ControlFlow::Break(()) => None,
        }
    }

    fn statement(&mut self, statement: &Statement, at: usize) -> Option<usize> {
        let pen = &*self.pen;
        let end = match statement {
            Statement::Empty => return pen.pass(at, ";"),
            Statement::Block(block) => return self.block(block, at),
            Statement::If(branch) => return self.branch(branch, at),
            Statement::Switch(switch) => return self.switch(switch),
            Statement::Try(attempt) => return self.attempt(attempt, at),
            Statement::WhileLoop(each) => {
                let end = self.expression(each.condition())?;
                return self.body(each.body(), self.pen.pass(end, ")")?);
            }
            Statement::ForLoop(each) => {
                let end = self.for_head(each, at)?;
                return self.body(each.body(), self.pen.pass(end, ")")?);
            }
            Statement::ForInLoop(each) => {
                let end = self.expression(each.target())?;
                return self.body(each.body(), self.pen.pass(end, ")")?);
            }
            Statement::ForOfLoop(each) => {
                let end = self.expression(each.iterable())?;
                return self.body(each.body(), self.pen.pass(end, ")")?);
            }
            Statement::With(with) => {
                let end = self.expression(with.expression())?;
                return self.body(with.statement(), self.pen.pass(end, ")")?);
            }
            Statement::DoWhileLoop(each) => {
                let end = self.body(each.body(), pen.pass(at, "do")?)?;
                let end = self.expression(each.cond())?.max(end);
                self.pen.pass(end, ")")?
            }
            Statement::Labelled(labelled) => {
                let name = self.tree.name(labelled.label());
                let inner = pen.skip(pen.pass(pen.pass(at, &name)?, ":")?)?;
                return match labelled.item() {
                    LabelledItem::Statement(statement) => self.statement(statement, inner),
                    LabelledItem::FunctionDeclaration(f) => self.function(f.parameters(), f.body()),
                };
            }
            Statement::Var(list) => self.variables(&list.0)?,
            Statement::Expression(expression) => self.expression(expression)?,
            Statement::Throw(throw) => self.expression(throw.target())?,
            Statement::Return(end) => match end.target() {
                Some(value) => self.expression(value)?,
                None => pen.pass(at, "return")?,
            },
            Statement::Break(end) => self.jump(at, "break", end.label())?,
            Statement::Continue(end) => self.jump(at, "continue", end.label())?,
            Statement::Debugger => pen.pass(at, "debugger")?,
        };
        Some(self.pen.pass_semicolon(end))
    }

    fn jump(&self, at: usize, word: &str, label: Option<boa_interner::Sym>) -> Option<usize> {
        let end = self.pen.pass(at, word)?;
        match label {
            Some(label) => self.pen.pass(end, &self.tree.name(label)),
            None => Some(end),
        }
    }

    fn block(&mut self, block: &Block, at: usize) -> Option<usize> {
        let inside = self.pen.pass(at, "{")?;
        let end = self.list(block.statement_list().statements(), inside, Directives::None)?;
        self.pen.pass(end, "}")
    }

    /// The statement that a loop repeats, from `at` on.
    fn body(&mut self, body: &Statement, at: usize) -> Option<usize> {
        let at = self.pen.skip(at)?;
        if let Statement::Block(block) = body {
            return self.block(block, at);
        }
        self.pen.put(at, "{");
        self.alone(body, at)
    }

    /// A statement that is no block, in braces of which the first is there.
    fn alone(&mut self, body: &Statement, at: usize) -> Option<usize> {
        if !matches!(body, Statement::Empty) {
            self.pen.statement(at);
        }
        let end = self.statement(body, at)?;
        self.pen.put(end, "}");
        Some(end)
    }

    fn branch(&mut self, branch: &If, at: usize) -> Option<usize> {
        let number = self.pen.branch();
        let end = self.expression(branch.cond())?;
        let end = self.arm(branch.body(), (number, at), self.pen.pass(end, ")")?)?;
        let Some(other) = branch.else_node() else {
            let call = self.pen.call(at, CoverageKind::Way(number));
            self.pen.put(end, format!(" else {{{call};}}"));
            return Some(end);
        };
        let inside = self.pen.pass(end, "else")?;
        self.arm(other, (number, at), inside)
    }

    /// An arm of the branch of this number that begins at `start`.
    fn arm(&mut self, body: &Statement, (branch, start): (u32, usize), at: usize) -> Option<usize> {
        let at = self.pen.skip(at)?;
        if let Statement::Block(block) = body {
            let inside = self.pen.pass(at, "{")?;
            self.pen.way(branch, start, inside);
            return self.block(block, at);
        }
        self.pen.put(at, "{");
        self.pen.way(branch, start, at);
        self.alone(body, at)
    }

    fn for_head(&mut self, each: &boa_ast::statement::ForLoop, at: usize) -> Option<usize> {
        let mut end = self.pen.pass(self.pen.pass(at, "for")?, "(")?;
        end = match each.init() {
            None => end,
            Some(ForLoopInitializer::Expression(expression)) => self.expression(expression)?,
            Some(ForLoopInitializer::Var(list)) => self.variables(&list.0)?,
            Some(ForLoopInitializer::Lexical(list)) => self.variables(list.declaration().variable_list())?,
        };
        end = self.pen.pass(end, ";")?;
        if let Some(condition) = each.condition() {
            end = self.expression(condition)?;
        }
        end = self.pen.pass(end, ";")?;
        match each.final_expr() {
            Some(last) => self.expression(last),
            None => Some(end),
        }
    }

    fn switch(&mut self, switch: &Switch) -> Option<usize> {
        let number = self.pen.branch();
        let end = self.expression(switch.val())?;
        let mut at = self.pen.pass(self.pen.pass(end, ")")?, "{")?;
        for case in switch.cases() {
            let start = self.pen.skip(at)?;
            let end = match case.condition() {
                Some(condition) => self.expression(condition)?,
                None => self.pen.pass(start, "default")?,
            };
            let inside = self.pen.pass(end, ":")?;
            self.pen.way(number, start, inside);
            at = self.list(case.body().statements(), inside, Directives::None)?;
        }
        self.pen.pass(at, "}")
    }

    fn attempt(&mut self, attempt: &Try, at: usize) -> Option<usize> {
        let mut end = self.block(attempt.block(), self.pen.pass(at, "try")?)?;
        if let Some(catch) = attempt.catch() {
            end = self.pen.pass(end, "catch")?;
            if let Some(parameter) = catch.parameter() {
                end = self.pen.pass(self.binding_end(parameter)?, ")")?;
            }
            end = self.block(catch.block(), end)?;
        }
        match attempt.finally() {
            Some(finally) => self.block(finally.block(), self.pen.pass(end, "finally")?),
            None => Some(end),
        }
    }

    /// Counts `operand` as one of the ways of `branch`.
    fn operand(&mut self, operand: &Expression, branch: u32) -> Option<()> {
        let (start, end) = self.pen.expression(operand)?;
        let call = self.pen.call(start, CoverageKind::Way(branch));
        self.pen.put(start, format!("({call},"));
        self.visit(|walk| walk.visit_expression(operand))?;
        self.pen.put(end, ")");
        Some(())
    }

    /// The operands of a chain of logical operators, each of them a way.
    fn operands(&mut self, chain: &Binary, branch: u32) -> Option<()> {
        for side in [chain.lhs(), chain.rhs()] {
            match side {
                Expression::Binary(inner) if is_logical(inner) => self.operands(inner, branch)?,
                operand => self.operand(operand, branch)?,
            }
        }
        Some(())
    }

    fn function_body(&mut self, body: &FunctionBody) -> Option<()> {
        let (mut start, mut end) = self.pen.span(body)?;
        if self.pen.text.get(start..)?.starts_with('{') {
            let last = self.list(body.statements(), start + 1, Directives::First)?;
            return (self.pen.pass(last, "}")? == end).then_some(());
        }
        // The expression of an arrow function.
        let [StatementListItem::Statement(only)] = body.statements() else { return None };
        let Statement::Return(value) = &**only else { return None };
        let value = value.target()?;
        (start, end) = self.pen.expression(value)?;
        let call = self.pen.call(start, CoverageKind::Statement);
        self.pen.put(start, format!("({call},"));
        self.expression(value)?;
        self.pen.put(end, ")");
        Some(())
    }
}

impl<'ast> Visitor<'ast> for Walk<'_, '_> {
    type BreakTy = ();

    fn visit_function_body(&mut self, node: &'ast FunctionBody) -> ControlFlow<()> {
        flow(self.function_body(node))
    }

    fn visit_conditional(&mut self, node: &'ast Conditional) -> ControlFlow<()> {
        let branch = self.pen.branch();
        self.visit_expression(node.condition())?;
        flow(self.operand(node.if_true(), branch))?;
        flow(self.operand(node.if_false(), branch))
    }

    fn visit_binary(&mut self, node: &'ast Binary) -> ControlFlow<()> {
        if !is_logical(node) {
            return node.visit_with(self);
        }
        let branch = self.pen.branch();
        flow(self.operands(node, branch))
    }
}

fn flow(walked: Option<()>) -> ControlFlow<()> {
    walked.map_or(ControlFlow::Break(()), ControlFlow::Continue)
}

fn is_logical(binary: &Binary) -> bool {
    matches!(binary.op(), BinaryOp::Logical(LogicalOp::And | LogicalOp::Or | LogicalOp::Coalesce))
}

/// Whether `item` is counted as a statement: blocks and functions are counted by what is in them.
fn is_counted(item: &StatementListItem) -> bool {
    match item {
        StatementListItem::Statement(statement) => !matches!(**statement, Statement::Empty | Statement::Block(_)),
        StatementListItem::Declaration(declaration) => {
            matches!(**declaration, Declaration::Lexical(_) | Declaration::ClassDeclaration(_))
        }
    }
}

/// Whether `item` may be a directive such as `'use strict'`.
fn is_directive(item: &StatementListItem) -> bool {
    let StatementListItem::Statement(statement) = item else { return false };
    let Statement::Expression(Expression::Literal(literal)) = &**statement else { return false };
    matches!(literal.kind(), LiteralKind::String(_))
}

/// Where the last expression or function body within something ends.
struct LastEnd {
    last: Option<boa_ast::Position>,
}

impl<'ast> Visitor<'ast> for LastEnd {
    type BreakTy = std::convert::Infallible;

    fn visit_expression(&mut self, node: &'ast Expression) -> ControlFlow<Self::BreakTy> {
        self.last = self.last.max(Some(node.span().end()));
        ControlFlow::Continue(())
    }

    fn visit_function_body(&mut self, node: &'ast FunctionBody) -> ControlFlow<Self::BreakTy> {
        self.last = self.last.max(Some(node.span().end()));
        ControlFlow::Continue(())
    }
}
