//! Workers: disposable processes that run scripts, and the front's side of them.
//!
//! A script cannot be bounded from inside every engine, so it is bounded by a process that may die. This floor knows the
//! evaluator and processes; it does not know NATS, and nothing here decides a placement.

pub mod child;
pub mod desk;
pub mod frame;
pub mod guilt;
pub mod now;
pub mod orders;
pub mod process;
pub mod protocol;
pub mod sandbox;
pub mod watchdog;

pub use desk::Desk;
pub use now::unix_ms;
pub use orders::{Encoded, Orders};
pub use process::{BirthError, Ended, Worker, WorkerEvent};
pub use protocol::{Audience, Birth, Order, Overrun, Question, Reply, Running, WorkerLimits};
