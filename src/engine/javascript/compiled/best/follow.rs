//! Follows steps of a pass as a whole, with all branches and loops: where two values of a variable meet, the variable
//! gets a new symbol, and a variable that is not set on every way cannot be read.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ir::{Binary, Ex, Label, Local, Piece, St, walk};
use super::pass::{Pass, Values, set_in};
use super::symbols::{Symbol, truth_of};
use super::{Refusal, Res};

impl Pass<'_> {
    pub(super) fn follow(&mut self, steps: &[St], values: &mut Values) -> Res<()> {
        let mut exits = BTreeMap::new();
        let end = self.run(steps, Some(std::mem::take(values)), &mut exits)?;
        if !exits.is_empty() {
            return Err(Refusal("a way out of a loop"));
        }
        *values = end.unwrap_or_default();
        Ok(())
    }

    /// The variables after `steps`; nothing where these never come to their end.
    fn run(&mut self, steps: &[St], start: Option<Values>, exits: &mut BTreeMap<Label, Values>) -> Res<Option<Values>> {
        let mut at = start;
        for step in steps {
            let Some(values) = at else { return Ok(None) };
            at = self.run_step(step, values, exits)?;
        }
        Ok(at)
    }

    fn run_step(&mut self, step: &St, mut values: Values, exits: &mut BTreeMap<Label, Values>) -> Res<Option<Values>> {
        match step {
            St::Set(local, _) if self.carried.contains(local) => Err(Refusal("the best so far in a loop within")),
            St::Set(local, value) => {
                let value = self.value(value, &mut values)?;
                values.insert(*local, value);
                Ok(Some(values))
            }
            St::Eval(value) => self.value(value, &mut values).map(|_| Some(values)),
            St::If(condition, yes, no) => {
                let condition = self.value(condition, &mut values)?;
                match truth_of(&condition) {
                    Some(true) => self.run(yes, Some(values), exits),
                    Some(false) => self.run(no, Some(values), exits),
                    None => {
                        let own = self.run(yes, Some(values.clone()), exits)?;
                        let other = self.run(no, Some(values), exits)?;
                        Ok(self.either(own, other))
                    }
                }
            }
            St::Block(label, steps) => {
                let end = self.run(steps, Some(values), exits)?;
                let left = exits.remove(label);
                Ok(self.either(end, left))
            }
            St::Loop(_, steps) if !is_walk(steps) => Err(Refusal("a loop within that may have no end")),
            St::Loop(_, steps) => {
                // What a pass sets is another value in the next one, and after the last one.
                let set = set_in(steps);
                self.unknow(&set, &mut values);
                let mut end = self.run(steps, Some(values), exits)?;
                for values in exits.values_mut().chain(&mut end) {
                    self.unknow(&set, values);
                }
                Ok(end)
            }
            St::Break(label) => {
                let met = match exits.remove(label) {
                    Some(before) => self.meet(before, values),
                    None => values,
                };
                exits.insert(*label, met);
                Ok(None)
            }
            St::Continue(_) | St::Bail(_) => Ok(None),
            St::Push(list, item) => {
                let list = self.value(list, &mut values)?;
                self.value(item, &mut values)?;
                match Symbol::of(&list) {
                    Some(Symbol::Fresh(_)) => Ok(Some(values)),
                    _ => Err(Refusal("a list that grows")),
                }
            }
            _ => Err(Refusal("a step that changes something")),
        }
    }

    /// Makes symbols of the variables `set`.
    fn unknow(&mut self, set: &BTreeSet<Local>, values: &mut Values) {
        for local in set {
            if let Some(value) = values.get_mut(local)
                && *value != Symbol::Unset.ex()
            {
                self.made += 1;
                *value = Symbol::Opaque(self.made).ex();
            }
        }
    }

    fn either(&mut self, left: Option<Values>, right: Option<Values>) -> Option<Values> {
        match (left, right) {
            (Some(left), Some(right)) => Some(self.meet(left, right)),
            (left, right) => left.or(right),
        }
    }

    /// The variables where two ways meet.
    pub(super) fn meet(&mut self, left: Values, mut right: Values) -> Values {
        let mut met = Values::new();
        for (local, own) in left {
            let value = match right.remove(&local) {
                Some(other) if other == own => own,
                Some(other) if own != Symbol::Unset.ex() && other != Symbol::Unset.ex() => self.opaque(),
                _ => Symbol::Unset.ex(),
            };
            met.insert(local, value);
        }
        met.extend(right.into_keys().map(|local| (local, Symbol::Unset.ex())));
        met
    }
}

/// Whether `steps` are a walk over a list, place by place.
fn is_walk(steps: &[St]) -> bool {
    let (Some(St::If(Ex::Bin(Binary::IntAtLeast, place, _), ..)), [.., St::Set(counter, next), St::Continue(_)]) =
        (steps.first(), steps)
    else {
        return false;
    };
    let is_next = Ex::Bin(Binary::IntAdd, place.clone(), Box::new(Ex::Int(1))) == *next;
    let mut sets = 0;
    walk(steps, &mut |piece| sets += usize::from(matches!(piece, Piece::Step(St::Set(local, _)) if local == counter)));
    is_next && **place == Ex::Get(*counter) && sets == 1
}
