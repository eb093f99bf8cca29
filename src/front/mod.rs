//! The service as a state machine without I/O: [`Front::handle`] takes what happened and when, and writes what is to be done
//! into a buffer of [`Effect`]s. It never runs guest code, never waits, and reads no clock.
//!
//! It owns the cluster, the ledger and the questions under way. What drives it is the server (`server/`) or a simulation.

mod admin;
mod blame;
mod bucket;
mod cancel;
mod chance;
mod claims;
pub mod deadline;
mod effects;
mod events;
mod failures;
pub mod health;
pub mod metrics;
mod pause;
mod pending_queue;
mod pending_request;
mod placement_reply;
mod placing;
mod ports;
mod programs;
mod quarantine;
mod queue;
mod recorder;
mod replicas;
mod requests;
mod reservations;
mod routing;
mod runner_client;
mod shares;
mod shown;
mod silence;
mod snapshot;
mod spares;
mod task;
#[cfg(test)]
mod testing;
mod turns;
mod view;
mod wait_queue;
mod waiting;
mod worker_handle;
mod worker_pool;
mod worker_slot;

pub use effects::{Effect, MarkKind, MarkOrder, ReloadRequest};
pub use events::{Event, Setup, Tick};
pub use pause::PAUSE;
pub use ports::{ClusterView, NewWorker, ProcessLink};
pub use quarantine::QuarantineSettings;
pub use silence::LONGEST_TICK;
pub use task::Front;
