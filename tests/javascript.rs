//! The JavaScript engine against the contract of balancer scripts: each table says what a script is, and what comes of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "javascript/stand.rs"]
mod stand;

#[path = "javascript/answers.rs"]
mod answers;
#[path = "javascript/errors.rs"]
mod errors;
#[path = "javascript/isolation.rs"]
mod isolation;
#[path = "javascript/nodes.rs"]
mod nodes;
#[path = "javascript/shapes.rs"]
mod shapes;
#[path = "javascript/surroundings.rs"]
mod surroundings;
