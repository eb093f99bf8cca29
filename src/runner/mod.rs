//! The runner: a small process that starts the programs of executable steps, reads their answers, and leaves no process
//! behind.
//!
//! Programs are the administrator's: trusted, and guarded against accidents. They get limits, a process group of their
//! own and an end; they are not sealed. The runner mirrors the cluster, so that a program is told of nodes without
//! serialising the list again, and the runner is the subreaper of all processes that programs leave behind. This module
//! knows the worker's frames and questions; the module does not know NATS, decides nothing and evaluates nothing.

pub mod answer;
mod capture;
pub mod child;
mod crowd;
mod document;
pub mod family;
mod feed;
mod kernel;
mod mirror;
mod once;
mod priority;
pub mod process;
pub mod protocol;
mod reaper;
mod resident;
mod residents;
mod run;
mod scheduler;
mod spawn;
mod telling;

pub use process::{RunnerEvent, RunnerProcess};
pub use protocol::{ProgramLimits, ProgramQuestion, ProgramSet, RunnerCommand, RunnerInit};
