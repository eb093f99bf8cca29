//! Comparators: functions of their own, which the host asks while it sorts. The variables around them are handed over in
//! memory.

use std::collections::BTreeSet;

use wasm_encoder::{Instruction as I, ValType};

use super::super::ir::{Comparator, Ex, Local, Piece, St, walk, walk_ex};
use super::{Callee, Emitter, F64, I32, I64, machine_type, wide, word};

/// The variables that `comparator` reads and does not set, in order.
pub(super) fn variables_around(comparator: &Comparator) -> BTreeSet<Local> {
    let (mut read, mut set) = (BTreeSet::new(), BTreeSet::from(comparator.parameters));
    let mut note = |piece: Piece<'_>| match piece {
        Piece::Step(St::Set(local, _)) => drop(set.insert(*local)),
        Piece::Step(St::SortBy(_, inner)) => set.extend(inner.parameters),
        Piece::Value(Ex::Get(local)) => drop(read.insert(*local)),
        _ => {}
    };
    walk(&comparator.body, &mut note);
    walk_ex(&comparator.result, &mut note);
    read.difference(&set).copied().collect()
}

impl<'a> Emitter<'a> {
    /// Sorts the list by `comparator`.
    pub(super) fn sort_by(&mut self, list: &'a Ex, comparator: &'a Comparator) {
        let (kept, variables) = (self.variable(I32), self.variable(I32));
        self.value_as(list, super::super::ir::Ty::Int);
        self.put([I::LocalSet(kept)]);
        self.check_own(kept);
        let around = variables_around(comparator);
        self.put([I::I32Const(8 * around.len().max(1) as i32)]);
        self.call(Callee::Allocate);
        self.put([I::LocalSet(variables)]);
        for (place, local) in (0..).zip(around) {
            self.put([I::LocalGet(variables), I::LocalGet(self.local(local))]);
            self.store(machine_type(self.kind(local)), 8 * place);
        }
        let number = self.before + self.comparators.len();
        self.comparators.push(comparator);
        self.put([I::LocalGet(kept), I::LocalGet(variables), I::I32Const(number as i32)]);
        self.call(Callee::SortBy);
    }

    /// Stores a value of this type at the address below it.
    fn store(&mut self, ty: ValType, offset: u64) {
        self.put([match ty {
            F64 => I::F64Store(wide(offset)),
            I64 => I::I64Store(wide(offset)),
            _ => I::I32Store(word(offset)),
        }]);
    }

    /// Loads one.
    pub(super) fn load(&mut self, ty: ValType, offset: u64) {
        self.put([match ty {
            F64 => I::F64Load(wide(offset)),
            I64 => I::I64Load(wide(offset)),
            _ => I::I32Load(word(offset)),
        }]);
    }
}
