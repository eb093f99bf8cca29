//! Methods of lists, written out as loops.

use boa_ast::expression::Expression;

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, Label, Local, St, Ty, Unary};
use super::super::paths::Shape;
use super::dictionaries::DictionaryListing;
use super::expressions::{after, from_list};
use super::functions::PassedArgument;
use super::loops::{element, length, next};
use super::{Lowering, Res, Val};

/// A list that is being walked.
pub(super) struct Walked {
    value: Val,
    pub(super) place: Local,
    pub(super) item: Val,
    leave: Label,
}

/// What is called for each element.
pub(super) enum Callback {
    Own(usize),
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
            ("findLast" | "findLastIndex", [callback]) => self.find_last(base, name, callback),
            ("reduce", [callback, start @ ..]) if start.len() < 2 => self.reduce(base, callback, start.first()),
            ("sort", [order]) => self.sort(base, order),
            ("sort", []) => self.sort_as_texts(base),
            ("splice", [start, count @ ..]) if count.len() < 2 => self.splice(base, start, count.first()),
            ("toSorted", [order]) => {
                let copy = self.slice(base, &[])?;
                self.sort(copy, order)
            }
            ("reverse", []) => self.reverse(base),
            ("toReversed", []) => {
                let copy = self.slice(base, &[])?;
                self.reverse(copy)
            }
            ("shift", []) => self.shift(base),
            ("unshift", [item]) => self.unshift(base, item),
            ("flat", []) => self.flat(base),
            ("flatMap", [callback]) => self.flat_map(base, callback),
            ("at", [place]) => self.at_place(base, place),
            ("hasOwnProperty", [name]) => {
                let mut steps = Vec::new();
                let base = self.hold(base, &mut steps);
                let key = self.value(name)?;
                let key = self.hold(key, &mut steps);
                self.has_key(key, base, steps)
            }
            ("push", items) => self.push_method(base, items),
            ("pop", []) => self.pop(base),
            ("slice", bounds) if bounds.len() < 3 => self.slice_either(base, bounds),
            ("concat", others) => self.concat(base, others),
            ("join", separator) if separator.len() < 2 => self.join(base, separator.first()),
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
    fn join(&mut self, base: Val, separator: Option<&'t Expression>) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let separator = match separator {
            Some(separator) => self.value(separator)?,
            None => self.text(","),
        };
        let separator = self.hold(separator, &mut steps);
        // Without a separator it is a comma.
        let is_text = Ex::Un(Unary::IsText, Box::new(separator.ex.clone()));
        steps.push(St::If(is_text, Vec::new(), vec![St::Bail(BailCause::Kind)]));
        Ok(after(steps, Val::plain(Ex::Host(HostCall::Join, vec![base.ex, separator.ex]))))
    }

    /// The parts of a text, as a list.
    fn split(&mut self, base: Val, separator: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let parts = match self.pattern(separator)? {
            Some(pattern) => Ex::Host(HostCall::SplitMatches, vec![base.ex, pattern.number]),
            None => Ex::Host(HostCall::Split, vec![base.ex, self.value(separator)?.ex]),
        };
        let parts = Val::plain(parts);
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
        self.in_loop(|lowering| {
            let shape = lowering.element_shape(&value.shape)?;
            let item = lowering.hold(Val { ex: element(address, place), shape }, &mut inner);
            each(lowering, Walked { value, place, item, leave }, &mut inner)
        })?;
        inner.extend([next(place), St::Continue(again)]);
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(())
    }

    /// The callback of a method of `base`, which is found after `base`.
    pub(super) fn callback_of(
        &mut self,
        base: Val,
        callback: &'t Expression,
        steps: &mut Vec<St>,
    ) -> Res<(Val, Callback)> {
        let mut own = Vec::new();
        let callback = self.callback(callback, &mut own)?;
        let base = if own.is_empty() { base } else { self.hold(base, steps) };
        steps.extend(own);
        Ok((base, callback))
    }

    pub(super) fn callback(&mut self, callback: &'t Expression, steps: &mut Vec<St>) -> Res<Callback> {
        if let Some(function) = self.callee(callback, steps)? {
            self.check_callback(function, steps);
            return Ok(Callback::Own(function));
        }
        match self.global(callback).as_deref() {
            Some(name @ ("Boolean" | "Number" | "String")) => Ok(Callback::Conversion(name.to_owned())),
            _ => Err(self.refusal("a callback that is no function of the script")),
        }
    }

    fn call_back(&mut self, callback: &Callback, walked: &Walked, steps: &mut Vec<St>) -> Res<Val> {
        let given = [walked.item.clone(), Val::plain(Ex::Get(walked.place)), walked.value.clone()];
        self.call_back_with(callback, &given, steps)
    }

    pub(super) fn call_back_with(&mut self, callback: &Callback, given: &[Val], steps: &mut Vec<St>) -> Res<Val> {
        match callback {
            Callback::Own(function) => {
                self.call(*function, None, given.iter().cloned().map(PassedArgument::Value).collect(), steps)
            }
            Callback::Conversion(name) => self.conversion(name, given.iter().take(1).cloned().collect()),
        }
    }

    fn each(&mut self, base: Val, name: &str, callback: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let (base, callback) = self.callback_of(base, callback, &mut steps)?;
        if let ("forEach", Some(kind @ (HostCall::NewMap | HostCall::NewSet)), Callback::Own(function)) =
            (name, self.dictionary_kind(&base.shape), &callback)
        {
            let said = self.each_entry(base, kind, *function)?;
            return Ok(after(steps, said));
        }
        let site = self.site();
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

    /// `findLast` and `findLastIndex`: search from the end that the list has at the start.
    fn find_last(&mut self, base: Val, name: &str, callback: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let (base, callback) = self.callback_of(base, callback, &mut steps)?;
        let value = self.hold(base, &mut steps);
        let ([address, place], found) = ([(); 2].map(|()| self.local(Some(Ty::Int))), self.local(None));
        let is_place = name == "findLastIndex";
        let missing = if is_place { Val::plain(Ex::Num(-1.0)) } else { Val::undefined() };
        let (leave, again) = (self.label(), self.label());
        let before = |from: Ex| Ex::Bin(Binary::IntSub, Box::new(from), Box::new(Ex::Int(1)));
        steps.extend([
            self.set(found, missing),
            St::Set(address, Ex::Un(Unary::AsList, Box::new(value.ex.clone()))),
            St::Set(place, before(length(address))),
        ]);
        let is_over = Ex::Bin(Binary::IntLess, Box::new(Ex::Get(place)), Box::new(Ex::Int(0)));
        let is_gone = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(place)), Box::new(length(address)));
        let mut inner = vec![
            St::If(is_over, vec![St::Break(leave)], Vec::new()),
            St::If(is_gone, vec![St::Bail(BailCause::Changed)], Vec::new()),
        ];
        self.in_loop(|lowering| {
            let shape = lowering.element_shape(&value.shape)?;
            let item = lowering.hold(Val { ex: element(address, place), shape }, &mut inner);
            let given = [item.clone(), Val::plain(Ex::Get(place)), value.clone()];
            let said = lowering.call_back_with(&callback, &given, &mut inner)?;
            let result = if is_place { Val::plain(Ex::Get(place)) } else { item };
            let yes = vec![lowering.set(found, result), St::Break(leave)];
            inner.push(St::If(said.ex, yes, Vec::new()));
            Ok(())
        })?;
        inner.extend([St::Set(place, before(Ex::Get(place))), St::Continue(again)]);
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(after(steps, self.get(found)))
    }

    fn reduce(&mut self, base: Val, callback: &'t Expression, start: Option<&'t Expression>) -> Res<Val> {
        let mut steps = Vec::new();
        let (base, Callback::Own(function)) = self.callback_of(base, callback, &mut steps)? else {
            return Err(self.refusal("a callback that is no function of the script"));
        };
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
            let said =
                lowering.call(function, None, given.into_iter().map(PassedArgument::Value).collect(), &mut inner)?;
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
    pub(super) fn search(&mut self, base: Val, name: &str, given: &'t [Expression]) -> Res<Val> {
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
        self.note_write(&base.shape);
        let mut steps = Vec::new();
        let shape = base.shape.clone();
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
        if let [Expression::Spread(all)] = items {
            // What is pushed is known before any of it is there.
            let from = self.iterable(all.target())?;
            let copy = self.slice(from, &[])?;
            self.walk_list(copy, &mut steps, |lowering, walked, body| {
                lowering.learn_elements(&shape, &walked.item.shape);
                body.push(St::Push(Ex::Get(address), walked.item.ex));
                Ok(())
            })?;
            return Ok(after(steps, Val::plain(length(address))));
        }
        let items = self.plain_arguments(items, &mut steps)?;
        for item in items {
            self.learn_elements(&shape, &item.shape);
            steps.push(St::Push(Ex::Get(address), item.ex));
        }
        Ok(after(steps, Val::plain(length(address))))
    }
}
