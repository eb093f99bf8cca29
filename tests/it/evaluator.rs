//! The Evaluator in process: changes and questions in, decisions out, the same ones every time.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

pub(crate) mod stand;

mod alike;
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
