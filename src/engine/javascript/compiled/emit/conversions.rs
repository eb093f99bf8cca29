//! Conversions from one kind of values to another, as JavaScript makes them.

use wasm_encoder::{BlockType, Instruction as I};

use super::super::ir::{Ex, Ty};
use super::super::value;
use super::{Callee, Emitter, F64, I32, I64};

impl<'a> Emitter<'a> {
    /// Leaves the value of `ex` as a value of the kind `wanted`.
    pub(super) fn value_as(&mut self, ex: &'a Ex, wanted: Ty) {
        let own = self.kinds.of(ex);
        self.value(ex);
        self.convert(own, wanted);
    }

    /// Converts the value that is there.
    pub(super) fn convert(&mut self, own: Ty, wanted: Ty) {
        match (own, wanted) {
            (Ty::Num, Ty::Any) => self.put([I::I64ReinterpretF64]),
            (Ty::Bool, Ty::Any) => self.put([I::I64ExtendI32U, I::I64Const(value::FALSE as i64), I::I64Add]),
            (Ty::Int, Ty::Any) => self.put([I::F64ConvertI32S, I::I64ReinterpretF64]),
            (Ty::Int, Ty::Num) => self.put([I::F64ConvertI32S]),
            (Ty::Bool, Ty::Num) => self.put([I::F64ConvertI32U]),
            (Ty::Num, Ty::Bool) => self.put([I::F64Abs, I::F64Const(0.0.into()), I::F64Gt]),
            (Ty::Int, Ty::Bool) => self.put([I::I32Const(0), I::I32Ne]),
            (Ty::Any, Ty::Num) => self.convert_to_number(),
            (Ty::Any, Ty::Bool) => self.convert_to_truth(),
            (Ty::Any, Ty::Any) | (Ty::Num, Ty::Num) | (Ty::Bool, Ty::Bool) | (_, Ty::Int) => {}
        }
    }

    fn convert_to_number(&mut self) {
        let kept = self.variable(I64);
        self.put([I::LocalTee(kept)]);
        self.put([I::I64Const(value::TAGGED as i64), I::I64LtU]);
        self.begin_if(BlockType::Result(F64));
        self.put([I::LocalGet(kept), I::F64ReinterpretI64]);
        self.begin_else();
        self.put([I::LocalGet(kept)]);
        self.call(Callee::ToNumber);
        self.end();
    }

    fn convert_to_truth(&mut self) {
        let kept = self.variable(I64);
        self.put([I::LocalTee(kept), I::I64Const(1), I::I64Or, I::I64Const(value::TRUE as i64), I::I64Eq]);
        self.begin_if(BlockType::Result(I32));
        self.put([I::LocalGet(kept), I::I32WrapI64, I::I32Const(1), I::I32And]);
        self.begin_else();
        self.put([I::LocalGet(kept)]);
        self.call(Callee::Truth);
        self.end();
    }
}
