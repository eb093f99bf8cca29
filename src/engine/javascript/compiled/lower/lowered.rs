//! A function in the intermediate form, with the tables that the function's module needs.

use super::super::ir::{Ex, Label, St, Ty};
use super::super::kinds::Kinds;
use super::super::paths::Paths;
use super::super::thrown::ThrowPlace;

/// A function in the intermediate form.
pub(in super::super) struct Lowered {
    /// The number of parameters: these are the first variables.
    pub(in super::super) parameters: usize,
    pub(in super::super) body: Vec<St>,
    pub(in super::super) result: Ex,
    pub(in super::super) kinds: Kinds,
    pub(in super::super) paths: Paths,
    /// Whether the function may change the list of nodes that the function gets.
    pub(in super::super) writes_lists: bool,
    /// The patterns of the function, each as source and flags, by number.
    pub(in super::super) patterns: Vec<(String, String)>,
    /// The places at which the function throws, by number.
    pub(in super::super) throws: Vec<ThrowPlace>,
    /// The number of members that the function writes into nodes.
    pub(in super::super) written: usize,
    /// The line and column of each label in the source; label 1 comes first.
    pub(super) label_places: Vec<(u32, u32)>,
}

impl Lowered {
    /// Returns the line and column of `label` in the source.
    pub(in super::super) fn place_of(&self, label: Label) -> Option<(u32, u32)> {
        self.label_places.get(label.checked_sub(1)?).copied()
    }

    /// Returns a function with another body over the same variables and a further variable of the kind `extra`.
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
