//! The errors of a service that could not start, or could not go on.

use std::net::SocketAddr;
use std::{fmt, io};

use crate::nats::ConnectError;
use crate::worker::BirthError;

/// The reason why a service ended without being told to, or never began.
#[derive(Debug)]
pub enum ServiceError {
    /// The address of the HTTP port cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// No worker could be started with the chains of the config.
    Worker(BirthError),
    /// The settings of the connection can never lead to NATS.
    Connect(ConnectError),
    /// NATS refused a subscription.
    Subscribe(String),
    /// This machine refused a thread or random bytes.
    Host(io::Error),
    /// The task of this name ended, and the service cannot do without that task.
    TaskEnded(&'static str),
}

impl ServiceError {
    /// Whether a script of the config is at fault.
    #[must_use]
    pub const fn is_of_script(&self) -> bool {
        matches!(self, Self::Worker(BirthError::Refused(_) | BirthError::Died(Some(_), _)))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "the HTTP address {address} is taken by another process; see --http, or [http] in the config")
            }
            Self::Listen(address, error) => write!(f, "the HTTP address {address} cannot be listened on: {error}"),
            Self::Worker(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::Subscribe(error) => f.write_str(error),
            Self::Host(error) => error.fmt(f),
            Self::TaskEnded(task) => {
                write!(f, "the task `{task}` has ended, which no service can do without")
            }
        }
    }
}

impl std::error::Error for ServiceError {}

impl From<ConnectError> for ServiceError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<BirthError> for ServiceError {
    fn from(error: BirthError) -> Self {
        Self::Worker(error)
    }
}
