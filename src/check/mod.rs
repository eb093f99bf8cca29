//! Finds mistakes in scripts before a request does: what compiles, and says something else than was meant.
//!
//! `script` has a script compiled by its engine, which gives a tree that is the same in all written languages; `flow`
//! follows values through the tree; `rules` look at the places where these values are used. `chain` looks at the steps
//! of a chain together. Each finding has a code with a page (`codes`, `pages`), and often what puts it right
//! (`finding`).
//!
//! No rule guesses: a value of which two things could be true is unknown, and says nothing. A check that cries wolf is
//! switched off. So names that administrators are free to choose (static data, metadata) are a finding only where they
//! look like a known one. Nothing here reads a file or runs a script.

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
