//! The Evaluator in process: changes and questions in, decisions out, the same ones every time.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "evaluator/stand.rs"]
mod stand;

#[path = "evaluator/alike.rs"]
mod alike;
#[path = "evaluator/determinism.rs"]
mod determinism;
#[path = "evaluator/diagnoses.rs"]
mod diagnoses;
#[path = "evaluator/living.rs"]
mod living;
#[path = "evaluator/overlays.rs"]
mod overlays;
#[path = "evaluator/plans.rs"]
mod plans;
#[path = "evaluator/quarantine.rs"]
mod quarantine;
#[path = "evaluator/reservations.rs"]
mod reservations;
#[path = "evaluator/settings.rs"]
mod settings;
#[path = "evaluator/suspended.rs"]
mod suspended;
#[path = "evaluator/ties.rs"]
mod ties;
