//! The walks over a list that a function may take: a loop that keeps an element, a loop that filters elements into
//! another list, and a sort.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ir::{Binary, Ex, Local, Piece, St, Unary, walk};
use super::pass::{Flow, Pass, Way, set_in};
use super::program::{MAX_KEYS, Program, mentioned_in};
use super::rule::{Kept, rule};
use super::symbols::{Folding, Symbol, has_symbol};
use super::{KeyOrder, NodeOrder, Refusal, Res};

/// The most filters that are followed.
const MAX_FILTERS: usize = 8;

/// A sort: the number of the list, the steps that compute the figures, and the figures, each with whether the greatest
/// figure comes first.
pub(super) type Sorting<'s> = (usize, &'s [St], &'s [(Ex, bool)]);

/// A loop over a list.
pub(super) struct Loop<'s> {
    list: usize,
    counter: Local,
    /// The steps of a pass.
    body: &'s [St],
}

impl Program<'_> {
    /// Returns the loop over a list that `step` consists of.
    pub(super) fn walked<'s>(&self, step: &'s St) -> Option<Loop<'s>> {
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

    /// Returns the list that `step` sorts by figures, the steps that compute the figures, and the figures.
    pub(super) fn sorted<'s>(&self, step: &'s St) -> Option<Sorting<'s>> {
        let St::If(condition, sorting, _) = step else { return None };
        let (St::Sort(list, keys), before) = sorting.split_last()? else { return None };
        let Some(Symbol::Address(list)) = Symbol::of(&self.folded(list)) else { return None };
        let is_long = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(1)), Box::new(Symbol::Length(list).ex()));
        (self.folded(condition) == is_long).then_some((list, before, keys))
    }

    /// Follows a loop over the list.
    pub(super) fn each(&mut self, step: &St) -> Res<()> {
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

    /// Returns the variable with the address of the list that a filter makes.
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

    /// Follows a loop that puts the elements which pass a filter into the list `made`.
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

    /// Follows a sort by figures.
    pub(super) fn sort(&mut self, step: &St) -> Res<()> {
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

    /// Checks that the loop `step`, which lists the figures of a sort, computes each figure from the element alone.
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

/// Whether `way` moves on to the next place.
fn goes_on(way: &Way, counter: Local) -> bool {
    let place = Symbol::Place.ex();
    way.flow != Flow::Next
        || way.values.get(&counter).is_some_and(|value| {
            *value == Ex::Bin(Binary::IntAdd, Box::new(place.clone()), Box::new(Ex::Int(1)))
                || *value == Ex::Bin(Binary::Add, Box::new(place.clone()), Box::new(Ex::Num(1.0)))
        })
}

/// Whether `way` uses the place of the element only to move on.
fn is_placeless(way: &Way) -> bool {
    let is_place = |symbol| symbol == Symbol::Place;
    let is_fine = |ex: &Ex| match ex {
        Ex::Get(_) => true,
        Ex::Bin(Binary::IntAdd | Binary::Add, left, _) if **left == Symbol::Place.ex() => true,
        ex => !has_symbol(ex, is_place),
    };
    way.events.iter().all(is_fine) && !way.conditions.iter().any(|(asked, _)| has_symbol(asked, is_place))
}
