//! The end of a command: the exit codes of the contract, and the messages.

use std::fmt;

use crate::model::{Failure, FailureName};
use crate::plain::Plain;

/// Everything else that went wrong.
pub const OTHER: u8 = 1;
/// The command line, the config or an input file is wrong or unreadable.
pub const USAGE: u8 = 2;
/// No node.
pub const NO_NODE: u8 = 3;
/// A script's fault.
pub const SCRIPT: u8 = 4;
/// A script passed a limit.
pub const LIMIT: u8 = 5;
/// A check found something, an import left something out, or a look at the service shows a fault.
pub const FINDING: u8 = 6;
/// A session did not start.
pub const START: u8 = 7;

/// Every exit code of the contract, and the meaning of the code.
pub const CODES: [(u8, &str); 8] = [
    (0, "done: placed, where a placement was asked for"),
    (OTHER, "anything else"),
    (USAGE, "the command line, the config or an input file is wrong or cannot be read"),
    (NO_NODE, "no node, or none free of a countable fact"),
    (SCRIPT, "a script's fault"),
    (LIMIT, "a script passed a limit"),
    (
        FINDING,
        "`whither check` found something, `whither import` left something out, or `whither status` or `nodes ping` shows a fault",
    ),
    (START, "`whither start`: the session did not start"),
];

/// The end of a command that did not do its task.
#[derive(Debug)]
pub struct CommandExit {
    /// The process's exit code.
    pub code: u8,
    /// The message for a person.
    pub message: String,
    /// The messages that were printed already, a line each.
    pub told: String,
}

impl CommandExit {
    /// Returns the exit with `code` and `message`.
    #[must_use]
    pub fn new(code: u8, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), told: String::new() }
    }

    /// Returns the exit with `code` where every message was printed already.
    #[must_use]
    pub fn shown(code: u8) -> Self {
        Self { code, message: String::new(), told: String::new() }
    }

    /// Returns all words of this exit, also those that were printed before.
    #[must_use]
    pub fn words(&self) -> &str {
        if self.message.is_empty() { self.told.trim_end() } else { &self.message }
    }

    /// Returns the exit because of wrong input from the user.
    #[must_use]
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(USAGE, message)
    }

    /// Returns the exit for a placement's failure.
    #[must_use]
    pub fn failed(failure: &Failure) -> Self {
        Self::new(code(failure.name), Plain(failure))
    }
}

impl fmt::Display for CommandExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandExit {}

/// Returns the exit code of a placement that failed for `name`.
#[must_use]
pub const fn code(name: FailureName) -> u8 {
    match name {
        FailureName::BadRequest
        | FailureName::UnknownAction
        | FailureName::UnknownFact
        | FailureName::TokenExpired
        | FailureName::TokenRefused => USAGE,
        FailureName::NoNode | FailureName::FactExhausted => NO_NODE,
        FailureName::ScriptError
        | FailureName::BadVerdict
        | FailureName::UnknownNode
        | FailureName::UnplaceableNode => SCRIPT,
        FailureName::ScriptLimit => LIMIT,
        FailureName::StartFailed => START,
        FailureName::Overloaded | FailureName::Cancelled | FailureName::Internal => OTHER,
    }
}
