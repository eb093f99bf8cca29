//! Functions that are kept in tables: `{gpu: node => …, cpu: node => …}` and lists of such tables.
//!
//! A member that is a function holds a number, by which a call selects the function; nothing else reads that number.
//! Only tables that are made once are taken: a call then finds the same variables around the function as there were
//! where the table was made.

use std::collections::BTreeMap;

use boa_ast::expression::Expression;

use super::super::ir::{BailCause, Binary, Ex, St};
use super::super::paths::{PathId, Shape};
use super::expressions::after;
use super::functions::PassedArgument;
use super::{Lowering, Res, Val};

/// The most regions around a table that is made once: the top level, and the function that is called.
const MOST_REGIONS: usize = 2;
/// The most functions in tables: a call tries them in turn.
const MOST_FUNCTIONS: usize = 64;

/// The functions that are members of tables.
#[derive(Default)]
pub(super) struct KeptFunctions {
    /// For each member, the functions of this pass that the member may hold, each with its number.
    members: BTreeMap<PathId, Vec<(usize, usize)>>,
    /// The number of functions in tables in this pass.
    count: usize,
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
}

impl<'t> Lowering<'t> {
    /// Keeps `function` as the member `name` of the literal `root`; returns the member, and the number that the member
    /// holds.
    pub(super) fn keep_function(&mut self, root: PathId, name: &str, function: usize) -> Res<(PathId, Ex)> {
        if self.regions.len() > MOST_REGIONS || self.kept_functions.count >= MOST_FUNCTIONS {
            return Err(self.refusal("a function as a value"));
        }
        let Some(field) = self.paths.field(root, name) else { return Err(self.refusal("so many members")) };
        let number = self.kept_functions.count;
        self.kept_functions.count += 1;
        self.learnt |= !self.kept_functions.has(field);
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

    /// Calls the member `name` of `base`; `None` where no table has a function under that name.
    pub(super) fn call_member(&mut self, base: &Val, name: &str, given: &'t [Expression]) -> Res<Option<Val>> {
        let own = self.function_members(&base.shape).into_iter().filter(|(_, own)| own == name);
        let fields: Vec<PathId> = own.map(|(field, _)| field).collect();
        if fields.is_empty() {
            return Ok(None);
        }
        let mut steps = Vec::new();
        let field = Ex::Field { base: Box::new(base.ex.clone()), fields: fields.clone(), length: false, name: None };
        let which = self.hold(Val::plain(field), &mut steps);
        let given = self.arguments(given, &mut steps)?;
        let result = self.local(None);
        let functions: Vec<_> =
            fields.iter().filter_map(|field| self.kept_functions.members.get(field)).flatten().copied().collect();
        let mut otherwise = vec![St::Bail(BailCause::Kind)];
        for (number, function) in functions {
            let Some(function) = self.functions.get(function).copied() else { continue };
            let mut body = Vec::new();
            let given: Vec<PassedArgument> = given.clone();
            let said = self.in_region(|lowering| lowering.call(function, given, &mut body))?;
            body.push(self.set(result, said));
            let is_it = Ex::Bin(Binary::StrictEqual, Box::new(which.ex.clone()), Box::new(Ex::Num(number as f64)));
            otherwise = vec![St::If(is_it, body, otherwise)];
        }
        steps.extend(otherwise);
        Ok(Some(after(steps, self.get(result))))
    }

    /// Calls the member of `base` with the computed name `name`; `None` where no table has functions.
    pub(super) fn call_computed(
        &mut self,
        base: Val,
        name: &'t Expression,
        given: &'t [Expression],
    ) -> Res<Option<Val>> {
        let mut names: Vec<String> = self.function_members(&base.shape).into_iter().map(|(_, name)| name).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Ok(None);
        }
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let key = self.value(name)?;
        let key = self.name_of(key, &mut steps);
        let result = self.local(None);
        let mut otherwise = vec![St::Bail(BailCause::Kind)];
        for name in names {
            let mut body = Vec::new();
            let Some(said) = self.in_region(|lowering| lowering.call_member(&base, &name, given))? else { continue };
            body.push(self.set(result, said));
            let name = self.text(&name);
            let is_it = Ex::Bin(Binary::StrictEqual, Box::new(key.ex.clone()), Box::new(name.ex));
            otherwise = vec![St::If(is_it, body, otherwise)];
        }
        steps.extend(otherwise);
        Ok(Some(after(steps, self.get(result))))
    }
}
