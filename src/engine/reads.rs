//! The parts of a node that the per-node functions of a script read.

use crate::model::NodeParts;
use crate::script::NodeFunction;

/// The parts of a node that each function can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reads {
    filter: NodeParts,
    score: NodeParts,
}

impl Reads {
    /// Returns the parts that `of` returns for each function's name.
    pub(super) fn new(of: impl Fn(&str) -> NodeParts) -> Self {
        Self { filter: of("filter"), score: of("score") }
    }

    /// Returns the parts that `function` can read.
    pub(super) fn by(self, function: NodeFunction) -> NodeParts {
        match function {
            NodeFunction::Filter => self.filter,
            NodeFunction::Score => self.score,
        }
    }
}
