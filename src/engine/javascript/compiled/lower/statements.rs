//! Statements.

use boa_ast::declaration::{Declaration, LexicalDeclaration};
use boa_ast::expression::Expression;
use boa_ast::statement::{Block, If, Labelled, LabelledItem, Switch, Try};
use boa_ast::{Statement, StatementListItem};
use boa_interner::Sym;

use super::super::ir::{Binary, Ex, Label, St};
use super::names::{Meaning, ScopeId};
use super::returns::Return;
use super::{Jump, Lowering, Res, Val};

/// The most cases of a `switch` that is compiled: each is a block within the one before.
const MAX_CASES: usize = 256;

impl<'t> Lowering<'t> {
    pub(super) fn item(&mut self, item: &'t StatementListItem, steps: &mut Vec<St>) -> Res<()> {
        match item {
            StatementListItem::Statement(statement) => self.statement(statement, steps),
            StatementListItem::Declaration(declaration) => match &**declaration {
                // Blocks declare these when they begin.
                Declaration::FunctionDeclaration(_) => Ok(()),
                Declaration::Lexical(list) => self.lexical(list, self.current(), steps),
                Declaration::ClassDeclaration(class) => self.declare_class(class),
                Declaration::GeneratorDeclaration(generator) => {
                    self.at(&generator.name())?;
                    Err(self.refusal("a generator"))
                }
                _ => Err(self.refusal("what is asynchronous")),
            },
        }
    }

    pub(super) fn lexical(&mut self, list: &'t LexicalDeclaration, scope: ScopeId, steps: &mut Vec<St>) -> Res<()> {
        match list {
            LexicalDeclaration::Let(list) => self.declare(list, Some(Meaning::Set), scope, steps),
            LexicalDeclaration::Const(list) => self.declare(list, Some(Meaning::Constant), scope, steps),
            _ => Err(self.refusal("`using`")),
        }
    }

    pub(super) fn statement(&mut self, statement: &'t Statement, steps: &mut Vec<St>) -> Res<()> {
        match statement {
            Statement::Empty | Statement::Debugger => Ok(()),
            Statement::Block(block) => self.block(block, steps),
            Statement::Var(list) => self.declare(&list.0, None, self.current(), steps),
            Statement::Expression(expression) => self.effect(expression, steps),
            Statement::If(choice) => self.choice(choice, steps),
            Statement::Return(end) => self.return_value(end.target(), steps),
            Statement::Throw(throw) => self.throw(throw, steps),
            Statement::Try(attempt) => match attempt.finally() {
                None => self.attempt(attempt, steps),
                Some(last) => self.finally(attempt, last.block(), steps),
            },
            Statement::Switch(switch) => self.switch(switch, steps),
            Statement::ForLoop(each) => self.for_loop(each, steps),
            Statement::ForOfLoop(each) => self.for_of(each, steps),
            Statement::ForInLoop(each) => self.for_in(each, steps),
            Statement::WhileLoop(each) => self.while_loop(each.condition(), each.body(), steps),
            Statement::DoWhileLoop(each) => self.do_while(each.body(), each.cond(), steps),
            Statement::Break(jump) => self.jump(|jump| jump.leave, ("`break`", jump.label()), steps),
            Statement::Continue(jump) => self.jump(|jump| jump.go_on, ("`continue`", jump.label()), steps),
            Statement::Labelled(labelled) => self.labelled(labelled, steps),
            Statement::With(_) => Err(self.refusal("`with`")),
        }
    }

    /// `try` without `finally`. A throw ends compiled code, so `catch` never runs here.
    fn attempt(&mut self, attempt: &'t Try, steps: &mut Vec<St>) -> Res<()> {
        self.tries += 1;
        let result = self.in_region(|lowering| lowering.block(attempt.block(), steps));
        self.tries -= 1;
        result
    }

    /// `try` with `finally`, which runs before the function returns. `break` and `continue` out of the block are
    /// refused.
    fn finally(&mut self, attempt: &'t Try, last: &'t Block, steps: &mut Vec<St>) -> Res<()> {
        if self.returns.last().is_some_and(|end| end.callables.is_some()) {
            return Err(self.refusal("`finally` in a function that returns functions"));
        }
        let (label, result, flag) = (self.label(), self.local(None), self.local(None));
        steps.push(self.set(flag, Val::plain(Ex::Bool(false))));
        steps.push(self.set(result, Val::undefined()));
        self.returns.push(Return { label, result, flag: Some(flag), callables: None });
        self.jumps.push(Jump { leave: None, go_on: None, name: None });
        let mut inner = Vec::new();
        self.attempt(attempt, &mut inner)?;
        self.jumps.pop();
        self.returns.pop();
        steps.push(St::Block(label, inner));
        self.block(last, steps)?;
        if self.returns.is_empty() {
            return Ok(());
        }
        let mut end = Vec::new();
        let value = self.get(result);
        self.in_region(|lowering| lowering.end_with(value, &mut end))?;
        steps.push(St::If(Ex::Get(flag), end, Vec::new()));
        Ok(())
    }

    fn jump(
        &mut self,
        target: fn(&Jump) -> Option<Label>,
        (word, name): (&str, Option<Sym>),
        steps: &mut Vec<St>,
    ) -> Res<()> {
        // A `switch` is left and not gone on from, and a function has neither around it.
        let own = self.jumps.iter().rev().take_while(|jump| jump.leave.is_some());
        let meant = own.filter(|jump| name.is_none() || jump.name == name);
        match meant.filter_map(target).next() {
            Some(label) => steps.push(St::Break(label)),
            None => return Err(self.refusal(word)),
        }
        Ok(())
    }

    /// Lowers a loop with a label.
    fn labelled(&mut self, labelled: &'t Labelled, steps: &mut Vec<St>) -> Res<()> {
        match labelled.item() {
            LabelledItem::Statement(
                each @ (Statement::ForLoop(_)
                | Statement::ForOfLoop(_)
                | Statement::ForInLoop(_)
                | Statement::WhileLoop(_)
                | Statement::DoWhileLoop(_)),
            ) => {
                self.loop_name = Some(labelled.label());
                self.statement(each, steps)
            }
            _ => Err(self.refusal("a label of what is no loop")),
        }
    }

    pub(super) fn block(&mut self, block: &'t Block, steps: &mut Vec<St>) -> Res<()> {
        let scope = self.scope(Some(self.current()));
        self.declare_block(scope, block.statement_list())?;
        self.enter(scope);
        let result = block.statement_list().statements().iter().try_for_each(|item| self.item(item, steps));
        self.leave();
        result
    }

    /// The steps of a statement that may be left out.
    pub(super) fn branch(&mut self, statement: &'t Statement) -> Res<Vec<St>> {
        self.in_region(|lowering| {
            let mut steps = Vec::new();
            lowering.statement(statement, &mut steps)?;
            Ok(steps)
        })
    }

    fn choice(&mut self, choice: &'t If, steps: &mut Vec<St>) -> Res<()> {
        let condition = self.condition(choice.cond())?;
        let yes = self.branch(choice.body())?;
        let no = match choice.else_node() {
            Some(statement) => self.branch(statement)?,
            None => Vec::new(),
        };
        steps.push(St::If(condition, yes, no));
        Ok(())
    }

    /// Each case is a block within which the next ones begin: what matches leaves to its place.
    fn switch(&mut self, switch: &'t Switch, steps: &mut Vec<St>) -> Res<()> {
        if switch.cases().len() > MAX_CASES {
            return Err(self.refusal("so many cases"));
        }
        let value = self.value(switch.val())?;
        let value = self.hold(value, steps);
        let scope = self.scope(Some(self.current()));
        for case in switch.cases() {
            self.declare_block(scope, case.body())?;
        }
        self.enter(scope);
        let end = self.label();
        let starts: Vec<_> = switch.cases().iter().map(|_| self.label()).collect();
        let mut inner = Vec::new();
        for (case, start) in switch.cases().iter().zip(&starts) {
            let Some(condition) = case.condition() else { continue };
            let other = self.in_region(|lowering| lowering.value(condition))?;
            let same = Ex::Bin(Binary::StrictEqual, Box::new(value.ex.clone()), Box::new(other.ex));
            inner.push(St::If(same, vec![St::Break(*start)], Vec::new()));
        }
        let default = switch.cases().iter().zip(&starts).find(|(case, _)| case.is_default());
        inner.push(St::Break(default.map_or(end, |(_, start)| *start)));
        self.jumps.push(Jump { leave: Some(end), go_on: None, name: None });
        for (case, start) in switch.cases().iter().zip(&starts) {
            // What one case declares is not there in the others, which may be come to without it.
            for case in switch.cases() {
                self.declare_block(scope, case.body())?;
            }
            let mut body = vec![St::Block(*start, inner)];
            self.in_region(|lowering| {
                case.body().statements().iter().try_for_each(|item| lowering.item(item, &mut body))
            })?;
            inner = body;
        }
        self.leave();
        self.jumps.pop();
        steps.push(St::Block(end, inner));
        Ok(())
    }

    /// An expression whose value nobody uses.
    pub(super) fn effect(&mut self, expression: &'t Expression, steps: &mut Vec<St>) -> Res<()> {
        if self.log(expression, steps)? {
            return Ok(());
        }
        match expression {
            Expression::Parenthesized(inner) => self.effect(inner.expression(), steps),
            Expression::Assign(assign) => {
                if self.assign_function(assign, steps)? {
                    return Ok(());
                }
                self.assignment(assign, steps).map(drop)
            }
            Expression::Update(update) => self.update(update, steps).map(drop),
            // A text such as 'use strict'.
            Expression::Literal(_) => Ok(()),
            _ => {
                let value = self.value(expression)?;
                match value.ex {
                    Ex::Do(inner, result) => {
                        steps.extend(inner);
                        steps.push(St::Eval(*result));
                    }
                    other => steps.push(St::Eval(other)),
                }
                Ok(())
            }
        }
    }
}
