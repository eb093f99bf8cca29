//! The values and variables of the intermediate form, with the shapes that the passes found.

use super::{Lowering, Res};
use crate::engine::javascript::compiled::ir::{Ex, Label, Local, St, Ty};
use crate::engine::javascript::compiled::paths::Shape;
use crate::engine::javascript::compiled::value;

/// An expression of the intermediate form, with the shapes that the value may have.
#[derive(Clone, Debug)]
pub(super) struct Val {
    pub(super) ex: Ex,
    pub(super) shape: Shape,
}

impl Val {
    pub(super) fn plain(ex: Ex) -> Self {
        Self { ex, shape: Shape::default() }
    }

    pub(super) fn undefined() -> Self {
        Self::plain(Ex::Const(value::UNDEFINED))
    }
}

/// The facts about a variable that the passes so far found.
#[derive(Default)]
pub(super) struct LoweredVariable {
    pub(super) shape: Shape,
    /// Whether the script may read the variable before the script sets the variable.
    pub(super) needs_start: bool,
}

impl Lowering<'_> {
    /// Makes a variable; where `kind` is `None`, [`Kinds`](super::super::kinds::Kinds) finds the kind later.
    pub(super) fn local(&mut self, kind: Option<Ty>) -> Local {
        let local = self.kinds.len();
        self.kinds.push(kind);
        if self.variables.len() <= local {
            self.variables.push(LoweredVariable::default());
        }
        local
    }

    /// A new label, made at the place that is being lowered.
    pub(super) fn label(&mut self) -> Label {
        self.label_places.truncate(self.next_label);
        self.label_places.push(self.place);
        self.next_label += 1;
        self.next_label
    }

    /// Sets `local` to `value`.
    pub(super) fn set(&mut self, local: Local, value: Val) -> St {
        let region = self.region();
        self.assigned.entry(local).or_insert(region);
        if let Some(variable) = self.variables.get_mut(local) {
            self.learnt |= variable.shape.add(&value.shape);
        }
        St::Set(local, value.ex)
    }

    /// The value of `local`.
    pub(super) fn get(&self, local: Local) -> Val {
        let shape = self.variables.get(local).map(|variable| variable.shape.clone()).unwrap_or_default();
        Val { ex: Ex::Get(local), shape }
    }

    /// Keeps `value` in a new variable, so that later steps can use the value more than once.
    pub(super) fn hold(&mut self, value: Val, steps: &mut Vec<St>) -> Val {
        if matches!(value.ex, Ex::Const(_) | Ex::Num(_) | Ex::Bool(_)) {
            return value;
        }
        let local = self.local(None);
        let set = self.set(local, value);
        steps.push(set);
        self.get(local)
    }

    /// The innermost region.
    pub(super) fn region(&self) -> u32 {
        self.regions.last().copied().unwrap_or_default()
    }

    /// Lowers something that may be left out when the code runs.
    pub(super) fn in_region<T>(&mut self, lower: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.regions.push(self.next_region);
        self.next_region += 1;
        let result = lower(self);
        self.regions.pop();
        result
    }

    /// Lowers something that may run more than once when the code runs.
    pub(super) fn in_loop<T>(&mut self, lower: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.repeats += 1;
        let result = self.in_region(lower);
        self.repeats -= 1;
        result
    }
}
