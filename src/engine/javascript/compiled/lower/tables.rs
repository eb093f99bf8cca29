//! The facts about objects that literals make: the names of the members, and which objects are dictionaries.

use std::collections::{BTreeMap, BTreeSet};

use boa_ast::expression::Expression;

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, St, Ty, Unary};
use super::super::paths::{ListOrigin, NODE, PathId, REQUEST, Shape};
use super::dictionaries::DictionaryListing;
use super::expressions::{after, from_list};
use super::{Lowering, Res, Val};

/// The members of nodes that are objects of the document's own.
const OPEN_MEMBERS: [&str; 3] = ["metadata", "staticData", "metrics"];

/// What is known of literals, maps and sets from the passes so far.
#[derive(Default)]
pub(super) struct Tables {
    /// The names of each literal, in order; `None` where these are not all names, or are not certain.
    names: BTreeMap<PathId, Option<Vec<String>>>,
    /// The literals that are dictionaries.
    pub(super) dictionaries: BTreeSet<PathId>,
    /// What makes the dictionaries of each site.
    sites: BTreeMap<usize, HostCall>,
    /// Whether the next pass comes to other code, so that what is known of variables is known of others.
    is_other_code: bool,
}

impl Tables {
    /// Notes what makes the dictionaries of a site; returns whether that is new.
    pub(super) fn note(&mut self, site: usize, call: HostCall) -> bool {
        self.sites.insert(site, call) != Some(call)
    }

    /// Forgets what is known under numbers that the next pass gives to others; returns whether anything was to be
    /// forgotten.
    pub(super) fn begin(&mut self) -> bool {
        if !std::mem::take(&mut self.is_other_code) {
            return false;
        }
        (self.names, self.sites) = Default::default();
        true
    }

    /// Notes the names of the members of the literal `root`; `None` where these are not all names, or are not certain.
    pub(super) fn name(&mut self, root: PathId, names: Option<Vec<String>>) {
        // What was once uncertain stays so.
        let known = self.names.entry(root).or_insert_with(|| names.clone());
        if *known != names {
            *known = None;
        }
    }

    /// Learns that objects of this root get a member that the literal does not name; returns whether that is new.
    pub(super) fn extend(&mut self, root: PathId, name: &str) -> bool {
        match self.names.get_mut(&root) {
            Some(names) if names.as_ref().is_some_and(|names| names.iter().all(|own| own != name)) => {
                *names = None;
                true
            }
            _ => false,
        }
    }
}

impl<'t> Lowering<'t> {
    /// What makes the dictionaries that values of this shape are; nothing where they may be lists, or of more than one
    /// kind.
    pub(super) fn dictionary_kind(&self, shape: &Shape) -> Option<HostCall> {
        let mut kinds = shape.lists.iter().map(|list| match list {
            ListOrigin::Site(site) => self.tables.sites.get(site).copied(),
            ListOrigin::Field(_) => None,
        });
        let first = kinds.next()??;
        let is_one = kinds.all(|kind| kind == Some(first));
        let is_other = |object: &PathId| !self.tables.dictionaries.contains(object);
        (is_one && !shape.objects.iter().any(is_other)).then_some(first)
    }

    /// The names of the literal at `path`, where that is all.
    fn names_of(&self, path: PathId) -> Option<Vec<String>> {
        self.tables.names.get(&path).cloned().flatten().filter(|_| self.is_own(path))
    }

    /// The one literal that a value of this shape is, with its names.
    pub(super) fn literal_of(&self, shape: &Shape) -> Option<(PathId, Vec<String>)> {
        let only =
            shape.objects.iter().next().copied().filter(|_| shape.objects.len() == 1 && shape.lists.is_empty())?;
        self.names_of(only).map(|names| (only, names))
    }

    /// Learns that names are added to objects of this shape that are computed: its literals are dictionaries.
    pub(super) fn learn_dictionary(&mut self, shape: &Shape) {
        for object in &shape.objects {
            if self.tables.names.contains_key(object) {
                let is_new = self.tables.dictionaries.insert(*object);
                self.learnt |= is_new;
                self.tables.is_other_code |= is_new;
            }
        }
    }

    /// `Object.keys` and the like of a literal, whose names are known.
    pub(super) fn listing_of_literal(&mut self, of: &Val, listing: DictionaryListing) -> Res<Option<Val>> {
        let Some((_, names)) = self.literal_of(&of.shape) else { return Ok(None) };
        // Names that are places come first, in their own order.
        if names.iter().any(|name| name.parse::<u32>().is_ok()) {
            return Err(self.refusal("a table with places for names"));
        }
        let mut steps = Vec::new();
        let of = self.hold(of.clone(), &mut steps);
        let (site, list) = (self.site(), self.local(Some(Ty::Int)));
        steps.push(St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        for name in names {
            let (key, value) = (self.text(&name), self.member(of.clone(), &name)?);
            match listing {
                DictionaryListing::Keys => {
                    // Its kind is looked at, whoever wants the value.
                    steps.push(St::Eval(value.ex));
                    self.push(site, list, key, &mut steps);
                }
                DictionaryListing::Values => self.push(site, list, value, &mut steps),
                DictionaryListing::Entries => {
                    let (own, pair) = (self.site(), self.local(Some(Ty::Int)));
                    steps.push(St::Set(pair, Ex::Un(Unary::NewList, Box::new(Ex::Int(2)))));
                    self.push(own, pair, key, &mut steps);
                    self.push(own, pair, value, &mut steps);
                    self.push(site, list, Val { ex: from_list(pair), shape: Shape::site(own) }, &mut steps);
                }
            }
        }
        Ok(Some(after(steps, Val { ex: from_list(list), shape: Shape::site(site) })))
    }

    /// Whether `of` has a member `name`: `in`, `hasOwnProperty` and `Object.hasOwn`.
    pub(super) fn has_member(&mut self, name: &'t Expression, of: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let key = self.value(name)?;
        let key = self.hold(key, &mut steps);
        let of = self.value(of)?;
        self.has_key(key, of, steps)
    }

    pub(super) fn has_key(&mut self, key: Val, of: Val, mut steps: Vec<St>) -> Res<Val> {
        let of = self.hold(of, &mut steps);
        if self.dictionary_kind(&of.shape) == Some(HostCall::NewObject) {
            return Ok(after(steps, Val::plain(Ex::Host(HostCall::HasMember, vec![of.ex, key.ex]))));
        }
        if let Some((_, names)) = self.literal_of(&of.shape) {
            let key = self.name_of(key, &mut steps);
            let mut is_there = Ex::Bool(false);
            for other in super::members::inherited() {
                let other = self.text(other);
                let is_it = Ex::Bin(Binary::StrictEqual, Box::new(key.ex.clone()), Box::new(other.ex));
                steps.push(St::If(is_it, vec![St::Bail(BailCause::Kind)], Vec::new()));
            }
            for name in names {
                // Its kind is looked at as well.
                let member = self.member(of.clone(), &name)?;
                steps.push(St::Eval(member.ex));
                let name = self.text(&name);
                let is_it = Ex::Bin(Binary::StrictEqual, Box::new(key.ex.clone()), Box::new(name.ex));
                is_there = Ex::If(Box::new(is_it), Box::new(Ex::Bool(true)), Box::new(is_there));
            }
            return Ok(after(steps, Val::plain(is_there)));
        }
        self.has_field(&key, of, steps)
    }

    /// The same for objects of documents, in which nothing is `undefined` that is there.
    fn has_field(&mut self, key: &Val, of: Val, steps: Vec<St>) -> Res<Val> {
        let is_open = |path: &PathId| {
            let Some(path) = self.paths.get(*path) else { return false };
            let first = path.names.first().map(String::as_str).unwrap_or_default();
            (path.root == usize::from(NODE) && OPEN_MEMBERS.contains(&first))
                || (path.root == usize::from(REQUEST) && first == "data")
        };
        let name = match key.ex {
            Ex::Const(bits) => self.strings.text_of(bits),
            _ => None,
        };
        let (Some(name), true) = (name, !of.shape.objects.is_empty() && of.shape.objects.iter().all(is_open)) else {
            self.refuse_at_last("`in` of what is no table")?;
            return Ok(after(steps, Val::plain(Ex::Bool(false))));
        };
        if &*name == "length" || name.parse::<u32>().is_ok() {
            return Err(self.refusal("`in` of a list"));
        }
        let member = self.member(of, &name)?;
        let is_absent = Ex::Un(Unary::IsUndefined, Box::new(member.ex));
        Ok(after(steps, Val::plain(Ex::Un(Unary::Not, Box::new(is_absent)))))
    }
}
