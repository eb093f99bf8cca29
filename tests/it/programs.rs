//! Executables as chain steps in a running service: what they may do wrong, what they are told, what dies under them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod deaths;
mod fastx4;
mod hostile;
mod machine;
mod once;
mod resident;
mod site;
mod turns;
