//! Explanations beyond the record of a decision: what would have to differ for a node to be chosen.
//!
//! The answer is found by trying. Fields of the node, and of the request, are changed one by one; a rehearsal of the chain
//! says whether the node is chosen then. Nothing is read off the scripts but the names of fields and the values they are
//! compared with, so every language is explained alike, and what is found is true: it was tried. Rejected: weights as LIME
//! and SHAP give them, which say what mattered on the average and not what to change.
//!
//! A search is bounded by a number of tries and by time ([`SearchBudget`]).

mod changes;
mod excerpt;
mod fields;
mod search;
mod supposition;
mod tree;
mod trials;
mod values;
mod vocabulary;

pub use changes::changes;
pub use excerpt::{draw, excerpt};
pub use search::search;
pub use tree::tree;
pub use trials::{MAX_TRIES, SearchBudget};
