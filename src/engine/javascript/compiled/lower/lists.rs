//! Methods of lists, written out as loops.

use boa_ast::expression::Expression;

use super::super::ir::{BailCause, Binary, Ex, HostCall, Label, Local, St, Ty, Unary};
use super::super::paths::Shape;
use super::dictionaries::DictionaryListing;
use super::expressions::{after, from_list};
use super::functions::PassedArgument;
use super::loops::{element, length, next};
use super::names::nothing;
use super::{Fun, Lowering, Res, Val};

/// A list that is being walked.
pub(super) struct Walked {
    value: Val,
    place: Local,
    pub(super) item: Val,
    leave: Label,
}

/// What is called for each element.
enum Callback<'t> {
    Own(Fun<'t>),
    /// A conversion of the language.
    Conversion(String),
}

impl<'t> Lowering<'t> {
    /// The method `name` of `base`.
    pub(super) fn method(&mut self, base: Val, name: &str, given: &'t [Expression]) -> Res<Val> {
        match (name, given) {
            ("includes" | "indexOf", [_]) => self.search(base, name, given),
            ("filter" | "map" | "forEach" | "find" | "findIndex" | "some" | "every", [callback]) => {
                self.each(base, name, callback)
            }
            ("reduce", [callback, start @ ..]) if start.len() < 2 => self.reduce(base, callback, start.first()),
            ("sort", [order]) => self.sort(base, order),
            ("push", items) => self.push_method(base, items),
            ("pop", []) => self.pop(base),
            ("slice", bounds) if bounds.len() < 3 => self.slice(base, bounds),
            ("concat", others) => self.concat(base, others),
            ("join", [separator]) => self.join(base, separator),
            ("split", [separator]) => self.split(base, separator),
            _ => {
                if given.is_empty()
                    && let Some(said) = self.date_method(base.clone(), name)?
                {
                    return Ok(said);
                }
                match self.map_method(base.clone(), name, given)? {
                    Some(said) => Ok(said),
                    None => self.text_method(base, name, given),
                }
            }
        }
    }

    /// Adds `item` to the list at `address`.
    pub(super) fn push(&mut self, site: usize, address: Local, item: Val, steps: &mut Vec<St>) {
        self.learn_elements(&Shape::site(site), &item.shape);
        steps.push(St::Push(Ex::Get(address), item.ex));
    }

    /// Adds all elements of `from` to the list at `address`.
    pub(super) fn append_all(&mut self, site: usize, address: Local, from: Val, steps: &mut Vec<St>) -> Res<()> {
        self.walk_list(from, steps, |lowering, walked, body| {
            lowering.push(site, address, walked.item, body);
            Ok(())
        })
    }

    /// The elements as one text.
    fn join(&mut self, base: Val, separator: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let separator = self.value(separator)?;
        let separator = self.hold(separator, &mut steps);
        // Without a separator it is a comma.
        let is_text = Ex::Un(Unary::IsText, Box::new(separator.ex.clone()));
        steps.push(St::If(is_text, Vec::new(), vec![St::Bail(BailCause::Kind)]));
        let (whole, empty) = (self.local(Some(Ty::Any)), self.text(""));
        steps.push(self.set(whole, empty.clone()));
        let plus = |right: Ex| St::Set(whole, Ex::Bin(Binary::Plus, Box::new(Ex::Get(whole)), Box::new(right)));
        self.walk_list(base, &mut steps, |_, walked, body| {
            let is_later = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(0)), Box::new(Ex::Get(walked.place)));
            body.push(St::If(is_later, vec![plus(separator.ex.clone())], Vec::new()));
            let is_nothing = Ex::Un(Unary::IsNullish, Box::new(walked.item.ex.clone()));
            let text = Ex::Host(HostCall::ToText, vec![walked.item.ex]);
            body.push(plus(Ex::If(Box::new(is_nothing), Box::new(empty.ex.clone()), Box::new(text))));
            Ok(())
        })?;
        Ok(after(steps, self.get(whole)))
    }

    /// The parts of a text, as a list.
    fn split(&mut self, base: Val, separator: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let separator = self.value(separator)?;
        let parts = Val::plain(Ex::Host(HostCall::Split, vec![base.ex, separator.ex]));
        let parts = self.listing(parts, DictionaryListing::Values)?;
        Ok(after(steps, parts))
    }

    /// Walks the list `base` as methods do, over the elements that there are at the start.
    pub(super) fn walk_list(
        &mut self,
        base: Val,
        steps: &mut Vec<St>,
        each: impl FnOnce(&mut Self, Walked, &mut Vec<St>) -> Res<()>,
    ) -> Res<()> {
        let value = self.hold(base, steps);
        let [address, count, place] = [(); 3].map(|()| self.local(Some(Ty::Int)));
        let (leave, again) = (self.label(), self.label());
        steps.extend([
            St::Set(address, Ex::Un(Unary::AsList, Box::new(value.ex.clone()))),
            St::Set(count, length(address)),
            St::Set(place, Ex::Int(0)),
        ]);
        let at_least = |left: Ex, right: Ex| Ex::Bin(Binary::IntAtLeast, Box::new(left), Box::new(right));
        let mut inner = vec![
            St::If(at_least(Ex::Get(place), Ex::Get(count)), vec![St::Break(leave)], Vec::new()),
            St::If(at_least(Ex::Get(place), length(address)), vec![St::Bail(BailCause::Changed)], Vec::new()),
        ];
        self.in_region(|lowering| {
            let shape = lowering.element_shape(&value.shape)?;
            let item = lowering.hold(Val { ex: element(address, place), shape }, &mut inner);
            each(lowering, Walked { value, place, item, leave }, &mut inner)
        })?;
        inner.extend([next(place), St::Continue(again)]);
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(())
    }

    fn callback(&mut self, callback: &'t Expression) -> Res<Callback<'t>> {
        if let Some(function) = self.callee(callback)
            && let Some(function) = self.functions.get(function)
        {
            return Ok(Callback::Own(*function));
        }
        match self.global(callback).as_deref() {
            Some(name @ ("Boolean" | "Number" | "String")) => Ok(Callback::Conversion(name.to_owned())),
            _ => Err(self.refusal("a callback that is no function of the script")),
        }
    }

    fn call_back(&mut self, callback: &Callback<'t>, walked: &Walked, steps: &mut Vec<St>) -> Res<Val> {
        match callback {
            Callback::Own(function) => {
                let given = [walked.item.clone(), Val::plain(Ex::Get(walked.place)), walked.value.clone()];
                self.call(*function, given.map(PassedArgument::Value).into(), steps)
            }
            Callback::Conversion(name) => self.conversion(name, vec![walked.item.clone()]),
        }
    }

    fn each(&mut self, base: Val, name: &str, callback: &'t Expression) -> Res<Val> {
        let callback = self.callback(callback)?;
        let (mut steps, site) = (Vec::new(), self.site());
        let list = self.local(Some(Ty::Int));
        let found = self.local(None);
        if matches!(name, "filter" | "map") {
            steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        }
        match name {
            "find" => steps.push(self.set(found, Val::undefined())),
            "findIndex" => steps.push(self.set(found, Val::plain(Ex::Num(-1.0)))),
            "some" => steps.push(self.set(found, Val::plain(Ex::Bool(false)))),
            "every" => steps.push(self.set(found, Val::plain(Ex::Bool(true)))),
            _ => {}
        }
        self.walk_list(base, &mut steps, |lowering, walked, body| {
            let said = lowering.call_back(&callback, &walked, body)?;
            let mut yes = Vec::new();
            let result = match name {
                "filter" => {
                    lowering.push(site, list, walked.item.clone(), &mut yes);
                    body.push(St::If(said.ex, yes, Vec::new()));
                    return Ok(());
                }
                "map" => {
                    lowering.push(site, list, said, body);
                    return Ok(());
                }
                "find" => walked.item.clone(),
                "findIndex" => Val::plain(Ex::Get(walked.place)),
                "some" => Val::plain(Ex::Bool(true)),
                "every" => Val::plain(Ex::Bool(false)),
                _ => {
                    body.push(St::Eval(said.ex));
                    return Ok(());
                }
            };
            yes.push(lowering.set(found, result));
            yes.push(St::Break(walked.leave));
            let (yes, no) = if name == "every" { (Vec::new(), yes) } else { (yes, Vec::new()) };
            body.push(St::If(said.ex, yes, no));
            Ok(())
        })?;
        let result = match name {
            "filter" | "map" => Val { ex: from_list(list), shape: Shape::site(site) },
            "forEach" => Val::undefined(),
            _ => self.get(found),
        };
        Ok(after(steps, result))
    }

    fn reduce(&mut self, base: Val, callback: &'t Expression, start: Option<&'t Expression>) -> Res<Val> {
        let Callback::Own(function) = self.callback(callback)? else {
            return Err(self.refusal("a callback that is no function of the script"));
        };
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let result = self.local(None);
        let has_start = start.is_some();
        if let Some(start) = start {
            let start = self.value(start)?;
            steps.push(self.set(result, start));
        } else {
            let address = self.local(Some(Ty::Int));
            steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex.clone()))));
            let is_there = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(0)), Box::new(length(address)));
            steps.push(St::If(is_there, Vec::new(), vec![St::Bail(BailCause::Throws)]));
            let first = Ex::Bin(Binary::Element, Box::new(Ex::Get(address)), Box::new(Ex::Int(0)));
            let shape = self.element_shape(&base.shape)?;
            steps.push(self.set(result, Val { ex: first, shape }));
        }
        self.walk_list(base, &mut steps, |lowering, walked, body| {
            let mut inner = Vec::new();
            let before = lowering.get(result);
            let given = vec![before, walked.item.clone(), Val::plain(Ex::Get(walked.place)), walked.value.clone()];
            let said = lowering.call(function, given.into_iter().map(PassedArgument::Value).collect(), &mut inner)?;
            inner.push(lowering.set(result, said));
            if has_start {
                body.extend(inner);
            } else {
                let is_later = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(0)), Box::new(Ex::Get(walked.place)));
                body.push(St::If(is_later, inner, Vec::new()));
            }
            Ok(())
        })?;
        let result = self.get(result);
        Ok(after(steps, result))
    }

    /// `includes` and `indexOf` of lists and texts.
    fn search(&mut self, base: Val, name: &str, given: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let wanted = self.plain_arguments(given, &mut steps)?;
        let Some(wanted) = wanted.into_iter().next() else { return Err(self.refusal("a search for nothing")) };
        let found = self.local(None);
        let (call, missing) = match name {
            "includes" => (HostCall::Includes, Ex::Bool(false)),
            _ => (HostCall::IndexOf, Ex::Num(-1.0)),
        };
        let is_text = Ex::Un(Unary::IsText, Box::new(base.ex.clone()));
        let in_text = Ex::Host(call, vec![base.ex.clone(), wanted.ex.clone()]);
        let in_text = vec![self.set(found, Val::plain(in_text))];
        let mut in_list = vec![self.set(found, Val::plain(missing))];
        self.walk_list(base, &mut in_list, |lowering, walked, body| {
            let mut same = Ex::Bin(Binary::StrictEqual, Box::new(walked.item.ex.clone()), Box::new(wanted.ex.clone()));
            let result = if name == "includes" {
                // Here alone NaN is what it is.
                let is_nan = |ex: &Ex| {
                    let is_number = Ex::Un(Unary::IsNumber, Box::new(ex.clone()));
                    let is_nan = Ex::Un(Unary::IsNaN, Box::new(ex.clone()));
                    Ex::If(Box::new(is_number), Box::new(is_nan), Box::new(Ex::Bool(false)))
                };
                let both =
                    Ex::If(Box::new(is_nan(&wanted.ex)), Box::new(is_nan(&walked.item.ex)), Box::new(Ex::Bool(false)));
                same = Ex::If(Box::new(same), Box::new(Ex::Bool(true)), Box::new(both));
                Ex::Bool(true)
            } else {
                Ex::Get(walked.place)
            };
            let yes = vec![lowering.set(found, Val::plain(result)), St::Break(walked.leave)];
            body.push(St::If(same, yes, Vec::new()));
            Ok(())
        })?;
        steps.push(St::If(is_text, in_text, in_list));
        let result = self.get(found);
        Ok(after(steps, result))
    }

    fn push_method(&mut self, base: Val, items: &'t [Expression]) -> Res<Val> {
        self.writes_lists = true;
        let mut steps = Vec::new();
        let shape = base.shape.clone();
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        let items = self.plain_arguments(items, &mut steps)?;
        for item in items {
            self.learn_elements(&shape, &item.shape);
            steps.push(St::Push(Ex::Get(address), item.ex));
        }
        Ok(after(steps, Val::plain(length(address))))
    }

    fn pop(&mut self, base: Val) -> Res<Val> {
        self.writes_lists = true;
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

    fn slice(&mut self, base: Val, bounds: &'t [Expression]) -> Res<Val> {
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

    fn concat(&mut self, base: Val, others: &'t [Expression]) -> Res<Val> {
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
}
