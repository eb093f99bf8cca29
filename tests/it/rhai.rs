//! The Rhai engine against the contract of balancer scripts: each table says what a script is, and what comes of it.

mod answers;
mod errors;
mod limits;
mod nodes;
mod reads;
mod shapes;
mod surroundings;

use crate::javascript::{changes, stand};
