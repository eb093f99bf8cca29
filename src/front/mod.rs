//! The service as a state machine without I/O: [`Front::handle`] is given an event and the time, and writes the
//! [`Effect`]s that follow into a buffer. The front never runs guest code, never waits, and reads no clock.
//!
//! The front owns the cluster, the ledger and the questions under way. The front is driven by the server (`server/`) or
//! by a simulation.

mod admin;
mod ask_window;
mod assigning;
mod blame;
mod bucket;
mod cancel;
mod census;
mod claims;
#[cfg(test)]
mod clock_jumps;
mod compiled;
mod costly;
mod crowding;
pub mod deadline;
mod effects;
mod events;
mod fact_table;
mod facts;
mod failures;
pub mod headroom;
pub mod health;
mod holds;
mod intake;
pub mod metrics;
mod minutes;
mod needs;
mod outlook;
mod pause;
mod pending_queue;
mod pending_request;
mod placement_log;
mod placement_reply;
mod placing;
mod ports;
mod programs;
mod quarantine;
mod queue;
mod recorder;
mod repeats;
mod replicas;
mod requests;
mod reservation_bounds;
mod reservations;
mod response_timer;
mod rng;
mod routing;
mod runner_client;
mod shares;
mod shown;
mod snapshot;
mod spares;
mod stage_spans;
mod starts;
pub mod status;
mod task;
#[cfg(test)]
mod testing;
mod ticks;
mod token_cache;
mod tokens;
mod turns;
mod view;
mod wait_budget;
mod wait_queue;
mod waiting;
mod worker_handle;
mod worker_pool;
mod worker_slot;

pub use effects::{AssignOrder, Effect, FactOrder, MarkKind, MarkOrder, ReloadRequest};
pub use events::{FrontEvent, Setup, Tick};
pub use pause::PAUSE;
pub use ports::{ClusterView, NewWorker, ProcessLink};
pub use quarantine::QuarantineSettings;
pub use response_timer::LONGEST_TICK;
pub use starts::{EarlierStart, StartRequest};
pub use task::Front;
pub use tokens::{TokenCheck, TokenVerdict};
