//! The Rhai engine against the contract of balancer scripts: each table says what a script is, and what comes of it.

#[path = "javascript/stand.rs"]
mod stand;

#[path = "javascript/changes.rs"]
mod changes;

#[path = "rhai/answers.rs"]
mod answers;
#[path = "rhai/errors.rs"]
mod errors;
#[path = "rhai/limits.rs"]
mod limits;
#[path = "rhai/nodes.rs"]
mod nodes;
#[path = "rhai/reads.rs"]
mod reads;
#[path = "rhai/shapes.rs"]
mod shapes;
#[path = "rhai/surroundings.rs"]
mod surroundings;
