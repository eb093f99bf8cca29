//! Starts of sessions on this node: the service asks, the administrator's command starts.
//!
//! An agent without a start command or a job command listens to nobody. Whoever may publish on this node's subject may
//! start sessions as any user, so that subject is the service's alone (Contracts).

mod command_line;
mod desk;
mod launch;
mod leftovers;
mod memory;
mod runner;

use std::fmt;
use std::time::Duration;

pub use command_line::{CommandLine, CommandLineError};
pub(super) use desk::StartDesk;
pub use runner::{Runner, RunnerError};

/// The program that is run for a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartProgram {
    /// Starts the session.
    Session(CommandLine),
    /// Has a job scheduler start the session later.
    Job(CommandLine),
}

/// The settings of starts.
#[derive(Clone, Debug)]
pub struct StartSettings {
    /// The program.
    pub program: StartProgram,
    /// The runner that makes the program run as the requesting user; `None`: as the user of the agent.
    pub runner: Option<Runner>,
    /// The longest time that a start may take.
    pub limit: Duration,
    /// The most bytes that the program may print.
    pub max_output: usize,
    /// The environment of the program, beside `PATH` and the variables that describe the start; `{user}` and
    /// `{reservation}` are filled in.
    pub environment: Vec<(String, String)>,
    /// The most starts that are under way at once.
    pub at_once: usize,
}

impl fmt::Display for StartProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(line) => write!(f, "sessions by `{line}`"),
            Self::Job(line) => write!(f, "jobs by `{line}`"),
        }
    }
}
