//! Members that the script writes into nodes: columns of the call's own, of which each cell is all ones until it is
//! written.

use wasm_encoder::{BlockType, Instruction as I};

use super::super::ir::{BailCause, Ex, Ty};
use super::super::paths::NODE;
use super::super::value::{self, UNWRITTEN};
use super::{Callee, Emitter, I32, I64, ROW_COUNT_AT, wide, word};

impl<'a> Emitter<'a> {
    /// Makes the columns, as many as `count`.
    pub(super) fn make_written(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let (address, bytes) = (self.variable(I32), self.variable(I32));
        self.put([I::I32Const(0), I::I32Load(word(ROW_COUNT_AT)), I::I32Const(8 * count as i32), I::I32Mul]);
        self.put([I::LocalTee(bytes)]);
        self.call(Callee::Allocate);
        self.put([I::LocalTee(address), I::I32Const(0xFF), I::LocalGet(bytes), I::MemoryFill(0)]);
        self.written = Some(address);
    }

    /// Leaves the address of the cell of the kept node in the column with this number.
    fn cell(&mut self, node: u32, place: usize) {
        let address = self.written.unwrap_or_default();
        self.put([I::I32Const(0), I::I32Load(word(ROW_COUNT_AT)), I::I32Const(8 * place as i32), I::I32Mul]);
        self.put([I::LocalGet(address), I::I32Add]);
        self.put([I::LocalGet(node), I::I32WrapI64, I::I32Const(3), I::I32Shl, I::I32Add]);
    }

    /// Begins `if` where the kept value is a node.
    fn begin_if_node(&mut self, kept: u32, result: BlockType) {
        self.put([I::LocalGet(kept), I::I64Const(32), I::I64ShrU, I::I32WrapI64]);
        self.put([I::I32Const(value::object_head(NODE) as i32), I::I32Eq]);
        self.begin_if(result);
    }

    pub(super) fn read_written(&mut self, base: &'a Ex, place: usize, otherwise: &'a Ex) {
        let (node, found) = (self.variable(I64), self.variable(I64));
        self.value_as(base, Ty::Any);
        self.put([I::LocalSet(node)]);
        self.begin_if_node(node, BlockType::Result(I64));
        self.cell(node, place);
        self.put([I::I64Load(wide(0))]);
        self.begin_else();
        self.put([I::I64Const(UNWRITTEN as i64)]);
        self.end();
        self.put([I::LocalTee(found), I::I64Const(UNWRITTEN as i64), I::I64Eq]);
        self.begin_if(BlockType::Result(I64));
        self.value_as(otherwise, Ty::Any);
        self.begin_else();
        self.put([I::LocalGet(found)]);
        self.end();
    }

    pub(super) fn put_written(&mut self, base: &'a Ex, place: usize, value: &'a Ex) {
        let (node, kept) = (self.variable(I64), self.variable(I64));
        self.value_as(base, Ty::Any);
        self.put([I::LocalSet(node)]);
        self.value_as(value, Ty::Any);
        self.put([I::LocalSet(kept)]);
        self.begin_if_node(node, BlockType::Empty);
        self.cell(node, place);
        self.put([I::LocalGet(kept), I::I64Store(wide(0))]);
        self.begin_else();
        self.bail(BailCause::Kind);
        self.end();
    }
}
