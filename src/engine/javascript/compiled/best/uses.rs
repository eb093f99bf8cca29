//! Checks that a function which keeps the best node asks of the lists nothing else but whether they are empty.

use super::super::ir::{Binary, Ex, Local, St, Unary};
use super::program::Program;
use super::symbols::{Symbol, truth_of};
use super::{Refusal, Res};

impl Program<'_> {
    pub(super) fn uses_in(&self, steps: &[St]) -> Res<()> {
        for step in steps {
            match step {
                St::Set(local, value) => match self.roles.get(local) {
                    Some(_) => {}
                    None => self.uses(value)?,
                },
                // The list is what a method came to, and nobody takes it.
                St::Eval(Ex::Get(_)) => {}
                St::Eval(value) => self.uses(value)?,
                St::If(condition, yes, no) => {
                    self.uses_as_condition(condition)?;
                    self.uses_in(yes)?;
                    self.uses_in(no)?;
                }
                St::Block(_, steps) | St::Loop(_, steps) => self.uses_in(steps)?,
                St::Push(one, other) | St::Cut(one, other) | St::PutField { base: one, value: other, .. } => {
                    self.uses(one)?;
                    self.uses(other)?;
                }
                St::PutElement(one, place, other) => {
                    self.uses(one)?;
                    self.uses(place)?;
                    self.uses(other)?;
                }
                St::PutWritten { .. } | St::Sort(..) | St::SortBy(..) => return Err(Refusal("a list that is sorted")),
                St::Break(_) | St::Continue(_) | St::Bail(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn uses_as_condition(&self, condition: &Ex) -> Res<()> {
        match (condition, Symbol::of(&self.folded(condition))) {
            (_, Some(Symbol::Length(_) | Symbol::List(_))) => Ok(()),
            (Ex::Get(local), _) if self.firsts.contains(local) => Ok(()),
            (Ex::Un(Unary::Not, inner), _) => self.uses_as_condition(inner),
            _ => self.uses(condition),
        }
    }

    /// Looks whether `ex` asks no more of a list than whether it is empty; of a sorted one, for the first element.
    pub(super) fn uses(&self, ex: &Ex) -> Res<()> {
        let is_list = |ex: &Ex| matches!(Symbol::of(&self.folded(ex)), Some(Symbol::List(_)));
        match (ex, Symbol::of(&self.folded(ex))) {
            (_, Some(Symbol::First(list))) if self.is_sorted && list == self.list => Ok(()),
            (_, Some(Symbol::List(_) | Symbol::Address(_) | Symbol::Length(_) | Symbol::First(_))) => {
                Err(Refusal("a list that is used in another way"))
            }
            (Ex::Do(steps, result), _) => {
                self.uses_in(steps)?;
                self.uses(result)
            }
            (Ex::If(condition, yes, no), _) => {
                self.uses_as_condition(condition)?;
                match truth_of(&self.folded(condition)) {
                    Some(true) => self.uses(yes),
                    Some(false) => self.uses(no),
                    None => self.uses(yes).and_then(|()| self.uses(no)),
                }
            }
            (Ex::Un(Unary::Not, inner), _) => self.uses_as_condition(inner),
            // How much room a new list has nobody sees.
            (Ex::Un(Unary::NewList, _), _) => Ok(()),
            (Ex::Un(Unary::IsText | Unary::IsList | Unary::IsNullish | Unary::IsDictionary, inner), _)
                if is_list(inner) =>
            {
                Ok(())
            }
            (Ex::Bin(op, left, right), _) => match self.about_length(*op, left, right) {
                Some(true) => Ok(()),
                Some(false) => Err(Refusal("the length of the list")),
                None => {
                    self.uses(left)?;
                    self.uses(right)
                }
            },
            (Ex::Un(_, part) | Ex::Field { base: part, .. }, _) => self.uses(part),
            (Ex::Written(base, _, own), _) => {
                self.uses(base)?;
                self.uses(own)
            }
            (Ex::Record(_, fields), _) => fields.iter().try_for_each(|(_, value)| self.uses(value)),
            (Ex::Host(_, parts), _) => parts.iter().try_for_each(|part| self.uses(part)),
            (Ex::Get(local), _) if self.firsts.contains(local) && !self.is_kept(*local) => {
                Err(Refusal("the first node of the list"))
            }
            (Ex::Const(_) | Ex::Num(_) | Ex::Int(_) | Ex::Bool(_) | Ex::Get(_), _) => Ok(()),
        }
    }

    /// Whether the variable `local` holds the element that was kept by now.
    fn is_kept(&self, local: Local) -> bool {
        self.found.is_some() && self.carried.contains(&local)
    }

    /// Whether a comparison of a list's length comes to the same for all lists that are not empty; nothing where it is
    /// none.
    fn about_length(&self, op: Binary, left: &Ex, right: &Ex) -> Option<bool> {
        use Binary as B;
        let number = |ex: &Ex| match self.folded(ex) {
            Ex::Num(number) => Some(number),
            Ex::Int(number) => Some(f64::from(number)),
            _ => None,
        };
        let is_length = |ex: &Ex| matches!(Symbol::of(&self.folded(ex)), Some(Symbol::Length(_)));
        let (bound, is_left) = match (is_length(left), is_length(right)) {
            (true, false) => (number(right), true),
            (false, true) => (number(left), false),
            (true, true) => return Some(false),
            (false, false) => return None,
        };
        let Some(bound) = bound else { return Some(false) };
        let holds = |length: f64| {
            let (left, right) = if is_left { (length, bound) } else { (bound, length) };
            match op {
                B::AnyLess | B::Less | B::IntLess => Some(left < right),
                B::AnyLessEqual => Some(left <= right),
                B::AnyGreater => Some(left > right),
                B::AnyGreaterEqual | B::IntAtLeast => Some(left >= right),
                B::StrictEqual | B::LooseEqual => Some(left == right && bound < 1.0),
                _ => None,
            }
        };
        let is_whole = !matches!(op, B::StrictEqual | B::LooseEqual) || bound < 1.0 || bound.fract() != 0.0;
        Some(is_whole && holds(1.0).is_some() && holds(1.0) == holds(f64::INFINITY))
    }
}
