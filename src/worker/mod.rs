//! Workers: disposable processes that run scripts, and the front's side of them.
//!
//! Not every engine can bound a script from inside, so a script is bounded by a process that may die. This module knows
//! the evaluator and processes; the module does not know NATS, and nothing here decides a placement.

pub mod answer;
pub mod attempts;
pub mod blame;
pub mod child;
mod exhaustion;
mod guard;
mod outbox;
pub mod process;
pub mod protocol;
pub mod sandbox;
pub mod seal;
pub mod watch;
pub mod watchdog;

pub use process::{BirthError, Worker, WorkerEvent};
pub use protocol::{
    NOBODY, Overrun, PlacementQuestion, RunningStep, SuspendedStep, Ticket, WaitingDecision, WorkerAudience,
    WorkerCommand, WorkerInit, WorkerLimits, WorkerReply,
};
