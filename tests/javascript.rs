//! The JavaScript engine against the contract of balancer scripts: each table says what a script is, and what comes of it.

#[path = "javascript/stand.rs"]
mod stand;

#[path = "javascript/changes.rs"]
mod changes;

#[path = "javascript/answers.rs"]
mod answers;
#[path = "javascript/beside_node.rs"]
mod beside_node;
#[path = "javascript/errors.rs"]
mod errors;
#[path = "javascript/isolation.rs"]
mod isolation;
#[path = "javascript/lengths.rs"]
mod lengths;
#[path = "javascript/nodes.rs"]
mod nodes;
#[path = "javascript/reads.rs"]
mod reads;
#[path = "javascript/shapes.rs"]
mod shapes;
#[path = "javascript/surroundings.rs"]
mod surroundings;
