//! Explanations beyond the record of a decision: the changes with which a node would be chosen.
//!
//! The changes are found by trying. Fields of the node, and of the request, are changed one by one; a rehearsal of the
//! chain decides whether the node is chosen then. Nothing is read off the scripts but the names of fields and the
//! values they are compared with, so every language is explained alike, and each change that is found is true: the
//! change was tried. Rejected: weights as LIME and SHAP give them, which tell the average influence of a field and not
//! the needed change.
//!
//! A search is bounded by a number of tries and by time ([`SearchBudget`]).

mod changes;
mod costly;
mod excerpt;
mod fields;
mod sampled;
mod search;
mod supposition;
mod tree;
mod trials;
mod values;
mod vocabulary;

pub use changes::changes;
pub use costly::CostlyLines;
pub use excerpt::{draw, excerpt};
pub use search::search;
pub use tree::tree;
pub use trials::{MAX_TRIES, SearchBudget};
