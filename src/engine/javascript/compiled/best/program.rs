//! Recognises functions that keep the best node, and makes their probes.
//!
//! The steps of a function are walked from the beginning. Steps that do the same for every request are kept for the
//! probe; steps that depend on the request are left out of the probe. The function may ask whether the list is empty,
//! and may walk the list by filters that make another list. The last walk is a loop that keeps an element, or a sort of
//! which the first element is used.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ir::{Ex, Label, Local, Piece, St, Ty, Unary, walk, walk_ex};
use super::super::lower::Lowered;
use super::pass::set_in;
use super::symbols::{Folding, Symbol, has_symbol};
use super::{BestOf, NodeOrder, Refusal, Res, flatten, is_timeless};

/// More figures than these do not order nodes.
pub(super) const MAX_KEYS: usize = 4;

/// Recognises `lowered` as a function that keeps the best node.
///
/// # Errors
/// The first construct for which the function is not recognised.
pub(in super::super) fn recognise(lowered: &Lowered) -> Res<BestOf> {
    if lowered.written > 0 || lowered.parameters != 1 {
        return Err(Refusal("members written into nodes"));
    }
    let mut steps = flatten::flat(&lowered.body);
    let result = flatten::lift(&lowered.result, &mut steps);
    let mut program = Program::new(lowered, &steps, &result);
    program.run(&steps)?;
    program.uses(&result)?;
    let Some(order) = program.found.take() else { return Err(Refusal("a function without a loop that keeps a node")) };
    let (marks, end) = (program.marks, program.end);
    let room = Ex::Un(Unary::NewList, Box::new(Ex::Int(8)));
    let body = vec![St::Set(marks, room), St::Block(end, program.kept)];
    let result = Ex::Un(Unary::FromList, Box::new(Ex::Get(marks)));
    Ok(BestOf { probe: lowered.with_body(body, result, Ty::Int), order })
}

pub(super) struct Program<'a> {
    pub(super) lowered: &'a Lowered,
    /// What each variable is set to, anywhere.
    pub(super) sets: BTreeMap<Local, Vec<Ex>>,
    /// How often each variable is mentioned, anywhere.
    pub(super) mentioned: BTreeMap<Local, usize>,
    /// Variables that always hold the request, a list, its address or its length.
    pub(super) roles: BTreeMap<Local, Ex>,
    /// The variables with the addresses of the lists that filters make, by the number of the list.
    pub(super) made: BTreeMap<Local, usize>,
    /// What else is the same for every request here.
    pub(super) known: BTreeMap<Local, Ex>,
    /// Variables that hold the first element of the list.
    pub(super) firsts: BTreeSet<Local>,
    /// The variables of the loop that keeps an element.
    pub(super) carried: BTreeSet<Local>,
    /// Whether the script writes to objects of its own.
    writes_objects: bool,
    /// The number of the list that is walked next.
    pub(super) list: usize,
    pub(super) is_sorted: bool,
    pub(super) found: Option<NodeOrder>,
    /// The steps of the probe.
    pub(super) kept: Vec<St>,
    /// The variable with the marks, and the label of the probe's end.
    pub(super) marks: Local,
    pub(super) end: Label,
}

impl<'a> Program<'a> {
    fn new(lowered: &'a Lowered, steps: &[St], result: &Ex) -> Self {
        let (mut sets, mut writes_objects, mut end): (BTreeMap<Local, Vec<Ex>>, _, _) = (BTreeMap::new(), false, 0);
        walk(steps, &mut |piece| match piece {
            Piece::Step(St::Set(local, value)) => sets.entry(*local).or_default().push(value.clone()),
            Piece::Step(St::PutField { .. }) => writes_objects = true,
            Piece::Step(St::Block(label, _) | St::Loop(label, _)) => end = end.max(*label),
            _ => {}
        });
        let mut mentioned = mentioned_in(steps);
        walk_ex(result, &mut |piece| count(piece, &mut mentioned));
        let (roles, made, known, firsts, carried, found, kept) = Default::default();
        let marks = lowered.kinds.0.len();
        let (list, is_sorted, end) = (0, false, end + 1);
        let mut program = Self {
            lowered,
            sets,
            mentioned,
            roles,
            made,
            known,
            firsts,
            carried,
            writes_objects,
            list,
            is_sorted,
            found,
            kept,
            marks,
            end,
        };
        program.find_roles();
        program
    }

    pub(super) fn folding(&self, is_filled: bool) -> Folding<'a> {
        Folding { paths: &self.lowered.paths, walked: None, is_filled }
    }

    /// `ex` over the symbols that variables always are.
    pub(super) fn folded(&self, ex: &Ex) -> Ex {
        self.folding(false).rebuild(ex, &|local| self.roles.get(&local).cloned())
    }

    pub(super) fn find_roles(&mut self) {
        self.roles = BTreeMap::from([(0, Symbol::Request.ex())]);
        self.roles.extend(self.made.iter().map(|(local, list)| (*local, Symbol::Address(*list).ex())));
        loop {
            let mut found = Vec::new();
            for (local, values) in self.sets.iter().filter(|(local, _)| !self.roles.contains_key(local)) {
                let mut values = values.iter().map(|value| self.folded(value));
                let Some(first) =
                    values.next().filter(|first| *first == Ex::Int(0) || Symbol::of(first).is_some_and(is_role))
                else {
                    continue;
                };
                if values.all(|value| value == first) {
                    found.push((*local, first));
                }
            }
            if found.is_empty() {
                return;
            }
            self.roles.extend(found);
        }
    }

    fn run(&mut self, steps: &[St]) -> Res<()> {
        for step in steps {
            if self.found.is_some() {
                self.uses_in(std::slice::from_ref(step))?;
                continue;
            }
            match step {
                _ if self.sorted(step).is_some() => self.sort(step)?,
                _ if self.walked(step).is_some() => self.each(step)?,
                St::Block(_, inner) if self.has_target(inner) => self.run(inner)?,
                St::If(condition, yes, no) if self.has_target(yes) || self.has_target(no) => {
                    self.uses_as_condition(condition)?;
                    let (own, other) = if self.has_target(yes) { (yes, no) } else { (no, yes) };
                    self.uses_in(other)?;
                    self.forget(other);
                    self.run(own)?;
                    self.forget(other);
                }
                St::Set(local, value) => self.note(step, *local, value)?,
                _ => {
                    self.uses_in(std::slice::from_ref(step))?;
                    self.forget(std::slice::from_ref(step));
                }
            }
        }
        Ok(())
    }

    /// Notes a variable that is set on the way to the loop.
    fn note(&mut self, step: &St, local: Local, value: &Ex) -> Res<()> {
        if self.roles.contains_key(&local) {
            self.kept.push(step.clone());
            return Ok(());
        }
        let replace = |local: Local| self.roles.get(&local).or_else(|| self.known.get(&local)).cloned();
        let folded = self.folding(true).rebuild(value, &replace);
        if folded == Symbol::First(self.list).ex() {
            self.firsts.insert(local);
            self.known.insert(local, folded);
            self.kept.push(step.clone());
            return Ok(());
        }
        self.uses(value)?;
        if !self.is_known(value) || has_symbol(&folded, |_| true) {
            self.known.remove(&local);
            return Ok(());
        }
        let is_constant = matches!(folded, Ex::Const(_) | Ex::Num(_) | Ex::Int(_) | Ex::Bool(_));
        self.known.insert(local, if is_constant { folded } else { Ex::Get(local) });
        self.kept.push(step.clone());
        Ok(())
    }

    /// Whether `value` is the same for every request.
    fn is_known(&self, value: &Ex) -> bool {
        let mut is_known = true;
        walk_ex(value, &mut |piece| {
            is_known &= match piece {
                Piece::Step(_) | Piece::Value(Ex::Do(..) | Ex::Written(..) | Ex::Un(Unary::NewList, _)) => false,
                Piece::Value(Ex::Get(local)) => self.known.contains_key(local) || self.roles.contains_key(local),
                Piece::Value(Ex::Host(call, _)) => is_timeless(*call),
                Piece::Value(Ex::Record(..)) => !self.writes_objects,
                Piece::Value(_) => true,
            };
        });
        is_known
    }

    /// Does not know any more what `steps` set.
    pub(super) fn forget(&mut self, steps: &[St]) {
        for local in set_in(steps) {
            self.known.remove(&local);
        }
    }

    fn has_target(&self, steps: &[St]) -> bool {
        steps.iter().any(|step| {
            self.walked(step).is_some()
                || self.sorted(step).is_some()
                || match step {
                    St::Block(_, inner) => self.has_target(inner),
                    St::If(_, yes, no) => self.has_target(yes) || self.has_target(no),
                    _ => false,
                }
        })
    }

    /// What variables outside a loop that sets `set` are.
    pub(super) fn around(&self, set: &BTreeSet<Local>) -> BTreeMap<Local, Ex> {
        let all = self.roles.iter().chain(&self.known);
        all.filter(|(local, _)| !set.contains(local)).map(|(local, value)| (*local, value.clone())).collect()
    }
}

/// Whether `symbol` is one that a variable is throughout.
fn is_role(symbol: Symbol) -> bool {
    matches!(symbol, Symbol::Request | Symbol::List(_) | Symbol::Address(_) | Symbol::Length(_))
}

/// How often `steps` mention each variable.
pub(super) fn mentioned_in(steps: &[St]) -> BTreeMap<Local, usize> {
    let mut all = BTreeMap::new();
    walk(steps, &mut |piece| count(piece, &mut all));
    all
}

fn count(piece: Piece<'_>, all: &mut BTreeMap<Local, usize>) {
    if let Piece::Step(St::Set(local, _)) | Piece::Value(Ex::Get(local)) = piece {
        *all.entry(*local).or_default() += 1;
    }
}
