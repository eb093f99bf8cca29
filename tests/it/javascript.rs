//! The JavaScript engine against the contract of balancer scripts: each table says what a script is, and what comes of it.

pub(crate) mod stand;

pub(crate) mod changes;

mod answers;
mod beside_node;
mod errors;
mod isolation;
mod lengths;
mod nodes;
mod reads;
mod shapes;
mod surroundings;
