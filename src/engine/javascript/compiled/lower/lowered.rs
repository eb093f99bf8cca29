//! A function in the intermediate form, with what its module needs beside.

use super::super::ir::{Ex, Label, St, Ty};
use super::super::kinds::Kinds;
use super::super::paths::Paths;
use super::super::thrown::ThrowPlace;

/// A function in the intermediate form.
pub(in super::super) struct Lowered {
    /// The variables that it is given its arguments in.
    pub(in super::super) parameters: usize,
    pub(in super::super) body: Vec<St>,
    pub(in super::super) result: Ex,
    pub(in super::super) kinds: Kinds,
    pub(in super::super) paths: Paths,
    /// Whether it may change the list of nodes that it is given.
    pub(in super::super) writes_lists: bool,
    /// The patterns that it matches texts with, source and flags, by number.
    pub(in super::super) patterns: Vec<(String, String)>,
    /// The places at which it throws, by number.
    pub(in super::super) throws: Vec<ThrowPlace>,
    /// How many members it writes into nodes.
    pub(in super::super) written: usize,
    /// Where each label was made in the source, line and column; the first one is number 1.
    pub(super) label_places: Vec<(u32, u32)>,
}

impl Lowered {
    /// The line and column that `label` stands for.
    pub(in super::super) fn place_of(&self, label: Label) -> Option<(u32, u32)> {
        self.label_places.get(label.checked_sub(1)?).copied()
    }

    /// Another function over the same variables and one more, of the kind `extra`.
    pub(in super::super) fn with_body(&self, body: Vec<St>, result: Ex, extra: Ty) -> Self {
        let mut kinds = self.kinds.0.clone();
        kinds.push(extra);
        Self {
            parameters: self.parameters,
            body,
            result,
            kinds: Kinds(kinds),
            paths: self.paths.clone(),
            writes_lists: self.writes_lists,
            patterns: self.patterns.clone(),
            throws: self.throws.clone(),
            written: self.written,
            label_places: self.label_places.clone(),
        }
    }
}
