//! Values as expressions over a few symbols: the element of a pass, the best element so far, the list itself.
//!
//! Equal expressions over symbols have equal values; a value that cannot be followed gets a symbol of its own.

use super::super::ir::{Binary, Ex, Local, Piece, Unary, walk_ex};
use super::super::paths::Paths;
use super::super::value::{self, Kind, kind};

/// The number of the first variable that is a symbol.
const SYMBOLS: Local = 1 << 40;
const TAGS: Local = 16;

/// The symbols of expressions. A variable with the same value throughout a loop needs no symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// The request.
    Request,
    /// The element of the pass.
    Item,
    /// The best element so far.
    Before,
    /// The place of the element of the pass.
    Place,
    /// The list with this number: 0 is the list of nodes, filters make the other lists.
    List(usize),
    /// The address of that list.
    Address(usize),
    /// The length of that list.
    Length(usize),
    /// The first element of that list.
    First(usize),
    /// A value that is not followed.
    Opaque(usize),
    /// A list or an object that the pass made itself, and may still write to.
    Fresh(usize),
    /// The value of a variable that is perhaps not set.
    Unset,
}

impl Symbol {
    pub(super) fn ex(self) -> Ex {
        let (tag, number) = match self {
            Self::Request => (0, 0),
            Self::Item => (1, 0),
            Self::Before => (2, 0),
            Self::Place => (3, 0),
            Self::List(number) => (4, number),
            Self::Address(number) => (5, number),
            Self::Length(number) => (6, number),
            Self::First(number) => (7, number),
            Self::Opaque(number) => (8, number),
            Self::Fresh(number) => (9, number),
            Self::Unset => (10, 0),
        };
        Ex::Get(SYMBOLS + number * TAGS + tag)
    }

    /// Returns the symbol of the variable `local`; `None` where `local` is no symbol.
    pub(super) fn of_local(local: Local) -> Option<Self> {
        let at = local.checked_sub(SYMBOLS)?;
        let number = at / TAGS;
        Some(match at % TAGS {
            0 => Self::Request,
            1 => Self::Item,
            2 => Self::Before,
            3 => Self::Place,
            4 => Self::List(number),
            5 => Self::Address(number),
            6 => Self::Length(number),
            7 => Self::First(number),
            8 => Self::Opaque(number),
            9 => Self::Fresh(number),
            _ => Self::Unset,
        })
    }

    /// Returns the symbol that `ex` consists of; `None` where `ex` is no symbol.
    pub(super) fn of(ex: &Ex) -> Option<Self> {
        match ex {
            Ex::Get(local) => Self::of_local(*local),
            _ => None,
        }
    }
}

/// Whether `test` holds for a symbol or variable in `ex`.
pub(super) fn mentions(ex: &Ex, test: impl Fn(Local) -> bool) -> bool {
    let mut found = false;
    walk_ex(ex, &mut |piece| {
        if let Piece::Value(Ex::Get(local)) = piece {
            found |= test(*local);
        }
    });
    found
}

/// Whether a symbol for which `test` holds is in `ex`.
pub(super) fn has_symbol(ex: &Ex, test: impl Fn(Symbol) -> bool) -> bool {
    mentions(ex, |local| Symbol::of_local(local).is_some_and(&test))
}

/// The facts that hold at the place of an expression.
#[derive(Clone, Copy)]
pub(super) struct Folding<'a> {
    pub(super) paths: &'a Paths,
    /// The list that is walked, and the place of the first element.
    pub(super) walked: Option<(usize, f64)>,
    /// Whether lists have elements.
    pub(super) is_filled: bool,
}

impl Folding<'_> {
    /// Returns `ex` with variables replaced by the values of `replace`, and folded.
    pub(super) fn rebuild(&self, ex: &Ex, replace: &dyn Fn(Local) -> Option<Ex>) -> Ex {
        if let Ex::Get(local) = ex {
            return replace(*local).unwrap_or_else(|| ex.clone());
        }
        self.fold(with_parts(ex, &mut |part| self.rebuild(part, replace)))
    }

    /// Returns `ex` in the simplest form; the parts of `ex` are in their simplest form already.
    pub(super) fn fold(&self, ex: Ex) -> Ex {
        let folded = match &ex {
            Ex::Un(op, part) => self.unary(*op, part),
            Ex::Bin(op, left, right) => self.binary(*op, left, right),
            Ex::If(condition, yes, no) => {
                truth_of(condition).map(|truth| if truth { (**yes).clone() } else { (**no).clone() })
            }
            Ex::Field { base, fields, length, .. } => match Symbol::of(base) {
                Some(Symbol::List(list)) if *length => Some(Symbol::Length(list).ex()),
                Some(Symbol::Request) => {
                    let is_nodes = |field: &[u16]| matches!(field, [only] if self.paths.is_node_list(*only));
                    is_nodes(fields).then(|| Symbol::List(0).ex())
                }
                _ => None,
            },
            _ => None,
        };
        folded.unwrap_or(ex)
    }

    fn unary(&self, op: Unary, part: &Ex) -> Option<Ex> {
        use Unary as U;
        let symbol = Symbol::of(part);
        let is_node = matches!(symbol, Some(Symbol::Item | Symbol::Before | Symbol::First(_)));
        let is_list = matches!(symbol, Some(Symbol::List(_)));
        let is_number = matches!(part, Ex::Num(_)) || matches!(symbol, Some(Symbol::Place | Symbol::Length(_)));
        let is_of = |known: bool| (is_node || is_list || is_number).then_some(Ex::Bool(known));
        match op {
            U::Not => truth_of(part).map(|truth| Ex::Bool(!truth)),
            U::IsNullish | U::IsUndefined => match part {
                Ex::Const(bits) => {
                    Some(Ex::Bool(*bits == value::UNDEFINED || op == U::IsNullish && *bits == value::NULL))
                }
                _ => is_of(false),
            },
            U::IsList => is_of(is_list),
            U::IsDictionary | U::IsText => is_of(false),
            U::IsObject => is_of(is_node),
            U::IsNumber => is_of(is_number),
            U::AsList => match (symbol, part) {
                (Some(Symbol::List(list)), _) => Some(Symbol::Address(list).ex()),
                (_, Ex::Un(U::FromList, address)) => Some((**address).clone()),
                _ => None,
            },
            U::FromList => match symbol {
                Some(Symbol::Address(list)) => Some(Symbol::List(list).ex()),
                _ => None,
            },
            U::ListLength => match symbol {
                Some(Symbol::Address(list)) => Some(Symbol::Length(list).ex()),
                _ => None,
            },
            U::Place => match (symbol, part) {
                (Some(Symbol::Place | Symbol::Length(_)), _) => Some(part.clone()),
                (_, Ex::Num(number)) if number.fract() == 0.0 && (0.0..1e6).contains(number) => {
                    Some(Ex::Int(*number as i32))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn binary(&self, op: Binary, left: &Ex, right: &Ex) -> Option<Ex> {
        use Binary as B;
        let (own, other) = (Symbol::of(left), Symbol::of(right));
        let is_walked = |list: usize| self.walked.is_some_and(|(walked, _)| walked == list);
        match (op, own, other) {
            (B::Element, Some(Symbol::Address(list)), Some(Symbol::Place)) if is_walked(list) => {
                Some(Symbol::Item.ex())
            }
            (B::Element, Some(Symbol::Address(list)), _) if *right == Ex::Int(0) => Some(Symbol::First(list).ex()),
            (B::Mul, Some(Symbol::Place | Symbol::Length(_)), _) if *right == Ex::Num(1.0) => Some(left.clone()),
            (B::Mul, ..) if *right == Ex::Num(1.0) && matches!(left, Ex::Num(_)) => Some(left.clone()),
            (B::IntLess | B::AnyLess | B::Less, Some(Symbol::Place), Some(Symbol::Length(list))) if is_walked(list) => {
                Some(Ex::Bool(true))
            }
            (B::IntAtLeast, Some(Symbol::Place), Some(Symbol::Length(list))) if is_walked(list) => {
                Some(Ex::Bool(false))
            }
            (B::IntAtLeast, Some(Symbol::Place), _) if *right == Ex::Int(0) => Some(Ex::Bool(true)),
            (B::IntAtLeast, ..) if matches!((left, right), (Ex::Int(_), Ex::Int(_))) => match (left, right) {
                (Ex::Int(left), Ex::Int(right)) => Some(Ex::Bool(left >= right)),
                _ => None,
            },
            (B::IntLess, _, Some(Symbol::Place)) if *left == Ex::Int(0) => {
                self.walked.filter(|(_, start)| *start >= 1.0).map(|_| Ex::Bool(true))
            }
            (B::IntLess, Some(Symbol::Length(one)), Some(Symbol::Length(other))) if one == other => {
                Some(Ex::Bool(false))
            }
            (B::IntLess, _, Some(Symbol::Length(_))) if *left == Ex::Int(0) && self.is_filled => Some(Ex::Bool(true)),
            (B::StrictEqual | B::LooseEqual, ..) => equal(op, left, right),
            _ => None,
        }
    }
}

/// Returns how two folded values compare, where that is known.
fn equal(op: Binary, left: &Ex, right: &Ex) -> Option<Ex> {
    let bits = |ex: &Ex| match ex {
        Ex::Const(bits) => Some(*bits),
        Ex::Bool(flag) => Some(value::flag(*flag)),
        _ => None,
    };
    let is_node = |ex: &Ex| matches!(Symbol::of(ex), Some(Symbol::Item | Symbol::Before | Symbol::First(_)));
    let is_nothing = |bits: u64| matches!(kind(bits), Kind::Undefined | Kind::Null);
    if let (Some(left), Some(right)) = (bits(left), bits(right)) {
        return match op {
            Binary::StrictEqual => Some(Ex::Bool(left == right)),
            _ if is_nothing(left) && is_nothing(right) => Some(Ex::Bool(true)),
            _ => None,
        };
    }
    let other = if is_node(left) {
        bits(right)
    } else if is_node(right) {
        bits(left)
    } else {
        None
    };
    other.filter(|bits| is_nothing(*bits)).map(|_| Ex::Bool(false))
}

/// Returns whether `ex` is true as a condition, where that is known.
pub(super) fn truth_of(ex: &Ex) -> Option<bool> {
    match ex {
        Ex::Bool(flag) => Some(*flag),
        Ex::Num(number) => Some(*number != 0.0 && !number.is_nan()),
        Ex::Const(bits) => match kind(*bits) {
            Kind::Undefined | Kind::Null => Some(false),
            Kind::Flag(flag) => Some(flag),
            _ => None,
        },
        Ex::Get(_) => match Symbol::of(ex)? {
            Symbol::Item | Symbol::Before | Symbol::First(_) | Symbol::List(_) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// Returns `ex` with each part replaced.
pub(super) fn with_parts(ex: &Ex, part: &mut dyn FnMut(&Ex) -> Ex) -> Ex {
    match ex {
        Ex::Un(op, inner) => Ex::Un(*op, Box::new(part(inner))),
        Ex::Bin(op, left, right) => {
            let left = part(left);
            Ex::Bin(*op, Box::new(left), Box::new(part(right)))
        }
        Ex::If(condition, yes, no) => {
            let condition = part(condition);
            let yes = part(yes);
            Ex::If(Box::new(condition), Box::new(yes), Box::new(part(no)))
        }
        Ex::Field { base, fields, length, name } => {
            Ex::Field { base: Box::new(part(base)), fields: fields.clone(), length: *length, name: *name }
        }
        Ex::Written(base, place, own) => {
            let base = part(base);
            Ex::Written(Box::new(base), *place, Box::new(part(own)))
        }
        Ex::Record(path, fields) => Ex::Record(*path, fields.iter().map(|(field, ex)| (*field, part(ex))).collect()),
        Ex::Host(call, parts) => Ex::Host(*call, parts.iter().map(&mut *part).collect()),
        Ex::Const(_) | Ex::Num(_) | Ex::Int(_) | Ex::Bool(_) | Ex::Get(_) | Ex::Do(..) => ex.clone(),
    }
}
