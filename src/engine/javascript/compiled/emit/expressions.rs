//! Expressions.

use wasm_encoder::{BlockType, Instruction as I};

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, Ty, Unary};
use super::super::kinds::{binary_kinds, unary_operand};
use super::super::paths::{PathId, RootKind};
use super::super::value::{self, LIST_BYTES, LIST_FROZEN, LIST_ITEMS, LIST_LENGTH, LIST_ROOM};
use super::{Callee, Emitter, F64, I32, I64, machine_type, wide, word};

/// The texts that `typeof` says, in the order in which each script interns them first.
pub(in super::super) const TYPE_NAMES: [&str; 5] = ["undefined", "object", "boolean", "number", "string"];

impl<'a> Emitter<'a> {
    /// Leaves the value of `ex`, which is of its own kind.
    pub(super) fn value(&mut self, ex: &'a Ex) {
        match ex {
            Ex::Const(bits) => self.put([I::I64Const(*bits as i64)]),
            Ex::Num(number) => self.put([I::F64Const((*number).into())]),
            Ex::Int(number) => self.put([I::I32Const(*number)]),
            Ex::Bool(flag) => self.put([I::I32Const(i32::from(*flag))]),
            Ex::Get(local) => self.put([I::LocalGet(self.local(*local))]),
            Ex::Un(op, part) => {
                self.value_as(part, unary_operand(*op));
                self.unary(*op);
            }
            Ex::Bin(op, left, right) => self.binary(*op, left, right),
            Ex::If(condition, yes, no) => {
                let ty = self.kinds.of(ex);
                self.value_as(condition, Ty::Bool);
                self.begin_if(BlockType::Result(machine_type(ty)));
                self.value_as(yes, ty);
                self.begin_else();
                self.value_as(no, ty);
                self.end();
            }
            Ex::Do(steps, result) => {
                self.steps(steps);
                self.value(result);
            }
            Ex::Field { base, length: true, .. } => self.length(base),
            Ex::Field { base, fields, name, .. } => self.field(base, fields, *name),
            Ex::Record(root, fields) => self.record(*root, fields),
            Ex::Written(base, place, otherwise) => self.read_written(base, *place, otherwise),
            Ex::Host(call, parts) => {
                parts.iter().for_each(|part| self.value_as(part, Ty::Any));
                self.call(Callee::Host(*call));
            }
        }
    }

    fn unary(&mut self, op: Unary) {
        match op {
            Unary::Not => self.put([I::I32Eqz]),
            Unary::IsNullish => self.put([I::I64Const(1), I::I64Or, I::I64Const(value::NULL as i64), I::I64Eq]),
            Unary::IsUndefined => self.put([I::I64Const(value::UNDEFINED as i64), I::I64Eq]),
            Unary::IsList => self.has_tag(value::LIST),
            Unary::IsDictionary => self.has_tag(value::DICTIONARY),
            Unary::IsObject => self.has_tag(value::OBJECT),
            Unary::IsText => self.has_tag(value::TEXT),
            Unary::IsNumber => self.put([I::I64Const(value::TAGGED as i64), I::I64LtU]),
            Unary::TypeOf => self.type_of(),
            Unary::AsList => {
                let kept = self.variable(I64);
                self.put([I::LocalTee(kept)]);
                self.has_tag(value::LIST);
                self.put([I::I32Eqz]);
                self.begin_if(BlockType::Empty);
                self.bail(BailCause::Kind);
                self.end();
                self.put([I::LocalGet(kept), I::I32WrapI64]);
            }
            Unary::FromList => self.put([I::I64ExtendI32U, I::I64Const((value::LIST << 48) as i64), I::I64Or]),
            Unary::ListLength => self.put([I::I32Load(word(LIST_LENGTH))]),
            Unary::NewList => self.new_list(),
            Unary::Place => {
                let (number, place) = (self.variable(F64), self.variable(I32));
                self.put([I::LocalTee(number), I::I32TruncSatF64S, I::LocalTee(place), I::F64ConvertI32S]);
                self.put([I::LocalGet(number), I::F64Eq, I::LocalGet(place), I::I32Const(0), I::I32GeS, I::I32And]);
                self.begin_if(BlockType::Result(I32));
                self.put([I::LocalGet(place)]);
                self.begin_else();
                self.put([I::I32Const(-1)]);
                self.end();
            }
            Unary::Neg => self.put([I::F64Neg]),
            Unary::Floor => self.put([I::F64Floor]),
            Unary::Ceil => self.put([I::F64Ceil]),
            Unary::Trunc => self.put([I::F64Trunc]),
            Unary::Abs => self.put([I::F64Abs]),
            Unary::Sqrt => self.put([I::F64Sqrt]),
            Unary::Round => {
                let (number, floor) = (self.variable(F64), self.variable(F64));
                self.put([I::LocalTee(number), I::F64Floor, I::LocalTee(floor), I::F64Const(1.0.into()), I::F64Add]);
                self.put([I::LocalGet(floor), I::LocalGet(number), I::LocalGet(floor), I::F64Sub]);
                self.put([I::F64Const(0.5.into()), I::F64Ge, I::Select, I::LocalGet(number), I::F64Copysign]);
            }
            Unary::IsNaN => {
                let number = self.variable(F64);
                self.put([I::LocalTee(number), I::LocalGet(number), I::F64Ne]);
            }
        }
    }

    /// Whether the value that is there has this tag.
    fn has_tag(&mut self, tag: u64) {
        self.put([I::I64Const(48), I::I64ShrU, I::I64Const(tag as i64), I::I64Eq]);
    }

    fn type_of(&mut self) {
        let kept = self.variable(I64);
        let name = |place: u32| I::I64Const(value::text(place) as i64);
        self.put([I::LocalSet(kept)]);
        // The last one that holds: objects, lists and `null` are what is left.
        self.put([name(1)]);
        let choose = |emitter: &mut Self, place: u32, condition: &[I<'static>]| {
            let before = emitter.variable(I64);
            emitter.put([I::LocalSet(before), name(place), I::LocalGet(before), I::LocalGet(kept)]);
            emitter.code.extend_from_slice(condition);
            emitter.put([I::Select]);
        };
        choose(self, 0, &[I::I64Const(value::UNDEFINED as i64), I::I64Eq]);
        choose(self, 2, &[I::I64Const(1), I::I64Or, I::I64Const(value::TRUE as i64), I::I64Eq]);
        choose(self, 3, &[I::I64Const(value::TAGGED as i64), I::I64LtU]);
        choose(self, 4, &[I::I64Const(48), I::I64ShrU, I::I64Const(value::TEXT as i64), I::I64Eq]);
    }

    /// A new list, for which the room is there.
    fn new_list(&mut self) {
        let (room, list) = (self.variable(I32), self.variable(I32));
        self.put([I::LocalTee(room), I::I32Const(3), I::I32Shl, I::I32Const(LIST_BYTES as i32), I::I32Add]);
        self.call(Callee::Allocate);
        self.put([I::LocalTee(list), I::I32Const(0), I::I32Store(word(LIST_LENGTH))]);
        self.put([I::LocalGet(list), I::LocalGet(room), I::I32Store(word(LIST_ROOM))]);
        self.put([I::LocalGet(list), I::LocalGet(list), I::I32Const(LIST_BYTES as i32), I::I32Add]);
        self.put([I::I32Store(word(LIST_ITEMS)), I::LocalGet(list), I::I32Const(0), I::I32Store(word(LIST_FROZEN))]);
        self.put([I::LocalGet(list)]);
    }

    fn binary(&mut self, op: Binary, left: &'a Ex, right: &'a Ex) {
        let is_numeric = self.kinds.are_numeric(left, right);
        match op {
            Binary::Plus if is_numeric => return self.numbers(left, right, I::F64Add),
            Binary::AnyLess if is_numeric => return self.numbers(left, right, I::F64Lt),
            Binary::AnyLessEqual if is_numeric => return self.numbers(left, right, I::F64Le),
            Binary::AnyGreater if is_numeric => return self.numbers(left, right, I::F64Gt),
            Binary::AnyGreaterEqual if is_numeric => return self.numbers(left, right, I::F64Ge),
            Binary::AnyLess => return self.compare(left, right, I::F64Lt, (-1, -1)),
            Binary::AnyLessEqual => return self.compare(left, right, I::F64Le, (-1, 0)),
            Binary::AnyGreater => return self.compare(left, right, I::F64Gt, (1, 1)),
            Binary::AnyGreaterEqual => return self.compare(left, right, I::F64Ge, (0, 1)),
            Binary::StrictEqual => return self.strict_equal(left, right),
            Binary::LooseEqual => return self.loose_equal(left, right),
            _ => {}
        }
        let (operand, _) = binary_kinds(op);
        self.value_as(left, operand);
        self.value_as(right, operand);
        match op {
            Binary::Add => self.put([I::F64Add]),
            Binary::Sub => self.put([I::F64Sub]),
            Binary::Mul => self.put([I::F64Mul]),
            Binary::Div => self.put([I::F64Div]),
            Binary::Rem => self.call(Callee::Remainder),
            Binary::Min => self.put([I::F64Min]),
            Binary::Max => self.put([I::F64Max]),
            Binary::Less => self.put([I::F64Lt]),
            Binary::Plus => self.plus(),
            Binary::IntAdd => self.put([I::I32Add]),
            Binary::IntSub => self.put([I::I32Sub]),
            Binary::IntLess => self.put([I::I32LtS]),
            Binary::IntAtLeast => self.put([I::I32GeS]),
            Binary::Element => {
                let place = self.variable(I32);
                self.put([I::LocalSet(place), I::I32Load(word(LIST_ITEMS))]);
                self.put([I::LocalGet(place), I::I32Const(3), I::I32Shl, I::I32Add, I::I64Load(wide(0))]);
                self.check_known();
            }
            Binary::AnyLess
            | Binary::AnyLessEqual
            | Binary::AnyGreater
            | Binary::AnyGreaterEqual
            | Binary::StrictEqual
            | Binary::LooseEqual => {}
        }
    }

    fn numbers(&mut self, left: &'a Ex, right: &'a Ex, op: I<'static>) {
        self.value_as(left, Ty::Num);
        self.value_as(right, Ty::Num);
        self.put([op]);
    }

    /// Keeps both values, and says whether both are numbers.
    fn both_numbers(&mut self) -> (u32, u32) {
        let (left, right) = (self.variable(I64), self.variable(I64));
        let tagged = I::I64Const(value::TAGGED as i64);
        self.put([I::LocalSet(right), I::LocalTee(left), tagged.clone(), I::I64LtU]);
        self.put([I::LocalGet(right), tagged, I::I64LtU, I::I32And]);
        (left, right)
    }

    fn plus(&mut self) {
        let (left, right) = self.both_numbers();
        self.begin_if(BlockType::Result(I64));
        self.put([I::LocalGet(left), I::F64ReinterpretI64, I::LocalGet(right), I::F64ReinterpretI64, I::F64Add]);
        self.put([I::I64ReinterpretF64]);
        self.begin_else();
        self.put([I::LocalGet(left), I::LocalGet(right)]);
        self.call(Callee::Plus);
        self.end();
    }

    /// Compares two values, numbers by `op`, others by whether their order lies from the one bound to the other.
    fn compare(&mut self, left: &'a Ex, right: &'a Ex, op: I<'static>, (least, most): (i32, i32)) {
        self.value_as(left, Ty::Any);
        self.value_as(right, Ty::Any);
        let (left, right) = self.both_numbers();
        self.begin_if(BlockType::Result(I32));
        self.put([I::LocalGet(left), I::F64ReinterpretI64, I::LocalGet(right), I::F64ReinterpretI64, op]);
        self.begin_else();
        self.put([I::LocalGet(left), I::LocalGet(right)]);
        self.call(Callee::Compare);
        let order = self.variable(I32);
        self.put([I::LocalTee(order), I::I32Const(least), I::I32GeS]);
        self.put([I::LocalGet(order), I::I32Const(most), I::I32LeS, I::I32And]);
        self.end();
    }

    fn strict_equal(&mut self, left: &'a Ex, right: &'a Ex) {
        let is_number = |ty: Ty| matches!(ty, Ty::Num | Ty::Int);
        match (self.kinds.of(left), self.kinds.of(right)) {
            (left_kind, right_kind) if is_number(left_kind) && is_number(right_kind) => {
                self.numbers(left, right, I::F64Eq);
            }
            (Ty::Bool, Ty::Bool) => {
                self.value(left);
                self.value(right);
                self.put([I::I32Eq]);
            }
            _ => {
                self.value_as(left, Ty::Any);
                self.value_as(right, Ty::Any);
                // Of what is no number, the bits are all there is.
                let is_constant = |ex: &Ex| matches!(ex, Ex::Const(bits) if *bits >= value::TAGGED);
                match is_constant(left) || is_constant(right) {
                    true => self.put([I::I64Eq]),
                    false => self.call(Callee::StrictEqual),
                }
            }
        }
    }

    fn loose_equal(&mut self, left: &'a Ex, right: &'a Ex) {
        let is_number = |ty: Ty| matches!(ty, Ty::Num | Ty::Int);
        let is_nothing = |ex: &Ex| matches!(ex, Ex::Const(value::NULL | value::UNDEFINED));
        let kinds = (self.kinds.of(left), self.kinds.of(right));
        if is_number(kinds.0) && is_number(kinds.1) {
            return self.numbers(left, right, I::F64Eq);
        }
        if is_nothing(right) || is_nothing(left) {
            let other = if is_nothing(right) { left } else { right };
            self.value_as(other, Ty::Any);
            return self.unary(Unary::IsNullish);
        }
        self.value_as(left, Ty::Any);
        self.value_as(right, Ty::Any);
        self.call(Callee::LooseEqual);
    }

    /// Gives up where the value that is there is not known.
    fn check_known(&mut self) {
        let kept = self.variable(I64);
        self.put([I::LocalTee(kept), I::I64Const(value::UNKNOWN as i64), I::I64Eq]);
        self.begin_if(BlockType::Empty);
        self.bail(BailCause::Kind);
        self.end();
        self.put([I::LocalGet(kept)]);
    }

    fn length(&mut self, base: &'a Ex) {
        self.value_as(base, Ty::Any);
        let kept = self.variable(I64);
        self.put([I::LocalTee(kept)]);
        self.has_tag(value::LIST);
        self.begin_if(BlockType::Result(F64));
        self.put([I::LocalGet(kept), I::I32WrapI64, I::I32Load(word(LIST_LENGTH)), I::F64ConvertI32U]);
        self.begin_else();
        self.put([I::LocalGet(kept)]);
        self.has_tag(value::TEXT);
        self.begin_if(BlockType::Result(F64));
        self.put([I::LocalGet(kept)]);
        self.call(Callee::Host(HostCall::TextLength));
        self.begin_else();
        self.bail(BailCause::Throws);
        self.end();
        self.end();
    }

    /// Begins `if` where the kept value is an object that `field` is a field of.
    pub(super) fn begin_if_holder(&mut self, kept: u32, field: PathId, result: BlockType) {
        let head = self.holder(field).map_or(0, value::object_head);
        self.put([I::LocalGet(kept), I::I64Const(32), I::I64ShrU, I::I32WrapI64]);
        self.put([I::I32Const(head as i32), I::I32Eq]);
        self.begin_if(result);
    }

    /// The path of the object that has `field`.
    fn holder(&self, field: PathId) -> Option<PathId> {
        let field = self.paths.get(field)?;
        let (_, names) = field.names.split_last()?;
        let found = self.paths.list.iter().position(|path| path.root == field.root && path.names == names)?;
        u16::try_from(found).ok()
    }

    /// Leaves the address of `field` of the kept object.
    pub(super) fn address(&mut self, kept: u32, field: PathId) {
        let (place, kind) = match (self.paths.get(field), self.paths.root_of(field)) {
            (Some(field), Some(root)) => (field.place, root.kind),
            _ => (0, RootKind::Record),
        };
        self.put([I::LocalGet(kept), I::I32WrapI64]);
        match kind {
            RootKind::Table => {
                let column = self.columns.get(place).copied().unwrap_or_default();
                self.put([I::I32Const(3), I::I32Shl, I::LocalGet(column), I::I32Add]);
            }
            RootKind::Record => self.put([I::I32Const(8 * place as i32), I::I32Add]),
        }
    }

    fn field(&mut self, base: &'a Ex, fields: &[PathId], name: Option<u64>) {
        self.value_as(base, Ty::Any);
        let kept = self.variable(I64);
        self.put([I::LocalSet(kept)]);
        for field in fields {
            self.begin_if_holder(kept, *field, BlockType::Result(I64));
            self.address(kept, *field);
            self.put([I::I64Load(wide(0))]);
            self.begin_else();
        }
        self.put([I::LocalGet(kept)]);
        self.unary(Unary::IsNullish);
        self.begin_if(BlockType::Result(I64));
        self.bail(BailCause::Throws);
        self.begin_else();
        match name {
            // It gives up where this is no dictionary.
            Some(name) => {
                self.put([I::LocalGet(kept), I::I64Const(name as i64)]);
                self.call(Callee::Host(HostCall::Member));
            }
            None => self.bail(BailCause::Kind),
        }
        self.end();
        fields.iter().for_each(|_| self.end());
        self.check_known();
    }

    fn record(&mut self, root: PathId, fields: &'a [(PathId, Ex)]) {
        let values: Vec<_> = fields
            .iter()
            .map(|(field, value)| {
                let kept = self.variable(I64);
                self.value_as(value, Ty::Any);
                self.put([I::LocalSet(kept)]);
                (*field, kept)
            })
            .collect();
        let places = self.paths.root_of(root).map(|root| root.places.clone()).unwrap_or_default();
        let record = self.variable(I32);
        self.put([I::I32Const(8 * places.len().max(1) as i32)]);
        self.call(Callee::Allocate);
        self.put([I::LocalSet(record)]);
        for (place, path) in places.iter().enumerate() {
            self.put([I::LocalGet(record)]);
            match values.iter().find(|(field, _)| field == path) {
                Some((_, kept)) => self.put([I::LocalGet(*kept)]),
                None => self.put([I::I64Const(value::UNDEFINED as i64)]),
            }
            self.put([I::I64Store(wide(8 * place as u64))]);
        }
        let head = value::object(root, 0);
        self.put([I::LocalGet(record), I::I64ExtendI32U, I::I64Const(head as i64), I::I64Or]);
    }
}
