//! Errors that compiled code throws: Boa says once where each place of the script stands, and its words are known.

use std::rc::Rc;

/// A place at which a script throws, with the name of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct ThrowPlace {
    pub(in super::super) name: Rc<str>,
}

/// An error on its way: the number of its place, and the script's words.
#[derive(Clone, Debug)]
pub(super) struct ThrownText {
    pub(super) place: usize,
    pub(super) message: Rc<str>,
}
