//! The small functions that every module has.

use wasm_encoder::{BlockType, Function, Instruction as I, ValType};

use super::super::ir::BailCause;
use super::super::value::{self, LIST_FROZEN, LIST_ITEMS, LIST_LENGTH, LIST_ROOM};
use super::{Callee, F64, I32, I64, MAX_LIST_ELEMENTS, TOP, bail, finish, wide, word};

/// The largest piece of memory that is given at once, in bytes.
const MAX_PIECE: i32 = 8 * MAX_LIST_ELEMENTS as i32;
/// How many pages memory grows by beyond what is wanted.
const SPARE_PAGES: i32 = 16;

/// One of the functions.
pub(super) struct Helper {
    pub(super) parameters: &'static [ValType],
    pub(super) results: &'static [ValType],
    pub(super) code: Function,
}

/// All of them, in the order of [`Callee`].
pub(super) fn all() -> [Helper; 7] {
    [allocate(), push(), to_number(), truth(), compare(), strict_equal(), loose_equal()]
}

fn helper(
    parameters: &'static [ValType],
    results: &'static [ValType],
    types: &[ValType],
    code: &[&[I<'static>]],
) -> Helper {
    let mut whole = code.concat();
    whole.push(I::End);
    Helper { parameters, results, code: finish(types, &whole) }
}

fn call(callee: Callee) -> I<'static> {
    I::Call(callee.index())
}

/// `if` without a result.
fn when(condition: &[I<'static>], then: &[I<'static>]) -> Vec<I<'static>> {
    let mut code = condition.to_vec();
    code.push(I::If(BlockType::Empty));
    code.extend_from_slice(then);
    code.push(I::End);
    code
}

/// So many bytes of memory, in pieces of eight.
fn allocate() -> Helper {
    let (bytes, start, end, pages) = (0, 1, 2, 3);
    helper(
        &[I32],
        &[I32],
        &[I32, I32, I32],
        &[
            &when(&[I::LocalGet(bytes), I::I32Const(MAX_PIECE), I::I32GtU], &bail(BailCause::Length)),
            &[I::GlobalGet(TOP), I::LocalTee(start), I::LocalGet(bytes), I::I32Add],
            &[I::I32Const(7), I::I32Add, I::I32Const(-8), I::I32And, I::LocalSet(end)],
            &[I::LocalGet(end), I::I32Const(16), I::I32ShrU, I::I32Const(1), I::I32Add, I::LocalSet(pages)],
            &when(
                &[I::LocalGet(pages), I::MemorySize(0), I::I32GtU],
                &[
                    vec![I::LocalGet(pages), I::MemorySize(0), I::I32Sub, I::I32Const(SPARE_PAGES), I::I32Add],
                    when(&[I::MemoryGrow(0), I::I32Const(-1), I::I32Eq], &bail(BailCause::Memory)),
                ]
                .concat(),
            ),
            &[I::LocalGet(end), I::GlobalSet(TOP), I::LocalGet(start)],
        ],
    )
}

/// Adds a value to a list.
fn push() -> Helper {
    let (list, item, length, room, items) = (0, 1, 2, 3, 4);
    helper(
        &[I32, I64],
        &[],
        &[I32, I32, I32],
        &[
            &when(&[I::LocalGet(list), I::I32Load(word(LIST_FROZEN))], &bail(BailCause::Kind)),
            &[I::LocalGet(list), I::I32Load(word(LIST_LENGTH)), I::LocalTee(length)],
            &when(
                &[I::LocalGet(list), I::I32Load(word(LIST_ROOM)), I::I32GeU],
                &[
                    I::LocalGet(length),
                    I::I32Const(1),
                    I::I32Shl,
                    I::I32Const(8),
                    I::I32Add,
                    I::LocalTee(room),
                    I::I32Const(3),
                    I::I32Shl,
                    call(Callee::Allocate),
                    I::LocalTee(items),
                    I::LocalGet(list),
                    I::I32Load(word(LIST_ITEMS)),
                    I::LocalGet(length),
                    I::I32Const(3),
                    I::I32Shl,
                    I::MemoryCopy { src_mem: 0, dst_mem: 0 },
                    I::LocalGet(list),
                    I::LocalGet(room),
                    I::I32Store(word(LIST_ROOM)),
                    I::LocalGet(list),
                    I::LocalGet(items),
                    I::I32Store(word(LIST_ITEMS)),
                ],
            ),
            &[I::LocalGet(list), I::I32Load(word(LIST_ITEMS)), I::LocalGet(length), I::I32Const(3), I::I32Shl],
            &[I::I32Add, I::LocalGet(item), I::I64Store(wide(0))],
            &[I::LocalGet(list), I::LocalGet(length), I::I32Const(1), I::I32Add, I::I32Store(word(LIST_LENGTH))],
        ],
    )
}

fn is(local: u32, bits: u64) -> [I<'static>; 3] {
    [I::LocalGet(local), I::I64Const(bits as i64), I::I64Eq]
}

fn is_number(local: u32) -> [I<'static>; 3] {
    [I::LocalGet(local), I::I64Const(value::TAGGED as i64), I::I64LtU]
}

fn tag(local: u32) -> [I<'static>; 3] {
    [I::LocalGet(local), I::I64Const(48), I::I64ShrU]
}

fn has_tag(local: u32, wanted: u64) -> Vec<I<'static>> {
    [&tag(local)[..], &[I::I64Const(wanted as i64), I::I64Eq]].concat()
}

fn is_nullish(local: u32) -> [I<'static>; 5] {
    [I::LocalGet(local), I::I64Const(1), I::I64Or, I::I64Const(value::NULL as i64), I::I64Eq]
}

/// A value as a number.
fn to_number() -> Helper {
    let number = |number: f64| [I::F64Const(number.into()), I::Return];
    helper(
        &[I64],
        &[F64],
        &[],
        &[
            &when(&is_number(0), &[I::LocalGet(0), I::F64ReinterpretI64, I::Return]),
            &when(&is(0, value::UNDEFINED), &number(f64::NAN)),
            &when(&is(0, value::NULL), &number(0.0)),
            &when(&is(0, value::FALSE), &number(0.0)),
            &when(&is(0, value::TRUE), &number(1.0)),
            &when(&has_tag(0, value::TEXT), &[I::LocalGet(0), call(Callee::Number), I::Return]),
            &bail(BailCause::Conversion),
        ],
    )
}

/// Whether a value is as good as `true`.
fn truth() -> Helper {
    let flag = |flag: bool| [I::I32Const(i32::from(flag)), I::Return];
    let text = [I::LocalGet(0), call(Callee::Host(super::super::host_calls::HostCall::TextLength))];
    helper(
        &[I64],
        &[I32],
        &[],
        &[
            &when(
                &is_number(0),
                &[I::LocalGet(0), I::F64ReinterpretI64, I::F64Abs, I::F64Const(0.0.into()), I::F64Gt, I::Return],
            ),
            &when(&is_nullish(0), &flag(false)),
            &when(&is(0, value::FALSE), &flag(false)),
            &when(&is(0, value::UNKNOWN), &bail(BailCause::Kind)),
            &when(&has_tag(0, value::TEXT), &[&text[..], &[I::F64Const(0.0.into()), I::F64Gt, I::Return]].concat()),
            &[I::I32Const(1)],
        ],
    )
}

/// Whether a value is less than, equal to or greater than another: -1, 0, 1; 2 where it is neither.
fn compare() -> Helper {
    let (left, right) = (2, 3);
    let number = |flag: &[I<'static>], order: i32| when(flag, &[I::I32Const(order), I::Return]);
    let pair = |op: I<'static>| [I::LocalGet(left), I::LocalGet(right), op];
    helper(
        &[I64, I64],
        &[I32],
        &[F64, F64],
        &[
            &when(
                &[has_tag(0, value::TEXT), has_tag(1, value::TEXT), vec![I::I32And]].concat(),
                &[I::LocalGet(0), I::LocalGet(1), call(Callee::Order), I::Return],
            ),
            &[I::LocalGet(0), call(Callee::ToNumber), I::LocalSet(left)],
            &[I::LocalGet(1), call(Callee::ToNumber), I::LocalSet(right)],
            &number(&pair(I::F64Lt), -1),
            &number(&pair(I::F64Gt), 1),
            &number(&pair(I::F64Eq), 0),
            &[I::I32Const(2)],
        ],
    )
}

/// `===`.
fn strict_equal() -> Helper {
    helper(
        &[I64, I64],
        &[I32],
        &[],
        &[
            &when(
                &[&is_number(0)[..], &is_number(1), &[I::I32And]].concat(),
                &[I::LocalGet(0), I::F64ReinterpretI64, I::LocalGet(1), I::F64ReinterpretI64, I::F64Eq, I::Return],
            ),
            &[I::LocalGet(0), I::LocalGet(1), I::I64Eq],
        ],
    )
}

/// `==`.
fn loose_equal() -> Helper {
    let flag = |flag: bool| [I::I32Const(i32::from(flag)), I::Return];
    let is_compound =
        |local: u32| [has_tag(local, value::LIST), has_tag(local, value::OBJECT), vec![I::I32Or]].concat();
    helper(
        &[I64, I64],
        &[I32],
        &[],
        &[
            &when(&[I::LocalGet(0), I::LocalGet(1), call(Callee::StrictEqual)], &flag(true)),
            &when(
                &[&is_nullish(0)[..], &is_nullish(1), &[I::I32Or]].concat(),
                &[&is_nullish(0)[..], &is_nullish(1), &[I::I32And, I::Return]].concat(),
            ),
            &when(&[&is_number(0)[..], &is_number(1), &[I::I32And]].concat(), &flag(false)),
            &when(&[&tag(0)[..], &tag(1), &[I::I64Eq], &is_number(0), &[I::I32Eqz, I::I32And]].concat(), &flag(false)),
            &when(&[is_compound(0), is_compound(1), vec![I::I32Or]].concat(), &bail(BailCause::Conversion)),
            &[I::LocalGet(0), call(Callee::ToNumber), I::LocalGet(1), call(Callee::ToNumber), I::F64Eq],
        ],
    )
}
