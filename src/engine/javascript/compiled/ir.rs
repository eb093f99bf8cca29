//! The typed intermediate form: what a script does, in steps that WebAssembly knows or nearly so.
//!
//! Names are resolved, functions are written out where they are called, and every conversion that JavaScript makes is
//! implied by the kind that a step wants of its parts. What is left of JavaScript is [`Ty::Any`], a value of eight bytes.

use super::host_calls::HostCall;
use super::paths::PathId;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    /// A number.
    Num,
    /// A truth value.
    Bool,
    /// A whole number of 32 bits that no script sees: a place, a length, an address.
    Int,
    /// Anything, see `value`.
    Any,
}

/// A variable, by number.
pub(super) type Local = usize;
/// What can be left or begun again, by number.
pub(super) type Label = usize;

/// Steps with one part; the comment says from what to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    /// Bool to Bool.
    Not,
    /// Any to Bool: `null` or `undefined`.
    IsNullish,
    /// Any to Bool.
    IsUndefined,
    /// Any to Bool.
    IsList,
    /// Any to Bool.
    IsDictionary,
    /// Any to Bool: an object whose fields have places.
    IsObject,
    /// Any to Bool.
    IsText,
    /// Any to Bool.
    IsNumber,
    /// Any to Any, a text.
    TypeOf,
    /// Any to Int, the address of a list; anything else bails out.
    AsList,
    /// Int to Any.
    FromList,
    /// Int, an address, to Int.
    ListLength,
    /// Int to Int: a new list with so much room.
    NewList,
    /// Num to Int: the number as a place of a list, less than nothing where it is none.
    Place,
    /// Num to Num, as all that follow.
    Neg,
    Floor,
    Ceil,
    Trunc,
    Abs,
    Sqrt,
    Round,
    /// Num to Bool.
    IsNaN,
}

/// Steps with two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    // Of numbers to a number.
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Min,
    Max,
    // Of numbers to a truth value.
    Less,
    // Of anything: JavaScript's `+`, to anything.
    Plus,
    // Of anything, to a truth value.
    AnyLess,
    AnyLessEqual,
    AnyGreater,
    AnyGreaterEqual,
    StrictEqual,
    LooseEqual,
    // Of Int to Int.
    IntAdd,
    IntSub,
    // Of Int to Bool.
    IntLess,
    IntAtLeast,
    // Of Int to anything: the element of a list at a place, which is one of its own.
    Element,
}

/// Why compiled code may give a step up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum BailCause {
    /// A value was of a kind that it was not compiled for.
    Kind = 1,
    /// The script throws, or reads a member of nothing.
    Throws,
    /// It logs.
    Logs,
    /// A list changed while it was walked.
    Changed,
    /// It asked for more memory than there is.
    Memory,
    /// A conversion that is not compiled.
    Conversion,
    /// A list grew longer than any list may be: no bail-out but a limit that was passed.
    Length,
}

impl BailCause {
    /// Every cause.
    pub(super) const ALL: [Self; 7] =
        [Self::Kind, Self::Throws, Self::Logs, Self::Changed, Self::Memory, Self::Conversion, Self::Length];

    /// The cause as metrics name it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Throws => "throws",
            Self::Logs => "logs",
            Self::Changed => "changed",
            Self::Memory => "memory",
            Self::Conversion => "conversion",
            Self::Length => "length",
        }
    }

    /// The cause in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Kind => "a value of a kind that it was not compiled for",
            Self::Throws => "an error that is thrown",
            Self::Logs => "a line that is logged",
            Self::Changed => "a list that changes while it is walked",
            Self::Memory => "want of memory",
            Self::Conversion => "a conversion that is not compiled",
            Self::Length => "a list that is too long",
        }
    }

    /// The cause with this number.
    pub(super) fn of(number: i32) -> Self {
        Self::ALL.into_iter().find(|cause| *cause as i32 == number).unwrap_or(Self::Kind)
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ex {
    Const(u64),
    Num(f64),
    Int(i32),
    Bool(bool),
    Get(Local),
    Un(Unary, Box<Ex>),
    Bin(Binary, Box<Ex>, Box<Ex>),
    If(Box<Ex>, Box<Ex>, Box<Ex>),
    /// What the steps come to.
    Do(Vec<St>, Box<Ex>),
    /// The field of an object, which must be one of these fields', or the length of a list or text where that is meant.
    Field {
        base: Box<Ex>,
        fields: Vec<PathId>,
        length: bool,
        name: Option<u64>,
    },
    /// What the script wrote into a member of a node, by number, where the first is a node that it wrote to; else the other.
    Written(Box<Ex>, usize, Box<Ex>),
    /// A new record of the root at this path with these fields.
    Record(PathId, Vec<(PathId, Ex)>),
    Host(HostCall, Vec<Ex>),
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum St {
    Set(Local, Ex),
    Eval(Ex),
    If(Ex, Vec<St>, Vec<St>),
    Block(Label, Vec<St>),
    Loop(Label, Vec<St>),
    /// Leaves a block.
    Break(Label),
    /// Begins a loop again.
    Continue(Label),
    /// Adds an element to a list, whose address comes first.
    Push(Ex, Ex),
    /// Replaces the element at a place of a list.
    PutElement(Ex, Ex, Ex),
    /// Shortens a list to a length.
    Cut(Ex, Ex),
    /// Writes a field of an object of the script's own.
    PutField {
        base: Ex,
        fields: Vec<PathId>,
        value: Ex,
    },
    /// Sorts a list, ascending by numbers or texts that stand in lists of their own, the first of which decides first.
    /// Each says whether the order is the other one.
    Sort(Ex, Vec<(Ex, bool)>),
    /// Sorts a list by a comparator, which is asked about the same pairs as V8 asks.
    SortBy(Ex, Box<Comparator>),
    /// Writes the member of a node with this number among those that the script writes.
    PutWritten {
        base: Ex,
        place: usize,
        value: Ex,
    },
    Bail(BailCause),
}

/// A function of two elements, which may read variables around it and sets none of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparator {
    /// The variables of both elements.
    pub(super) parameters: [Local; 2],
    pub(super) body: Vec<St>,
    pub(super) result: Ex,
}

/// A piece of code.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    Step(&'a St),
    Value(&'a Ex),
}

/// Tells `note` each step and expression in `steps`.
pub(super) fn walk(steps: &[St], note: &mut impl FnMut(Piece<'_>)) {
    for step in steps {
        note(Piece::Step(step));
        match step {
            St::Set(_, value) | St::Eval(value) => walk_ex(value, note),
            St::If(condition, yes, no) => {
                walk_ex(condition, note);
                walk(yes, note);
                walk(no, note);
            }
            St::Block(_, steps) | St::Loop(_, steps) => walk(steps, note),
            St::Push(left, right) | St::Cut(left, right) | St::PutField { base: left, value: right, .. } => {
                walk_ex(left, note);
                walk_ex(right, note);
            }
            St::SortBy(list, comparator) => {
                walk_ex(list, note);
                walk(&comparator.body, note);
                walk_ex(&comparator.result, note);
            }
            St::PutWritten { base, value, .. } => {
                walk_ex(base, note);
                walk_ex(value, note);
            }
            St::PutElement(list, place, value) => [list, place, value].into_iter().for_each(|ex| walk_ex(ex, note)),
            St::Sort(list, keys) => {
                walk_ex(list, note);
                keys.iter().for_each(|(key, _)| walk_ex(key, note));
            }
            St::Break(_) | St::Continue(_) | St::Bail(_) => {}
        }
    }
}

/// The same for what is in an expression, itself included.
pub(super) fn walk_ex(ex: &Ex, note: &mut impl FnMut(Piece<'_>)) {
    note(Piece::Value(ex));
    match ex {
        Ex::Const(_) | Ex::Num(_) | Ex::Int(_) | Ex::Bool(_) | Ex::Get(_) => {}
        Ex::Un(_, part) | Ex::Field { base: part, .. } => walk_ex(part, note),
        Ex::Bin(_, left, right) | Ex::Written(left, _, right) => {
            walk_ex(left, note);
            walk_ex(right, note);
        }
        Ex::If(condition, yes, no) => [condition, yes, no].into_iter().for_each(|ex| walk_ex(ex, note)),
        Ex::Do(steps, result) => {
            walk(steps, note);
            walk_ex(result, note);
        }
        Ex::Record(_, fields) => fields.iter().for_each(|(_, value)| walk_ex(value, note)),
        Ex::Host(_, parts) => parts.iter().for_each(|ex| walk_ex(ex, note)),
    }
}

/// Whether `ex` always comes to the same and changes nothing but variables from `first` on.
pub(super) fn is_pure(ex: &Ex, first: Local) -> bool {
    let mut is_pure = true;
    walk_ex(ex, &mut |piece| {
        is_pure &= match piece {
            Piece::Step(St::Set(local, _)) => *local >= first,
            Piece::Step(
                St::Push(..)
                | St::PutElement(..)
                | St::PutField { .. }
                | St::PutWritten { .. }
                | St::Cut(..)
                | St::Sort(..)
                | St::SortBy(..),
            ) => false,
            Piece::Step(_) => true,
            Piece::Value(Ex::Host(call, _)) => call.is_pure(),
            Piece::Value(ex) => !matches!(ex, Ex::Record(..)),
        };
    });
    is_pure
}
