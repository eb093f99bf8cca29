//! The service as a state machine without I/O: [`Front::handle`] takes what happened and when, and writes what is to be done
//! into a buffer of [`Effect`]s. It never runs guest code, never waits, and reads no clock.
//!
//! It owns the cluster, the ledger and the questions under way. What drives it is the server (`server/`) or a simulation.

mod admin;
mod bucket;
mod chance;
mod claims;
mod crew;
pub mod deadline;
mod effects;
mod errands;
mod events;
mod failures;
mod flight;
mod guilt;
mod hand;
pub mod health;
mod homes;
mod lane;
pub mod metrics;
mod pause;
mod placing;
mod ports;
mod programs;
mod quarantine;
mod queue;
mod replicas;
mod requests;
mod reservations;
mod shares;
mod shown;
mod silence;
mod snapshot;
mod spares;
mod task;
mod turns;
mod view;
mod waiting;

pub use effects::{Effect, MarkKind, MarkOrder, ReloadRequest};
pub use events::{Event, Setup, Tick};
pub use pause::PAUSE;
pub use ports::{ClusterView, NewWorker, ProcessLink};
pub use quarantine::QuarantineSettings;
pub use silence::LONGEST_TICK;
pub use task::Front;
