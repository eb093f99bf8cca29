//! The front: the process that talks to the world. It never runs guest code and never waits for any.
//!
//! One task owns the cluster, the ledger and the questions under way, and turns events into orders and replies; around
//! it stand tasks that only carry. So each decision is committed against one state, and nothing waits for a lock.

mod admin;
mod bucket;
mod chance;
mod claims;
mod connections;
mod crew;
pub mod deadline;
mod errands;
mod events;
mod failures;
mod flight;
mod guilt;
mod hand;
pub mod health;
mod homes;
pub mod http;
mod inbox;
mod lane;
pub mod metrics;
mod pause;
mod placing;
mod programs;
mod quarantine;
mod queue;
mod replicas;
mod requests;
mod reservations;
mod shares;
mod shown;
mod silence;
mod spares;
mod task;
mod turns;
mod view;
mod waiting;

pub use events::{Event, Links, Outlets, ReloadRequest, Setup};
pub use inbox::{Inbox, run};
pub use quarantine::QuarantineSettings;
pub use task::Front;
