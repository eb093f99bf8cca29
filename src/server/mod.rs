//! The server: drives the service and carries out the effects. Sockets, timers, processes and the HTTP port.
//!
//! One task owns the service: the task passes each event with the time to [`Front`](crate::front::Front), and carries
//! the effects out. Around that task stand others that only carry. So each decision is committed against one state,
//! nothing waits for a lock, and the service itself can be driven by a simulation as well.
//!
//! `service` starts all of that from a config, `settings` is the way from the config to it, `reload` reads the config
//! again, and `signals` say when.

mod connections;
pub mod error;
mod executor;
pub mod http;
mod inbox;
mod notify;
mod processes;
mod readiness;
mod reload;
mod running;
mod runtime;
pub mod service;
pub mod settings;
pub mod signals;
mod standstill;
mod starts;
mod telemetry;

use tokio::sync::watch;

use crate::front::health::Health;

pub use error::ServiceError;
pub use executor::{EffectSinks, Executor};
pub use inbox::{Inbox, Links};
pub use runtime::run;
pub use service::{ConfigSource, ServiceConfig};
pub use signals::Signals;

/// The channel to which the health of the service is published.
pub type Board = watch::Sender<Health>;

/// Creates a board with the default health.
#[must_use]
pub fn board() -> Board {
    watch::Sender::new(Health::default())
}
