//! The server: drives the service and carries out the effects. Sockets, timers, processes and the HTTP port.
//!
//! One task owns the service: the task passes each event with the time to [`Front`](crate::front::Front), and carries
//! the effects out. Around that task stand others that only carry. So each decision is committed against one state,
//! nothing waits for a lock, and the service itself can be driven by a simulation as well.

mod connections;
mod executor;
pub mod http;
mod inbox;
mod processes;
mod runtime;
mod standstill;

use tokio::sync::watch;

use crate::front::health::Health;

pub use executor::{EffectSinks, Executor};
pub use inbox::{Inbox, Links};
pub use runtime::run;

/// The channel to which the health of the service is published.
pub type Board = watch::Sender<Health>;

/// Creates a board with the default health.
#[must_use]
pub fn board() -> Board {
    watch::Sender::new(Health::default())
}
