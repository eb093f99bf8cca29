//! whither: to which node? A placement service for clusters of session hosts.
//!
//! An administrator's chain of scripts runs over the live node list for each request and answers with a node, or with
//! the reason why there is none. Imports only go down the floors of ARCHITECTURE.md: `model`, `clock`, `plain` and
//! `trace`, then `script`, `token` and `chain`, then `engine`, then `evaluator`, `explain`, `config` and `types`, then the processes and NATS,
//! then `agent` and `front`, then `server` and `simulate`, then `cli`.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::allow_attributes)]

#[cfg(feature = "agent")]
pub mod agent;
pub mod allocator;
pub mod backoff;
pub mod chain;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod evaluator;
pub mod explain;
#[cfg(feature = "service")]
pub mod front;
pub mod host;
#[cfg(feature = "service")]
pub mod ipc;
pub mod log;
pub mod model;
pub mod nats;
pub mod plain;
pub mod pulse;
#[cfg(feature = "service")]
pub mod registry;
pub mod resources;
#[cfg(feature = "service")]
pub mod runner;
pub mod script;
#[cfg(feature = "service")]
pub mod server;
#[cfg(feature = "service")]
pub mod simulate;
pub mod suite;
#[cfg(feature = "service")]
pub mod system_clock;
#[cfg(feature = "service")]
pub mod token;
pub mod trace;
#[cfg(feature = "service")]
pub mod types;
#[cfg(feature = "service")]
pub mod worker;
