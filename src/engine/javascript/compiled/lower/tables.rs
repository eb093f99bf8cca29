//! Object literals: tables with known names, copies of other objects, and dictionaries where the script adds members
//! under computed names.

use std::collections::{BTreeMap, BTreeSet};

use boa_ast::expression::Expression;
use boa_ast::expression::literal::{ObjectLiteral, PropertyDefinition};
use boa_ast::property::MethodDefinitionKind;

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, St, Ty, Unary};
use super::super::paths::{ListOrigin, NODE, PathId, REQUEST, Shape};
use super::callables::Callable;
use super::dictionaries::DictionaryListing;
use super::expressions::{after, from_list};
use super::members::is_inherited;
use super::names::Meaning;
use super::{Fun, Lowering, Res, Val};

/// The members of nodes that are objects of the document's own.
const OPEN_MEMBERS: [&str; 3] = ["metadata", "staticData", "metrics"];

/// What is known of literals, maps and sets from the passes so far.
#[derive(Default)]
pub(super) struct Tables {
    /// The names of each literal, in order; `None` where these are not all names, or are not certain.
    names: BTreeMap<PathId, Option<Vec<String>>>,
    /// The literals that are dictionaries.
    dictionaries: BTreeSet<PathId>,
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

    fn name(&mut self, root: PathId, names: Option<Vec<String>>) {
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

    pub(super) fn object_literal(&mut self, object: &'t ObjectLiteral) -> Res<Val> {
        if object.properties().is_empty() {
            return Ok(self.new_dictionary(HostCall::NewObject));
        }
        let root = self.literal_root()?;
        let is_dictionary = self.tables.dictionaries.contains(&root);
        let made = if is_dictionary { self.new_dictionary(HostCall::NewObject) } else { Val::undefined() };
        let mut steps = Vec::new();
        let made = self.hold(made, &mut steps);
        let (mut fields, mut names, mut is_copy): (Vec<(PathId, Ex)>, Vec<String>, bool) = Default::default();
        let (mut has_functions, mut is_mixed) = (false, false);
        for property in object.properties() {
            if let Some((name, function)) = self.function_member(property, &mut steps)?.filter(|_| !is_dictionary) {
                if names.contains(&name) || is_inherited(&name) || name == "length" {
                    return Err(self.refusal(format!("a member `{name}`")));
                }
                fields.push(self.keep_function(root, &name, function)?);
                names.push(name);
                has_functions = true;
                continue;
            }
            is_mixed = true;
            if let PropertyDefinition::Property(name, value) = property
                && !is_dictionary
                && let Some(pattern) = self.known_pattern(value)?
            {
                let name = self.property_name(name)?;
                if names.contains(&name) || is_inherited(&name) || name == "length" {
                    return Err(self.refusal(format!("a member `{name}`")));
                }
                fields.push(self.keep_pattern(root, &name, pattern)?);
                names.push(name);
                has_functions = true;
                continue;
            }
            let (name, value) = match property {
                PropertyDefinition::IdentifierReference(name) => (self.literal_text(name.sym())?, self.read(*name)?),
                PropertyDefinition::Property(name, value) => (self.property_name(name)?, self.value(value)?),
                PropertyDefinition::SpreadObject(from) if !is_dictionary => {
                    let from = self.value(from)?;
                    let from = self.hold(from, &mut steps);
                    self.copy_members(root, from, &mut fields, &mut steps)?;
                    is_copy = true;
                    continue;
                }
                PropertyDefinition::MethodDefinition(_) => return Err(self.refusal("a method of an object")),
                PropertyDefinition::SpreadObject(_) => return Err(self.refusal("`...` of an object")),
                PropertyDefinition::CoverInitializedName(..) => return Err(self.refusal("this literal")),
            };
            if is_dictionary {
                if is_inherited(&name) || name == "length" {
                    return Err(self.refusal(format!("a member `{name}`")));
                }
                let value = self.hold(value, &mut steps);
                self.learn_elements(&made.shape, &value.shape);
                let name = self.text(&name);
                steps.push(St::Eval(Ex::Host(HostCall::PutMember, vec![made.ex.clone(), name.ex, value.ex])));
                continue;
            }
            if names.contains(&name) {
                return Err(self.refusal("two members of one name"));
            }
            self.own_member(root, &name, value, &mut fields, &mut steps)?;
            names.push(name);
        }
        if is_dictionary {
            return Ok(after(steps, made));
        }
        if is_mixed && has_functions {
            self.learnt |= self.kept_functions.mix(root);
        }
        self.tables.name(root, (!is_copy && !has_functions).then_some(names));
        Ok(after(steps, Val { ex: Ex::Record(root, fields), shape: Shape::object(root) }))
    }

    /// Returns the name and the function of `property`, where `property` is a function.
    fn function_member(
        &mut self,
        property: &'t PropertyDefinition,
        steps: &mut Vec<St>,
    ) -> Res<Option<(String, usize)>> {
        Ok(match property {
            PropertyDefinition::IdentifierReference(name) => match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::Function(function))) => Some((self.literal_text(name.sym())?, function)),
                _ => None,
            },
            PropertyDefinition::Property(name, value) => match self.callee(value, steps)? {
                Some(function) => Some((self.property_name(name)?, function)),
                None => None,
            },
            PropertyDefinition::MethodDefinition(method) if method.kind() == MethodDefinitionKind::Ordinary => {
                let name = self.property_name(method.name())?;
                let function = Fun::new(method.parameters(), method.body(), self.current());
                Some((name, self.note_callable(Callable::Own(function))))
            }
            _ => None,
        })
    }

    /// Adds a member to a literal; an earlier member of the same name is dropped.
    pub(super) fn own_member(
        &mut self,
        root: PathId,
        name: &str,
        value: Val,
        fields: &mut Vec<(PathId, Ex)>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        if is_inherited(name) || name == "length" {
            return Err(self.refusal(format!("a member `{name}`")));
        }
        let value = self.hold(value, steps);
        let Some(field) = self.paths.field(root, name) else { return Err(self.refusal("so many members")) };
        self.learn_field(field, &value.shape);
        fields.retain(|(other, _)| *other != field);
        fields.push((field, value.ex));
        Ok(())
    }

    /// Copies the members of `from` that somebody reads of the copy.
    pub(super) fn copy_members(
        &mut self,
        root: PathId,
        from: Val,
        fields: &mut Vec<(PathId, Ex)>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        if from.shape.objects.contains(&REQUEST) {
            // Some of its members are made from others where they are read, which a copy does not do.
            return Err(self.refusal("`...` of the input"));
        }
        if !from.shape.lists.is_empty() && self.may_be_dictionary(&from.shape) {
            return Err(self.refusal("`...` of an object whose names are computed"));
        }
        let places = self.paths.root_of(root).map(|root| root.places.clone()).unwrap_or_default();
        for field in places {
            let names = self.paths.get(field).map(|field| field.names.clone()).unwrap_or_default();
            let [name] = names.as_slice() else { continue };
            if fields.iter().any(|(other, _)| *other == field) {
                return Err(self.refusal("`...` over other members"));
            }
            let value = self.member(from.clone(), name)?;
            let value = self.hold(value, steps);
            self.learn_field(field, &value.shape);
            fields.push((field, value.ex));
        }
        Ok(())
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
