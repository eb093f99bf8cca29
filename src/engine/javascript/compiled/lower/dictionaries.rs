//! Dictionaries: objects whose names are computed, maps and sets. The host keeps them for as long as a call lasts.

use boa_ast::expression::{Expression, New};

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, St, Ty, Unary};
use super::super::paths::{ListOrigin, Shape};
use super::expressions::{after, from_list};
use super::names::nothing;
use super::{Lowering, Res, Val};

/// What `Object` lists of a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DictionaryListing {
    Keys,
    Values,
    Entries,
}

impl<'t> Lowering<'t> {
    /// A new dictionary.
    pub(super) fn new_dictionary(&mut self, call: HostCall) -> Val {
        self.learnt |= !self.makes_dictionaries;
        self.makes_dictionaries = true;
        let site = self.site();
        self.learnt |= self.tables.note(site, call);
        Val { ex: Ex::Host(call, Vec::new()), shape: Shape::site(site) }
    }

    /// `JSON.parse`: returns a dictionary, the values of which may be dictionaries too, or a primitive.
    pub(super) fn parsed(&mut self, text: &'t Expression) -> Res<Val> {
        let text = self.value(text)?;
        self.learnt |= !self.makes_dictionaries;
        self.makes_dictionaries = true;
        let shape = Shape::site(self.site());
        if let Some(ListOrigin::Site(site)) = shape.lists.iter().next().copied() {
            self.learnt |= self.tables.note(site, HostCall::NewObject);
        }
        self.learn_elements(&shape, &shape);
        Ok(Val { ex: Ex::Host(HostCall::JsonParse, vec![text.ex]), shape })
    }

    /// Whether a value of this shape may be a dictionary.
    pub(super) fn may_be_dictionary(&self, shape: &Shape) -> bool {
        self.makes_dictionaries && shape.lists.iter().any(|list| matches!(list, ListOrigin::Site(_)))
    }

    /// The text of `name`, where values of this shape may be dictionaries; what these hold is added to `found`.
    pub(super) fn dictionary_name(&mut self, shape: &Shape, name: &str, found: &mut Shape) -> Res<Option<u64>> {
        if !self.may_be_dictionary(shape) {
            return Ok(None);
        }
        found.add(&self.element_shape(shape)?);
        Ok(match self.text(name).ex {
            Ex::Const(bits) => Some(bits),
            _ => None,
        })
    }

    /// Notes a write to a list of this shape: the script gets a list of nodes of its own where the write may be to that
    /// list.
    pub(super) fn note_write(&mut self, shape: &Shape) {
        self.note_frozen(shape);
        let is_own = |list: &ListOrigin| matches!(list, ListOrigin::Site(_));
        self.writes_lists |= shape.lists.is_empty() || !shape.lists.iter().all(is_own);
        (self.learnt, self.wrote) = (self.learnt || !self.wrote, true);
    }

    /// Notes a write to a value of this shape, where the value may be frozen.
    pub(super) fn note_frozen(&mut self, shape: &Shape) {
        let frozen = &self.frozen;
        self.writes_frozen |= shape.objects.iter().any(|object| frozen.objects.contains(object))
            || shape.lists.iter().any(|list| frozen.lists.contains(list));
    }

    /// Whether a value of this shape may be a text: lists that the script makes, and those of nodes, are none.
    pub(super) fn may_be_text(&self, shape: &Shape) -> bool {
        let is_list = |list: &ListOrigin| match list {
            ListOrigin::Site(_) => true,
            ListOrigin::Field(path) => self.paths.is_node_list(*path),
        };
        shape.lists.is_empty() || !shape.lists.iter().all(is_list)
    }

    /// What `base` has at `key`, a list at a place or a dictionary under a name.
    pub(super) fn at_key(&mut self, base: &Val, key: &Val) -> Res<Val> {
        let list = self.local(Some(Ty::Int));
        let mut steps = vec![St::Set(list, Ex::Un(Unary::AsList, Box::new(base.ex.clone())))];
        let place = self.place_of(key, &mut steps);
        let item = self.element_or_nothing(Ex::Get(list), Ex::Get(place), &base.shape)?;
        let mut item = after(steps, item);
        if self.may_be_text(&base.shape) {
            let is_text = Ex::Un(Unary::IsText, Box::new(base.ex.clone()));
            let is_place = Ex::Un(Unary::IsNumber, Box::new(key.ex.clone()));
            let letter = Ex::Host(HostCall::Letter, vec![base.ex.clone(), key.ex.clone()]);
            let letter = Ex::If(
                Box::new(is_place),
                Box::new(letter),
                Box::new(Ex::Do(vec![St::Bail(BailCause::Kind)], Box::new(nothing()))),
            );
            item.ex = Ex::If(Box::new(is_text), Box::new(letter), Box::new(item.ex));
        }
        if !self.may_be_dictionary(&base.shape) {
            return Ok(item);
        }
        let is_dictionary = Ex::Un(Unary::IsDictionary, Box::new(base.ex.clone()));
        let member = Ex::Host(HostCall::Member, vec![base.ex.clone(), key.ex.clone()]);
        Ok(Val { ex: Ex::If(Box::new(is_dictionary), Box::new(member), Box::new(item.ex)), shape: item.shape })
    }

    /// Writes what `base` has at `key`.
    pub(super) fn put_at_key(&mut self, base: Val, key: &Val, value: Val, steps: &mut Vec<St>) {
        self.note_write(&base.shape);
        self.learn_elements(&base.shape, &value.shape);
        let list = self.local(Some(Ty::Int));
        let mut to_list = vec![St::Set(list, Ex::Un(Unary::AsList, Box::new(base.ex.clone())))];
        let place = self.place_of(key, &mut to_list);
        to_list.push(St::PutElement(Ex::Get(list), Ex::Get(place), value.ex.clone()));
        if !self.may_be_dictionary(&base.shape) {
            return steps.extend(to_list);
        }
        let is_dictionary = Ex::Un(Unary::IsDictionary, Box::new(base.ex.clone()));
        let put = St::Eval(Ex::Host(HostCall::PutMember, vec![base.ex, key.ex.clone(), value.ex]));
        steps.push(St::If(is_dictionary, vec![put], to_list));
    }

    /// A method of a map or set; nothing where it is none of theirs.
    pub(super) fn map_method(&mut self, base: Val, name: &str, given: &'t [Expression]) -> Res<Option<Val>> {
        let call = match (name, given.len()) {
            ("get", 1) => HostCall::MapGet,
            ("set", 2) => HostCall::MapSet,
            ("add", 1) => HostCall::SetAdd,
            ("has", 1) => HostCall::HasKey,
            _ => return Ok(None),
        };
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let given = self.plain_arguments(given, &mut steps)?;
        if matches!(call, HostCall::MapSet | HostCall::SetAdd) {
            (self.learnt, self.wrote) = (self.learnt || !self.wrote, true);
        }
        let shape = match call {
            HostCall::MapGet => self.element_shape(&base.shape)?,
            HostCall::MapSet | HostCall::SetAdd => base.shape.clone(),
            _ => Shape::default(),
        };
        if let (HostCall::MapSet | HostCall::SetAdd, Some(value)) = (call, given.last()) {
            self.learn_elements(&base.shape, &value.shape);
        }
        let parts = std::iter::once(base.ex).chain(given.into_iter().map(|value| value.ex)).collect();
        Ok(Some(after(steps, Val { ex: Ex::Host(call, parts), shape })))
    }

    /// `Object.keys`, `Object.values` and `Object.entries` of a dictionary, as a list.
    pub(super) fn listing(&mut self, dictionary: Val, listing: DictionaryListing) -> Res<Val> {
        if let Some(listed) = self.listing_of_literal(&dictionary, listing)? {
            return Ok(listed);
        }
        let mut steps = Vec::new();
        let dictionary = self.hold(dictionary, &mut steps);
        let values = self.element_shape(&dictionary.shape)?;
        let (site, list) = (self.site(), self.local(Some(Ty::Int)));
        let (place, count) = (self.local(Some(Ty::Num)), self.local(Some(Ty::Num)));
        let pair = self.local(Some(Ty::Int));
        let (leave, again) = (self.label(), self.label());
        let at = |call: HostCall| Ex::Host(call, vec![dictionary.ex.clone(), Ex::Get(place)]);
        steps.extend([
            St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))),
            St::Set(count, Ex::Host(HostCall::Count, vec![dictionary.ex.clone()])),
            St::Set(place, Ex::Num(0.0)),
        ]);
        let is_before = Ex::Bin(Binary::Less, Box::new(Ex::Get(place)), Box::new(Ex::Get(count)));
        let mut inner = vec![St::If(is_before, Vec::new(), vec![St::Break(leave)])];
        match listing {
            DictionaryListing::Keys => self.push(site, list, Val::plain(at(HostCall::KeyAt)), &mut inner),
            DictionaryListing::Values => {
                self.push(site, list, Val { ex: at(HostCall::ValueAt), shape: values }, &mut inner)
            }
            DictionaryListing::Entries => {
                let own = self.site();
                inner.push(St::Set(pair, Ex::Un(Unary::NewList, Box::new(Ex::Int(2)))));
                self.push(own, pair, Val::plain(at(HostCall::KeyAt)), &mut inner);
                self.push(own, pair, Val { ex: at(HostCall::ValueAt), shape: values }, &mut inner);
                self.push(site, list, Val { ex: from_list(pair), shape: Shape::site(own) }, &mut inner);
            }
        }
        let next = Ex::Bin(Binary::Add, Box::new(Ex::Get(place)), Box::new(Ex::Num(1.0)));
        inner.extend([St::Set(place, next), St::Continue(again)]);
        steps.push(St::Block(leave, vec![St::Loop(again, inner)]));
        Ok(after(steps, Val { ex: from_list(list), shape: Shape::site(site) }))
    }

    /// `new Map()`, `new Set()`, `new Set(list)`, `new Date()`.
    pub(super) fn construct(&mut self, new: &'t New) -> Res<Val> {
        if let Expression::Identifier(name) = new.constructor()
            && let Some(object) = self.object_of_class(*name, new.arguments())?
        {
            return Ok(object);
        }
        let name = self.global(new.constructor()).unwrap_or_default();
        match (name.as_str(), new.arguments()) {
            ("Map", []) => Ok(self.new_dictionary(HostCall::NewMap)),
            ("Set", []) => Ok(self.new_dictionary(HostCall::NewSet)),
            ("Set", [list]) if !matches!(list, Expression::Spread(_)) => {
                let mut steps = Vec::new();
                let from = self.iterable(list)?;
                let set = self.new_dictionary(HostCall::NewSet);
                let set = self.hold(set, &mut steps);
                self.walk_list(from, &mut steps, |lowering, walked, body| {
                    lowering.learn_elements(&set.shape, &walked.item.shape);
                    body.push(St::Eval(Ex::Host(HostCall::SetAdd, vec![set.ex.clone(), walked.item.ex])));
                    Ok(())
                })?;
                Ok(after(steps, set))
            }
            ("Map", [list]) if !matches!(list, Expression::Spread(_)) => self.map_of(list, HostCall::NewMap),
            ("Date", [time]) if !matches!(time, Expression::Spread(_)) => {
                let time = self.value(time)?;
                self.date_of(time)
            }
            ("Array", []) => {
                let (site, list) = (self.site(), self.local(Some(Ty::Int)));
                let made = vec![St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8))))];
                Ok(after(made, Val { ex: from_list(list), shape: Shape::site(site) }))
            }
            ("Object", []) => Ok(self.new_dictionary(HostCall::NewObject)),
            ("Date", []) => self.new_date(),
            _ if name.is_empty() => Err(self.refusal("`new` of what is no name of the language")),
            _ => Err(self.refusal(format!("`new {name}`"))),
        }
    }
}
