//! What is walked element by element: lists, and maps and sets as lists of what they hold.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::literal::PropertyDefinition;
use boa_ast::property::PropertyName;

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, Local, St, Ty, Unary};
use super::super::paths::Shape;
use super::dictionaries::DictionaryListing;
use super::expressions::{after, from_list};
use super::functions::PassedArgument;
use super::loops::next;
use super::{Lowering, Res, Val};

/// What each element is walked as, beside the element of the list.
enum Walking {
    Element,
    /// The key of a map with its value.
    Entry(Val),
    /// The value of a map for the key.
    Value(Val),
    /// The place with the element.
    Numbered,
    /// The place alone.
    Place,
}

/// A walk that runs the script between its elements.
pub(super) struct LiveWalk {
    /// The list that is walked.
    pub(super) list: Val,
    walking: Walking,
    /// Holds for as long as a map or set has not grown, whose new entries would be walked too.
    same: Option<Ex>,
}

impl<'t> Lowering<'t> {
    /// The list of what walking `expression` comes by, all at once.
    pub(super) fn iterable(&mut self, expression: &'t Expression) -> Res<Val> {
        let Some((of, name)) = self.iterator(expression)? else {
            let value = self.value(expression)?;
            return self.walked_as_list(value);
        };
        let mut steps = Vec::new();
        let of = self.value(of)?;
        let of = self.hold(of, &mut steps);
        let listed = match (name, self.dictionary_kind(&of.shape)) {
            ("values", None) => of,
            (_, None) => self.numbered(of, name == "entries")?,
            (_, Some(kind)) => {
                let listing = self.listing_of(kind, name)?;
                self.check_kind(kind, &of, &mut steps);
                self.listing(of, listing)?
            }
        };
        Ok(after(steps, listed))
    }

    /// Returns what the method `name` of a map or set lists: keys, values or entries.
    fn listing_of(&self, kind: HostCall, name: &str) -> Res<DictionaryListing> {
        match (kind, name) {
            (HostCall::NewMap, "entries") => Ok(DictionaryListing::Entries),
            (HostCall::NewMap, "keys") => Ok(DictionaryListing::Keys),
            (HostCall::NewMap | HostCall::NewSet, "values") | (HostCall::NewSet, "keys") => {
                Ok(DictionaryListing::Values)
            }
            _ => Err(self.refusal(format!("the method `{name}`"))),
        }
    }

    /// Gives up where `of` was not made by `kind`.
    fn check_kind(&self, kind: HostCall, of: &Val, steps: &mut Vec<St>) {
        let expected = if kind == HostCall::NewMap { 1.0 } else { 2.0 };
        let kind = Ex::Host(HostCall::DictionaryKind, vec![of.ex.clone()]);
        let is_it = Ex::Bin(Binary::StrictEqual, Box::new(kind), Box::new(Ex::Num(expected)));
        steps.push(St::If(is_it, Vec::new(), vec![St::Bail(BailCause::Kind)]));
    }

    /// Returns a list unchanged, and the content of a map or set as a list.
    fn walked_as_list(&mut self, value: Val) -> Res<Val> {
        let kind @ (HostCall::NewMap | HostCall::NewSet) = (match self.dictionary_kind(&value.shape) {
            Some(kind) => kind,
            // What is neither, or either, is walked as a list, which it has to be then.
            None => return self.letters(value),
        }) else {
            return Ok(value);
        };
        let mut steps = Vec::new();
        let value = self.hold(value, &mut steps);
        self.check_kind(kind, &value, &mut steps);
        let listing = self.listing_of(kind, if kind == HostCall::NewMap { "entries" } else { "values" })?;
        let listed = self.listing(value, listing)?;
        Ok(after(steps, listed))
    }

    /// Returns the letters of `value` as a list where `value` is a text, else `value` itself.
    fn letters(&mut self, value: Val) -> Res<Val> {
        if !self.may_be_text(&value.shape) || value.shape.objects.iter().any(|object| self.is_own(*object)) {
            return Ok(value);
        }
        let mut steps = Vec::new();
        let value = self.hold(value, &mut steps);
        let nothing = self.text("");
        let letters = Val::plain(Ex::Host(HostCall::Split, vec![value.ex.clone(), nothing.ex]));
        let letters = self.in_region(|lowering| lowering.listing(letters, DictionaryListing::Values))?;
        let is_text = Ex::Un(Unary::IsText, Box::new(value.ex.clone()));
        let shape = value.shape.or(&letters.shape);
        Ok(after(steps, Val { ex: Ex::If(Box::new(is_text), Box::new(letters.ex), Box::new(value.ex)), shape }))
    }

    /// Returns the walk over the value of `expression`.
    pub(super) fn live_walk(&mut self, expression: &'t Expression, steps: &mut Vec<St>) -> Res<LiveWalk> {
        let (of, name) = match self.iterator(expression)? {
            Some((of, name)) => (of, Some(name)),
            None => (expression, None),
        };
        let value = self.value(of)?;
        let value = self.hold(value, steps);
        match (self.dictionary_kind(&value.shape), name) {
            (Some(kind @ (HostCall::NewMap | HostCall::NewSet)), name) => {
                self.live_dictionary(kind, value, name, steps)
            }
            (_, None | Some("values")) => {
                let list = if name.is_none() { self.letters(value)? } else { value };
                Ok(LiveWalk { list: self.hold(list, steps), walking: Walking::Element, same: None })
            }
            (_, Some("entries")) => Ok(LiveWalk { list: value, walking: Walking::Numbered, same: None }),
            _ => Ok(LiveWalk { list: value, walking: Walking::Place, same: None }),
        }
    }

    /// Returns the walk over a map or set: over the keys at the start, with the values at the time of each step.
    fn live_dictionary(&mut self, kind: HostCall, of: Val, name: Option<&str>, steps: &mut Vec<St>) -> Res<LiveWalk> {
        let name = name.unwrap_or(if kind == HostCall::NewMap { "entries" } else { "values" });
        let listing = self.listing_of(kind, name)?;
        self.check_kind(kind, &of, steps);
        let count = Ex::Host(HostCall::Count, vec![of.ex.clone()]);
        let before = self.hold(Val::plain(count.clone()), steps);
        let same = Some(Ex::Bin(Binary::StrictEqual, Box::new(count), Box::new(before.ex)));
        let (keys, walking) = match (kind, listing) {
            (HostCall::NewMap, DictionaryListing::Entries) => (DictionaryListing::Keys, Walking::Entry(of.clone())),
            (HostCall::NewMap, DictionaryListing::Values) => (DictionaryListing::Keys, Walking::Value(of.clone())),
            (HostCall::NewMap, DictionaryListing::Keys) => (DictionaryListing::Keys, Walking::Element),
            _ => (DictionaryListing::Values, Walking::Element),
        };
        let list = self.listing(of, keys)?;
        let list = self.hold(list, steps);
        Ok(LiveWalk { list, walking, same })
    }

    /// Returns the value that the walk gives for `element`, at `place` of the list.
    pub(super) fn live_item(&mut self, walk: &LiveWalk, element: Val, place: usize, steps: &mut Vec<St>) -> Res<Val> {
        if let Some(same) = &walk.same {
            steps.push(St::If(same.clone(), Vec::new(), vec![St::Bail(BailCause::Changed)]));
        }
        let place = Val::plain(Ex::Bin(Binary::Mul, Box::new(Ex::Get(place)), Box::new(Ex::Num(1.0))));
        match &walk.walking {
            Walking::Element => Ok(element),
            Walking::Place => Ok(place),
            Walking::Numbered => Ok(self.pair(place, element, steps)),
            Walking::Value(map) => self.value_of_key(map, element),
            Walking::Entry(map) => {
                let key = self.hold(element, steps);
                let value = self.value_of_key(map, key.clone())?;
                Ok(self.pair(key, value, steps))
            }
        }
    }

    fn value_of_key(&mut self, map: &Val, key: Val) -> Res<Val> {
        let shape = self.element_shape(&map.shape)?;
        Ok(Val { ex: Ex::Host(HostCall::MapGet, vec![map.ex.clone(), key.ex]), shape })
    }

    /// A list of two.
    fn pair(&mut self, first: Val, second: Val, steps: &mut Vec<St>) -> Val {
        let (own, pair) = (self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(pair, Ex::Un(Unary::NewList, Box::new(Ex::Int(2)))));
        self.push(own, pair, first, steps);
        self.push(own, pair, second, steps);
        Val { ex: from_list(pair), shape: Shape::site(own) }
    }

    /// What `x.entries()`, `x.keys()` or `x.values()` is asked of.
    fn iterator(&self, expression: &'t Expression) -> Res<Option<(&'t Expression, &'static str)>> {
        let Expression::Call(call) = expression else { return Ok(None) };
        let Expression::PropertyAccess(PropertyAccess::Simple(access)) = call.function() else { return Ok(None) };
        let PropertyAccessField::Const(name) = access.field() else { return Ok(None) };
        let name = self.literal_text(name.sym())?;
        let known = ["entries", "keys", "values"].into_iter().find(|known| *known == name);
        let is_global = self.global(access.target()).is_some();
        Ok(known.filter(|_| call.args().is_empty() && !is_global).map(|name| (access.target(), name)))
    }

    /// The places of a list, each with its element where these are wanted.
    fn numbered(&mut self, list: Val, has_elements: bool) -> Res<Val> {
        let (mut steps, site) = (Vec::new(), self.site());
        let made = self.local(Some(Ty::Int));
        steps.push(St::Set(made, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        self.walk_list(list, &mut steps, |lowering, walked, body| {
            let place = Val::plain(Ex::Get(walked.place));
            if !has_elements {
                lowering.push(site, made, place, body);
                return Ok(());
            }
            let pair = lowering.pair(place, walked.item, body);
            lowering.push(site, made, pair, body);
            Ok(())
        })?;
        Ok(after(steps, Val { ex: from_list(made), shape: Shape::site(site) }))
    }

    /// `new Map(pairs)`, and `Object.fromEntries(pairs)` where `kind` is a new object.
    pub(super) fn map_of(&mut self, pairs: &'t Expression, kind: HostCall) -> Res<Val> {
        let mut steps = Vec::new();
        let from = self.iterable(pairs)?;
        let map = self.new_dictionary(kind);
        let map = self.hold(map, &mut steps);
        self.walk_list(from, &mut steps, |lowering, walked, body| {
            let list = lowering.local(Some(Ty::Int));
            body.push(St::Set(list, Ex::Un(Unary::AsList, Box::new(walked.item.ex.clone()))));
            let key = lowering.element_or_nothing(Ex::Get(list), Ex::Int(0), &walked.item.shape)?;
            let value = lowering.element_or_nothing(Ex::Get(list), Ex::Int(1), &walked.item.shape)?;
            lowering.learn_elements(&map.shape, &value.shape);
            let put = if kind == HostCall::NewMap { HostCall::MapSet } else { HostCall::PutMember };
            body.push(St::Eval(Ex::Host(put, vec![map.ex.clone(), key.ex, value.ex])));
            Ok(())
        })?;
        Ok(after(steps, map))
    }

    /// `forEach` of a map or set.
    pub(super) fn each_entry(&mut self, base: Val, kind: HostCall, function: usize) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let name = if kind == HostCall::NewMap { "keys" } else { "values" };
        let walk = self.live_dictionary(kind, base.clone(), Some(name), &mut steps)?;
        self.walk_list(walk.list.clone(), &mut steps, |lowering, walked, body| {
            let key = lowering.live_item(&walk, walked.item, walked.place, body)?;
            let value = if kind == HostCall::NewMap { lowering.value_of_key(&base, key.clone())? } else { key.clone() };
            let value = lowering.hold(value, body);
            let given = [value, key, base.clone()].map(PassedArgument::Value).into();
            let said = lowering.call(function, None, given, body)?;
            body.push(St::Eval(said.ex));
            Ok(())
        })?;
        if let Some(same) = walk.same {
            steps.push(St::If(same, Vec::new(), vec![St::Bail(BailCause::Changed)]));
        }
        Ok(after(steps, Val::undefined()))
    }

    /// `Array.from(iterable)` and `Array.from(iterable, each)`
    pub(super) fn array_from(&mut self, given: &'t [Expression]) -> Res<Val> {
        let Some((from, rest)) = given.split_first() else { return Err(self.refusal("`Array.from` of nothing")) };
        if let (Some(count), [] | [_]) = (self.length_alone(from), rest) {
            let mut steps = Vec::new();
            let count = self.value(count)?;
            let (count, callback) = match rest.first() {
                Some(each) => {
                    let (count, callback) = self.callback_of(count, each, &mut steps)?;
                    (count, Some(callback))
                }
                None => (count, None),
            };
            let made = self.made_of(count, |lowering, place, body| match &callback {
                Some(callback) => {
                    lowering.call_back_with(callback, &[Val::undefined(), Val::plain(Ex::Get(place))], body)
                }
                None => Ok(Val::undefined()),
            })?;
            return Ok(after(steps, made));
        }
        let (mut steps, site, list) = (Vec::new(), self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        match rest {
            [] => {
                let from = self.iterable(from)?;
                self.append_all(site, list, from, &mut steps)?;
            }
            [each] => {
                let from = self.iterable(from)?;
                let (from, callback) = self.callback_of(from, each, &mut steps)?;
                // What the callback does to the list would be seen by the walk.
                let from = self.slice(from, &[])?;
                self.learn_calm("`Array.from` with a function beside lists that are written to")?;
                self.walk_list(from, &mut steps, |lowering, walked, body| {
                    let given = [walked.item, Val::plain(Ex::Get(walked.place))];
                    let said = lowering.call_back_with(&callback, &given, body)?;
                    lowering.push(site, list, said, body);
                    Ok(())
                })?;
            }
            _ => return Err(self.refusal("`Array.from` with `this`")),
        }
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// Returns COUNT of the literal `{length: COUNT}`.
    fn length_alone(&self, expression: &'t Expression) -> Option<&'t Expression> {
        let Expression::ObjectLiteral(literal) = expression else { return None };
        match literal.properties() {
            [PropertyDefinition::Property(PropertyName::Literal(name), count)] => {
                (self.name(name.sym()) == "length").then_some(count)
            }
            _ => None,
        }
    }

    /// Lowers `Array(count).fill(value)`, where `of` is `Array(count)`.
    pub(super) fn filled(&mut self, of: &'t Expression, value: &'t Expression) -> Res<Option<Val>> {
        let (constructor, given) = match of {
            Expression::Parenthesized(inner) => return self.filled(inner.expression(), value),
            Expression::Call(call) => (call.function(), call.args()),
            Expression::New(new) => (new.constructor(), new.arguments()),
            _ => return Ok(None),
        };
        let ([count], Some("Array")) = (given, self.global(constructor).as_deref()) else { return Ok(None) };
        let mut steps = Vec::new();
        let count = self.value(count)?;
        let count = self.hold(count, &mut steps);
        let value = self.value(value)?;
        let value = self.hold(value, &mut steps);
        let list = self.made_of(count, |_, _, _| Ok(value))?;
        Ok(Some(after(steps, list)))
    }

    /// Returns a list of `count` elements; `element` lowers the element at a place.
    fn made_of(&mut self, count: Val, element: impl FnOnce(&mut Self, Local, &mut Vec<St>) -> Res<Val>) -> Res<Val> {
        let mut steps = Vec::new();
        let count = self.hold(count, &mut steps);
        let count = self.place_of(&count, &mut steps);
        let (site, [list, place]) = (self.site(), [(); 2].map(|()| self.local(Some(Ty::Int))));
        let is_none = Ex::Bin(Binary::IntLess, Box::new(Ex::Get(count)), Box::new(Ex::Int(0)));
        steps.extend([
            St::If(is_none, vec![St::Bail(BailCause::Throws)], Vec::new()),
            St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))),
            St::Set(place, Ex::Int(0)),
        ]);
        let (leave, again) = (self.label(), self.label());
        let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(place)), Box::new(Ex::Get(count)));
        let mut inner = vec![St::If(is_over, vec![St::Break(leave)], Vec::new())];
        self.in_loop(|lowering| {
            let made = element(lowering, place, &mut inner)?;
            lowering.push(site, list, made, &mut inner);
            Ok(())
        })?;
        inner.extend([next(place), St::Continue(again)]);
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// Refuses `construct` where the script writes to lists, maps or sets that it walks.
    fn learn_calm(&self, construct: &str) -> Res<()> {
        if self.wrote { Err(self.refusal(construct)) } else { Ok(()) }
    }
}
