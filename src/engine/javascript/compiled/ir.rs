//! The typed intermediate form: what a script does, in steps that WebAssembly knows or nearly so.
//!
//! Names are resolved, functions are written out where they are called, and every conversion that JavaScript makes is
//! implied by the kind that a step wants of its parts. What is left of JavaScript is [`Ty::Any`], a value of eight bytes.

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

/// Functions that the host has, of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostCall {
    /// The length of a text, a number.
    TextLength,
    Includes,
    StartsWith,
    EndsWith,
    /// A number.
    IndexOf,
    Lower,
    Upper,
    Trim,
    /// Any primitive as a text.
    ToText,
    /// The next random number.
    Random,
    /// Truth: whether one text matches the pattern with a number.
    Matches,
    /// The parts of a text between others, as a dictionary of these.
    Split,
    /// The time of the request, in milliseconds.
    Now,
    /// The hour of the day then.
    Hour,
    /// The minute of the hour.
    Minute,
    /// The day of the week.
    Weekday,
    /// `{}`
    NewObject,
    /// `new Map()`
    NewMap,
    /// `new Set()`
    NewSet,
    /// The member of an object whose names are computed, or the size of a map or set.
    Member,
    /// Gives such an object a member.
    PutMember,
    /// `map.get(key)`
    MapGet,
    /// `map.set(key, value)`
    MapSet,
    /// `set.add(value)`
    SetAdd,
    /// `has(key)` of both.
    HasKey,
    /// The number of entries, a number.
    Count,
    /// The key of the entry at a place.
    KeyAt,
    /// Its value.
    ValueAt,
}

impl HostCall {
    /// Every one, in the order in which modules import them.
    pub(super) const ALL: [Self; 28] = [
        Self::TextLength,
        Self::Includes,
        Self::StartsWith,
        Self::EndsWith,
        Self::IndexOf,
        Self::Lower,
        Self::Upper,
        Self::Trim,
        Self::ToText,
        Self::Random,
        Self::Matches,
        Self::Split,
        Self::Now,
        Self::Hour,
        Self::Minute,
        Self::Weekday,
        Self::NewObject,
        Self::NewMap,
        Self::NewSet,
        Self::Member,
        Self::PutMember,
        Self::MapGet,
        Self::MapSet,
        Self::SetAdd,
        Self::HasKey,
        Self::Count,
        Self::KeyAt,
        Self::ValueAt,
    ];

    /// How many values it takes, and what it gives.
    pub(super) fn signature(self) -> (usize, Ty) {
        match self {
            Self::TextLength => (1, Ty::Num),
            Self::Includes | Self::StartsWith | Self::EndsWith | Self::Matches | Self::HasKey => (2, Ty::Bool),
            Self::IndexOf => (2, Ty::Num),
            Self::Lower | Self::Upper | Self::Trim | Self::ToText => (1, Ty::Any),
            Self::Random | Self::Now | Self::Hour | Self::Minute | Self::Weekday => (0, Ty::Num),
            Self::Split | Self::Member | Self::MapGet | Self::SetAdd | Self::KeyAt | Self::ValueAt => (2, Ty::Any),
            Self::NewObject | Self::NewMap | Self::NewSet => (0, Ty::Any),
            Self::PutMember | Self::MapSet => (3, Ty::Any),
            Self::Count => (1, Ty::Num),
        }
    }

    /// Whether it always comes to the same and changes nothing.
    fn is_pure(self) -> bool {
        !matches!(
            self,
            Self::Random
                | Self::Split
                | Self::NewObject
                | Self::NewMap
                | Self::NewSet
                | Self::PutMember
                | Self::MapSet
                | Self::SetAdd
        )
    }

    /// The name under which modules import it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TextLength => "length",
            Self::Includes => "includes",
            Self::StartsWith => "starts",
            Self::EndsWith => "ends",
            Self::IndexOf => "index",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Trim => "trim",
            Self::ToText => "text",
            Self::Random => "random",
            Self::Matches => "matches",
            Self::Split => "split",
            Self::Now => "now",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Weekday => "weekday",
            Self::NewObject => "object",
            Self::NewMap => "map",
            Self::NewSet => "set",
            Self::Member => "member",
            Self::PutMember => "put",
            Self::MapGet => "get",
            Self::MapSet => "assign",
            Self::SetAdd => "add",
            Self::HasKey => "has",
            Self::Count => "count",
            Self::KeyAt => "key",
            Self::ValueAt => "value",
        }
    }
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
    Bail(BailCause),
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
        Ex::Bin(_, left, right) => {
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
            Piece::Step(St::Push(..) | St::PutElement(..) | St::PutField { .. } | St::Cut(..) | St::Sort(..)) => false,
            Piece::Step(_) => true,
            Piece::Value(Ex::Host(call, _)) => call.is_pure(),
            Piece::Value(ex) => !matches!(ex, Ex::Record(..)),
        };
    });
    is_pure
}
