//! What a source shows before it runs, read from the syntax tree once, when the script is loaded.
//!
//! `tree` is the bottom, with the parser, the functions at the top level and the targets of assignments (`targets`). On it
//! stand the single questions: what a function reads of a node (`reads`) and of the request (`depends`), whether it may
//! write to nodes (`writes`), to globals (`global_use`), to lengths (`lengths`), whether its top level keeps anything
//! (`stateless`). `source` asks them all. `scan` looks at the text before any parser does. Nothing here runs a script.

mod definitions;
pub(super) mod depends;
pub(super) mod edits;
pub(super) mod global_use;
pub(super) mod lengths;
pub(super) mod reads;
pub(super) mod scan;
pub(super) mod source;
mod stateless;
pub(super) mod survey;
mod targets;
pub(super) mod tree;
mod writes;
