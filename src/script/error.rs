//! Why a script could not be loaded, or did not answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Failure, FailureName, LimitKind, Position, Thrown};

/// Why a script was refused when it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// What is wrong, and what to do about it.
    pub message: String,
    /// Where, as far as it is known.
    pub position: Option<Position>,
}

impl LoadError {
    /// A refusal of the whole source.
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

/// Why a running script gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptError {
    /// It threw; the words are its own.
    Thrown(Thrown, Option<Position>),
    /// It passed a limit that its engine could stop it at.
    Limit(LimitKind, String),
    /// The machine could not run it: no fault of the script's.
    Machine(String),
}

impl ScriptError {
    /// The message that the requester gets.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Thrown(thrown, _) => &thrown.message,
            Self::Limit(_, message) | Self::Machine(message) => message,
        }
    }

    /// The error as the failure of a request.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Thrown(thrown, position) => {
                let message = thrown.message.clone();
                Failure { position, thrown: Some(thrown), ..Failure::new(FailureName::ScriptError, message) }
            }
            Self::Limit(kind, message) => Failure::limit(kind, message),
            Self::Machine(message) => Failure::new(FailureName::Internal, message),
        }
    }
}
