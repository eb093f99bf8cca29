//! The kinds of variables and expressions, found from what variables are set to.

use super::ir::{Binary, Ex, Piece, St, Ty, Unary, walk, walk_ex};

/// The kinds of variables.
pub(super) struct Kinds(pub(super) Vec<Ty>);

impl Kinds {
    /// Finds the kinds of variables in `body`; `fixed` says those that are known.
    pub(super) fn find(fixed: &[Option<Ty>], body: &[St], result: &Ex) -> Self {
        let mut known: Vec<Option<Ty>> = fixed.to_vec();
        loop {
            let mut joined: Vec<Option<Ty>> = fixed.to_vec();
            let current = Self(known.iter().map(|ty| ty.unwrap_or(Ty::Num)).collect());
            let mut note = |piece: Piece<'_>| {
                let Piece::Step(St::Set(local, value)) = piece else { return };
                let Some(place) = joined.get_mut(*local).filter(|_| fixed.get(*local) == Some(&None)) else { return };
                let ty = current.of(value);
                *place = Some(place.map_or(ty, |before| join(before, ty)));
            };
            walk(body, &mut note);
            walk_ex(result, &mut note);
            // An Int that a script sees is a number.
            for (ty, fixed) in joined.iter_mut().zip(fixed) {
                if fixed.is_none() && *ty == Some(Ty::Int) {
                    *ty = Some(Ty::Num);
                }
            }
            // Kinds only become wider: what was once found stays.
            for (ty, before) in joined.iter_mut().zip(&known) {
                if let (Some(now), Some(before)) = (*ty, before) {
                    *ty = Some(join(now, *before));
                }
            }
            if joined == known {
                return Self(joined.into_iter().map(|ty| ty.unwrap_or(Ty::Any)).collect());
            }
            known = joined;
        }
    }

    /// The kind of `ex`.
    pub(super) fn of(&self, ex: &Ex) -> Ty {
        match ex {
            Ex::Field { length: true, .. } | Ex::Num(_) => Ty::Num,
            Ex::Const(_) | Ex::Field { .. } | Ex::Record(..) | Ex::Written(..) => Ty::Any,
            Ex::Int(_) => Ty::Int,
            Ex::Bool(_) => Ty::Bool,
            Ex::Get(local) => self.0.get(*local).copied().unwrap_or(Ty::Any),
            Ex::Un(op, _) => unary_result(*op),
            Ex::Bin(Binary::Plus, left, right) if self.are_numeric(left, right) => Ty::Num,
            Ex::Bin(op, ..) => binary_kinds(*op).1,
            Ex::If(_, left, right) => join(self.of(left), self.of(right)),
            Ex::Do(_, result) => self.of(result),
            Ex::Host(call, _) => call.signature().1,
        }
    }
}

impl Kinds {
    /// Whether neither of both can be anything but a number or what is as good as one.
    pub(super) fn are_numeric(&self, left: &Ex, right: &Ex) -> bool {
        self.of(left) != Ty::Any && self.of(right) != Ty::Any
    }
}

fn join(left: Ty, right: Ty) -> Ty {
    match (left, right) {
        _ if left == right => left,
        (Ty::Num, Ty::Int) | (Ty::Int, Ty::Num) => Ty::Num,
        _ => Ty::Any,
    }
}

/// What a step with one part takes.
pub(super) fn unary_operand(op: Unary) -> Ty {
    match op {
        Unary::Not => Ty::Bool,
        Unary::IsNullish
        | Unary::IsUndefined
        | Unary::IsList
        | Unary::IsDictionary
        | Unary::IsObject
        | Unary::IsText
        | Unary::IsNumber
        | Unary::TypeOf
        | Unary::AsList => Ty::Any,
        Unary::FromList | Unary::ListLength | Unary::NewList => Ty::Int,
        Unary::Place
        | Unary::Neg
        | Unary::Floor
        | Unary::Ceil
        | Unary::Trunc
        | Unary::Abs
        | Unary::Sqrt
        | Unary::Round
        | Unary::IsNaN => Ty::Num,
    }
}

/// What a step with one part gives.
fn unary_result(op: Unary) -> Ty {
    match op {
        Unary::Not
        | Unary::IsNullish
        | Unary::IsUndefined
        | Unary::IsList
        | Unary::IsDictionary
        | Unary::IsObject
        | Unary::IsText
        | Unary::IsNumber
        | Unary::IsNaN => Ty::Bool,
        Unary::TypeOf | Unary::FromList => Ty::Any,
        Unary::AsList | Unary::ListLength | Unary::NewList | Unary::Place => Ty::Int,
        Unary::Neg | Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Abs | Unary::Sqrt | Unary::Round => Ty::Num,
    }
}

/// What a step with two parts takes and gives.
pub(super) fn binary_kinds(op: Binary) -> (Ty, Ty) {
    use Binary as B;
    match op {
        B::Add | B::Sub | B::Mul | B::Div | B::Rem | B::Min | B::Max => (Ty::Num, Ty::Num),
        B::Less => (Ty::Num, Ty::Bool),
        B::Plus => (Ty::Any, Ty::Any),
        B::AnyLess | B::AnyLessEqual | B::AnyGreater | B::AnyGreaterEqual | B::StrictEqual | B::LooseEqual => {
            (Ty::Any, Ty::Bool)
        }
        B::IntAdd | B::IntSub => (Ty::Int, Ty::Int),
        B::IntLess | B::IntAtLeast => (Ty::Int, Ty::Bool),
        B::Element => (Ty::Int, Ty::Any),
    }
}
