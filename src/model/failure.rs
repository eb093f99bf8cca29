//! The failures of requests, under the names that launchers can rely on.
//!
//! The names are a contract (ARCHITECTURE.md, Contracts); the codes follow HTTP's conventions.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The kinds of failure in replies to requesters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureName {
    /// The request is malformed.
    BadRequest,
    /// No chain is configured for the action.
    UnknownAction,
    /// The request's token has expired.
    TokenExpired,
    /// The request has no token that is accepted.
    TokenRefused,
    /// A script threw.
    ScriptError,
    /// A script returned an invalid verdict.
    BadVerdict,
    /// A script chose a node that does not exist.
    UnknownNode,
    /// A script chose a node that cannot take the request.
    UnplaceableNode,
    /// A script passed a limit.
    ScriptLimit,
    /// The chain ended without a node.
    NoNode,
    /// The session did not start on any of the nodes that were tried.
    StartFailed,
    /// The request needs a countable fact that is not known, or not known any more.
    UnknownFact,
    /// The request needs more of a countable fact than is free.
    FactExhausted,
    /// A queue is full.
    Overloaded,
    /// The requester cancelled the request.
    Cancelled,
    /// A fault of the service itself.
    Internal,
}

impl FailureName {
    /// Every name, in the contract's order.
    pub const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::UnknownAction,
        Self::TokenExpired,
        Self::TokenRefused,
        Self::ScriptError,
        Self::BadVerdict,
        Self::UnknownNode,
        Self::UnplaceableNode,
        Self::ScriptLimit,
        Self::NoNode,
        Self::StartFailed,
        Self::UnknownFact,
        Self::FactExhausted,
        Self::Overloaded,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::UnknownAction => "unknown-action",
            Self::TokenExpired => "token-expired",
            Self::TokenRefused => "token-refused",
            Self::ScriptError => "script-error",
            Self::BadVerdict => "bad-verdict",
            Self::UnknownNode => "unknown-node",
            Self::UnplaceableNode => "unplaceable-node",
            Self::ScriptLimit => "script-limit",
            Self::NoNode => "no-node",
            Self::StartFailed => "start-failed",
            Self::UnknownFact => "unknown-fact",
            Self::FactExhausted => "fact-exhausted",
            Self::Overloaded => "overloaded",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// Returns the failure name that is written `name` on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// Returns the meaning of the name, for a person.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::BadRequest => "the request cannot be read, or has a field of the wrong type or out of range",
            Self::UnknownAction => "no chain is configured for the action",
            Self::TokenExpired => "the request's token has expired: ask again with a new one",
            Self::TokenRefused => {
                "the request has no token, or one that `[tokens]` does not accept; the message says why"
            }
            Self::ScriptError => "a script threw; the message is the script's own",
            Self::BadVerdict => "a script returned what is no verdict",
            Self::UnknownNode => "a script chose a node that does not exist",
            Self::UnplaceableNode => "a script chose a node that cannot take the session: cordoned, full, stale, …",
            Self::ScriptLimit => "a script passed a limit; `limit` says which",
            Self::NoNode => "the chain ended without a node; the message says where the nodes went",
            Self::StartFailed => {
                "the session did not start on any of the nodes that were tried; `tries` has each reason"
            }
            Self::UnknownFact => "the request needs a countable fact that is not set, or that nobody renewed in time",
            Self::FactExhausted => {
                "the request needs more of a countable fact than is free; the message has the figures"
            }
            Self::Overloaded => {
                "a queue or another bound is full, which the message names, or the request's time was over before its turn came: ask again"
            }
            Self::Cancelled => "the requester called the request off",
            Self::Internal => "a fault of the service itself, or of the machine under it",
        }
    }

    /// Returns the code that goes with the name.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::TokenExpired | Self::TokenRefused => 401,
            Self::UnknownAction | Self::UnknownFact => 404,
            Self::ScriptError | Self::BadVerdict | Self::UnknownNode | Self::UnplaceableNode => 422,
            Self::Overloaded => 429,
            // The same code as nginx uses: the client has gone.
            Self::Cancelled => 499,
            Self::Internal => 500,
            Self::StartFailed => 502,
            Self::NoNode | Self::FactExhausted => 503,
            Self::ScriptLimit => 504,
        }
    }
}

impl fmt::Display for FailureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of limit that a script passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// CPU time, or wall time where only wall time is measured.
    Time,
    /// Memory.
    Memory,
    /// The size of the returned value or of the printed output.
    Output,
    /// The end of the process that ran the script.
    Crash,
}

impl LimitKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Time, Self::Memory, Self::Output, Self::Crash];

    /// Returns the meaning of the kind, for a person.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Time => "CPU time, or the wall time of an executable",
            Self::Memory => "the memory of the worker, or of a component",
            Self::Output => "the size of what the script returned or the executable printed",
            Self::Crash => "the script ended the process that ran it",
        }
    }

    /// Returns the kind on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Crash => "crash",
        }
    }
}

/// The error that a script threw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thrown {
    /// The error's name, e.g. `TypeError`; `Error` where another value was thrown.
    pub name: String,
    /// The error's own message.
    pub message: String,
}

/// A place in an administrator's own source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file, as the config or the command line names the file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The failure of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub name: FailureName,
    /// The message for the requester; the script's own message where the script threw.
    pub message: String,
    /// The step that failed.
    pub step: Option<Arc<str>>,
    /// The place of the failure in the step's source.
    pub position: Option<Position>,
    /// The limit that was passed, for [`FailureName::ScriptLimit`].
    pub limit: Option<LimitKind>,
    /// The thrown error, for [`FailureName::ScriptError`].
    pub thrown: Option<Thrown>,
}

impl Failure {
    /// Returns a failure with nothing but a message.
    #[must_use]
    pub fn new(name: FailureName, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), step: None, position: None, limit: None, thrown: None }
    }

    /// Returns the same failure, attributed to `step`.
    #[must_use]
    pub fn at_step(mut self, step: &Arc<str>) -> Self {
        self.step = Some(Arc::clone(step));
        self
    }

    /// Returns a `script-limit` of the given kind.
    #[must_use]
    pub fn limit(kind: LimitKind, message: impl Into<String>) -> Self {
        Self { limit: Some(kind), ..Self::new(FailureName::ScriptLimit, message) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)?;
        match (&self.position, &self.step) {
            (Some(position), _) => write!(f, " (at {position})"),
            (None, Some(step)) if !self.message.contains(&**step) => write!(f, " (step {step})"),
            (None, _) => Ok(()),
        }
    }
}
