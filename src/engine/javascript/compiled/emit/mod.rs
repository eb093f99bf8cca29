//! From the intermediate form to a module of WebAssembly.
//!
//! The module has one function, the script's own with all that it calls, beside a handful of small ones. What it was not
//! made for ends in `unreachable` with the cause in a global: nothing has happened by then that anybody could see.

mod comparators;
mod conversions;
mod expressions;
mod helpers;
mod steps;
mod written;

use std::collections::BTreeSet;

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, Instruction, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

pub(super) use expressions::TYPE_NAMES;

use super::host_calls::HostCall;
use super::ir::{BailCause, Comparator, Ex, Label, Local, Piece, St, Ty, walk, walk_ex};
use super::kinds::Kinds;
use super::lower::Lowered;
use super::paths::{PathId, Paths, RootKind};

/// Where the addresses of the columns stand.
pub(super) const COLUMNS_AT: u64 = 16;
/// Where the number of rows that columns have room for stands.
pub(super) const ROW_COUNT_AT: u64 = 8;
/// Memory of a module at its start and at most, in pages of 64 KiB.
pub(super) const MIN_PAGES: u64 = 2;
/// See [`MIN_PAGES`].
pub(super) const MAX_PAGES: u64 = 4096;
/// A list that grows beyond this passed a limit: no script of a cluster's nodes comes near it, and Boa takes longer to
/// fill one than a script may take.
pub(in super::super::super) const MAX_LIST_ELEMENTS: u32 = 1 << 22;

/// The module that functions of the host are in.
pub(super) const HOST: &str = "host";
/// The global with the first free address.
pub(super) const TOP: u32 = 0;
/// The global with the cause of a bail-out.
pub(super) const CAUSE: u32 = 1;

/// Functions of the host that no script names.
pub(super) const ORDER: &str = "order";
pub(super) const NUMBER: &str = "number";
pub(super) const PLUS: &str = "plus";
pub(super) const REMAINDER: &str = "remainder";
pub(super) const SORT: &str = "sort";
pub(super) const SORT_BY: &str = "sortby";
/// Comparators are exported under this name and their number.
pub(super) const ORDER_OF: &str = "order";
/// The function that says of one node how good it is.
pub(super) const PROBE: &str = "probe";

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;
const F64: ValType = ValType::F64;

/// How many functions of the host a module imports.
const IMPORTS: u32 = HostCall::ALL.len() as u32 + 6;

/// The functions of a module by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callee {
    Host(HostCall),
    /// Of two texts: less than, equal to or greater than nothing.
    Order,
    /// Of a text: the number that it says.
    Number,
    Plus,
    Remainder,
    Sort,
    SortBy,
    Allocate,
    Push,
    ToNumber,
    Truth,
    Compare,
    StrictEqual,
    LooseEqual,
}

impl Callee {
    fn index(self) -> u32 {
        let hosts = HostCall::ALL.len() as u32;
        let others = [
            Self::Order,
            Self::Number,
            Self::Plus,
            Self::Remainder,
            Self::Sort,
            Self::SortBy,
            Self::Allocate,
            Self::Push,
            Self::ToNumber,
            Self::Truth,
            Self::Compare,
            Self::StrictEqual,
            Self::LooseEqual,
        ];
        match self {
            Self::Host(call) => HostCall::ALL.iter().zip(0..).find(|(own, _)| **own == call).map_or(0, |(_, at)| at),
            other => others.iter().zip(hosts..).find(|(own, _)| **own == other).map_or(0, |(_, at)| at),
        }
    }
}

/// The wasm type of values of a kind.
fn machine_type(ty: Ty) -> ValType {
    match ty {
        Ty::Num => F64,
        Ty::Bool | Ty::Int => I32,
        Ty::Any => I64,
    }
}

/// A module, and where its loops are.
pub(super) struct EmittedModule {
    pub(super) bytes: Vec<u8>,
    /// The index of the script's own function.
    pub(super) run: u32,
    pub(super) loops: Vec<LoopSpan>,
}

/// A loop in the code of the script's own function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoopSpan {
    /// The first byte, and the first one after it.
    pub(super) bytes: (usize, usize),
    /// The line and column in the source, from 1.
    pub(super) place: (u32, u32),
}

/// The module of `lowered`, with the function `probe` beside it where there is one.
pub(super) fn module(lowered: &Lowered, probe: Option<&Lowered>) -> EmittedModule {
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut imports = ImportSection::new();
    let mut code = CodeSection::new();
    let mut count = 0;
    let mut signature = |parameters: &[ValType], results: &[ValType]| {
        types.ty().function(parameters.iter().copied(), results.iter().copied());
        count += 1;
        count - 1
    };
    for call in HostCall::ALL {
        let (parameters, result) = call.signature();
        let ty = signature(&vec![I64; parameters], &[machine_type(result)]);
        imports.import(HOST, call.name(), EntityType::Function(ty));
    }
    for (name, parameters, results) in [
        (ORDER, &[I64, I64][..], &[I32][..]),
        (NUMBER, &[I64][..], &[F64][..]),
        (PLUS, &[I64, I64][..], &[I64][..]),
        (REMAINDER, &[F64, F64][..], &[F64][..]),
        (SORT, &[I32, I32, I32][..], &[][..]),
        (SORT_BY, &[I32, I32, I32][..], &[][..]),
    ] {
        imports.import(HOST, name, EntityType::Function(signature(parameters, results)));
    }
    for helper in helpers::all() {
        functions.function(signature(helper.parameters, helper.results));
        code.function(&helper.code);
    }
    functions.function(signature(&vec![I64; lowered.parameters], &[I64]));
    let run = functions.len() - 1 + IMPORTS;
    let (whole, mut waiting, loops) = Emitter::function(lowered);
    code.function(&whole);
    let mut orders = 0;
    while orders < waiting.len() {
        let Some(comparator) = waiting.get(orders).copied() else { break };
        functions.function(signature(&[I64, I64, I32], &[F64]));
        let (own, more) = Emitter::comparator(lowered, comparator, waiting.len());
        code.function(&own);
        waiting.extend(more);
        orders += 1;
    }
    if let Some(probe) = probe {
        functions.function(signature(&vec![I64; probe.parameters], &[I64]));
        code.function(&Emitter::function(probe).0);
    }
    let mut memories = MemorySection::new();
    let (minimum, maximum) = (MIN_PAGES, Some(MAX_PAGES));
    memories.memory(MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    for _ in [TOP, CAUSE] {
        globals.global(GlobalType { val_type: I32, mutable: true, shared: false }, &ConstExpr::i32_const(0));
    }
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, run);
    for order in 0..orders as u32 {
        exports.export(&format!("{ORDER_OF}{order}"), ExportKind::Func, run + 1 + order);
    }
    if probe.is_some() {
        exports.export(PROBE, ExportKind::Func, functions.len() - 1 + IMPORTS);
    }
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("top", ExportKind::Global, TOP);
    exports.export("cause", ExportKind::Global, CAUSE);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories).section(&globals);
    module.section(&exports).section(&code);
    EmittedModule { bytes: module.finish(), run, loops }
}

/// Where in a function's code something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// What this label names.
    Named(Label),
    Unnamed,
}

/// A function on its way.
struct Emitter<'a> {
    kinds: &'a Kinds,
    paths: &'a Paths,
    /// The variable of each of the script's.
    locals: Vec<u32>,
    /// The variables that hold the addresses of columns.
    columns: Vec<u32>,
    /// The variable with the address of what is written into nodes.
    written: Option<u32>,
    /// The types of the variables behind the parameters.
    types: Vec<ValType>,
    parameters: u32,
    frames: Vec<Frame>,
    code: Vec<Instruction<'static>>,
    /// The loops so far: the first instruction of each, the first one after it, and its label.
    loops: Vec<(usize, usize, Label)>,
    /// The comparators that this code sorts by, the first of which has the number `before`.
    comparators: Vec<&'a Comparator>,
    before: usize,
}

impl<'a> Emitter<'a> {
    fn new(lowered: &'a Lowered, parameters: u32) -> Self {
        let (kinds, paths) = (&lowered.kinds, &lowered.paths);
        let (locals, columns, written, types) = Default::default();
        let (frames, code, loops, comparators) = Default::default();
        Self { kinds, paths, locals, columns, written, types, parameters, frames, code, loops, comparators, before: 0 }
    }

    /// The function itself, with the comparators that it sorts by and the places of its loops.
    fn function(lowered: &'a Lowered) -> (Function, Vec<&'a Comparator>, Vec<LoopSpan>) {
        let mut emitter = Self::new(lowered, lowered.parameters as u32);
        for (local, ty) in lowered.kinds.0.iter().enumerate() {
            let own = if local < lowered.parameters { local as u32 } else { emitter.variable(machine_type(*ty)) };
            emitter.locals.push(own);
        }
        emitter.load_columns(&lowered.body, &lowered.result);
        emitter.make_written(lowered.written);
        emitter.steps(&lowered.body);
        emitter.value_as(&lowered.result, Ty::Any);
        emitter.put([Instruction::End]);
        let (own, loops) = (finish(&emitter.types, &emitter.code), emitter.loop_spans(lowered));
        (own, emitter.comparators, loops)
    }

    /// A comparator, which finds the variables around it at the address that is its third parameter; `before` comparators
    /// have a number already.
    fn comparator(lowered: &'a Lowered, own: &'a Comparator, before: usize) -> (Function, Vec<&'a Comparator>) {
        let mut emitter = Self::new(lowered, 3);
        emitter.before = before;
        let outer = comparators::variables_around(own);
        let [first, second] = own.parameters;
        for (local, ty) in lowered.kinds.0.iter().enumerate() {
            let own = match local {
                _ if local == first => 0,
                _ if local == second => 1,
                _ => emitter.variable(machine_type(*ty)),
            };
            emitter.locals.push(own);
        }
        for (place, local) in (0..).zip(outer) {
            emitter.put([Instruction::LocalGet(2)]);
            emitter.load(machine_type(emitter.kind(local)), 8 * place);
            emitter.put([Instruction::LocalSet(emitter.local(local))]);
        }
        emitter.load_columns(&own.body, &own.result);
        emitter.steps(&own.body);
        emitter.value_as(&own.result, Ty::Num);
        emitter.put([Instruction::End]);
        (finish(&emitter.types, &emitter.code), emitter.comparators)
    }

    /// Loads the addresses of the columns that this code reads.
    fn load_columns(&mut self, body: &[St], result: &Ex) {
        let mut read = BTreeSet::new();
        let paths = self.paths;
        let mut note = |piece: Piece<'_>| {
            if let Piece::Value(Ex::Field { fields, .. }) = piece {
                let of_nodes =
                    |field: &&PathId| paths.root_of(**field).is_some_and(|root| root.kind == RootKind::Table);
                read.extend(
                    fields.iter().filter(of_nodes).filter_map(|field| paths.get(*field)).map(|field| field.place),
                );
            }
        };
        walk(body, &mut note);
        walk_ex(result, &mut note);
        let columns = self.paths.roots.iter().find(|root| root.kind == RootKind::Table);
        for place in 0..columns.map_or(0, |root| root.places.len()) {
            if !read.contains(&place) {
                self.columns.push(0);
                continue;
            }
            let column = self.variable(I32);
            self.columns.push(column);
            self.put([
                Instruction::I32Const(0),
                Instruction::I32Load(word(COLUMNS_AT + 4 * place as u64)),
                Instruction::LocalSet(column),
            ]);
        }
    }

    /// Where the loops are in the bytes of the function.
    fn loop_spans(&self, lowered: &Lowered) -> Vec<LoopSpan> {
        let mut function = Function::new_with_locals_types(self.types.iter().copied());
        let mut starts = Vec::with_capacity(self.code.len() + 1);
        for instruction in &self.code {
            starts.push(function.byte_len());
            function.instruction(instruction);
        }
        starts.push(function.byte_len());
        let span = |(first, after, label): &(usize, usize, Label)| {
            let bytes = (*starts.get(*first)?, *starts.get(*after)?);
            Some(LoopSpan { bytes, place: lowered.place_of(*label)? })
        };
        self.loops.iter().filter_map(span).collect()
    }

    fn kind(&self, local: Local) -> Ty {
        self.kinds.0.get(local).copied().unwrap_or(Ty::Any)
    }

    /// A new variable.
    fn variable(&mut self, ty: ValType) -> u32 {
        self.types.push(ty);
        self.parameters + self.types.len() as u32 - 1
    }

    fn put<const N: usize>(&mut self, code: [Instruction<'static>; N]) {
        self.code.extend(code);
    }

    fn call(&mut self, callee: Callee) {
        self.put([Instruction::Call(callee.index())]);
    }

    fn local(&self, local: Local) -> u32 {
        self.locals.get(local).copied().unwrap_or_default()
    }

    /// Begins `if`, whose condition is there.
    fn begin_if(&mut self, result: BlockType) {
        self.put([Instruction::If(result)]);
        self.frames.push(Frame::Unnamed);
    }

    fn begin_else(&mut self) {
        self.put([Instruction::Else]);
    }

    fn end(&mut self) {
        self.put([Instruction::End]);
        self.frames.pop();
    }

    /// Gives the step up.
    fn bail(&mut self, cause: BailCause) {
        self.code.extend(bail(cause));
    }
}

/// The code that gives a step up.
fn bail(cause: BailCause) -> [Instruction<'static>; 3] {
    [Instruction::I32Const(cause as i32), Instruction::GlobalSet(CAUSE), Instruction::Unreachable]
}

/// A function with these variables and this code.
fn finish(types: &[ValType], code: &[Instruction<'static>]) -> Function {
    let mut function = Function::new_with_locals_types(types.iter().copied());
    for instruction in code {
        function.instruction(instruction);
    }
    function
}

/// Four bytes in memory.
fn word(offset: u64) -> MemArg {
    MemArg { offset, align: 2, memory_index: 0 }
}

/// Eight bytes in memory.
fn wide(offset: u64) -> MemArg {
    MemArg { offset, align: 3, memory_index: 0 }
}
