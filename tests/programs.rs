//! Executables as chain steps in a running service: what they may do wrong, what they are told, what dies under them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

#[path = "programs/deaths.rs"]
mod deaths;
#[path = "programs/fastx4.rs"]
mod fastx4;
#[path = "programs/hostile.rs"]
mod hostile;
#[path = "programs/machine.rs"]
mod machine;
#[path = "programs/once.rs"]
mod once;
#[path = "programs/resident.rs"]
mod resident;
#[path = "programs/site.rs"]
mod site;
#[path = "programs/turns.rs"]
mod turns;
