//! What the per-node functions of a script read of a node.

use crate::model::Parts;
use crate::script::Function;

/// The parts of a node that each function can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reads {
    filter: Parts,
    score: Parts,
}

impl Reads {
    /// What `of` says of the function of each name.
    pub(super) fn new(of: impl Fn(&str) -> Parts) -> Self {
        Self { filter: of("filter"), score: of("score") }
    }

    /// The parts that `function` can read.
    pub(super) fn by(self, function: Function) -> Parts {
        match function {
            Function::Filter => self.filter,
            Function::Score => self.score,
        }
    }
}
