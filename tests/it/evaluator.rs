//! The Evaluator in process: changes and questions in, decisions out, the same ones every time.

pub(crate) mod stand;

mod alike;
mod counterfactuals;
mod determinism;
mod diagnoses;
mod living;
mod overlays;
mod plans;
mod quarantine;
mod reservations;
mod settings;
mod suspended;
mod ties;
