//! Why compiled code gave no answer.

use std::rc::Rc;

use crate::clock::Overtime;

use super::cells::Full;
use super::ir::BailCause;
use super::thrown::ThrowPlace;

/// Why a compiled function gave no answer.
#[derive(Debug)]
pub(in super::super) enum Unanswered {
    /// It gave up: Boa answers.
    Bailed(BailCause),
    /// It threw an error, at this place of the script.
    Thrown(ThrowPlace, usize, Rc<str>),
    /// The nodes do not fit into its memory: Boa answers from now on.
    Full,
    /// The script passed a limit, in the loop at this line and column.
    Passed(PassedLimit, Option<(u32, u32)>),
}

/// A limit that compiled code passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum PassedLimit {
    /// Its time is up.
    Time(Overtime),
    /// A list is too long.
    Length,
}

impl From<Full> for Unanswered {
    fn from(_: Full) -> Self {
        Self::Full
    }
}
