//! Steps.

use wasm_encoder::{BlockType, Instruction as I};

use super::super::ir::{BailCause, Ex, Label, St, Ty};
use super::super::paths::PathId;
use super::super::value::{LIST_FROZEN, LIST_ITEMS, LIST_LENGTH};
use super::{Callee, Emitter, Frame, I32, I64, wide, word};

impl<'a> Emitter<'a> {
    pub(super) fn steps(&mut self, steps: &'a [St]) {
        steps.iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &'a St) {
        match step {
            St::Set(local, value) => {
                let kind = self.kinds.0.get(*local).copied().unwrap_or(Ty::Any);
                self.value_as(value, kind);
                self.put([I::LocalSet(self.local(*local))]);
            }
            St::Eval(value) => {
                self.value(value);
                self.put([I::Drop]);
            }
            St::If(condition, yes, no) => {
                self.value_as(condition, Ty::Bool);
                self.begin_if(BlockType::Empty);
                self.steps(yes);
                if !no.is_empty() {
                    self.begin_else();
                    self.steps(no);
                }
                self.end();
            }
            St::Block(label, steps) => self.framed(I::Block(BlockType::Empty), *label, steps),
            St::Loop(label, steps) => {
                let first = self.code.len();
                self.framed(I::Loop(BlockType::Empty), *label, steps);
                self.loops.push((first, self.code.len(), *label));
            }
            St::Break(label) | St::Continue(label) => {
                let depth = self.frames.iter().rev().position(|frame| *frame == Frame::Named(*label));
                self.put([I::Br(depth.unwrap_or_default() as u32)]);
            }
            St::Push(list, value) => {
                self.value_as(list, Ty::Int);
                self.value_as(value, Ty::Any);
                self.call(Callee::Push);
            }
            St::PutElement(list, place, value) => self.put_element(list, place, value),
            St::Cut(list, length) => {
                let kept = self.variable(I32);
                self.value_as(list, Ty::Int);
                self.put([I::LocalSet(kept)]);
                self.check_own(kept);
                self.put([I::LocalGet(kept)]);
                self.value_as(length, Ty::Int);
                self.put([I::I32Store(word(LIST_LENGTH))]);
            }
            St::PutField { base, fields, value } => self.put_field(base, fields, value),
            St::Sort(list, keys) => self.sort(list, keys),
            St::SortBy(list, comparator) => self.sort_by(list, comparator),
            St::PutWritten { base, place, value } => self.put_written(base, *place, value),
            St::Bail(cause) => self.bail(*cause),
        }
    }

    fn framed(&mut self, begin: I<'static>, label: Label, steps: &'a [St]) {
        self.put([begin]);
        self.frames.push(Frame::Named(label));
        self.steps(steps);
        self.end();
    }

    /// Gives up where the kept list may not be written to.
    pub(super) fn check_own(&mut self, list: u32) {
        self.put([I::LocalGet(list), I::I32Load(word(LIST_FROZEN))]);
        self.begin_if(BlockType::Empty);
        self.bail(BailCause::Kind);
        self.end();
    }

    fn put_element(&mut self, list: &'a Ex, place: &'a Ex, value: &'a Ex) {
        let (kept_list, kept_place, kept) = (self.variable(I32), self.variable(I32), self.variable(I64));
        self.value_as(list, Ty::Int);
        self.put([I::LocalSet(kept_list)]);
        self.value_as(place, Ty::Int);
        self.put([I::LocalSet(kept_place)]);
        self.value_as(value, Ty::Any);
        self.put([I::LocalSet(kept)]);
        self.check_own(kept_list);
        // As a place without a sign, what is less than nothing is beyond the end.
        self.put([I::LocalGet(kept_place), I::LocalGet(kept_list), I::I32Load(word(LIST_LENGTH)), I::I32LtU]);
        self.begin_if(BlockType::Empty);
        self.put([I::LocalGet(kept_list), I::I32Load(word(LIST_ITEMS)), I::LocalGet(kept_place)]);
        self.put([I::I32Const(3), I::I32Shl, I::I32Add, I::LocalGet(kept), I::I64Store(wide(0))]);
        self.begin_else();
        self.put([I::LocalGet(kept_place), I::LocalGet(kept_list), I::I32Load(word(LIST_LENGTH)), I::I32Ne]);
        self.begin_if(BlockType::Empty);
        self.bail(BailCause::Kind);
        self.end();
        self.put([I::LocalGet(kept_list), I::LocalGet(kept)]);
        self.call(Callee::Push);
        self.end();
    }

    fn put_field(&mut self, base: &'a Ex, fields: &[PathId], value: &'a Ex) {
        let (object, kept) = (self.variable(I64), self.variable(I64));
        self.value_as(base, Ty::Any);
        self.put([I::LocalSet(object)]);
        self.value_as(value, Ty::Any);
        self.put([I::LocalSet(kept)]);
        for field in fields {
            self.begin_if_holder(object, *field, BlockType::Empty);
            self.address(object, *field);
            self.put([I::LocalGet(kept), I::I64Store(wide(0))]);
            self.begin_else();
        }
        self.bail(BailCause::Kind);
        fields.iter().for_each(|_| self.end());
    }

    /// The host is given a table: each list of keys, and whether its order is the other one.
    fn sort(&mut self, list: &'a Ex, keys: &'a [(Ex, bool)]) {
        let (table, kept) = (self.variable(I32), self.variable(I32));
        self.value_as(list, Ty::Int);
        self.put([I::LocalTee(kept)]);
        self.put([I::Drop]);
        self.check_own(kept);
        self.put([I::I32Const(8 * keys.len().max(1) as i32)]);
        self.call(Callee::Allocate);
        self.put([I::LocalSet(table)]);
        for (place, (key, is_reversed)) in (0..).zip(keys) {
            self.put([I::LocalGet(table)]);
            self.value_as(key, Ty::Int);
            self.put([I::I32Store(word(8 * place)), I::LocalGet(table), I::I32Const(i32::from(*is_reversed))]);
            self.put([I::I32Store(word(8 * place + 4))]);
        }
        self.put([I::LocalGet(kept), I::LocalGet(table), I::I32Const(keys.len() as i32)]);
        self.call(Callee::Sort);
    }
}
