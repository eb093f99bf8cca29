//! Methods that take lists apart, put them together, and turn them round.

use boa_ast::expression::Expression;

use super::super::host_calls::HostCall;
use super::super::ir::{Binary, Ex, St, Ty, Unary};
use super::super::paths::Shape;
use super::expressions::{after, from_list};
use super::loops::{element, length, next};
use super::names::nothing;
use super::{Lowering, Res, Val};

impl<'t> Lowering<'t> {
    pub(super) fn pop(&mut self, base: Val) -> Res<Val> {
        self.note_write(&base.shape);
        let mut steps = Vec::new();
        let shape = base.shape.clone();
        let [address, last] = [(); 2].map(|()| self.local(Some(Ty::Int)));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        steps.push(St::Set(last, Ex::Bin(Binary::IntSub, Box::new(length(address)), Box::new(Ex::Int(1)))));
        let item = self.element_or_nothing(Ex::Get(address), Ex::Get(last), &shape)?;
        let item = self.hold(item, &mut steps);
        let is_there = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(last)), Box::new(Ex::Int(0)));
        steps.push(St::If(is_there, vec![St::Cut(Ex::Get(address), Ex::Get(last))], Vec::new()));
        Ok(after(steps, item))
    }

    pub(super) fn slice(&mut self, base: Val, bounds: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let bounds = self.plain_arguments(bounds, &mut steps)?;
        let [source, list] = [(); 2].map(|()| self.local(Some(Ty::Int)));
        let site = self.site();
        let elements = self.element_shape(&base.shape)?;
        self.learn_elements(&Shape::site(site), &elements);
        steps.push(St::Set(source, Ex::Un(Unary::AsList, Box::new(base.ex))));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(length(source)))));
        let mut bounds = bounds.into_iter();
        let count =
            self.hold(Val::plain(Ex::Bin(Binary::Mul, Box::new(length(source)), Box::new(Ex::Num(1.0)))), &mut steps);
        let start = match bounds.next() {
            Some(start) => self.bound(start.ex, &count.ex, Ex::Num(0.0), &mut steps),
            None => Ex::Num(0.0),
        };
        let end = match bounds.next() {
            Some(end) => self.bound(end.ex, &count.ex, count.ex.clone(), &mut steps),
            None => count.ex.clone(),
        };
        let [place, stop] = [(); 2].map(|()| self.local(Some(Ty::Int)));
        steps.push(St::Set(place, Ex::Un(Unary::Place, Box::new(start))));
        steps.push(St::Set(stop, Ex::Un(Unary::Place, Box::new(end))));
        let (leave, again) = (self.label(), self.label());
        let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(place)), Box::new(Ex::Get(stop)));
        let inner = vec![
            St::If(is_over, vec![St::Break(leave)], Vec::new()),
            St::Push(Ex::Get(list), element(source, place)),
            next(place),
            St::Continue(again),
        ];
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// A bound of `slice` as a place from 0 to `count`; `default` where it is `undefined`.
    fn bound(&mut self, bound: Ex, count: &Ex, default: Ex, steps: &mut Vec<St>) -> Ex {
        let whole = Ex::Un(Unary::Trunc, Box::new(bound.clone()));
        let is_nan = Ex::Un(Unary::IsNaN, Box::new(whole.clone()));
        let whole = self.hold(Val::plain(Ex::If(Box::new(is_nan), Box::new(Ex::Num(0.0)), Box::new(whole))), steps).ex;
        let from_end = Ex::Bin(Binary::Add, Box::new(whole.clone()), Box::new(count.clone()));
        let from_end = Ex::Bin(Binary::Max, Box::new(from_end), Box::new(Ex::Num(0.0)));
        let from_start = Ex::Bin(Binary::Min, Box::new(whole.clone()), Box::new(count.clone()));
        let is_negative = Ex::Bin(Binary::Less, Box::new(whole), Box::new(Ex::Num(0.0)));
        let place = Ex::If(Box::new(is_negative), Box::new(from_end), Box::new(from_start));
        let is_absent = Ex::Bin(Binary::StrictEqual, Box::new(bound), Box::new(nothing()));
        self.hold(Val::plain(Ex::If(Box::new(is_absent), Box::new(default), Box::new(place))), steps).ex
    }

    pub(super) fn concat(&mut self, base: Val, others: &'t [Expression]) -> Res<Val> {
        let (mut steps, site) = (Vec::new(), self.site());
        let base = self.hold(base, &mut steps);
        let others = self.plain_arguments(others, &mut steps)?;
        let list = self.local(Some(Ty::Int));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        self.append_all(site, list, base, &mut steps)?;
        for other in others {
            let is_list = Ex::Un(Unary::IsList, Box::new(other.ex.clone()));
            let (mut all, mut one) = (Vec::new(), Vec::new());
            self.append_all(site, list, other.clone(), &mut all)?;
            self.push(site, list, other, &mut one);
            steps.push(St::If(is_list, all, one));
        }
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// `slice` of a list or text.
    pub(super) fn slice_either(&mut self, base: Val, bounds: &'t [Expression]) -> Res<Val> {
        let is_list = !base.shape.lists.is_empty() && !self.may_be_text(&base.shape);
        if is_list || bounds.is_empty() {
            return self.slice(base, bounds);
        }
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let is_text = Ex::Un(Unary::IsText, Box::new(base.ex.clone()));
        let found = self.local(None);
        let mut of_text = Vec::new();
        let given = self.plain_arguments(bounds, &mut of_text)?;
        let mut parts = vec![base.ex.clone()];
        parts.extend(given.into_iter().map(|value| value.ex));
        parts.resize(3, nothing());
        of_text.push(self.set(found, Val::plain(Ex::Host(HostCall::SliceText, parts))));
        let mut of_list = Vec::new();
        let list = self.slice(base, bounds)?;
        of_list.push(self.set(found, list));
        steps.push(St::If(is_text, of_text, of_list));
        let found = self.get(found);
        Ok(after(steps, found))
    }

    /// Turns a list round where it is.
    pub(super) fn reverse(&mut self, base: Val) -> Res<Val> {
        self.note_write(&base.shape);
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let [address, left, right] = [(); 3].map(|()| self.local(Some(Ty::Int)));
        let kept = self.local(Some(Ty::Any));
        let minus = |left: Ex, right: Ex| Ex::Bin(Binary::IntSub, Box::new(left), Box::new(right));
        let (leave, again) = (self.label(), self.label());
        let is_before = Ex::Bin(Binary::IntLess, Box::new(Ex::Get(left)), Box::new(Ex::Get(right)));
        let inner = vec![
            St::If(is_before, Vec::new(), vec![St::Break(leave)]),
            St::Set(kept, element(address, left)),
            St::PutElement(Ex::Get(address), Ex::Get(left), element(address, right)),
            St::PutElement(Ex::Get(address), Ex::Get(right), Ex::Get(kept)),
            next(left),
            St::Set(right, minus(Ex::Get(right), Ex::Int(1))),
            St::Continue(again),
        ];
        steps.extend([
            St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex.clone()))),
            St::Set(left, Ex::Int(0)),
            St::Set(right, minus(length(address), Ex::Int(1))),
            St::Block(leave, vec![St::Loop(again, inner)]),
        ]);
        Ok(after(steps, base))
    }

    /// Takes the first element of a list away.
    pub(super) fn shift(&mut self, base: Val) -> Res<Val> {
        self.note_write(&base.shape);
        let mut steps = Vec::new();
        let shape = base.shape.clone();
        let [address, place, last] = [(); 3].map(|()| self.local(Some(Ty::Int)));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        steps.push(St::Set(last, Ex::Bin(Binary::IntSub, Box::new(length(address)), Box::new(Ex::Int(1)))));
        let item = self.element_or_nothing(Ex::Get(address), Ex::Int(0), &shape)?;
        let item = self.hold(item, &mut steps);
        let (leave, again) = (self.label(), self.label());
        let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(place)), Box::new(Ex::Get(last)));
        let following = Ex::Bin(Binary::IntAdd, Box::new(Ex::Get(place)), Box::new(Ex::Int(1)));
        let following = Ex::Bin(Binary::Element, Box::new(Ex::Get(address)), Box::new(following));
        let inner = vec![
            St::If(is_over, vec![St::Break(leave)], Vec::new()),
            St::PutElement(Ex::Get(address), Ex::Get(place), following),
            next(place),
            St::Continue(again),
        ];
        let is_there = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(last)), Box::new(Ex::Int(0)));
        let moved = vec![
            St::Set(place, Ex::Int(0)),
            St::Block(leave, vec![St::Loop(again, inner)]),
            St::Cut(Ex::Get(address), Ex::Get(last)),
        ];
        steps.push(St::If(is_there, moved, Vec::new()));
        Ok(after(steps, item))
    }

    /// Puts an element in front of a list.
    pub(super) fn unshift(&mut self, base: Val, item: &'t Expression) -> Res<Val> {
        self.note_write(&base.shape);
        let mut steps = Vec::new();
        let shape = base.shape.clone();
        let [address, place] = [(); 2].map(|()| self.local(Some(Ty::Int)));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        let item = self.value(item)?;
        let item = self.hold(item, &mut steps);
        self.learn_elements(&shape, &item.shape);
        let minus = |left: Ex, right: Ex| Ex::Bin(Binary::IntSub, Box::new(left), Box::new(right));
        let (leave, again) = (self.label(), self.label());
        let is_before = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(0)), Box::new(Ex::Get(place)));
        let former = Ex::Bin(Binary::Element, Box::new(Ex::Get(address)), Box::new(minus(Ex::Get(place), Ex::Int(1))));
        let inner = vec![
            St::If(is_before, Vec::new(), vec![St::Break(leave)]),
            St::PutElement(Ex::Get(address), Ex::Get(place), former),
            St::Set(place, minus(Ex::Get(place), Ex::Int(1))),
            St::Continue(again),
        ];
        steps.extend([
            St::Push(Ex::Get(address), item.ex.clone()),
            St::Set(place, minus(length(address), Ex::Int(1))),
            St::Block(leave, vec![St::Loop(again, inner)]),
            St::PutElement(Ex::Get(address), Ex::Int(0), item.ex),
        ]);
        Ok(after(steps, Val::plain(length(address))))
    }

    /// `splice` without new elements: takes some away, and gives these.
    pub(super) fn splice(&mut self, base: Val, start: &'t Expression, count: Option<&'t Expression>) -> Res<Val> {
        self.note_write(&base.shape);
        let (mut steps, site) = (Vec::new(), self.site());
        let elements = self.element_shape(&base.shape)?;
        self.learn_elements(&Shape::site(site), &elements);
        let [address, list, from, place, stop, last] = [(); 6].map(|()| self.local(Some(Ty::Int)));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        let start = self.value(start)?;
        let start = self.hold(start, &mut steps);
        let all = Ex::Bin(Binary::Mul, Box::new(length(address)), Box::new(Ex::Num(1.0)));
        let count = match count {
            Some(count) => self.value(count)?,
            None => Val::plain(all.clone()),
        };
        let count = self.hold(count, &mut steps);
        let all = self.hold(Val::plain(all), &mut steps);
        let start = self.bound(start.ex, &all.ex, Ex::Num(0.0), &mut steps);
        // No more than there are from there on, and no less than none.
        let left = Ex::Bin(Binary::Sub, Box::new(all.ex), Box::new(start.clone()));
        let whole = self.hold(Val::plain(Ex::Un(Unary::Trunc, Box::new(count.ex))), &mut steps).ex;
        let is_nan = Ex::Un(Unary::IsNaN, Box::new(whole.clone()));
        let whole = Ex::If(Box::new(is_nan), Box::new(Ex::Num(0.0)), Box::new(whole));
        let whole = Ex::Bin(Binary::Max, Box::new(whole), Box::new(Ex::Num(0.0)));
        let whole = Ex::Bin(Binary::Min, Box::new(whole), Box::new(left));
        let end = Ex::Bin(Binary::Add, Box::new(start.clone()), Box::new(whole));
        steps.extend([
            St::Set(place, Ex::Un(Unary::Place, Box::new(start))),
            St::Set(stop, Ex::Un(Unary::Place, Box::new(end))),
            St::Set(from, Ex::Get(place)),
            St::Set(last, length(address)),
            St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))),
        ]);
        let walk = |lowering: &mut Self, end: usize, each: Vec<St>| {
            let (leave, again) = (lowering.label(), lowering.label());
            let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(from)), Box::new(Ex::Get(end)));
            let mut inner = vec![St::If(is_over, vec![St::Break(leave)], Vec::new())];
            inner.extend(each);
            inner.extend([next(from), St::Continue(again)]);
            St::Block(leave, vec![St::Loop(again, inner)])
        };
        let taken = walk(self, stop, vec![St::Push(Ex::Get(list), element(address, from))]);
        let moved = vec![St::PutElement(Ex::Get(address), Ex::Get(place), element(address, from)), next(place)];
        let moved = walk(self, last, moved);
        steps.extend([taken, moved, St::Cut(Ex::Get(address), Ex::Get(place))]);
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// The elements of the lists in a list, beside its other elements.
    pub(super) fn flat(&mut self, base: Val) -> Res<Val> {
        let (mut steps, site, list) = (Vec::new(), self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        self.walk_list(base, &mut steps, |lowering, walked, body| {
            let is_list = Ex::Un(Unary::IsList, Box::new(walked.item.ex.clone()));
            let (mut all, mut one) = (Vec::new(), Vec::new());
            lowering.append_all(site, list, walked.item.clone(), &mut all)?;
            lowering.push(site, list, walked.item, &mut one);
            body.push(St::If(is_list, all, one));
            Ok(())
        })?;
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// `flatMap`
    pub(super) fn flat_map(&mut self, base: Val, callback: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let (base, callback) = self.callback_of(base, callback, &mut steps)?;
        let (site, list) = (self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        self.walk_list(base, &mut steps, |lowering, walked, body| {
            let given = [walked.item.clone(), Val::plain(Ex::Get(walked.place))];
            let said = lowering.call_back_with(&callback, &given, body)?;
            let said = lowering.hold(said, body);
            let is_list = Ex::Un(Unary::IsList, Box::new(said.ex.clone()));
            let (mut all, mut one) = (Vec::new(), Vec::new());
            lowering.append_all(site, list, said.clone(), &mut all)?;
            lowering.push(site, list, said, &mut one);
            body.push(St::If(is_list, all, one));
            Ok(())
        })?;
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// `at`, which counts from the end what is negative.
    pub(super) fn at_place(&mut self, base: Val, place: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let address = self.local(Some(Ty::Int));
        let shape = base.shape.clone();
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        let place = self.value(place)?;
        let whole = self.hold(Val::plain(Ex::Un(Unary::Trunc, Box::new(place.ex))), &mut steps).ex;
        let from_end = Ex::Bin(Binary::Add, Box::new(whole.clone()), Box::new(length(address)));
        let is_negative = Ex::Bin(Binary::Less, Box::new(whole.clone()), Box::new(Ex::Num(0.0)));
        let is_nan = Ex::Un(Unary::IsNaN, Box::new(whole.clone()));
        let place = Ex::If(Box::new(is_negative), Box::new(from_end), Box::new(whole));
        let place = Ex::If(Box::new(is_nan), Box::new(Ex::Num(0.0)), Box::new(place));
        let at = self.local(Some(Ty::Int));
        steps.push(St::Set(at, Ex::Un(Unary::Place, Box::new(place))));
        let item = self.element_or_nothing(Ex::Get(address), Ex::Get(at), &shape)?;
        Ok(after(steps, item))
    }
}
