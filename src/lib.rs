//! whither: to which node? A placement service for clusters of session hosts.
//!
//! An administrator's chain of scripts runs over the live node list for each request and answers with a node, or says
//! why none. Imports only go down the floors of ARCHITECTURE.md: `model`, `clock` and `plain`, then `script` and `chain`, then
//! `engine`, then `evaluator` and `config`, then the processes and NATS, then `front`, then `cli`.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::allow_attributes)]

#[cfg(feature = "agent")]
pub mod agent;
pub mod allocator;
pub mod backoff;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod evaluator;
#[cfg(feature = "service")]
pub mod front;
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
pub mod worker;
