//! Loops of statements.

use boa_ast::Statement;
use boa_ast::declaration::Binding;
use boa_ast::expression::Expression;
use boa_ast::statement::iteration::{ForInLoop, ForLoop, ForLoopInitializer, ForOfLoop, IterableLoopInitializer};
use boa_interner::Sym;

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, Label, Local, St, Ty, Unary};
use super::dictionaries::DictionaryListing;
use super::expressions::after;
use super::names::{Meaning, is_index_alone};
use super::{Jump, Lowering, Res, Val};

impl<'t> Lowering<'t> {
    /// The steps of a loop's body, which `leave` leaves, as one block that `continue` leaves.
    pub(super) fn body(
        &mut self,
        (leave, name): (Label, Option<Sym>),
        body: &'t Statement,
        before: Vec<St>,
    ) -> Res<St> {
        let go_on = self.label();
        self.jumps.push(Jump { leave: Some(leave), go_on: Some(go_on), name });
        let steps = self.in_region(|lowering| {
            let mut steps = before;
            lowering.statement(body, &mut steps)?;
            Ok(steps)
        });
        self.jumps.pop();
        Ok(St::Block(go_on, steps?))
    }

    pub(super) fn for_loop(&mut self, each: &'t ForLoop, steps: &mut Vec<St>) -> Res<()> {
        let name = self.loop_name.take();
        let scope = self.scope(Some(self.current()));
        self.enter(scope);
        match each.init() {
            Some(ForLoopInitializer::Expression(expression)) => self.effect(expression, steps)?,
            Some(ForLoopInitializer::Var(list)) => self.declare(&list.0, None, scope, steps)?,
            Some(ForLoopInitializer::Lexical(list)) => self.lexical(list.declaration(), scope, steps)?,
            None => {}
        }
        if let Some(condition) = each.condition() {
            self.at(condition)?;
        }
        let (leave, again) = (self.label(), self.label());
        let mut inner = Vec::new();
        let result = self.in_loop(|lowering| {
            if let Some(condition) = each.condition() {
                let condition = lowering.condition(condition)?;
                inner.push(unless(condition, leave));
            }
            let body = lowering.body((leave, name), each.body(), Vec::new())?;
            inner.push(body);
            each.final_expr().map_or(Ok(()), |expression| lowering.effect(expression, &mut inner))
        });
        result?;
        self.leave();
        inner.push(St::Continue(again));
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(())
    }

    pub(super) fn while_loop(
        &mut self,
        condition: &'t Expression,
        body: &'t Statement,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        let name = self.loop_name.take();
        self.at(condition)?;
        let (leave, again) = (self.label(), self.label());
        let inner = self.in_loop(|lowering| {
            let condition = lowering.condition(condition)?;
            let body = lowering.body((leave, name), body, Vec::new())?;
            Ok(vec![unless(condition, leave), body, St::Continue(again)])
        })?;
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(())
    }

    pub(super) fn do_while(&mut self, body: &'t Statement, condition: &'t Expression, steps: &mut Vec<St>) -> Res<()> {
        let name = self.loop_name.take();
        self.at(condition)?;
        let (leave, again) = (self.label(), self.label());
        let inner = self.in_loop(|lowering| {
            let body = lowering.body((leave, name), body, Vec::new())?;
            let condition = lowering.condition(condition)?;
            Ok(vec![body, unless(condition, leave), St::Continue(again)])
        })?;
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(())
    }

    /// Walks a list as its own iterator does, which looks at the length anew each time.
    pub(super) fn for_of(&mut self, each: &'t ForOfLoop, steps: &mut Vec<St>) -> Res<()> {
        if each.r#await() {
            return Err(self.refusal("`for await`"));
        }
        if let Some(list) = self.fixed_list(each.iterable(), steps)? {
            return self.for_of_fixed(each, &list, steps);
        }
        let name = self.loop_name.take();
        let live = self.live_walk(each.iterable(), steps)?;
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(live.list.ex.clone()))));
        let item = |lowering: &mut Self, place: Local| {
            let shape = lowering.element_shape(&live.list.shape)?;
            let mut before = Vec::new();
            let item = lowering.live_item(&live, Val { ex: element(address, place), shape }, place, &mut before)?;
            Ok(after(before, item))
        };
        self.walk(address, each.initializer(), (each.body(), name), item, steps)
    }

    /// Walks the places of a list, where nothing but places of lists is done with them.
    pub(super) fn for_in(&mut self, each: &'t ForInLoop, steps: &mut Vec<St>) -> Res<()> {
        let label = self.loop_name.take();
        let (name, heads) = match each.initializer() {
            IterableLoopInitializer::Identifier(name) => (*name, 1),
            IterableLoopInitializer::Var(variable) => match variable.binding() {
                Binding::Identifier(name) if variable.init().is_none() => (*name, 1),
                _ => return Err(self.refusal("`for in` with a pattern")),
            },
            IterableLoopInitializer::Let(Binding::Identifier(name))
            | IterableLoopInitializer::Const(Binding::Identifier(name)) => (*name, 1),
            _ => return Err(self.refusal("`for in` with a pattern")),
        };
        let list = self.value(each.target())?;
        let is_object = list.shape.lists.is_empty() && !list.shape.objects.is_empty();
        if !is_index_alone(self.tree, name.sym(), heads) || is_object || self.may_be_dictionary(&list.shape) {
            return self.for_names((each, label), list, steps);
        }
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(list.ex))));
        let before = self.local(Some(Ty::Int));
        steps.push(St::Set(before, length(address)));
        // Its names are those of the beginning.
        let is_other = |left: Ex, right: Ex| Ex::Bin(Binary::IntLess, Box::new(left), Box::new(right));
        let changed = BailCause::Changed;
        let check = vec![
            St::If(is_other(length(address), Ex::Get(before)), vec![St::Bail(changed)], Vec::new()),
            St::If(is_other(Ex::Get(before), length(address)), vec![St::Bail(changed)], Vec::new()),
        ];
        let item = |_: &mut Self, place: Local| Ok(Val::plain(Ex::Do(check, Box::new(Ex::Get(place)))));
        self.walk(address, each.initializer(), (each.body(), label), item, steps)
    }

    /// Walks the names of a dictionary, as they are at the beginning.
    fn for_names(
        &mut self,
        (each, label): (&'t ForInLoop, Option<Sym>),
        dictionary: Val,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        if let Some(names) = self.listing_of_literal(&dictionary, DictionaryListing::Keys)? {
            let address = self.local(Some(Ty::Int));
            steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(names.ex))));
            let item = |_: &mut Self, place: Local| Ok(Val::plain(element(address, place)));
            return self.walk(address, each.initializer(), (each.body(), label), item, steps);
        }
        if !self.may_be_dictionary(&dictionary.shape) {
            self.refuse_at_last("`for in` whose names are more than places of a list")?;
        }
        let dictionary = self.hold(dictionary, steps);
        let count = Ex::Host(HostCall::Count, vec![dictionary.ex.clone()]);
        let before = self.hold(Val::plain(count.clone()), steps);
        let names = self.listing(dictionary, DictionaryListing::Keys)?;
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(names.ex))));
        // A name that is added meanwhile may be walked or not.
        let same = Ex::Bin(Binary::StrictEqual, Box::new(count), Box::new(before.ex));
        let check = vec![St::If(same, Vec::new(), vec![St::Bail(BailCause::Changed)])];
        let item = |_: &mut Self, place: Local| Ok(Val::plain(Ex::Do(check, Box::new(element(address, place)))));
        self.walk(address, each.initializer(), (each.body(), label), item, steps)
    }

    fn walk(
        &mut self,
        address: Local,
        variable: &'t IterableLoopInitializer,
        (body, name): (&'t Statement, Option<Sym>),
        item: impl FnOnce(&mut Self, Local) -> Res<Val>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        let place = self.local(Some(Ty::Int));
        steps.push(St::Set(place, Ex::Int(0)));
        let (leave, again) = (self.label(), self.label());
        let scope = self.scope(Some(self.current()));
        self.enter(scope);
        let block = self.in_loop(|lowering| {
            let mut before = Vec::new();
            let value = item(lowering, place)?;
            match variable {
                IterableLoopInitializer::Identifier(name) => {
                    let set = lowering.write(*name, value)?;
                    before.push(set);
                }
                IterableLoopInitializer::Var(variable) => lowering.assign(variable.binding(), value, &mut before)?,
                IterableLoopInitializer::Let(binding) => {
                    lowering.bind(binding, value, scope, Meaning::Set, &mut before)?;
                }
                IterableLoopInitializer::Const(binding) => {
                    lowering.bind(binding, value, scope, Meaning::Constant, &mut before)?;
                }
                _ => return Err(lowering.refusal("a loop over a member or a pattern")),
            }
            lowering.body((leave, name), body, before)
        })?;
        self.leave();
        let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(place)), Box::new(length(address)));
        let inner = vec![St::If(is_over, vec![St::Break(leave)], Vec::new()), block, next(place), St::Continue(again)];
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(())
    }
}

/// Leaves `label` unless `condition` holds.
fn unless(condition: Ex, label: Label) -> St {
    St::If(condition, Vec::new(), vec![St::Break(label)])
}

/// The number of elements of the list at `address`.
pub(super) fn length(address: Local) -> Ex {
    Ex::Un(Unary::ListLength, Box::new(Ex::Get(address)))
}

/// The element at `place` of the list at `address`.
pub(super) fn element(address: Local, place: Local) -> Ex {
    Ex::Bin(Binary::Element, Box::new(Ex::Get(address)), Box::new(Ex::Get(place)))
}

/// Goes on to the next place.
pub(super) fn next(place: Local) -> St {
    St::Set(place, Ex::Bin(Binary::IntAdd, Box::new(Ex::Get(place)), Box::new(Ex::Int(1))))
}
