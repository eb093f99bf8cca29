//! The compiled tier: functions that can be said in WebAssembly are, and Boa stands behind each of them.
//!
//! Nothing here may answer anything that Boa would not answer: what compiled code was not made for ends it before anybody
//! has seen anything of it, and Boa runs the step from its beginning. `lower` reads the syntax tree into the form of `ir`,
//! `emit` writes a module of that, `table` keeps the nodes in the module's memory, `machine` asks it, and `tiered_run`
//! beside this folder decides between the tiers. docs/src/internals/compiled.md has the whole.

mod best;
mod cells;
mod dates;
mod dictionary;
mod emit;
mod host;
mod host_calls;
mod host_dictionaries;
mod host_json;
mod host_lists;
mod host_log;
mod host_numbers;
mod host_patterns;
mod host_texts;
mod ir;
mod kinds;
mod lower;
mod machine;
mod module_compiler;
mod paths;
mod request;
mod sorting;
mod strings;
mod table;
mod text_memo;
mod texts;
mod thrown;
mod tier;
mod unanswered;
mod value;
mod whole_list;

#[cfg(test)]
mod tests;

pub(super) use emit::MAX_LIST_ELEMENTS;
pub(super) use ir::BailCause;
pub(super) use machine::{Occasion, PassedLimit, Unanswered};
pub(super) use module_compiler::ModuleCompiler;
pub(super) use tier::{Compiled, Tier, Tiers};
pub(super) use whole_list::Scope;
