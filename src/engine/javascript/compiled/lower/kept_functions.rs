//! Functions that are kept in tables: `{gpu: node => …, cpu: node => …}` and lists of such tables.
//!
//! A member that is a function holds a number, by which a call selects the function; nothing else reads that number.
//! Only tables that are made once are taken: a call then finds the same variables around the function as there were
//! where the table was made.

use std::collections::{BTreeMap, BTreeSet};

use boa_ast::expression::Expression;

use super::super::ir::{BailCause, Binary, Ex, St};
use super::super::paths::{PathId, Shape};
use super::members::inherited;
use super::names::nothing;
use super::{Lowering, Res, Val};

/// The most functions in tables: a call tries them in turn.
const MOST_FUNCTIONS: usize = 64;

/// The functions that are members of tables.
#[derive(Default)]
pub(super) struct KeptFunctions {
    /// For each member, the functions of this pass that the member may hold, each with its number.
    members: BTreeMap<PathId, Vec<(usize, usize)>>,
    /// The number of functions in tables in this pass.
    count: usize,
    /// The literals with functions.
    tables: BTreeSet<PathId>,
    /// The literals with other members.
    mixed: BTreeSet<PathId>,
}

impl KeptFunctions {
    /// Begins a pass; the members that are functions stay known.
    pub(super) fn begin(&mut self) {
        self.members.values_mut().for_each(Vec::clear);
        self.count = 0;
    }

    /// Whether a member is a function.
    pub(super) fn has(&self, field: PathId) -> bool {
        self.members.contains_key(&field)
    }

    /// Learns that objects of the literal `root` have a member that is no function; returns whether that matters and is
    /// new.
    pub(super) fn mix(&mut self, root: PathId) -> bool {
        self.tables.contains(&root) && self.mixed.insert(root)
    }

    /// Whether all members of objects at `root` are functions.
    fn is_all_functions(&self, root: PathId) -> bool {
        self.tables.contains(&root) && !self.mixed.contains(&root)
    }
}

impl<'t> Lowering<'t> {
    /// Keeps `function` as the member `name` of the literal `root`; returns the member, and the number that the member
    /// holds.
    pub(super) fn keep_function(&mut self, root: PathId, name: &str, function: usize) -> Res<(PathId, Ex)> {
        if !self.is_made_once() || self.kept_functions.count >= MOST_FUNCTIONS {
            return Err(self.refusal("a function as a value"));
        }
        self.keep_method(root, name, function)
    }

    /// Whether the code that is being lowered runs at most once in a call of the script.
    pub(super) fn is_made_once(&self) -> bool {
        self.repeats == 0
    }

    /// The same for a method of a class that is declared once, however many objects there are.
    pub(super) fn keep_method(&mut self, root: PathId, name: &str, function: usize) -> Res<(PathId, Ex)> {
        let Some(field) = self.paths.field(root, name) else { return Err(self.refusal("so many members")) };
        let number = self.kept_functions.count;
        self.kept_functions.count += 1;
        self.learnt |= !self.kept_functions.has(field);
        self.kept_functions.tables.insert(root);
        self.kept_functions.members.entry(field).or_default().push((number, function));
        Ok((field, Ex::Num(number as f64)))
    }

    /// Returns the members of values of this shape that are functions, with the names of the members.
    fn function_members(&self, shape: &Shape) -> Vec<(PathId, String)> {
        let roots: Vec<_> =
            shape.objects.iter().filter_map(|object| self.paths.get(*object)).map(|object| object.root).collect();
        let members = self.kept_functions.members.keys().filter_map(|field| Some((*field, self.paths.get(*field)?)));
        let own = members.filter(|(_, member)| member.names.len() == 1 && roots.contains(&member.root));
        own.filter_map(|(field, member)| Some((field, member.names.first()?.clone()))).collect()
    }

    /// Whether values of this shape have a member `name` that is a function, or any such member.
    pub(super) fn has_function(&self, shape: &Shape, name: Option<&str>) -> bool {
        self.function_members(shape).iter().any(|(_, own)| name.is_none_or(|name| own == name))
    }

    /// The callable for `which`, which holds the number of a function in one of the members `fields`.
    fn kept(&mut self, which: Val, fields: &[PathId], steps: &mut Vec<St>) -> Res<usize> {
        let which = self.hold(which, steps);
        let functions = fields.iter().filter_map(|field| self.kept_functions.members.get(field)).flatten().copied();
        let options = functions.collect();
        self.note_choice(which.ex, options)
    }

    /// The function `name` of `base`; `None` where no table has a function under that name.
    pub(super) fn member_function(&mut self, base: &Val, name: &str, steps: &mut Vec<St>) -> Res<Option<usize>> {
        let own = self.function_members(&base.shape).into_iter().filter(|(_, own)| own == name);
        let fields: Vec<PathId> = own.map(|(field, _)| field).collect();
        if fields.is_empty() {
            return Ok(None);
        }
        let which = Ex::Field { base: Box::new(base.ex.clone()), fields: fields.clone(), length: false, name: None };
        self.kept(Val::plain(which), &fields, steps).map(Some)
    }

    /// The function of `base` with the computed name `name`; `None` where no table has functions.
    pub(super) fn computed_function(
        &mut self,
        base: &Val,
        name: &'t Expression,
        steps: &mut Vec<St>,
    ) -> Res<Option<usize>> {
        let mut members: BTreeMap<String, Vec<PathId>> = BTreeMap::new();
        for (field, name) in self.function_members(&base.shape) {
            members.entry(name).or_default().push(field);
        }
        if members.is_empty() {
            return Ok(None);
        }
        let key = self.value(name)?;
        let key = self.name_of(key, steps);
        let is_named = |lowering: &mut Self, name: &str| {
            let name = lowering.text(name);
            Ex::Bin(Binary::StrictEqual, Box::new(key.ex.clone()), Box::new(name.ex))
        };
        // A table of functions alone has nothing under any other name, but for the names that each object inherits.
        let mut which = nothing();
        let has_functions_alone = |root: &PathId| self.kept_functions.is_all_functions(*root);
        if !base.shape.lists.is_empty() || !base.shape.objects.iter().all(has_functions_alone) {
            which = Ex::Do(vec![St::Bail(BailCause::Kind)], Box::new(nothing()));
        } else {
            for other in inherited() {
                let is_it = is_named(self, other);
                steps.push(St::If(is_it, vec![St::Bail(BailCause::Kind)], Vec::new()));
            }
        }
        for (name, fields) in &members {
            let base = Box::new(base.ex.clone());
            let own = Ex::Field { base, fields: fields.clone(), length: false, name: None };
            which = Ex::If(Box::new(is_named(self, name)), Box::new(own), Box::new(which));
        }
        let fields: Vec<PathId> = members.into_values().flatten().collect();
        self.kept(Val::plain(which), &fields, steps).map(Some)
    }
}
