//! Finds mistakes in scripts before a request does: code that compiles and means something else than its author meant.
//!
//! `script` has a script compiled by the engine of the language, which gives a tree that is the same in all written
//! languages; `flow` follows values through the tree; `rules` look at the places where these values are used. `chain`
//! looks at the steps of a chain together. Each finding has a code with a page (`codes`, `pages`), and often a fix
//! (`finding`).
//!
//! No rule guesses: a value of which two things could be true is unknown, and gives no finding. A check that cries wolf
//! is switched off. So names that administrators are free to choose (static data, metadata) are a finding only where
//! they look like a known name. Nothing here reads a file or runs a script.

mod chain;
pub mod codes;
mod fields;
pub mod finding;
mod flow;
pub mod json;
mod pages;
mod paths;
mod rules;
pub mod sarif;
mod script;
mod value;
mod visit;

pub use chain::chain;
pub use codes::Code;
pub use finding::{CheckedFile, Finding, FindingLevel, Fix};
pub use pages::CodePage;
pub use rules::unknown_ids;
pub use script::{ChainEnding, Checker, ScriptReport};
