//! The errors of a script that could not be loaded, or did not answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Failure, FailureName, LimitKind, Position, Thrown};

/// The reason why a script was refused at loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The fault, and the way to mend the fault.
    pub message: String,
    /// The place in the source, as far as the place is known.
    pub position: Option<Position>,
}

impl LoadError {
    /// Returns a refusal of the whole source, without a position.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), position: None }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for LoadError {}

/// The reason why a running script gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptError {
    /// The script threw; the message is the script's own.
    Thrown(Thrown, Option<Position>),
    /// The script passed a limit at which the engine could stop the script.
    Limit(LimitKind, String),
    /// The script passed a limit at this place, at which compiled code could be stopped.
    LimitAt(LimitKind, String, Position),
    /// The machine could not run the script: no fault of the script's.
    Machine(String),
}

impl ScriptError {
    /// Returns the message that the requester receives.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Thrown(thrown, _) => &thrown.message,
            Self::Limit(_, message) | Self::LimitAt(_, message, _) | Self::Machine(message) => message,
        }
    }

    /// Converts the error into the failure of a request.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Thrown(thrown, position) => {
                let message = thrown.message.clone();
                Failure { position, thrown: Some(thrown), ..Failure::new(FailureName::ScriptError, message) }
            }
            Self::Limit(kind, message) => Failure::limit(kind, message),
            Self::LimitAt(kind, message, position) => {
                Failure { position: Some(position), ..Failure::limit(kind, message) }
            }
            Self::Machine(message) => Failure::new(FailureName::Internal, message),
        }
    }
}
