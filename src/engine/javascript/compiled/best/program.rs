//! Recognises functions that keep the best node, and makes their probes.
//!
//! The steps of a function are walked from the beginning. Steps that do the same for every request are kept for the
//! probe; steps that depend on the request are left out of the probe. The function may ask whether the list is empty,
//! and may walk the list by filters that make another list. The last walk is a loop that keeps an element, or a sort of
//! which the first element is used.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ir::{Binary, Ex, Label, Local, Piece, St, Ty, Unary, walk, walk_ex};
use super::super::lower::Lowered;
use super::pass::{Flow, Pass, Way, set_in};
use super::rule::{Kept, rule};
use super::symbols::{Folding, Symbol, has_symbol};
use super::{BestOf, KeyOrder, NodeOrder, Refusal, Res, flatten, is_timeless};

/// More figures than these do not order nodes.
pub(super) const MAX_KEYS: usize = 4;
/// More filters than these are not followed.
const MAX_FILTERS: usize = 8;

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
    lowered: &'a Lowered,
    /// What each variable is set to, anywhere.
    sets: BTreeMap<Local, Vec<Ex>>,
    /// How often each variable is mentioned, anywhere.
    mentioned: BTreeMap<Local, usize>,
    /// Variables that always hold the request, a list, its address or its length.
    pub(super) roles: BTreeMap<Local, Ex>,
    /// The variables with the addresses of the lists that filters make, by the number of the list.
    made: BTreeMap<Local, usize>,
    /// What else is the same for every request here.
    known: BTreeMap<Local, Ex>,
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
    kept: Vec<St>,
    /// The variable with the marks, and the label of the probe's end.
    marks: Local,
    end: Label,
}

/// A sort: the number of the list, the steps that find the figures, and these with whether their order is the other one.
type Sorting<'s> = (usize, &'s [St], &'s [(Ex, bool)]);

/// A loop over a list.
struct Loop<'s> {
    list: usize,
    counter: Local,
    /// The steps of a pass.
    body: &'s [St],
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

    fn folding(&self, is_filled: bool) -> Folding<'a> {
        Folding { paths: &self.lowered.paths, walked: None, is_filled }
    }

    /// `ex` over the symbols that variables always are.
    pub(super) fn folded(&self, ex: &Ex) -> Ex {
        self.folding(false).rebuild(ex, &|local| self.roles.get(&local).cloned())
    }

    fn find_roles(&mut self) {
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
    fn forget(&mut self, steps: &[St]) {
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

    /// The loop over a list that `step` is.
    fn walked<'s>(&self, step: &'s St) -> Option<Loop<'s>> {
        let St::Block(leave, block) = step else { return None };
        let [St::Loop(again, steps)] = block.as_slice() else { return None };
        let (St::If(condition, yes, no), rest) = steps.split_first()? else { return None };
        let (St::Continue(label), body) = rest.split_last()? else { return None };
        let condition = self.folded(condition);
        let Ex::Bin(op, left, right) = &condition else { return None };
        let (Ex::Get(counter), Some(Symbol::Length(list))) = (&**left, Symbol::of(right)) else { return None };
        let left = [St::Break(*leave)];
        let is_guard = match op {
            Binary::IntAtLeast => *yes == left && no.is_empty(),
            Binary::AnyLess | Binary::Less => *no == left && yes.is_empty(),
            _ => false,
        };
        (is_guard && label == again).then_some(Loop { list, counter: *counter, body })
    }

    /// The list that `step` sorts by figures, and the steps that find these.
    fn sorted<'s>(&self, step: &'s St) -> Option<Sorting<'s>> {
        let St::If(condition, sorting, _) = step else { return None };
        let (St::Sort(list, keys), before) = sorting.split_last()? else { return None };
        let Some(Symbol::Address(list)) = Symbol::of(&self.folded(list)) else { return None };
        let is_long = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(1)), Box::new(Symbol::Length(list).ex()));
        (self.folded(condition) == is_long).then_some((list, before, keys))
    }

    /// A loop over the list.
    fn each(&mut self, step: &St) -> Res<()> {
        let Some(Loop { list, counter, body }) = self.walked(step) else { return Ok(()) };
        let start = match self.known.get(&counter) {
            Some(Ex::Int(0)) => 0.0,
            Some(Ex::Num(start)) if [0.0, 1.0].contains(start) => *start,
            _ => return Err(Refusal("a loop that begins elsewhere")),
        };
        let within = mentioned_in(std::slice::from_ref(step));
        let outside = |local: &Local| self.mentioned.get(local) > within.get(local);
        let set = set_in(body);
        let carried: BTreeSet<Local> =
            set.iter().filter(|local| **local != counter && outside(local)).copied().collect();
        // Beside the loop it is set, and nothing else.
        if list != self.list || self.mentioned.get(&counter).copied() != within.get(&counter).map(|count| count + 1) {
            return Err(Refusal("a list that is walked twice, or a place that is used"));
        }
        let makes = self.list_made_by(body, &set);
        if let Some(local) = makes {
            self.made.insert(local, list + 1);
            self.find_roles();
        }
        let around = self.around(&set);
        let folding = Folding { walked: Some((list, start)), ..self.folding(true) };
        let mut pass = Pass { folding, set: &set, carried: &carried, around: &around, made: 0 };
        let ways = pass.ways(body, counter)?;
        if !ways.iter().all(|way| goes_on(way, counter)) {
            return Err(Refusal("a place that is changed"));
        }
        match makes {
            Some(local) if carried.is_empty() && start == 0.0 => self.filter(step, &ways, local)?,
            Some(_) => return Err(Refusal("a loop that keeps one element and lists others")),
            None => {
                let starts = carried.iter().map(|local| Some((*local, self.known.get(local)?.clone())));
                let starts: Option<BTreeMap<_, _>> = starts.collect();
                let starts = starts.ok_or(Refusal("a best so far of which nothing is known"))?;
                let rule = rule(&ways, &starts, folding)?;
                self.kept.push(step.clone());
                let mark = vec![St::Push(Ex::Get(self.marks), rule.key.clone())];
                let is_kept = match rule.kept {
                    Kept::Always => Ex::Bool(true),
                    Kept::IsObject(local) => Ex::Un(Unary::IsObject, Box::new(Ex::Get(local))),
                    Kept::Above(bound) => {
                        let same = Ex::Bin(Binary::StrictEqual, Box::new(rule.key), Box::new(Ex::Num(bound)));
                        Ex::Un(Unary::Not, Box::new(same))
                    }
                };
                self.kept.push(St::If(is_kept, mark, Vec::new()));
                let (filters, keys, last_wins) = (self.list, vec![rule.order], rule.last_wins);
                self.found = Some(NodeOrder { filters, keys, last_wins });
                self.carried = carried;
            }
        }
        self.forget(std::slice::from_ref(step));
        Ok(())
    }

    /// What variables outside a loop that sets `set` are.
    fn around(&self, set: &BTreeSet<Local>) -> BTreeMap<Local, Ex> {
        let all = self.roles.iter().chain(&self.known);
        all.filter(|(local, _)| !set.contains(local)).map(|(local, value)| (*local, value.clone())).collect()
    }

    /// The variable with the address of the list that a filter makes.
    fn list_made_by(&self, body: &[St], set: &BTreeSet<Local>) -> Option<Local> {
        let mut made = None;
        walk(body, &mut |piece| {
            if let Piece::Step(St::Push(Ex::Get(list), _)) = piece
                && !set.contains(list)
            {
                made = Some(*list);
            }
        });
        let is_new = |local: &Local| {
            matches!(self.sets.get(local).map(Vec::as_slice), Some([Ex::Un(Unary::NewList, _)]))
                && !self.made.contains_key(local)
        };
        made.filter(is_new)
    }

    /// A loop that makes the list at `made` of the elements that pass.
    fn filter(&mut self, step: &St, ways: &[Way], made: Local) -> Res<()> {
        let list = self.list + 1;
        let is_filter = |way: &Way| match way.flow {
            Flow::Next => way.pushed.is_empty() || way.pushed == [list],
            Flow::Bail => true,
            Flow::To(_) => false,
        };
        if list > MAX_FILTERS || !ways.iter().all(|way| is_filter(way) && is_placeless(way)) {
            return Err(Refusal("a list that is made in another way"));
        }
        self.list = list;
        // It was made before the loop, where it was no list of nodes yet.
        self.kept.push(St::Set(made, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
        self.kept.push(step.clone());
        let length = Ex::Un(Unary::ListLength, Box::new(Ex::Get(made)));
        let passes = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(0)), Box::new(length));
        let mark = vec![St::Push(Ex::Get(self.marks), Ex::Num(0.0))];
        self.kept.push(St::If(passes, mark, vec![St::Break(self.end)]));
        Ok(())
    }

    /// A sort by figures.
    fn sort(&mut self, step: &St) -> Res<()> {
        let Some((list, before, keys)) = self.sorted(step) else { return Ok(()) };
        if list != self.list || keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(Refusal("a list that is sorted otherwise"));
        }
        for step in before {
            match step {
                St::Set(..) => {}
                _ => self.check_figures(step, list)?,
            }
        }
        self.kept.extend(before.iter().cloned());
        for (key, _) in keys {
            let figure = Ex::Bin(Binary::Element, Box::new(key.clone()), Box::new(Ex::Int(0)));
            self.kept.push(St::Push(Ex::Get(self.marks), figure));
        }
        let order =
            |(_, is_reversed): &(Ex, bool)| if *is_reversed { KeyOrder::MostFirst } else { KeyOrder::LeastFirst };
        self.found = Some(NodeOrder { filters: list, keys: keys.iter().map(order).collect(), last_wins: false });
        self.is_sorted = true;
        Ok(())
    }

    /// Looks whether the loop `step`, which lists the figures of a sort, finds each in its element alone.
    fn check_figures(&self, step: &St, list: usize) -> Res<()> {
        let other = Refusal("figures that are found in another way");
        let Some(Loop { list: walked, counter, body }) = self.walked(step) else { return Err(other) };
        let (set, carried) = (set_in(body), BTreeSet::new());
        let mut around = self.around(&set);
        walk(body, &mut |piece| {
            if let Piece::Step(St::Push(Ex::Get(figures), _)) = piece {
                around.insert(*figures, Symbol::Fresh(0).ex());
            }
        });
        let folding = Folding { walked: Some((list, 0.0)), ..self.folding(true) };
        let mut pass = Pass { folding, set: &set, carried: &carried, around: &around, made: 0 };
        let ways = pass.ways(body, counter)?;
        let is_plain =
            |way: &Way| way.flow == Flow::Next && way.pushed.is_empty() && goes_on(way, counter) && is_placeless(way);
        if walked == list && ways.iter().all(is_plain) { Ok(()) } else { Err(other) }
    }
}

/// Whether `symbol` is one that a variable is throughout.
fn is_role(symbol: Symbol) -> bool {
    matches!(symbol, Symbol::Request | Symbol::List(_) | Symbol::Address(_) | Symbol::Length(_))
}

/// Whether the place is the next one after `way`.
fn goes_on(way: &Way, counter: Local) -> bool {
    let place = Symbol::Place.ex();
    way.flow != Flow::Next
        || way.values.get(&counter).is_some_and(|value| {
            *value == Ex::Bin(Binary::IntAdd, Box::new(place.clone()), Box::new(Ex::Int(1)))
                || *value == Ex::Bin(Binary::Add, Box::new(place.clone()), Box::new(Ex::Num(1.0)))
        })
}

/// Whether `way` looks at the place of its element for nothing but to go on.
fn is_placeless(way: &Way) -> bool {
    let is_place = |symbol| symbol == Symbol::Place;
    let is_fine = |ex: &Ex| match ex {
        Ex::Get(_) => true,
        Ex::Bin(Binary::IntAdd | Binary::Add, left, _) if **left == Symbol::Place.ex() => true,
        ex => !has_symbol(ex, is_place),
    };
    way.events.iter().all(is_fine) && !way.conditions.iter().any(|(asked, _)| has_symbol(asked, is_place))
}

/// How often `steps` mention each variable.
fn mentioned_in(steps: &[St]) -> BTreeMap<Local, usize> {
    let mut all = BTreeMap::new();
    walk(steps, &mut |piece| count(piece, &mut all));
    all
}

fn count(piece: Piece<'_>, all: &mut BTreeMap<Local, usize>) {
    if let Piece::Step(St::Set(local, _)) | Piece::Value(Ex::Get(local)) = piece {
        *all.entry(*local).or_default() += 1;
    }
}
