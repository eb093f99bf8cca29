//! The integration tests: one binary, which links the engines once.
//!
//! A module is called like what the module tests. Data of a module, where there is any, is below `tests/` in a folder of
//! the same name. Tests here run beside each other in one process: none may change its environment, folder or limits, and
//! ports are free ones. Rejected: a binary for each file. 36 of them took 54 CPU seconds more to build, and
//! ran one after the other.

mod agent;
mod assignments;
mod bench;
mod bus_security;
mod cases;
mod check;
mod clients;
mod config;
mod containment;
mod docs;
mod drain;
mod evaluator;
mod facts;
mod fastx;
mod fastx_env;
mod faults;
mod floors;
mod fuzz_seeds;
mod home_rules;
mod hostile;
mod import;
mod innocent;
mod javascript;
mod log;
mod packaging;
mod place;
mod plain;
mod programs;
mod registry;
mod replicas;
mod resident_helpers;
mod rhai;
mod scripts;
mod seal;
mod service;
mod simulate;
mod ssh;
mod starts;
mod status;
mod storm;
mod storm_bench;
mod suite;
mod support;
mod systemd;
mod tiers;
mod tokens;
#[cfg(feature = "opentelemetry")]
mod traces;
mod turns;
mod types;
mod wasm;
