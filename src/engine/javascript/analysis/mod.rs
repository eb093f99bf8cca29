//! The analyses of a source before the source runs, read from the syntax tree once, at loading.
//!
//! `tree` is the base, with the parser, the functions at the top level and the targets of assignments (`targets`). On
//! `tree` stand the single analyses: the parts of a node that a function reads (`reads`), the paths into the request
//! (`depends`), writes to nodes (`writes`), to globals (`global_use`) and to lengths (`lengths`), and whether the top
//! level keeps state (`stateless`). `source` calls all of them. `scan` checks the text before any parser reads the
//! text. `method_calls` runs only after an error, and finds the lookup that failed. Nothing here runs a script.

mod definitions;
pub(super) mod depends;
pub(super) mod edits;
pub(super) mod global_use;
pub(super) mod lengths;
pub(super) mod method_calls;
pub(super) mod reads;
pub(super) mod rests;
pub(super) mod scan;
pub(super) mod source;
mod stateless;
pub(super) mod survey;
mod targets;
pub(super) mod tree;
mod writes;
