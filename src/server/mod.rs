//! The server: what drives the service and carries out what it wants. Sockets, timers, processes and the HTTP port.
//!
//! One task owns the service: it hands each event to [`Front`](crate::front::Front) with the time, and carries the effects
//! out. Around that task stand others that only carry. So each decision is committed against one state, nothing waits for a
//! lock, and the service itself can be driven by a simulation as well.
//!
//! `service` starts all of that from a config, `settings` is the way from the config to it, `reload` reads the config
//! again, and `signals` say when.

mod connections;
pub mod error;
mod executor;
pub mod http;
mod inbox;
mod processes;
mod reload;
mod running;
mod runtime;
pub mod service;
pub mod settings;
pub mod signals;
mod standstill;

use tokio::sync::watch;

use crate::front::health::Health;

pub use error::ServiceError;
pub use executor::{EffectSinks, Executor};
pub use inbox::{Inbox, Links};
pub use runtime::run;
pub use service::{ConfigSource, ServiceConfig};
pub use signals::Signals;

/// Where the service's state is written and others read it.
pub type Board = watch::Sender<Health>;

/// An empty board.
#[must_use]
pub fn board() -> Board {
    watch::Sender::new(Health::default())
}
